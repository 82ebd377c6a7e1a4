/*
 * dial.c - see dial.h.
 *
 * The sandbox lets connect() read an address from the table of targets only (fence.h), so that is where the pointer leads,
 * after a look whether the address that the page names still stands there.
 */
#include "worker/dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/worker.h"

#define PROBE_IDLE_SECONDS 30 /* Go's dialer has it so */

static int open_socket(const struct worker *worker, int family, int type)
{
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1, idle = PROBE_IDLE_SECONDS;

    if (fd < 0) {
        return -errno;
    }
    if (fd >= worker->fd_servers) {
        close(fd);
        return -EMFILE;
    }
    if (type == SOCK_DGRAM) {
        return fd;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    budget_cap_socket(worker, fd);
    return fd;
}

static int dial(const struct worker *worker, const struct server_address *to, int type)
{
    const struct target *target = &worker->fence.targets[to->target];
    bool four = to->address.family == 4;

    if (!targets_hold(worker->fence.targets, to->target, &to->address)) {
        return -EADDRNOTAVAIL;
    }
    int fd = open_socket(worker, four ? AF_INET : AF_INET6, type);

    if (fd < 0) {
        return fd;
    }
    if (connect(fd, &target->any, four ? sizeof(target->v4) : sizeof(target->v6)) < 0 &&
        errno != EINPROGRESS) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return fd;
}

int dial_address(const struct worker *worker, const struct server_address *to)
{
    return dial(worker, to, SOCK_STREAM);
}

int dial_error(int fd)
{
    int error = 0;
    socklen_t length = sizeof(error);

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? errno : error;
}

int dial_datagrams(const struct worker *worker, const struct server_address *to)
{
    return dial(worker, to, SOCK_DGRAM);
}
