/*
 * children.c - master and workers: started, connected to each other, reaped, started again.
 *
 * The first start after a death is at once; a child that dies again within ten seconds waits 50 ms, then twice as long
 * each time up to a second. Not here: who is alive and does nothing (hearts.c).
 */
#include "master/guard/guard.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/process.h"

#define BACKOFF_FIRST (50 * GUARD_MS)
#define BACKOFF_MOST (1 * GUARD_SECOND)
#define FAILED_AGAIN (5 * GUARD_SECOND)
#define LIFE_GOOD (10 * GUARD_SECOND)

void child_send(struct child *child, struct control_message *message, const int *fds, size_t count)
{
    if (child->out.channel == -1) {
        return;
    }
    int rc = outbox_send(&child->out, message, fds, count);

    if (rc < 0) {
        child_broken(child, rc);
    }
}

void child_broken(struct child *child, int rc)
{
    if (rc != -EPIPE && rc != -ECONNRESET) {
        log_error("Cannot send to process %d: %s", (int)child->pid, strerror(-rc));
        outbox_close(&child->out);
    }
}

static bool running(const struct guard *guard)
{
    return guard->phase == GUARD_STARTING || guard->phase == GUARD_RUNNING;
}

static void delay_next(struct child *child, int64_t now)
{
    child->start_at_ns = now + child->backoff_ns;
    child->backoff_ns = child->backoff_ns == 0 ? BACKOFF_FIRST : 2 * child->backoff_ns;
    if (child->backoff_ns > BACKOFF_MOST) {
        child->backoff_ns = BACKOFF_MOST;
    }
}

/* Forks one child with a channel of its own; false (and a later try) when the machine lacks something. */
static bool start(struct guard *guard, struct child *child, const char *name, const char *face,
                  const char *argument, char **more, int64_t now)
{
    struct error why;
    int pair[2];
    int rc = control_pair(pair, &why);

    board_mend(guard->board, guard->slots);
    if (rc == 0) {
        rc = (int)spawn(guard, name, face, argument, more, pair[1], &why);
        close(pair[1]);
        if (rc < 0) {
            close(pair[0]);
        }
    }
    if (rc < 0) {
        log_error("%s", why.text);
        delay_next(child, now);
        return false;
    }
    child->pid = (pid_t)rc;
    child->started_ns = child->beat_seen_ns = now;
    child->beat = 0;
    child->aborted_ns = 0;
    child->told_to_leave = false;
    child->has_master = child->master_late = false;
    outbox_init(&child->out, pair[0]);
    return true;
}

/* Gives a worker and the master, both alive, a channel to each other. */
static void connect_to_master(struct guard *guard, unsigned slot)
{
    struct child *worker = &guard->workers[slot];
    struct control_message to_master = {.kind = CONTROL_WORKER, .worker = slot};
    struct control_message to_worker = {.kind = CONTROL_MASTER, .worker = slot};
    struct error why;
    int pair[2];

    if (control_pair(pair, &why) < 0) {
        if (!worker->master_late) {
            log_error("Worker %u gets its channel to the master later: %s", slot, why.text);
        }
        worker->master_late = true; /* tried again with each turn */
        return;
    }
    worker->has_master = true;
    worker->master_late = false;
    child_send(&guard->master, &to_master, &pair[0], 1);
    child_send(worker, &to_worker, &pair[1], 1);
    close(pair[0]);
    close(pair[1]);
}

static void connect_all(struct guard *guard)
{
    for (unsigned slot = 0; slot < guard->slots; slot++) {
        const struct child *worker = &guard->workers[slot];

        if (worker->pid != 0 && !worker->has_master && guard->master.out.channel != -1) {
            connect_to_master(guard, slot);
        }
    }
}

static void start_master(struct guard *guard, int64_t now)
{
    struct control_message hello = {.kind = CONTROL_HELLO};
    const int stores[] = {guard->names_fd, guard->keys_fd, guard->settings_fd};
    size_t count = guard->settings_fd != -1 ? 3 : 2;

    hello.flags = guard->hangup_waits ? CONTROL_ASKED : 0;
    if (!start(guard, &guard->master, "weir: master", "master", NULL, guard->arguments, now)) {
        return;
    }
    guard->master_failed = guard->hangup_waits = false; /* it reads the configuration when it starts */
    keep_send_master(guard);
    shards_send_master(guard);
    left_send_master(guard);
    connect_all(guard);
    hello.number = ++guard->master_starts;
    hello.worker = guard->wanted; /* 0 for the first: it decides */
    child_send(&guard->master, &hello, stores, guard->names_fd != -1 && guard->keys_fd != -1 ? count : 0);
}

static void start_worker(struct guard *guard, unsigned slot, int64_t now)
{
    struct child *worker = &guard->workers[slot];
    char name[32], number[16];

    (void)snprintf(name, sizeof(name), "weir: worker %u", slot);
    (void)snprintf(number, sizeof(number), "%u", slot);
    guard->slots = slot >= guard->slots ? slot + 1 : guard->slots;
    board_fold(guard->board,
               slot); /* nothing of an earlier one is left; others may have written there since */
    if (!start(guard, worker, name, "worker", number, NULL, now)) {
        return;
    }
    connect_all(guard);
    keep_send_slot(guard, slot, slot);
}

void children_start_due(struct guard *guard, int64_t now)
{
    if (!running(guard)) {
        return;
    }
    if (guard->master.pid == 0 && guard->master.start_at_ns <= now && !upgrade_old_alive(guard, true)) {
        start_master(guard, now);
    }
    for (unsigned slot = 0; slot < guard->wanted; slot++) {
        if (guard->workers[slot].pid == 0 && guard->workers[slot].start_at_ns <= now) {
            start_worker(guard, slot, now);
        }
    }
    connect_all(guard);
}

