/*
 * upgrade.c - SIGUSR2: another binary takes the place of this one, keeping the pid, the sockets and the workers.
 *
 * life     NONE -> CHECKING (the new binary runs `check` with our arguments, as a child) -> TESTING (it reads, as a child
 *          too, what would be handed over) -> LEAVING (nothing is queued any more) -> execve. Any failure: one line in
 *          the log, and everything is as it was.
 * same     build: board, master and workers simply stay.
 * another  build: a new board and a new master; new workers start beside the old ones and accept on the same sockets.
 *          When all of them serve, the old ones are told to finish, by the end of their channel: that needs no common
 *          language (they were told before what it would mean, CONTROL_HANDOVER). At most two such sets exist.
 *
 * What to execute is the path by which this program was started: argv[0], found and made absolute at the start.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "common/face.h"
#include "master/guard/guard.h"
#include "shm/page.h"

#define VARIABLE "WEIR_HANDOVER" /* "go:FD" or "test:FD" */
#define PASSED "weir-handover passed, build "
#define CHECK_TAKES (60 * GUARD_SECOND)
#define TEST_TAKES (10 * GUARD_SECOND)
#define LEAVE_TAKES (5 * GUARD_SECOND)
#define MASTER_ENDS (2 * GUARD_SECOND)
#define SETS_MOST 2
#define OUTPUT_SHOWN 4096

/* ---- which binary ---- */
static char *found_in_path(const char *name)
{
    const char *path = getenv("PATH");
    struct slice rest = slice_cstr(path ? path : "/usr/local/bin:/usr/bin:/bin");
    char full[PATH_MAX];

    while (rest.ptr) {
        struct slice folder = slice_split(&rest, ':');

        if (folder.len > 0 && folder.ptr[0] == '/' &&
            snprintf(full, sizeof(full), "%.*s/%s", SLICE_ARG(folder), name) < (int)sizeof(full) &&
            access(full, X_OK) == 0) {
            return xstrndup(full, strlen(full));
        }
    }
    return NULL;
}

char *upgrade_path(const char *argv0)
{
    char full[PATH_MAX] = "", folder[PATH_MAX];
    char *found = NULL;

    if (argv0 && argv0[0] == '/') {
        (void)snprintf(full, sizeof(full), "%s", argv0);
    } else if (argv0 && strchr(argv0, '/') && getcwd(folder, sizeof(folder))) {
        if (snprintf(full, sizeof(full), "%s/%s", folder, argv0) >= (int)sizeof(full)) {
            full[0] = '\0';
        }
    } else if (argv0 && *argv0 && (found = found_in_path(argv0)) != NULL) {
        return found;
    }
    if (full[0] == '\0' || access(full, X_OK) == -1) {
        ssize_t len = readlink("/proc/self/exe", full, sizeof(full) - 1);

        full[len > 0 ? len : 0] = '\0';
    }
    return xstrndup(full, strlen(full));
}

/* ---- workers of earlier builds ---- */
void upgrade_add_old(struct guard *guard, pid_t pid, int channel, uint64_t set, int64_t now)
{
    struct old_child *old = xcalloc(1, sizeof(*old));

    *old = (struct old_child){.pid = pid, .channel = channel, .set = set, .next = guard->old};
    old->since_ns = now;
    old->kill_ns = set == OLD_MASTER ? now + MASTER_ENDS : INT64_MAX;
    guard->old = old;
}

static bool old_reaped(struct guard *guard, pid_t pid)
{
    for (struct old_child **link = &guard->old; *link; link = &(*link)->next) {
        struct old_child *old = *link;

        if (old->pid == pid) {
            log_debug("Process %d of an earlier build has finished", (int)pid);
            if (old->channel != -1) {
                close(old->channel);
            }
            *link = old->next;
            free(old);
            return true;
        }
    }
    return false;
}

