/*
 * listeners.c - opening the listening sockets: one for each entry point and worker slot.
 *
 * The sockets of an entry point share its port by SO_REUSEPORT, so the kernel spreads connections over the workers. The
 * very first is bound without that option: a port that somebody else has is an error, never a silent share. It gets
 * the option before it listens, and then the others can join. All are bound before any of them listens. Then they go to
 * the guard, which keeps them; this process closes its copies.
 *
 * A wildcard of either family is one dual-stack socket, as Go makes it (IPv4 only where the machine has no IPv6).
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

struct kept_sockets { /* what the guard keeps for one entry point */
    char name[CONTROL_TEXT];
    struct sockaddr_storage bound; /* where, as the kernel says */
    bool slots[BOARD_WORKERS];
    bool wanted;     /* by the configuration that is being applied */
    bool leaving;    /* gone or moved: the guard empties them, until then the port is ours */
    int64_t left_ns; /* when the guard closed them; 0: not yet */
    struct kept_sockets *next;
};

/* A worker that hangs holds on to sockets for as long as that lasts, then it is ended. */
#define OURS_AFTER_NS (INT64_C(30) * 1000000000)

struct opening {                /* one entry point while a configuration is applied */
    struct slice name, address; /* for messages: "web", ":80" */
    struct sockaddr_storage where;
    bool wildcard, share;      /* share: reusePort, may join sockets of other programs */
    bool ours;                 /* we listen on that port already, on another address */
    struct kept_sockets *kept; /* fits and stays; NULL: all sockets are new */
    int fds[BOARD_WORKERS];    /* new ones, -1 elsewhere */
};

/* ---- addresses ---- */
static uint16_t port_of(const struct sockaddr_storage *address)
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

static int read_address(const struct entry_point *entry, struct sockaddr_storage *out, bool *wildcard,
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

/* Would opening this again give the socket that is there? */
static bool fits(const struct opening *opening, const struct sockaddr_storage *bound)
{
    if (port_of(&opening->where) != port_of(bound)) {
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
    uint16_t port = port_of(&opening->where);
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
        set_wildcard(&opening->where, AF_INET, port_of(&opening->where)); /* a machine without IPv6 */
        fd = bind_alone(opening);
    }
    return fd;
}

static int bind_all(struct opening *opening, unsigned workers, struct error *why)
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

static int listen_all(const struct opening *opening, unsigned workers, struct error *why)
{
    for (unsigned slot = 0; slot < workers; slot++) {
        if (opening->fds[slot] != -1 && listen(opening->fds[slot], LISTEN_BACKLOG) == -1) {
            return fail(opening, errno, why);
        }
    }
    return 0;
}

/* ---- applying a configuration ---- */
static int plan_one(struct master *master, struct slice name, const struct entry_point *entry,
                    struct opening *opening, bool *udp, struct error *why)
{
    *opening = (struct opening){.name = name, .address = entry->address, .share = entry->reuse_port};
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        opening->fds[slot] = -1;
    }
    if (name.len >= CONTROL_TEXT) {
        return error_set(why, -EINVAL, "entry point \"%.*s\": the name is longer than %d bytes",
                         SLICE_ARG(name), CONTROL_TEXT - 1);
    }
    int rc = read_address(entry, &opening->where, &opening->wildcard, udp, why);

    if (rc < 0) {
        error_prefix(why, "entry point \"%.*s\"", SLICE_ARG(name));
        return rc;
    }
    for (struct kept_sockets *kept = master->kept; kept; kept = kept->next) {
        if (!kept->leaving && slice_eq(name, slice_cstr(kept->name)) && fits(opening, &kept->bound)) {
            opening->kept = kept;
            opening->where = kept->bound;
        }
        opening->ours = opening->ours || port_of(&kept->bound) == port_of(&opening->where);
    }
    return 0;
}

/* replaced: new sockets of that name are open already, on another address. */
static void send_unlisten(struct master *master, const char *name, bool replaced)
{
    struct control_message message = {.kind = CONTROL_UNLISTEN};

    (void)snprintf(message.text, sizeof(message.text), "%s", name);
    guard_send(master, &message, NULL, 0);
    if (replaced) {
        log_info("Entry point %s moves to another address", name);
    } else {
        log_info("Closing entry point %s", name);
    }
}

static bool is_opened(const struct opening *openings, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(openings[i].name, slice_cstr(name))) {
            return true;
        }
    }
    return false;
}

/* What no entry point wants is emptied and closed by the guard. */
static void drop_unwanted(struct master *master, const struct opening *openings, size_t count)
{
    for (struct kept_sockets *kept = master->kept; kept; kept = kept->next) {
        if (!kept->wanted && !kept->leaving) {
            kept->leaving = true;
            send_unlisten(master, kept->name, is_opened(openings, count, kept->name));
        }
    }
}

static struct kept_sockets *kept_new(struct master *master, const char *name,
                                     const struct sockaddr_storage *bound)
{
    struct kept_sockets *kept = xcalloc(1, sizeof(*kept));

    (void)snprintf(kept->name, sizeof(kept->name), "%s", name);
    kept->bound = *bound;
    kept->next = master->kept;
    master->kept = kept;
    return kept;
}

static void say_listening(const struct opening *opening)
{
    struct address address;
    char text[ADDRESS_TEXT_SIZE], name[CONTROL_TEXT], where[ADDRESS_TEXT_SIZE + 16];

    address_from_sockaddr((const struct sockaddr *)&opening->where, &address);
    size_t len = address_format(&address, text);

    (void)slice_to_cstr(opening->name, name, sizeof(name));
    (void)snprintf(where, sizeof(where), address.family == 6 ? "[%.*s]:%u" : "%.*s:%u", (int)len, text,
                   port_of(&opening->where));
    log_at(LOG_LEVEL_INFO, LOG_FIELDS("entryPointName", name, "address", where), "Listening");
}

