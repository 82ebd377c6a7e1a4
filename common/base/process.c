/*
 * process.c - ties between the processes of one tree; see process.h.
 */
#include "common/base/process.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int64_t process_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int process_hide(void)
{
    return PROCESS_SANITIZED ? 0 : prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void process_take_low_ports(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct own[2] = {{0}, {0}};

    if (syscall(SYS_capget, &header, own) == 0 &&
        (own[0].permitted & ~own[0].effective & 1U << CAP_NET_BIND_SERVICE)) {
        own[0].effective |= 1U << CAP_NET_BIND_SERVICE;
        (void)syscall(SYS_capset, &header, own); /* what cannot be opened then is said by who opens it */
    }
}

bool process_adopt_channel(void)
{
    struct ucred maker;
    socklen_t len = sizeof(maker);

    if (fcntl(PROCESS_CONTROL_FD, F_SETFD, FD_CLOEXEC) == -1 ||
        fcntl(PROCESS_BOARD_FD, F_SETFD, FD_CLOEXEC) == -1 ||
        fcntl(PROCESS_LOG_FD, F_SETFD, FD_CLOEXEC) == -1 ||
        fcntl(PROCESS_TARGETS_FD, F_SETFD, FD_CLOEXEC) == -1) {
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

int process_memory_open(void)
{
    return open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
}

uint64_t process_memory(int fd)
{
    char text[128];
    unsigned long long size, resident, shared;
    ssize_t n = fd == -1 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

    if (n <= 0) {
        return 0;
    }
    text[n] = '\0';
    if (sscanf(text, "%llu %llu %llu", &size, &resident, &shared) != 3 || shared > resident) {
        return 0;
    }
    return (uint64_t)(resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}
