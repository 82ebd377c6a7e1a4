/*
 * process.c - ties between the processes of one tree; see process.h.
 */
#include "common/base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"

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
        fcntl(PROCESS_BOARD_FD, F_SETFD, FD_CLOEXEC) == -1) {
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

static int log_descriptor;
static atomic_uint log_lost;

/* Whoever reads our output may have stopped reading. A full pipe must cost lines, never the process: a pipe that polls
 * as writable takes a line of up to PIPE_BUF bytes without blocking. The descriptor itself is not made non-blocking,
 * because others share it. */
static void write_line(void *context, struct slice line)
{
    int fd = *(const int *)context;
    struct pollfd polled = {.fd = fd, .events = POLLOUT};

    if (poll(&polled, 1, 0) != 1 || !(polled.revents & POLLOUT)) {
        atomic_fetch_add(&log_lost, 1);
        return;
    }
    (void)!write(fd, line.ptr, line.len); /* a full disk costs the line */
    unsigned lost = atomic_exchange(&log_lost, 0);

    if (lost > 0) {
        log_warn("%u log lines before this one were lost: nobody read them", lost);
    }
}

void process_log_to(int fd)
{
    log_descriptor = fd;
    log_set_sink(write_line, &log_descriptor);
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
