/*
 * process.c - ties between the processes of one tree; see process.h.
 */
#include "common/base/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int64_t process_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool process_adopt_channel(void)
{
    struct ucred maker;
    socklen_t len = sizeof(maker);

    if (fcntl(PROCESS_CONTROL_FD, F_SETFD, FD_CLOEXEC) == -1 ||
        fcntl(PROCESS_BOARD_FD, F_SETFD, FD_CLOEXEC) == -1 ||
        fcntl(PROCESS_LOG_FD, F_SETFD, FD_CLOEXEC) == -1) {
        return false;
    }
    if (getsockopt(PROCESS_CONTROL_FD, SOL_SOCKET, SO_PEERCRED, &maker, &len) == -1) {
        return false;
    }
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1) {
        return false;
    }
    /* The guard may have died before the line above: then we have another parent by now. */
    return maker.pid == getppid();
}