/* Hands the new sockets of one entry point to the guard, in runs of neighbouring slots. */
static void hand_over(struct master *master, struct opening *opening, unsigned workers)
{
    struct control_message message = {.kind = CONTROL_LISTEN};
    char name[CONTROL_TEXT];
    bool any = false;

    (void)slice_to_cstr(opening->name, name, sizeof(name));
    for (unsigned slot = 0; slot < workers;) {
        unsigned run = 0;

        while (slot + run < workers && run < CONTROL_FDS && opening->fds[slot + run] != -1) {
            run++;
        }
        if (run == 0) {
            slot++;
            continue;
        }
        if (opening->kept == NULL) {
            opening->kept = kept_new(master, name, &opening->where);
            opening->kept->wanted = true;
        }
        message = (struct control_message){
            .kind = CONTROL_LISTEN, .worker = slot, .flags = opening->share ? CONTROL_SHARED : 0};
        (void)snprintf(message.text, sizeof(message.text), "%s", name);
        guard_send(master, &message, &opening->fds[slot], run);
        for (unsigned i = slot; i < slot + run; i++) {
            opening->kept->slots[i] = true;
        }
        slot += run;
        any = true;
    }
    if (any) {
        say_listening(opening);
    }
}

static int open_all(struct master *master, const struct static_config *config, struct opening *openings,
                    size_t *count, struct error *why)
{
    const struct entry_point *entries = config->entry_points.values;
    int rc = 0;

    for (size_t i = 0; i < config->entry_points.count && rc == 0; i++) {
        bool udp = false;

        rc = plan_one(master, config->entry_points.keys[i], &entries[i], &openings[*count], &udp, why);
        if (rc == 0 && !udp) { /* datagrams.c has the others */
            rc = bind_all(&openings[(*count)++], master->workers, why);
        }
    }
    for (size_t i = 0; i < *count && rc == 0; i++) {
        rc = listen_all(&openings[i], master->workers, why);
    }
    return rc;
}

/* Those that nobody can hold any more. */
static void forget_left(struct master *master)
{
    int64_t since = process_clock_ns() - OURS_AFTER_NS;

    for (struct kept_sockets **link = &master->kept; *link;) {
        struct kept_sockets *kept = *link;

        if (kept->left_ns != 0 && kept->left_ns < since) {
            *link = kept->next;
            free(kept);
        } else {
            link = &kept->next;
        }
    }
}

int listeners_apply(struct master *master, const struct static_config *config, struct error *why)
{
    struct opening *openings = xcalloc(config->entry_points.count + 1, sizeof(*openings));
    size_t count = 0;

    forget_left(master);

    struct opened_datagrams *datagrams = NULL;
    int rc = open_all(master, config, openings, &count, why);

    if (rc == 0) {
        rc = datagrams_open(master, config, &datagrams, why);
    }
    datagrams_finish(master, datagrams, rc == 0);
    if (rc == 0) {
        for (struct kept_sockets *kept = master->kept; kept; kept = kept->next) {
            kept->wanted = false;
        }
        for (size_t i = 0; i < count; i++) {
            if (openings[i].kept) {
                openings[i].kept->wanted = true;
            }
        }
        drop_unwanted(master, openings, count);
        for (size_t i = 0; i < count; i++) {
            hand_over(master, &openings[i], master->workers);
        }
    }
    for (size_t i = 0; i < count + (rc < 0); i++) {
        for (unsigned slot = 0; slot < BOARD_WORKERS && openings[i].name.ptr; slot++) {
            if (openings[i].fds[slot] != -1) {
                close(openings[i].fds[slot]);
            }
        }
    }
    free(openings);
    return rc;
}

void listeners_returned(struct master *master, unsigned slot, const char *name, bool leaving, int fd)
{
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof(bound);

    if (getsockname(fd, (struct sockaddr *)&bound, &len) == 0 && slot < BOARD_WORKERS) {
        struct kept_sockets *kept = master->kept;

        while (kept && (strcmp(kept->name, name) != 0 || kept->leaving != leaving ||
                        memcmp(&kept->bound, &bound, sizeof(bound)) != 0)) {
            kept = kept->next;
        }
        if (kept == NULL) {
            kept = kept_new(master, name, &bound);
            kept->leaving = leaving;
        }
        kept->slots[slot] = true;
    }
    close(fd);
}

void listeners_slot_closed(struct master *master, unsigned slot)
{
    struct error why;

    for (struct kept_sockets *kept = master->kept; kept; kept = kept->next) {
        kept->slots[slot] = false;
    }
    if (master->started && slot < master->workers &&
        listeners_apply(master, &master->settings->loaded.config, &why) < 0) {
        log_error("The sockets of worker %u cannot be opened again: %s", slot, why.text);
    }
}

/* Of several of that name the oldest, which is the last in the list. */
void listeners_left(struct master *master, const char *name)
{
    struct kept_sockets **oldest = NULL;

    for (struct kept_sockets **link = &master->kept; *link; link = &(*link)->next) {
        if ((*link)->leaving && (*link)->left_ns == 0 && strcmp((*link)->name, name) == 0) {
            oldest = link;
        }
    }
    if (oldest) {
        (*oldest)->left_ns = process_clock_ns();
    }
}

void listeners_left_before(struct master *master, const char *name, const struct sockaddr_storage *bound)
{
    struct kept_sockets *kept = kept_new(master, name, bound);

    kept->leaving = true;
    kept->left_ns = process_clock_ns();
}

void listeners_free(struct master *master)
{
    while (master->kept) {
        struct kept_sockets *kept = master->kept;

        master->kept = kept->next;
        free(kept);
    }
}