bool upgrade_old_alive(const struct guard *guard, bool master)
{
    for (const struct old_child *old = guard->old; old; old = old->next) {
        if ((old->set == OLD_MASTER) == master) {
            return true;
        }
    }
    return false;
}

void upgrade_kill_old(const struct guard *guard, int signal)
{
    for (const struct old_child *old = guard->old; old; old = old->next) {
        (void)kill(old->pid, signal);
    }
}

/* The end of the channel is the word to finish. */
unsigned upgrade_dismiss_old(struct guard *guard)
{
    unsigned count = 0;

    for (struct old_child *old = guard->old; old; old = old->next) {
        if (old->channel != -1 && old->set != OLD_MASTER) {
            close(old->channel);
            old->channel = -1;
            count++;
        }
    }
    return count;
}

/* The lowest number of the SETS_MOST newest sets that still live: an upgrade whose workers are gone already costs the
 * sessions of an older one nothing. */
static uint64_t oldest_that_stays(const struct guard *guard)
{
    uint64_t lowest = UINT64_MAX;

    for (int i = 0; i < SETS_MOST; i++) {
        uint64_t next = 0;

        for (const struct old_child *old = guard->old; old; old = old->next) {
            if (old->set != OLD_MASTER && old->set < lowest && old->set > next) {
                next = old->set;
            }
        }
        if (next == 0) {
            break;
        }
        lowest = next;
    }
    return lowest;
}

static void end_oldest_sets(const struct guard *guard)
{
    uint64_t lowest = oldest_that_stays(guard);
    unsigned count = 0;

    for (const struct old_child *old = guard->old; old; old = old->next) {
        if (old->set != OLD_MASTER && old->set < lowest) {
            (void)kill(old->pid, SIGKILL);
            count++;
        }
    }
    if (count > 0) {
        log_warn("%u worker%s of earlier builds than the last %d still had connections: ended", count,
                 count == 1 ? "" : "s", SETS_MOST);
    }
}

static void tend_old(struct guard *guard, int64_t now)
{
    for (const struct old_child *old = guard->old; old; old = old->next) {
        if (now >= old->kill_ns) {
            (void)kill(old->pid, SIGKILL);
        }
    }
    for (unsigned slot = 0; slot < guard->wanted; slot++) {
        if (!lend_serves(guard, slot, now)) {
            return;
        }
    }
    unsigned count = guard->wanted > 0 ? upgrade_dismiss_old(guard) : 0;

    if (count > 0) {
        log_info("The new workers serve: %u of the earlier build finish%s what is open", count,
                 count == 1 ? "es" : "");
        end_oldest_sets(guard);
    }
}

/* ---- the rehearsal ---- */
static void forget(struct upgrade *upgrade)
{
    if (upgrade->executable != -1) {
        close(upgrade->executable);
    }
    if (upgrade->output != -1) {
        close(upgrade->output);
    }
    *upgrade = (struct upgrade){.executable = -1, .output = -1};
}

static void refuse(struct guard *guard, const char *reason)
{
    log_error("Upgrade to %s is refused, all stays as it was: %s", guard->path, reason);
    forget(&guard->upgrade);
}

/* What the child said, without line feeds at the end; the first line that names an error if there is one. */
static void read_output(const struct upgrade *upgrade, char *text, size_t size)
{
    char all[OUTPUT_SHOWN];
    ssize_t len = pread(upgrade->output, all, sizeof(all) - 1, 0);

    all[len > 0 ? len : 0] = '\0';
    const char *line = strstr(all, "error");

    while (line && line > all && line[-1] != '\n') {
        line--;
    }
    line = line ? line : all;
    (void)snprintf(text, size, "%.*s", (int)strcspn(line, "\n"), line);
}

