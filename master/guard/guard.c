/*
 * guard.c - the first process: starts and watches the others, takes the signals, ends all in order.
 *
 * life     STARTING -> (master READY) RUNNING -> (SIGTERM) DRAINING -> (last worker gone) LEAVING -> (master gone) DONE
 *          STARTING -> (master FAILED or dead) DONE with status 1, nothing was bound
 * signals  all are blocked and read from a signalfd: that works for pid 1 of a namespace too, where a signal whose
 *          action is the default would be dropped (a blocked one is not).
 *
 * Not here: configuration, listening, HTTP. What could crash is in the other processes.
 */
#include "master/guard/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "common/base/title.h"
#include "common/face.h"
#include "master/guard/insist.h"
#include "shm/targets.h"

#define STOP_EXTRA (2 * GUARD_SECOND) /* beyond the grace times, then SIGKILL */
#define STOP_NOW (1 * GUARD_SECOND)   /* the same when a second signal asked for haste */
#define STARVED_RETRY_MS 10

/* ---- stopping ---- */
static void leave(struct guard *guard)
{
    struct control_message stop = {.kind = CONTROL_STOP};

    guard->phase = guard->master.pid == 0 ? GUARD_DONE : GUARD_LEAVING;
    guard->deadline_ns = process_clock_ns() + STOP_EXTRA;
    log_info("Stopped"); /* the master writes it, as its last deed */
    child_send(&guard->master, &stop, NULL, 0);
}

static void stop(struct guard *guard, int signal)
{
    int64_t now = process_clock_ns(), accept_ns = guard->grace_ns[0];

    if (guard->phase == GUARD_DRAINING || guard->phase == GUARD_LEAVING) {
        log_info("Stopping at once: second signal (%s)", strsignal(signal));
        keep_close_all(guard);
        messages_stop(guard, 0, 0);
        if (guard->deadline_ns > now + STOP_NOW) {
            guard->deadline_ns = now + STOP_NOW;
        }
        return;
    }
    atomic_store(&board_tree(guard->board)->stopping, 1);
    bool shared = share_leave(guard);

    if (shared && accept_ns < GUARD_EMPTYING) {
        accept_ns = GUARD_EMPTYING;
    }
    log_info("Stopping (%s): new requests for %lld ms, then up to %lld ms to finish", strsignal(signal),
             (long long)(accept_ns / GUARD_MS), (long long)(guard->grace_ns[1] / GUARD_MS));
    guard->phase = GUARD_DRAINING;
    guard->stop_accept_ns = now + accept_ns + (shared ? GUARD_LETTING_GO : 0);
    guard->deadline_ns = guard->stop_accept_ns + guard->grace_ns[1] + STOP_EXTRA;
    messages_stop(guard, accept_ns, guard->grace_ns[1]);
    (void)upgrade_dismiss_old(guard);
}

/* Deadlines of the phases. */
static void advance(struct guard *guard, int64_t now)
{
    switch (guard->phase) {
    case GUARD_DRAINING:
        if (guard->kept && now >= guard->stop_accept_ns) {
            keep_close_all(
                guard); /* workers close theirs at the same time: new connections are refused from here */
        }
        if (now >= guard->deadline_ns && children_workers_alive(guard)) {
            log_warn("The grace time is over: workers that are left are killed");
            children_kill(guard, SIGKILL);
            guard->deadline_ns = now + STOP_NOW;
        }
        if (!children_workers_alive(guard)) {
            leave(guard);
        }
        break;
    case GUARD_LEAVING:
        if (now >= guard->deadline_ns && guard->master.pid != 0) {
            (void)kill(guard->master.pid, SIGKILL);
            guard->deadline_ns = now + STOP_NOW;
        }
        break;
    case GUARD_STARTING:
    case GUARD_RUNNING:
    case GUARD_DONE:
        break;
    }
}

/* ---- signals ---- */
static void forward(struct guard *guard, int signal)
{
    struct control_message message = {.kind = CONTROL_SIGNAL, .number = (uint64_t)signal};

    guard->hangup_waits = guard->hangup_waits || signal == SIGHUP; /* this one may be dying: see children.c */
    if (guard->master.pid == 0 && signal == SIGHUP) {
        guard->master.start_at_ns = 0; /* it reads the configuration anyway: now */
        return;
    }
    child_send(&guard->master, &message, NULL, 0);
}

static void read_signals(struct guard *guard)
{
    struct signalfd_siginfo info;

    while (read(guard->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        switch (info.ssi_signo) {
        case SIGCHLD:
            children_reap(guard);
            break;
        case SIGTERM:
        case SIGINT:
            stop(guard, (int)info.ssi_signo);
            break;
        case SIGUSR2:
            upgrade_begin(guard, process_clock_ns());
            break;
        default:
            forward(guard, (int)info.ssi_signo);
            break;
        }
    }
}

static int open_signals(struct guard *guard, struct error *why)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    guard->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (guard->signals == -1 || sigprocmask(SIG_BLOCK, &set, NULL) == -1) {
        return error_set(why, -errno, "cannot take signals: %s", strerror(errno));
    }
    return 0;
}

