/*
 * share.c - leaving a port that other programs share with us (`reusePort`): the next pod of weir on the node's network.
 *
 * Closing a listening socket resets what is in its queue, and the kernel goes on choosing ours until then. So before we go
 * a program on the group of sockets steers new connections to those of the others. It names sockets by their places in
 * the kernel's group, which nobody tells; they are found out:
 *   mark    our sockets announce a segment size of their own (nobody but a client on loopback has larger segments)
 *   probe   the program sends all to place i; a connection from here sees whose announcement it gets. Meanwhile real ones
 *           come there too: everybody in the group serves
 * Sockets of a program that is leaving as well are marked like ours, so nobody is steered to it.
 *
 * At the end sockets are closed one by one. The kernel fills the gap with the last of the group: so that one gets nothing
 * new meanwhile. The last program stays with the group, it lets all who stay have connections; who adds sockets to a group
 * later takes it away (retire.c).
 *
 * Not here: when we go (guard.c).
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "master/guard/guard.h"

#define PLACES_MOST (2 * BOARD_WORKERS)
#define MARK 4096 /* of slot 0; each has MARK_STEP, which is more than options of TCP take, to itself */
#define MARK_STEP 64
#define PROBE_MS 20
#define FAILED_PROBES_MOST 3
#define OTHER UINT16_MAX         /* somebody who stays */
#define LEAVING (UINT16_MAX - 1) /* not ours, marked or not to be reached */

struct places { /* the kernel's group of one address */
    unsigned count;
    uint16_t owner[PLACES_MOST]; /* by place: our slot, OTHER or LEAVING */
};

/* ---- how many there are ---- */
static bool ask_listeners(int netlink, const struct sockaddr_storage *bound)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } ask = {
        .header = {.nlmsg_len = sizeof(ask),
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .request = {.sdiag_family = (uint8_t)bound->ss_family,
                    .sdiag_protocol = IPPROTO_TCP,
                    .idiag_states = 1u << TCP_LISTEN,
                    .id.idiag_sport = ((const struct sockaddr_in *)bound)->sin_port}, /* of either family */
    };

    return send(netlink, &ask, sizeof(ask), 0) == (ssize_t)sizeof(ask);
}

static bool is_there(const struct inet_diag_msg *found, const struct sockaddr_storage *bound)
{
    const void *address = bound->ss_family == AF_INET6
                              ? (const void *)&((const struct sockaddr_in6 *)bound)->sin6_addr
                              : (const void *)&((const struct sockaddr_in *)bound)->sin_addr;
    size_t size = bound->ss_family == AF_INET6 ? 16 : 4;

    return found->idiag_family == bound->ss_family && found->id.idiag_if == 0 &&
           memcmp(found->id.idiag_src, address, size) == 0;
}

/* Sockets that listen on the very address; 0 when the kernel does not say. */
static unsigned count_listeners(const struct sockaddr_storage *bound)
{
    _Alignas(struct nlmsghdr) char buf[16384];
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    bool more = netlink != -1 && ask_listeners(netlink, bound);
    unsigned count = 0;

    while (more) {
        ssize_t got = recv(netlink, buf, sizeof(buf), 0);
        size_t left = got > 0 ? (size_t)got : 0;

        more = left > 0;
        for (struct nlmsghdr *at = (struct nlmsghdr *)(void *)buf; more && NLMSG_OK(at, left);
             at = NLMSG_NEXT(at, left)) {
            more = at->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
                   at->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg));
            count += more && is_there(NLMSG_DATA(at), bound);
        }
    }
    if (netlink != -1) {
        close(netlink);
    }
    return count;
}

/* ---- whose they are ---- */
static bool attach(int fd, struct sock_filter *code, unsigned length)
{
    struct sock_fprog program = {.len = (unsigned short)length, .filter = code};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) == 0;
}

static bool send_all_to(int fd, unsigned place)
{
    struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, place)};

    return attach(fd, code, 1);
}

/* Where a connection from here reaches the socket. */
static socklen_t reachable(const struct sockaddr_storage *bound, struct sockaddr_storage *out)
{
    struct sockaddr_in *four = (struct sockaddr_in *)out;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)bound;

    *out = *bound;
    if (bound->ss_family == AF_INET6 && !IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr)) {
        return sizeof(*six);
    }
    if (bound->ss_family == AF_INET6 || four->sin_addr.s_addr == htonl(INADDR_ANY)) {
        *four = (struct sockaddr_in){.sin_family = AF_INET, /* wildcards of ours take both families */
                                     .sin_port = ((const struct sockaddr_in *)bound)->sin_port,
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    }
    return sizeof(*four);
}

/* The segment size that a new connection is told, less TCP's options; -1: there is no connection. */
static int probe(const struct sockaddr_storage *to, socklen_t size)
{
    struct linger reset = {.l_onoff = 1};
    int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), segment = -1, error = 0;
    socklen_t length = sizeof(segment), error_length = sizeof(error);
    struct pollfd polled = {.fd = fd, .events = POLLOUT};

    if (fd == -1) {
        return -1;
    }
    if ((connect(fd, (const struct sockaddr *)to, size) == -1 && errno != EINPROGRESS) ||
        poll(&polled, 1, PROBE_MS) != 1 ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_length) == -1 || error != 0 ||
        getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, &length) == -1) {
        segment = -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    return segment;
}

