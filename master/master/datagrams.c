/*
 * datagrams.c - opening the sockets of UDP entry points: UDP_SHARDS on one address, whatever the number of workers.
 *
 * The kernel spreads clients over them by a hash, and as none ever joins or leaves, a client stays with its socket. So a set
 * is made whole or not at all, and never changed: an entry point that moves gets a new one. As with opening.c the first
 * is bound alone, so that a taken port is an error; then it gets SO_REUSEPORT and the others join. Each tells the address
 * that a datagram was sent to, for the answer. The guard keeps them and gives them to workers (guard/shards.c).
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "common/net/addr.h"
#include "master/master/master.h"

struct kept_datagrams { /* what the guard keeps for one entry point */
    char name[CONTROL_TEXT];
    struct address bound; /* family 0: everywhere */
    bool wanted;          /* by the configuration that is being applied */
    int64_t
        left_ns; /* when it was given up: a worker that hangs has its sockets until it is ended; 0: it is kept */
    struct kept_datagrams *next;
};

#define LEAVING_NS (INT64_C(15) * 1000000000) /* longer than a worker may hang */

struct opened_datagrams { /* while a configuration is applied */
    struct slice name, text;
    struct address where;
    int fds[UDP_SHARDS];
    bool share, ours; /* reusePort; we have that port already, on another address, or had it a moment ago */
    struct opened_datagrams *next;
};

/* ---- sockets ---- */
/* Without host, 0.0.0.0 and [::] are the same: everywhere. */
static void widen(struct address *address)
{
    static const uint8_t zeros[16];

    if (memcmp(address->bytes, zeros, sizeof(zeros)) == 0) {
        address->family = 0;
    }
}

/* One bound socket, or a negative errno. */
static int bind_one(const struct sockaddr_storage *where, socklen_t size, bool join)
{
    static const int on = 1, off = 0;
    bool six = where->ss_family == AF_INET6;
    int fd = socket(where->ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd == -1) {
        return -errno;
    }
    if ((join && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == -1) ||
        (six && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == -1) ||
        (six ? setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on))
             : setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on))) == -1 ||
        bind(fd, (const struct sockaddr *)where, size) == -1 ||
        (!join && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == -1)) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return fd;
}

static int bind_alone(const struct opened_datagrams *opening, const struct sockaddr_storage *where,
                      socklen_t size)
{
    int fd = bind_one(where, size, opening->share);

    return fd == -EADDRINUSE && opening->ours ? bind_one(where, size, true) : fd;
}

/* All of them; port 0 of the first one is that of the others. */
static int bind_all(struct opened_datagrams *opening)
{
    struct sockaddr_storage where;
    socklen_t size = address_to_sockaddr(&opening->where, &where), bound = sizeof(where);
    int fd = bind_alone(opening, &where, size);

    if (opening->where.family == 0 && (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)) {
        struct sockaddr_in *four = (struct sockaddr_in *)&where; /* a machine without IPv6 */

        *four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(opening->where.port)};
        size = sizeof(*four);
        fd = bind_alone(opening, &where, size);
    }
    for (unsigned i = 0; fd >= 0; fd = bind_one(&where, size, true)) {
        opening->fds[i++] = fd;
        if (i == UDP_SHARDS || getsockname(fd, (struct sockaddr *)&where, &bound) == -1) {
            return i == UDP_SHARDS ? 0 : -errno;
        }
    }
    return fd;
}

static int fail(const struct opened_datagrams *opening, int error, struct error *why)
{
    const char *hint = error == EADDRINUSE      ? " (another program has the port)"
                       : error == EADDRNOTAVAIL ? " (no interface of this machine has it)"
                       : error == EACCES ? " (ports below 1024 need root, CAP_NET_BIND_SERVICE, or sysctl "
                                           "net.ipv4.ip_unprivileged_port_start)"
                                         : "";

    return error_set(why, -error, "entry point \"%.*s\": cannot listen on %.*s: %s%s",
                     SLICE_ARG(opening->name), SLICE_ARG(opening->text), strerror(error), hint);
}

/* ---- applying a configuration ---- */
static struct kept_datagrams *find(const struct master *master, struct slice name,
                                   const struct address *where)
{
    for (struct kept_datagrams *kept = master->datagrams; kept; kept = kept->next) {
        if (kept->left_ns == 0 && slice_eq(name, slice_cstr(kept->name)) &&
            address_equal(&kept->bound, where)) {
            return kept;
        }
    }
    return NULL;
}

static int open_one(struct master *master, struct slice name, const struct entry_point *entry,
                    struct address where, struct opened_datagrams **list, struct error *why)
{
    struct opened_datagrams *opening = xcalloc(1, sizeof(*opening));