/* ---- the loop ---- */
static void watch_child(struct pollfd *polled, const struct child *child, bool *starved)
{
    bool waiting = outbox_waiting(&child->out);

    polled->fd = child->out.channel; /* -1 is left out by poll() */
    polled->events = (short)(POLLIN | (waiting && !child->out.starved ? POLLOUT : 0));
    polled->revents = 0;
    *starved = *starved || (waiting && child->out.starved);
}

static void flush_child(struct child *child)
{
    int rc = child->out.channel != -1 && outbox_waiting(&child->out) ? outbox_flush(&child->out) : 0;

    if (rc < 0) {
        child_broken(child, rc);
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int poll_timeout(const struct guard *guard, int64_t now, bool starved)
{
    int64_t next = children_next_due(guard);

    if (guard->phase == GUARD_DRAINING && guard->kept) {
        next = earlier(next, guard->stop_accept_ns);
    }
    if (guard->phase == GUARD_DRAINING || guard->phase == GUARD_LEAVING) {
        next = earlier(next, guard->deadline_ns);
    }
    int64_t wait = next == INT64_MAX ? -1 : (next > now ? (next - now + GUARD_MS - 1) / GUARD_MS : 0);

    if (starved && (wait < 0 || wait > STARVED_RETRY_MS)) {
        wait = STARVED_RETRY_MS;
    }
    return wait > 3600 * 1000 ? 3600 * 1000 : (int)wait;
}

/* Slots: at each turn, because a death is worth a loan at once; what only time brings, when hearts are looked at. */
static void tend(struct guard *guard, int64_t now)
{
    bool tick = hearts_check(guard, now);

    lend_tend(guard, now);
    if (tick) {
        board_mend(guard->board, guard->slots);
        life_set(&board_tree(guard->board)->stopping, 0);
        retire_tend(guard, now);
    }
    upgrade_tend(guard, now);
    shards_tend(guard, now);
}

static void turn(struct guard *guard, struct pollfd *polled)
{
    int64_t now = process_clock_ns();
    bool starved = false;

    children_start_due(guard, now);
    if (guard->phase == GUARD_RUNNING) {
        tend(guard, now);
    }
    polled[0] = (struct pollfd){.fd = guard->signals, .events = POLLIN};
    watch_child(&polled[1], &guard->master, &starved);
    /* Only those in use: poll() refuses more entries than RLIMIT_NOFILE has numbers. */
    unsigned slots = 0, count = 2;
    unsigned polled_slots[BOARD_WORKERS];

    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        if (guard->workers[slot].out.channel != -1) {
            polled_slots[slots++] = slot;
            watch_child(&polled[count++], &guard->workers[slot], &starved);
        }
    }
    show(guard, now);
    if (poll(polled, count, poll_timeout(guard, now, starved)) == -1 && errno != EINTR) {
        log_error("poll: %s", strerror(errno));
    }
    flush_child(&guard->master);
    if (polled[1].revents & (POLLIN | POLLHUP | POLLERR)) {
        messages_from_master(guard);
    }
    for (unsigned i = 0; i < slots; i++) {
        struct child *worker = &guard->workers[polled_slots[i]];

        flush_child(worker);
        if (polled[2 + i].revents & (POLLIN | POLLHUP | POLLERR)) {
            messages_from_worker(guard, worker);
        }
    }
    read_signals(guard);
    advance(guard, process_clock_ns());
}

/* ---- start ---- */
/* Standard descriptors that are closed would be given to sockets, and 3 to 6 are the children's. */
static void fill_descriptors(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (fd != -1 && fd <= PROCESS_LAST_FD);
    if (fd != -1) {
        close(fd);
    }
    for (int standard = 0; standard <= 2; standard++) {
        int flags = fcntl(standard, F_GETFD);

        if (flags != -1 && (flags & FD_CLOEXEC)) {
            (void)fcntl(standard, F_SETFD, flags & ~FD_CLOEXEC);
        }
    }
}

/* As many descriptors as the hard limit allows, as Go programs take them. False, and said, when no process of the tree could
 * live with that; what the configuration needs beyond it the master knows. */
static bool raise_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1) {
        return true;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_max < PROCESS_DESCRIPTORS_LEAST) {
        (void)dprintf(STDERR_FILENO, "weir: %llu descriptors are too few, at least %u are needed: %s\n",
                      (unsigned long long)limit.rlim_max, PROCESS_DESCRIPTORS_LEAST,
                      PROCESS_DESCRIPTORS_RAISE);
        return false;
    }
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur < PROCESS_SPACE_LEAST) {
        (void)dprintf(
            STDERR_FILENO,
            "weir: %llu bytes of address space are too few, workers take 32 GiB of it and no memory: "
            "raise the limit (ulimit -v, LimitAS= of systemd)\n",
            (unsigned long long)limit.rlim_cur);
        return false;
    }
    if (getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur < PROCESS_DATA_LEAST) {
        (void)dprintf(STDERR_FILENO,
                      "weir: %llu bytes of data (RLIMIT_DATA) are too few, at least %llu are needed: "
                      "raise the limit (ulimit -d, LimitDATA= of systemd)\n",
                      (unsigned long long)limit.rlim_cur, (unsigned long long)PROCESS_DATA_LEAST);
        return false;
    }
    return true;
}