__attribute__((noreturn)) static void become(const struct guard *guard, char **arguments, int handed,
                                             pid_t parent)
{
    static const int defaults[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM};
    sigset_t none;

    for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
        (void)signal(defaults[i], SIG_DFL);
    }
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != parent) {
        _exit(127);
    }
    if (handed != -1) {
        handover_inherit(guard, true);
        (void)fcntl(handed, F_SETFD, 0);
    }
    if (dup2(guard->upgrade.output, STDOUT_FILENO) != -1 &&
        dup2(guard->upgrade.output, STDERR_FILENO) != -1) {
        (void)syscall(SYS_execveat, guard->upgrade.executable, "", arguments, environ, AT_EMPTY_PATH);
        (void)dprintf(STDERR_FILENO, "error: it cannot be executed: %m\n");
    }
    _exit(127);
}

static char **command_line(const struct guard *guard, const char *face)
{
    size_t count = 0, n = 0;

    while (guard->arguments[count]) {
        count++;
    }
    char **line = xcalloc(count + 3, sizeof(*line));

    line[n++] = guard->path;
    if (face) {
        line[n++] = (char *)(uintptr_t)face;
    }
    for (size_t i = 0; i < count; i++) {
        line[n++] = guard->arguments[i];
    }
    return line;
}

static void set_variable(const char *what, int fd)
{
    char value[32];

    (void)snprintf(value, sizeof(value), "%s:%d", what, fd);
    (void)setenv(VARIABLE, value, 1);
}

/* Starts the new binary as a child; handed: the hand-over's descriptor, or -1 for `check`. */
static bool rehearse(struct guard *guard, enum upgrade_step step, int handed, int64_t deadline_ns)
{
    struct upgrade *upgrade = &guard->upgrade;
    char **line = command_line(guard, handed == -1 ? "check" : NULL);
    pid_t parent = getpid();

    if (upgrade->output != -1) {
        close(upgrade->output);
    }
    upgrade->output = memfd_create("weir-upgrade", MFD_CLOEXEC);
    if (handed != -1) {
        set_variable("test", handed);
    } else {
        (void)setenv(FACE_REHEARSAL, "1", 1);
    }
    pid_t pid = upgrade->output == -1 ? -1 : fork();

    if (pid == 0) {
        become(guard, line, handed, parent);
    }
    (void)unsetenv(VARIABLE);
    (void)unsetenv(FACE_REHEARSAL);
    free(line);
    upgrade->step = step;
    upgrade->pid = pid;
    upgrade->deadline_ns = deadline_ns;
    return pid != -1;
}

void upgrade_begin(struct guard *guard, int64_t now)
{
    struct upgrade *upgrade = &guard->upgrade;
    char reason[256];

    if (guard->phase != GUARD_RUNNING || upgrade->step != UPGRADE_NONE) {
        log_warn("SIGUSR2 has no effect now: %s",
                 guard->phase == GUARD_RUNNING ? "an upgrade is under way" : "starting or stopping");
        return;
    }
    log_info("SIGUSR2: upgrade to %s", guard->path);
    upgrade->executable = open(guard->path, O_RDONLY | O_CLOEXEC);
    if (upgrade->executable == -1 || !rehearse(guard, UPGRADE_CHECKING, -1, now + CHECK_TAKES)) {
        (void)snprintf(reason, sizeof(reason), "it cannot be started: %s", strerror(errno));
        refuse(guard, reason);
    }
}

static void begin_test(struct guard *guard, int64_t now)
{
    struct error why = {""};
    int handed = handover_write(guard, &why);

    if (handed < 0 || !rehearse(guard, UPGRADE_TESTING, handed, now + TEST_TAKES)) {
        refuse(guard, why.text[0] ? why.text : strerror(errno));
    }
    if (handed >= 0) {
        close(handed);
    }
}