static uint16_t owner_of(const struct kept *kept, int segment)
{
    int slot = (segment - MARK + MARK_STEP - 1) / MARK_STEP;

    if (segment > MARK + MARK_STEP * BOARD_WORKERS) {
        return OTHER;
    }
    return segment > MARK - MARK_STEP && slot < BOARD_WORKERS && kept->fds[slot] != -1 ? (uint16_t)slot
                                                                                       : LEAVING;
}

static bool find_owner(const struct kept *kept, int any, const struct sockaddr_storage *to, socklen_t size,
                       struct places *places, unsigned place)
{
    int segment = send_all_to(any, place) ? probe(to, size) : -1;

    places->owner[place] = segment < 0 ? LEAVING : owner_of(kept, segment);
    return segment >= 0;
}

/* Looks at each place of the group; false when nobody else is there, or nothing can be found out. */
static bool find_places(const struct kept *kept, int any, struct places *places)
{
    struct sockaddr_storage bound, to;
    socklen_t size = sizeof(bound);
    unsigned others = 0, failed = 0;

    if (getsockname(any, (struct sockaddr *)&bound, &size) == -1) {
        return false;
    }
    places->count = count_listeners(&bound);
    if (places->count == 0) { /* not even ours */
        log_warn("Entry point %s: the kernel does not tell who shares its port (sock_diag); connections that "
                 "wait when its sockets are closed are reset",
                 kept->name);
    }
    if (places->count <= kept->count || places->count > PLACES_MOST) {
        return false;
    }
    size = reachable(&bound, &to);
    for (unsigned i = 0; i < places->count && failed < FAILED_PROBES_MOST; i++) {
        failed += !find_owner(kept, any, &to, size, places, i);
        others += places->owner[i] == OTHER;
    }
    return others > 0 && failed < FAILED_PROBES_MOST;
}

static void mark(const struct kept *kept)
{
    for (int slot = 0; slot < BOARD_WORKERS; slot++) {
        int segment = MARK + MARK_STEP * slot;

        if (kept->fds[slot] != -1) {
            (void)setsockopt(kept->fds[slot], IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment));
        }
    }
}

/* ---- steering ---- */
/* To the others; not to the last of the group if there is another. */
static bool steer_away(int fd, const struct places *places, bool spare_last)
{
    struct sock_filter code[2 * PLACES_MOST + 3];
    unsigned targets[PLACES_MOST], count = 0;

    for (unsigned i = 0; i < places->count; i++) {
        if (places->owner[i] == OTHER) {
            targets[count++] = i;
        }
    }
    if (spare_last && count > 1 && targets[count - 1] == places->count - 1) {
        count--;
    }
    return attach(fd, code, retire_program(code, targets, count));
}

static void leave_one(struct kept *kept)
{
    struct places *places = xcalloc(1, sizeof(*places));
    int any = kept->fds[kept->order[0]];

    mark(kept);
    if (find_places(kept, any, places) && steer_away(any, places, false)) {
        kept->places = places;
        log_info("Entry point %s: new connections go to the other programs on its port", kept->name);
        return;
    }
    (void)share_release(any);
    free(places);
}

bool share_leave(struct guard *guard)
{
    bool steered = false;

    for (struct kept *kept = guard->kept; kept; kept = kept->next) {
        if (kept->shared && kept->leaving_ns == 0 && kept->count > 0) {
            leave_one(kept);
            steered = steered || kept->places != NULL;
        }
    }
    return steered;
}

int share_release(int fd)
{
    int none = 0;
    int rc = setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &none, sizeof(none)) == -1 ? -errno : 0;

    return rc == -ENOENT ? 0 : rc; /* there was none */
}

/* Who stayed may be leaving by now. False when sockets came or went: where which one is, is not known any more. */
static bool look_again(const struct kept *kept, int any, struct places *places)
{
    struct sockaddr_storage bound, to;
    socklen_t size = sizeof(bound);

    if (getsockname(any, (struct sockaddr *)&bound, &size) == -1 ||
        count_listeners(&bound) != places->count) {
        return false;
    }
    size = reachable(&bound, &to);
    for (unsigned i = 0; i < places->count; i++) {
        if (places->owner[i] == OTHER && find_owner(kept, any, &to, size, places, i) &&
            places->owner[i] != OTHER) {
            places->owner[i] = LEAVING;
        }
    }
    return true;
}

static void close_one(struct kept *kept, struct places *places, unsigned place)
{
    int *fd = &kept->fds[places->owner[place]];

    (void)steer_away(*fd, places, true);
    close(*fd);
    *fd = -1;
    places->owner[place] = places->owner[--places->count];
}

void share_close(struct kept *kept)
{
    struct places *places = kept->places;

    if (places && kept->count > 0 && look_again(kept, kept->fds[kept->order[0]], places)) {
        for (unsigned i = 0; i < places->count;) {
            if (places->owner[i] < BOARD_WORKERS && kept->fds[places->owner[i]] != -1) {
                close_one(kept, places, i);
            } else {
                i++;
            }
        }
    }
    free(places);
    kept->places = NULL;
}