    *opening = (struct opened_datagrams){
        .name = name, .text = entry->address, .where = where, .share = entry->reuse_port, .next = *list};
    *list = opening;
    for (unsigned i = 0; i < UDP_SHARDS; i++) {
        opening->fds[i] = -1;
    }
    if (name.len >= CONTROL_TEXT) {
        return error_set(why, -EINVAL, "entry point \"%.*s\": the name is longer than %d bytes",
                         SLICE_ARG(name), CONTROL_TEXT - 1);
    }
    for (const struct kept_datagrams *kept = master->datagrams; kept; kept = kept->next) {
        opening->ours = opening->ours || kept->bound.port == where.port;
    }
    int rc = bind_all(opening);

    return rc < 0 ? fail(opening, -rc, why) : 0;
}

int datagrams_open(struct master *master, const struct static_config *config, struct opened_datagrams **out,
                   struct error *why)
{
    const struct entry_point *entries = config->entry_points.values;
    int rc = 0;

    *out = NULL;
    for (struct kept_datagrams *kept = master->datagrams; kept; kept = kept->next) {
        kept->wanted = false;
    }
    for (size_t i = 0; i < config->entry_points.count && rc == 0; i++) {
        struct slice name = config->entry_points.keys[i];
        struct kept_datagrams *kept;
        struct address where;
        bool udp = false;

        rc = entry_point_address(&entries[i], &where, &udp, why);
        if (rc < 0 || !udp) {
            continue;
        }
        widen(&where);
        kept = find(master, name, &where);
        if (kept) {
            kept->wanted = true;
        } else {
            rc = open_one(master, name, &entries[i], where, out, why);
        }
    }
    return rc;
}

static struct kept_datagrams *keep(struct master *master, const char *name, const struct address *bound)
{
    struct kept_datagrams *kept = xcalloc(1, sizeof(*kept));

    (void)snprintf(kept->name, sizeof(kept->name), "%s", name);
    kept->bound = *bound;
    kept->wanted = true;
    kept->next = master->datagrams;
    master->datagrams = kept;
    return kept;
}

static void drop_unwanted(struct master *master)
{
    for (struct kept_datagrams **link = &master->datagrams; *link;) {
        struct kept_datagrams *kept = *link;
        struct control_message message = {.kind = CONTROL_UNLISTEN, .flags = CONTROL_UDP};

        if (kept->left_ns && process_clock_ns() - kept->left_ns > LEAVING_NS) {
            *link = kept->next;
            free(kept);
            continue;
        }
        link = &kept->next;
        if (kept->wanted || kept->left_ns) {
            continue;
        }
        (void)snprintf(message.text, sizeof(message.text), "%s", kept->name);
        guard_send(master, &message, NULL, 0);
        log_info("Closing entry point %s (UDP)", kept->name);
        kept->left_ns = process_clock_ns();
    }
}

static void hand_over(struct master *master, const struct opened_datagrams *opening)
{
    char name[CONTROL_TEXT], where[CONTROL_TEXT];

    (void)slice_to_cstr(opening->name, name, sizeof(name));
    (void)slice_to_cstr(opening->text, where, sizeof(where));
    for (unsigned first = 0; first < UDP_SHARDS; first += CONTROL_FDS) {
        struct control_message message = {.kind = CONTROL_LISTEN, .worker = first, .flags = CONTROL_UDP};
        unsigned count = UDP_SHARDS - first < CONTROL_FDS ? UDP_SHARDS - first : CONTROL_FDS;

        (void)snprintf(message.text, sizeof(message.text), "%s", name);
        guard_send(master, &message, &opening->fds[first], count);
    }
    (void)keep(master, name, &opening->where);
    log_at(LOG_LEVEL_INFO, LOG_FIELDS("entryPointName", name, "address", where), "Listening");
}

void datagrams_finish(struct master *master, struct opened_datagrams *opened, bool good)
{
    if (good) {
        drop_unwanted(master); /* first: the guard knows them by name */
    }
    while (opened) {
        struct opened_datagrams *opening = opened;

        opened = opening->next;
        if (good) {
            hand_over(master, opening);
        }
        for (unsigned i = 0; i < UDP_SHARDS; i++) {
            if (opening->fds[i] != -1) {
                close(opening->fds[i]);
            }
        }
        free(opening);
    }
}

void datagrams_returned(struct master *master, const char *name, int fd)
{
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof(bound);
    struct address address;

    if (getsockname(fd, (struct sockaddr *)&bound, &size) == 0) {
        address_from_sockaddr((const struct sockaddr *)&bound, &address);
        widen(&address);
        (void)keep(master, name, &address);
    }
    close(fd);
}

void datagrams_left_before(struct master *master, const char *name, const struct sockaddr_storage *bound)
{
    struct address address;

    address_from_sockaddr((const struct sockaddr *)bound, &address);
    widen(&address);
    keep(master, name, &address)->left_ns = process_clock_ns();
}

void datagrams_free(struct master *master)
{
    while (master->datagrams) {
        struct kept_datagrams *kept = master->datagrams;

        master->datagrams = kept->next;
        free(kept);
    }
}