int64_t children_next_due(const struct guard *guard)
{
    if (!running(guard)) {
        return INT64_MAX;
    }
    int64_t next = guard->slots > 0 ? guard->next_check_ns : INT64_MAX;

    if (guard->master.pid == 0 && guard->master.start_at_ns < next && !upgrade_old_alive(guard, true)) {
        next = guard->master.start_at_ns;
    }
    for (unsigned slot = 0; slot < guard->wanted; slot++) {
        const struct child *worker = &guard->workers[slot];

        if (worker->pid == 0 && worker->start_at_ns < next) {
            next = worker->start_at_ns;
        }
    }
    return next;
}

/* Memory was out, maybe: a program that aborts says so on standard error at best. */
static void describe_limit(char *text, size_t size)
{
    static const struct {
        int resource;
        const char *name, *raise;
    } limits[] = {
        {RLIMIT_DATA, "RLIMIT_DATA", "ulimit -d, LimitDATA= of systemd"},
        {RLIMIT_AS, "RLIMIT_AS", "ulimit -v, LimitAS= of systemd"},
    };
    struct rlimit limit;

    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        size_t len = strlen(text);

        if (getrlimit(limits[i].resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
            (void)snprintf(text + len, size - len, ", %s is %llu bytes: if memory was out, raise it (%s)",
                           limits[i].name, (unsigned long long)limit.rlim_cur, limits[i].raise);
        }
    }
}

/* asked: it was told to end so. */
static void describe_end(int status, bool asked, char *text, size_t size)
{
    if (!WIFSIGNALED(status)) {
        (void)snprintf(text, size, "ended with status %d", WEXITSTATUS(status));
        return;
    }
    (void)snprintf(text, size, "was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    if (WTERMSIG(status) == SIGABRT && !asked) {
        describe_limit(text, size);
    }
}

/* What both sorts have in common; the child is gone when this returns. */
static void bury(struct guard *guard, struct child *child, const char *name, int status, bool again,
                 int64_t now)
{
    char how[320];

    outbox_close(&child->out);
    if (now - child->started_ns >= LIFE_GOOD) {
        child->backoff_ns = 0;
    }
    delay_next(child, now);
    if (child == &guard->master && guard->hangup_waits) {
        child->start_at_ns = now; /* whether this one still read the configuration is not known */
    }
    describe_end(status, child->aborted_ns != 0, how, sizeof(how));
    if (!again && status == 0) {
        log_info("%s (pid %d) has finished", name, (int)child->pid);
    } else if (!again) {
        log_error("%s (pid %d) %s", name, (int)child->pid, how);
    } else if (running(guard) && guard->phase != GUARD_STARTING) {
        log_error("%s (pid %d) %s, next start in %lld ms", name, (int)child->pid, how,
                  (long long)((child->start_at_ns - now) / GUARD_MS));
    } else if (guard->phase == GUARD_DRAINING && status != 0) {
        log_warn("%s (pid %d) %s while stopping", name, (int)child->pid, how);
    }
    child->pid = 0;
}

static void bury_master(struct guard *guard, int status, int64_t now)
{
    messages_from_master(guard); /* what it said last, FAILED above all */
    if (guard->phase == GUARD_STARTING) {
        if (!guard->master_failed) {
            char how[320];

            describe_end(status, false, how, sizeof(how));
            (void)dprintf(STDERR_FILENO, "weir: the master %s before it was ready\n", how);
        }
        guard->status = 1;
        guard->phase = GUARD_DONE;
    }
    bury(guard, &guard->master, "The master", status, true, now);
    if (guard->master_failed && !guard->hangup_waits) {
        guard->master.start_at_ns =
            now + FAILED_AGAIN; /* until somebody mends the configuration, or sends SIGHUP */
    }
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        guard->workers[slot].has_master = false;
    }
    if (guard->phase == GUARD_LEAVING) {
        guard->phase = GUARD_DONE;
    }
}

static void bury_worker(struct guard *guard, unsigned slot, int status, int64_t now)
{
    struct control_message gone = {.kind = CONTROL_GONE, .worker = slot};
    char name[32];

    (void)snprintf(name, sizeof(name), "Worker %u", slot);
    struct child *worker = &guard->workers[slot];
    bool leaving = worker->told_to_leave && status == 0;

    bury(guard, worker, name, status, slot < guard->wanted && !leaving, now);
    if (leaving) {
        worker->start_at_ns = now; /* wanted again meanwhile, maybe */
        worker->backoff_ns = 0;
    }
    lend_forget(guard, slot);
    keep_mend(guard);
    shards_mend(guard);
    board_fold(guard->board, slot);
    child_send(&guard->master, &gone, NULL, 0);
}

void children_reap(struct guard *guard)
{
    int64_t now = process_clock_ns();
    bool ended = false;
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        log_rings_release(guard->rings, pid);
        ended = true;
        if (pid == guard->master.pid) {
            bury_master(guard, status, now);
            continue;
        }
        if (upgrade_reaped(guard, pid, status, now)) {
            continue;
        }
        for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
            if (pid == guard->workers[slot].pid) {
                bury_worker(guard, slot, status, now);
                break;
            }
        }
        /* Others were orphans that came to us as pid 1: reaped, nothing else to do. */
    }
    if (ended && guard->rings) {
        logs_mend(guard);
    }
}

bool children_workers_alive(const struct guard *guard)
{
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        if (guard->workers[slot].pid != 0) {
            return true;
        }
    }
    return upgrade_old_alive(guard, false);
}

void children_kill(struct guard *guard, int signal)
{
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        if (guard->workers[slot].pid != 0) {
            (void)kill(guard->workers[slot].pid, signal);
        }
    }
    upgrade_kill_old(guard, signal);
}
