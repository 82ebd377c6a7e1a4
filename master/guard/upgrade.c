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
 * Not here: the old workers until they are gone (upgrade_old.c), the new binary's side (upgrade_arrive.c).
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
#include "master/guard/upgrade_words.h"
#include "shm/page.h"

#define CHECK_TAKES (60 * GUARD_SECOND)
#define TEST_TAKES (10 * GUARD_SECOND)
#define LEAVE_TAKES (5 * GUARD_SECOND)
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
    (void)setenv(UPGRADE_VARIABLE, value, 1);
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
    (void)unsetenv(UPGRADE_VARIABLE);
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
    upgrade->executable = open(guard->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* nobody waits for a fifo */
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
    if (status != 0 || sscanf(output, UPGRADE_PASSED "%" SCNx64, &build) != 1) {
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
        return upgrade_old_reaped(guard, pid);
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

    shards_announce(guard, on);
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

    (void)unsetenv(UPGRADE_VARIABLE);
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
        upgrade_tend_old(guard, now);
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
