/*
 * spawn.c - starts the own binary again as master or worker.
 *
 * The program is executed by a descriptor that was opened when the guard started, so a file that is replaced on disk
 * never mixes two builds. Between fork and exec only async-signal-safe calls are made.
 */
#include "master/guard/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/process.h"
#include "common/base/slice.h"

#define DESCRIPTORS_LOOKED_AT 4096

/* Only the guard acts on signals that a terminal or a service manager sends to the whole group. */
static void quiet_signals(void)
{
    static const int ignored[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ};
    sigset_t none;

    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
        (void)signal(ignored[i], SIG_IGN);
    }
    (void)signal(SIGCHLD, SIG_DFL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* All of it for the master. Workers face the network: they get what their libraries want to know and nothing that may be
 * a secret (TRAEFIK_PROVIDERS_..._TOKEN). Room for it is the caller's to free. */
static char **environment_for(const char *face)
{
    static const char *const kept[] = {"TZ=",           "LD_",           "GLIBC_TUNABLES=", "MALLOC_",
                                       "ASAN_OPTIONS=", "LSAN_OPTIONS=", "UBSAN_OPTIONS="};
    bool all = strcmp(face, "worker") != 0;
    size_t count = 0, n = 0;

    while (environ[count]) {
        count++;
    }
    char **environment = xcalloc(count + 1, sizeof(*environment));

    for (size_t i = 0; i < count; i++) {
        bool keep = all;

        for (size_t k = 0; k < ARRAY_LEN(kept) && !keep; k++) {
            keep = strncmp(environ[i], kept[k], strlen(kept[k])) == 0;
        }
        if (keep) {
            environment[n++] = environ[i];
        }
    }
    return environment;
}

/* Whoever started us may have left descriptors open: the face of the network gets none of them. */
static void keep_no_other(void)
{
    const int first = PROCESS_LAST_FD + 1;

    if (close_range((unsigned)first, ~0U, CLOSE_RANGE_CLOEXEC) == -1) { /* Linux 5.10 */
        for (int fd = first; fd < DESCRIPTORS_LOOKED_AT; fd++) {
            (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        }
    }
}

__attribute__((noreturn)) static void become(const struct guard *guard, const char *face, char **arguments,
                                             char **environment, int control, pid_t parent)
{
    static const char line[] = "weir: cannot execute the own binary\n";

    quiet_signals();
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != parent) {
        _exit(1);
    }
    /* Copies above all targets first: a source may sit on another's place. */
    int control_copy = fcntl(control, F_DUPFD_CLOEXEC, 16);
    int board_copy = fcntl(guard->board_fd, F_DUPFD_CLOEXEC, 16);
    int log_copy = fcntl(guard->rings_fd, F_DUPFD_CLOEXEC, 16);
    int targets_copy = fcntl(guard->targets_fd, F_DUPFD_CLOEXEC, 16);
    int executable = fcntl(guard->executable, F_DUPFD_CLOEXEC, 16);

    if (control_copy != -1 && board_copy != -1 && log_copy != -1 && targets_copy != -1 && executable != -1 &&
        dup2(control_copy, PROCESS_CONTROL_FD) != -1 && dup2(board_copy, PROCESS_BOARD_FD) != -1 &&
        dup2(log_copy, PROCESS_LOG_FD) != -1 && dup2(targets_copy, PROCESS_TARGETS_FD) != -1) {
        if (strcmp(face, "worker") == 0) {
            keep_no_other();
        }
        (void)syscall(SYS_execveat, executable, "", arguments, environment, AT_EMPTY_PATH);
    }
    (void)!write(STDERR_FILENO, line, sizeof(line) - 1);
    _exit(1);
}

pid_t spawn(const struct guard *guard, const char *name, const char *face, const char *argument, char **more,
            int control, struct error *why)
{
    size_t count = 0;

    while (more && more[count]) {
        count++;
    }
    const char **arguments = xcalloc(count + 4, sizeof(*arguments));
    size_t n = 0;

    arguments[n++] = name;
    arguments[n++] = face;
    if (argument) {
        arguments[n++] = argument;
    }
    for (size_t i = 0; i < count; i++) {
        arguments[n++] = more[i];
    }

    char **environment = environment_for(face);
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid == 0) {
        become(guard, face, (char **)arguments, environment, control, parent);
    }
    int rc = pid == -1 ? -errno : 0;

    free(environment);
    free(arguments);
    return rc < 0 ? error_set(why, rc, "cannot start %s: %s", name, strerror(-rc)) : pid;
}