static void after_test(struct guard *guard, int status, int64_t now)
{
    struct upgrade *upgrade = &guard->upgrade;
    char output[OUTPUT_SHOWN] = "", reason[OUTPUT_SHOWN + 64];
    ssize_t len = pread(upgrade->output, output, sizeof(output) - 1, 0);
    uint64_t build;

    output[len > 0 ? len : 0] = '\0';
    if (status != 0 || sscanf(output, PASSED "%" SCNx64, &build) != 1) {
        read_output(upgrade, output, sizeof(output));
        (void)snprintf(reason, sizeof(reason), "it failed the hand-over self-test: %s", output);
        refuse(guard, reason);
        return;
    }
    upgrade->same = build == build_id();
    upgrade->step = UPGRADE_LEAVING;
    upgrade->deadline_ns = now + LEAVE_TAKES;
}

bool upgrade_reaped(struct guard *guard, pid_t pid, int status, int64_t now)
{
    struct upgrade *upgrade = &guard->upgrade;
    char output[OUTPUT_SHOWN], reason[OUTPUT_SHOWN + 64];

    if (pid != upgrade->pid || upgrade->step == UPGRADE_NONE) {
        return old_reaped(guard, pid);
    }
    upgrade->pid = 0;
    if (guard->phase != GUARD_RUNNING) {
        forget(upgrade);
    } else if (upgrade->step == UPGRADE_TESTING) {
        after_test(guard, status, now);
    } else if (status == 0) {
        begin_test(guard, now);
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == FACE_CHECK_OBJECTS) {
        read_output(upgrade, output,
                    sizeof(output)); /* they are errors now as well: no reason to stay (I1) */
        log_warn("Upgrade to %s: it leaves out objects that have errors: %s", guard->path, output);
        begin_test(guard, now);
    } else {
        read_output(upgrade, output, sizeof(output));
        if (WIFSIGNALED(status)) {
            (void)snprintf(reason, sizeof(reason), "`check` was ended by signal %d: %s", WTERMSIG(status),
                           output);
        } else {
            (void)snprintf(reason, sizeof(reason), "`check` says: %s", output);
        }
        refuse(guard, reason);
    }
    return true;
}

/* ---- leaving ---- */
static bool anything_queued(const struct guard *guard)
{
    bool queued = outbox_waiting(&guard->master.out);

    for (unsigned slot = 0; slot < guard->slots; slot++) {
        queued = queued || outbox_waiting(&guard->workers[slot].out);
    }
    return queued;
}

/* What the end of their channel will mean; on false: nothing again. */
static void announce(struct guard *guard, bool on)
{
    struct control_message stop = {.kind = CONTROL_STOP};

    for (unsigned slot = 0; slot < guard->slots; slot++) {
        struct control_message message = {
            .kind = CONTROL_HANDOVER, .number = on, .grace_ns = {0, GRACE_WITHOUT_END}};

        if (guard->workers[slot].pid != 0) {
            child_send(&guard->workers[slot], &message, NULL, 0);
        }
    }
    if (on) {
        child_send(&guard->master, &stop, NULL, 0); /* if this fails, it is started again */
    }
}

static void leave(struct guard *guard)
{
    struct upgrade *upgrade = &guard->upgrade;
    struct error why;

    messages_from_master(guard);
    if (!upgrade->same) {
        announce(guard, true);
    }
    int handed = handover_write(guard, &why);

    if (handed < 0) {
        announce(guard, false);
        refuse(guard, why.text);
        return;
    }
    char **line = command_line(guard, NULL);

    handover_inherit(guard, true);
    (void)fcntl(handed, F_SETFD, 0);
    set_variable("go", handed);
    (void)syscall(SYS_execveat, upgrade->executable, "", line, environ, AT_EMPTY_PATH);
    int failure = errno;

    (void)unsetenv(VARIABLE);
    handover_inherit(guard, false);
    close(handed);
    free(line);
    announce(guard, false);
    refuse(guard, strerror(failure));
}

