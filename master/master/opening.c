/*
 * opening.c - the listening sockets of one entry point: where, bound, listening.
 *
 * They share its port by SO_REUSEPORT, so the kernel spreads connections over the workers. The very first is bound without that
 * option: a port that somebody else has is an error, never a silent share. It gets the option before it listens, and then the
 * others can join.
 *
 * A wildcard of either family is one dual-stack socket, as Go makes it (IPv4 only where the machine has no IPv6).
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/net/addr.h"
#include "master/master/listeners_inner.h"

/* ---- addresses ---- */
uint16_t opening_port(const struct sockaddr_storage *address)
{
    return ntohs(address->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)address)->sin6_port
                                                : ((const struct sockaddr_in *)address)->sin_port);
}

static void set_port(struct sockaddr_storage *address, uint16_t port)
{
    if (address->ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
    } else {
        ((struct sockaddr_in *)address)->sin_port = htons(port);
    }
}

static bool is_wildcard(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET6) {
        return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)address)->sin6_addr);
    }
    return ((const struct sockaddr_in *)address)->sin_addr.s_addr == htonl(INADDR_ANY);
}

static socklen_t size_of(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static void set_wildcard(struct sockaddr_storage *address, sa_family_t family, uint16_t port)
{
    memset(address, 0, sizeof(*address)); /* both unspecified addresses are zero bytes */
    address->ss_family = family;
    set_port(address, port);
}

int opening_read_address(const struct entry_point *entry, struct sockaddr_storage *out, bool *wildcard,
                         bool *udp, struct error *why)
{
    struct address address;
    int rc = entry_point_address(entry, &address, udp, why);

    if (rc < 0) {
        return rc;
    }
    memset(out, 0, sizeof(*out));
    if (address.family != 0) {
        (void)address_to_sockaddr(&address, out);
    }
    *wildcard = address.family == 0 || is_wildcard(out);
    if (*wildcard) {
        set_wildcard(out, AF_INET6, address.port);
    }
    return 0;
}

bool opening_fits(const struct opening *opening, const struct sockaddr_storage *bound)
{
    if (opening_port(&opening->where) != opening_port(bound)) {
        return false;
    }
    if (opening->wildcard || is_wildcard(bound)) {
        return opening->wildcard && is_wildcard(bound);
    }
    return bound->ss_family == opening->where.ss_family &&
           memcmp(bound, &opening->where, size_of(bound)) == 0;
}

/* ---- sockets ---- */
static int fail(const struct opening *opening, int error, struct error *why)
{
    uint16_t port = opening_port(&opening->where);
    char hint[200] = "";

    if (error == EADDRINUSE) {
        (void)snprintf(hint, sizeof(hint), " (another program listens there)");
    } else if (error == EACCES && port != 0 && port < 1024) {
        (void)snprintf(hint, sizeof(hint),
                       " (ports below 1024 need root, CAP_NET_BIND_SERVICE, or sysctl "
                       "net.ipv4.ip_unprivileged_port_start=%u)",
                       port);
    } else if (error == EADDRNOTAVAIL) {
        (void)snprintf(hint, sizeof(hint), " (no interface of this machine has it)");
    }
    return error_set(why, -error, "entry point \"%.*s\": cannot listen on %.*s: %s%s",
                     SLICE_ARG(opening->name), SLICE_ARG(opening->address), strerror(error), hint);
}

/* One bound socket, or a negative errno. */
static int bind_one(const struct opening *opening, bool join)
{
    static const int on = 1, off = 0;
    int fd = socket(opening->where.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc = fd == -1 ? -errno : 0;

    if (rc == 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
                    (join && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == -1) ||
                    (opening->wildcard && opening->where.ss_family == AF_INET6 &&
                     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == -1) ||
                    bind(fd, (const struct sockaddr *)&opening->where, size_of(&opening->where)) == -1 ||
                    (!join && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == -1))) {
        rc = -errno;
    }
    if (rc < 0 && fd != -1) {
        close(fd);
    }
    return rc < 0 ? rc : fd;
}

/* Alone on the port, unless it is one of our own that moves: `:80` to `127.0.0.1:80` and the like. */
static int bind_alone(const struct opening *opening)
{
    int fd = bind_one(opening, opening->share);

    return fd == -EADDRINUSE && opening->ours ? bind_one(opening, true) : fd;
}

static int bind_first(struct opening *opening)
{
    int fd = bind_alone(opening);

    if (opening->wildcard && opening->where.ss_family == AF_INET6 &&
        (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)) {
        set_wildcard(&opening->where, AF_INET, opening_port(&opening->where)); /* a machine without IPv6 */
        fd = bind_alone(opening);
    }
    return fd;
}

int opening_bind(struct opening *opening, unsigned workers, struct error *why)
{
    bool first = opening->kept == NULL;

    for (unsigned slot = 0; slot < workers; slot++) {
        if (opening->kept && opening->kept->slots[slot]) {
            continue;
        }
        int fd = first ? bind_first(opening) : bind_one(opening, true);

        if (fd < 0) {
            return fail(opening, -fd, why);
        }
        opening->fds[slot] = fd;
        first = false;
    }
    return 0;
}

int opening_listen(const struct opening *opening, unsigned workers, struct error *why)
{
    for (unsigned slot = 0; slot < workers; slot++) {
        if (opening->fds[slot] != -1 && listen(opening->fds[slot], LISTEN_BACKLOG) == -1) {
            return fail(opening, errno, why);
        }
    }
    return 0;
}
