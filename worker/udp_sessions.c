/*
 * udp_sessions.c - sessions of UDP clients: begin, end, silence. See udp.h.
 *
 * Each has a socket connected to its server, whose answers nobody else sees; the client's side has none of its own, because a
 * connected socket in the shards' group would cost every datagram of the entry point a search.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "shm/udp_page.h"
#include "worker/dial.h"
#include "worker/pick.h"
#include "worker/udp_inner.h"

#define SESSIONS_SHARE 2 /* a flood of senders that do not exist leaves as many descriptors to TCP */
#define SAID_NS (INT64_C(1) * 1000000000)
#define DEPTH_MAX 64 /* weighted services inside each other; the master refuses cycles */

/* ---- whom it goes to ---- */
/* The next in turn that has an address; NULL: there is none. */
static const struct server *choose(struct worker *worker, uint32_t number, const struct page **page)
{
    const struct services *services = &worker->generation->udp_services;

    for (int depth = 0; depth < DEPTH_MAX; depth++) {
        const struct service *service = services_at(services, number, page);

        if (service == NULL || service->sequence.count == 0) {
            return NULL;
        }
        const uint16_t *sequence = page_at(*page, service->sequence.items);
        uint64_t ticket = pick_ticket(worker, service);

        if (service->kind == SERVICE_WEIGHTED) {
            const struct service_child *children = page_at(*page, service->children.items);

            number = children[sequence[ticket % service->sequence.count]].service;
            continue;
        }
        const struct server *servers = page_at(*page, service->servers.items);

        for (size_t i = 0; i < service->sequence.count; i++) {
            const struct server *server = &servers[sequence[(ticket + i) % service->sequence.count]];

            if (server->addresses.count > 0) {
                return server;
            }
        }
        return NULL;
    }
    return NULL;
}

/* A socket connected to the first of the server's addresses that can be reached from here, or a negative errno. */
static int dial(struct worker *worker, const struct page *page, const struct server *server)
{
    const struct server_address *addresses = page_at(page, server->addresses.items);
    int fd = -EADDRNOTAVAIL;

    for (size_t i = 0; i < server->addresses.count && fd < 0 && fd != -EMFILE && fd != -ENFILE; i++) {
        fd = dial_datagrams(worker, &addresses[i]);
    }
    return fd;
}

/* ---- life ---- */
static void session_closed(struct io *io)
{
    free(io);
}

void udp_session_end(struct udp_session *session)
{
    struct worker *worker = session->shard->set->worker;

    if (session->io.fd < 0) {
        return; /* it has ended in this turn */
    }
    udp_table_take(&session->shard->sessions, &session->entry);
    timer_remove(worker->timers, &session->timer);
    worker->udp->sessions--;
    slab_gauge(worker->slab, GAUGE_UDP_SESSIONS, -1);
    poller_forget(&session->io); /* one that moves is in its lane too */
    io_close(&session->io);
}

void udp_session_end_all(struct udp_shard *shard)
{
    struct udp_entry *entry;
    size_t at = 0;

    while ((entry = udp_table_any(&shard->sessions, &at))) {
        udp_session_end(udp_session_of(entry));
    }
}

bool udp_session_end_some(struct udp_shard *shard)
{
    int64_t piece = piece_begin();
    struct udp_entry *entry;
    size_t at = 0;

    while (!piece_is_over(piece)) {
        if ((entry = udp_table_any(&shard->sessions, &at)) == NULL) {
            return true;
        }
        udp_session_end(udp_session_of(entry));
    }
    return false;
}

static void silent(struct timer *timer)
{
    udp_session_end((struct udp_session *)((char *)timer - offsetof(struct udp_session, timer)));
}

static struct udp_session *session_new(struct udp_shard *shard, const struct udp_flow *flow, int fd,
                                       int64_t left_ns)
{
    struct worker *worker = shard->set->worker;
    struct udp_session *session = xcalloc(1, sizeof(*session));

    session->shard = shard;
    session->entry.flow = *flow;
    session->timer = (struct timer){.deadline_ns = TIMER_NEVER, .fire = silent};
    session->io.kind = LAP_UPSTREAM;
    session->io.on_ready = udp_session_ready;
    session->io.on_closed = session_closed;

    int rc = poller_add(worker->poller, &session->io, fd, true);

    if (rc < 0) {
        log_error("Entry point %s: cannot watch a UDP session: %s", shard->set->name, strerror(-rc));
        free(session);
        return NULL;
    }
    udp_table_put(&shard->sessions, &session->entry);
    worker->udp->sessions++;
    slab_gauge(worker->slab, GAUGE_UDP_SESSIONS, 1);
    timer_set(worker->timers, &session->timer, worker->now_ns + left_ns);
    return session;
}

static void refuse(struct udp_set *set, uint64_t count, const char *reason)
{
    struct worker *worker = set->worker;

    slab_count(worker->slab, COUNT_UDP_REFUSED, count);
    if (set->said_ns == 0 || worker->now_ns - set->said_ns >= SAID_NS) {
        set->said_ns = worker->now_ns;
        log_warn("Entry point %s: UDP sessions are refused: %s", set->name, reason);
    }
}

struct udp_session *udp_session_begin(struct udp_shard *shard, const struct udp_flow *flow)
{
    struct udp_set *set = shard->set;
    struct worker *worker = set->worker;
    const struct page *page = NULL;

    if (worker->draining) {
        slab_count(worker->slab, COUNT_UDP_REFUSED, 1);
        return NULL;
    }
    if (set->service == UDP_NO_SERVICE) {
        refuse(set, 1, "no router has the entry point");
        return NULL;
    }
    if (worker->udp->sessions >= (size_t)worker->fd_servers / SESSIONS_SHARE) {
        refuse(set, 1, "they have their share of the descriptors");
        return NULL;
    }
    if (!budget_admits_session(worker)) {
        refuse(set, 1, "the memory budget is used up");
        return NULL;
    }
    const struct server *server = choose(worker, set->service, &page);

    if (server == NULL) {
        refuse(set, 1, "its service has no server");
        return NULL;
    }
    int fd = dial(worker, page, server);

    if (fd < 0) {
        refuse(set, 1, fd == -EMFILE || fd == -ENFILE ? "there are no more descriptors" : strerror(-fd));
        return NULL;
    }
    struct udp_session *session = session_new(shard, flow, fd, set->timeout_ns);

    if (session) {
        slab_count(worker->slab, COUNT_UDP_SESSIONS, 1);
    } else {
        close(fd);
        refuse(set, 1, "the kernel has no room");
    }
    return session;
}

void udp_sessions_lost(struct udp_set *set, uint64_t count)
{
    refuse(set, count, "those of another worker find no descriptors here and end");
}

void udp_session_adopt(struct udp_shard *shard, const struct udp_flow *flow, int fd, int64_t left_ns)
{
    struct udp_set *set = shard->set;
    int64_t most = set->timeout_ns ? set->timeout_ns : left_ns, left = left_ns < most ? left_ns : most;
    bool fits = fd < set->worker->fd_servers;

    if (!fits || udp_table_find(&shard->sessions, flow) ||
        session_new(shard, flow, fd, left > 0 ? left : 0) == NULL) {
        close(fd);
    }
    if (!fits) {
        udp_sessions_lost(set, 1);
    }
}