void upgrade_tend(struct guard *guard, int64_t now)
{
    struct upgrade *upgrade = &guard->upgrade;

    if (guard->old) {
        tend_old(guard, now);
    }
    switch (upgrade->step) {
    case UPGRADE_NONE:
        break;
    case UPGRADE_CHECKING:
    case UPGRADE_TESTING:
        if (now >= upgrade->deadline_ns) {
            (void)kill(upgrade->pid, SIGKILL);
        }
        break;
    case UPGRADE_LEAVING:
        if (!anything_queued(guard)) {
            leave(guard);
        } else if (now >= upgrade->deadline_ns) {
            refuse(guard, "a worker or the master does not read its messages");
        }
        break;
    }
}

/* ---- arriving ---- */
/* Everybody speaks another language than we: they become old ones, the slots are free. */
static void make_all_old(struct guard *guard, int64_t now)
{
    if (guard->master.pid != 0) {
        upgrade_add_old(guard, guard->master.pid, guard->master.out.channel, OLD_MASTER, now);
    } else if (guard->master.out.channel != -1) {
        close(guard->master.out.channel);
    }
    guard->master = (struct child){.pid = 0};
    outbox_init(&guard->master.out, -1);
    for (unsigned slot = 0; slot < guard->slots; slot++) {
        struct child *worker = &guard->workers[slot];

        if (worker->pid != 0) {
            upgrade_add_old(guard, worker->pid, worker->out.channel, guard->upgrades, now);
        }
        *worker = (struct child){.lent_to = -1, .retire_ns = slot >= guard->wanted ? now : 0};
        outbox_init(&worker->out, -1);
    }
}

static int arrive(struct guard *guard, int handed, bool *same, struct error *why)
{
    uint64_t build;
    int rc = handover_read(guard, handed, &build, why);

    if (rc < 0) {
        return rc;
    }
    if ((rc = logs_map(guard, why)) < 0) {
        return rc;
    }
    *same = build == build_id();
    if (*same) {
        return board_map(guard->board_fd, &guard->board, why);
    }
    close(guard->board_fd);
    guard->board_fd = -1;
    if (guard->targets_fd != -1) { /* what old ones may connect to stays as it is */
        close(guard->targets_fd);
        guard->targets_fd = -1;
    }
    rc = board_create(&guard->board_fd, why);
    return rc < 0 ? rc : board_map(guard->board_fd, &guard->board, why);
}

char *upgrade_announced(void)
{
    const char *value = getenv(VARIABLE);
    char *copy = value ? xstrndup(value, strlen(value)) : NULL;

    (void)unsetenv(VARIABLE);
    return copy;
}

int upgrade_arrive(struct guard *guard, const char *announced, struct error *why)
{
    struct slice rest = slice_cstr(announced);
    uint64_t handed;
    bool same = false;

    if (announced == NULL) {
        return 0;
    }
    struct slice what = slice_split(&rest, ':');
    bool test = slice_eq(what, SLICE("test"));

    if (!slice_to_u64(rest, &handed) || handed > INT_MAX || (!test && !slice_eq(what, SLICE("go")))) {
        return error_set(why, -EINVAL, "%s is for weir itself", VARIABLE);
    }
    int rc = arrive(guard, (int)handed, &same, why);

    if (rc < 0) {
        return rc;
    }
    if (test) {
        (void)dprintf(STDOUT_FILENO, PASSED "%" PRIx64 "\n", build_id());
        _exit(0); /* a rehearsal: nothing may be closed or freed in order, it all belongs to our parent */
    }
    if ((rc = logs_join(guard, why)) < 0) {
        return rc;
    }
    close((int)handed);
    guard->phase = GUARD_RUNNING;
    handover_inherit(guard, false);
    guard->upgraded_ns = process_clock_ns();
    if (!same) {
        guard->upgrades++;
        make_all_old(guard, process_clock_ns());
    }
    log_info("Upgraded: %s", same ? "the build is the same, master and workers stay"
                                  : "another build, its master and workers start now");
    return 1;
}