/* A binary with file capabilities starts closed to its own user, who is to look at the board (`weir status`). Who has
 * fewer capabilities than we is kept out by the kernel all the same. */
static void stay_readable(void)
{
    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* Whoever started us hands down what it ignores: with SIGCHLD nobody could be waited for. What writing brings is an error. */
static void settle_signals(void)
{
    (void)signal(SIGCHLD, SIG_DFL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
}

static int open_executable(struct guard *guard, struct error *why)
{
    guard->executable = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (guard->executable == -1) {
        return error_set(why, -errno, "cannot open /proc/self/exe: %s (is /proc mounted?)", strerror(errno));
    }
    return 0;
}

/* The first guard's: nothing is there yet. */
static int make_board(struct guard *guard, struct error *why)
{
    int rc = board_create(&guard->board_fd, why);

    if (rc == 0 && (rc = board_map(guard->board_fd, &guard->board, why)) == 0 &&
        (rc = logs_map(guard, why)) == 0) {
        rc = logs_join(guard, why);
    }
    return rc;
}

/* What an earlier build may not have had. */
static int make_rest(struct guard *guard, struct error *why)
{
    int rc = guard->targets_fd == -1 ? targets_create(&guard->targets_fd, why) : 0;

    if (rc < 0) {
        return rc;
    }
    if (guard->names_fd == -1) {
        guard->names_fd = memfd_create("weir-names", MFD_CLOEXEC); /* without it a new master asks first */
    }
    if (guard->keys_fd == -1) {
        guard->keys_fd =
            memfd_create("weir-keys", MFD_CLOEXEC); /* without it clients begin new TLS sessions */
    }
    if (guard->settings_fd == -1) {
        guard->settings_fd =
            memfd_create("weir-settings", MFD_CLOEXEC); /* without it a new master needs a good file */
    }
    return open_signals(guard, why);
}

static int prepare(struct guard *guard, const char *announced, struct error *why)
{
    int rc;

    do {
        rc = open_executable(guard, why);
    } while (insist_again(rc));
    if (rc == 0 && (rc = upgrade_arrive(guard, announced, why)) == 0) {
        rc = make_board(guard, why);
    }
    if (rc < 0) {
        return rc;
    }
    do {
        rc = make_rest(guard, why);
    } while (insist_again(rc));
    return rc;
}

static struct guard *guard_new(char **arguments)
{
    struct guard *guard = xcalloc(1, sizeof(*guard));

    guard->phase = GUARD_STARTING;
    guard->since_ns = process_clock_ns();
    guard->executable = guard->board_fd = guard->rings_fd = guard->signals = guard->names_fd = -1;
    guard->targets_fd = guard->keys_fd = guard->settings_fd = -1;
    guard->arguments = arguments;
    guard->upgrade = (struct upgrade){.executable = -1, .output = -1};
    outbox_init(&guard->master.out, -1);
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        outbox_init(&guard->workers[slot].out, -1);
        guard->workers[slot].lent_to = -1;
    }
    return guard;
}

static void guard_free(struct guard *guard)
{
    keep_close_all(guard);
    shards_close_all(guard);
    left_free(guard);
    outbox_close(&guard->master.out);
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        outbox_close(&guard->workers[slot].out);
    }
    board_unmap(guard->board);
    free(guard->path);
    free(guard);
}

int face_guard(int argc, char **argv)
{
    struct pollfd polled[2 + BOARD_WORKERS];
    struct error why;

    bool arriving = upgrade_is_arriving();

    if (arriving) {
        insist_begin();
    }
    fill_descriptors();
    settle_signals();
    if (!raise_limits() && !arriving) {
        return 1;
    }
    stay_readable();
    char *path = upgrade_path(program_invocation_name); /* before the title takes its place */
    char *announced = upgrade_announced();
    struct guard *guard = guard_new(title_init(argc, argv));

    guard->path = path;
    title_set("weir: guard");
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_COMMON, "guard"); /* until the master says what the user wants */
    if (prepare(guard, announced, &why) < 0) {
        (void)dprintf(STDERR_FILENO, "weir: %s\n", why.text);
        guard->status = 1;
        guard->phase = GUARD_DONE;
    }
    free(announced);
    children_reap(guard); /* who ended while we were being replaced */
    while (guard->phase != GUARD_DONE) {
        turn(guard, polled);
    }
    int status = guard->status;

    logs_end(guard);
    guard_free(guard);
    return status;
}
