/*
 * upstream_pool.c - connections to servers, and those that wait for the next request.
 *
 * A pool belongs to a server identity (scheme, address, transport), not to a generation: a new configuration finds the
 * connections of the old one. Last in, first out. An idle connection that becomes readable was closed or speaks out of
 * turn: either way it is closed. maxIdleConnsPerHost counts for the whole tree: each worker has its part (I7).
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "worker/dial.h"
#include "worker/h1_response.h"
#include "worker/h2_upstream.h"
#include "worker/tls_upstream.h"
#include "worker/upstream_inner.h"
#include "worker/worker.h"

#define BUCKETS 1024

struct upstream_pools {
    struct upstream_pool *buckets[BUCKETS];
};

static struct upstream_pool **bucket_of(struct upstream_pools *pools, uint64_t identity)
{
    return &pools->buckets[hash_finish(identity) % BUCKETS];
}

static struct upstream_pool *pool_find(struct worker *worker, uint64_t identity)
{
    struct upstream_pool *pool = *bucket_of(worker->pools, identity);

    while (pool && pool->identity != identity) {
        pool = pool->next;
    }
    return pool;
}

struct upstream_pool *upstream_pool_find(struct worker *worker, const struct server *server)
{
    return pool_find(worker, server->identity);
}

static struct upstream_pool *pool_for(struct worker *worker, uint64_t identity)
{
    struct upstream_pool *pool = pool_find(worker, identity);

    if (pool == NULL) {
        struct upstream_pool **bucket = bucket_of(worker->pools, identity);

        pool = xcalloc(1, sizeof(*pool));
        pool->identity = identity;
        pool->next = *bucket;
        *bucket = pool;
    }
    return pool;
}

static void pool_leave(struct worker *worker, struct upstream_pool *pool)
{
    if (--pool->connections == 0) {
        struct upstream_pool **at = bucket_of(worker->pools, pool->identity);

        while (*at != pool) {
            at = &(*at)->next;
        }
        *at = pool->next;
        free(pool);
    }
}

static void idle_remove(struct upstream *up)
{
    struct upstream_pool *pool = up->pool;

    *(up->previous ? &up->previous->next : &pool->idle) = up->next;
    *(up->next ? &up->next->previous : &pool->idle_last) = up->previous;
    up->next = up->previous = NULL;
    pool->idle_count--;
    slab_gauge(up->conn.worker->slab, GAUGE_UPSTREAM_IDLE, -1);
}

static void idle_add(struct upstream *up)
{
    struct upstream_pool *pool = up->pool;

    up->previous = NULL;
    up->next = pool->idle;
    *(up->next ? &up->next->previous : &pool->idle_last) = up;
    pool->idle = up;
    pool->idle_count++;
    slab_gauge(up->conn.worker->slab, GAUGE_UPSTREAM_IDLE, 1);
}

/* ---- those of HTTP/2 ---- */

static void shared_remove(struct upstream *up)
{
    struct upstream_pool *pool = up->pool;

    *(up->previous ? &up->previous->next : &pool->shared) = up->next;
    *(up->next ? &up->next->previous : &pool->shared_last) = up->previous;
    up->next = up->previous = NULL;
}

void upstream_share(struct upstream *up, bool room)
{
    struct upstream_pool *pool = up->pool;

    if (up->next || up->previous || pool->shared == up) {
        shared_remove(up);
    }
    if (room || pool->shared == NULL) {
        up->next = pool->shared;
        *(up->next ? &up->next->previous : &pool->shared_last) = up;
        pool->shared = up;
    } else {
        up->previous = pool->shared_last;
        up->previous->next = up;
        pool->shared_last = up;
    }
}

void upstream_rest(struct upstream *up, bool idle)
{
    struct board_slab *slab = up->conn.worker->slab;

    up->state = idle ? UPSTREAM_IDLE : UPSTREAM_BUSY;
    up->pool->idle_count += idle ? 1 : -1u;
    slab_gauge(slab, GAUGE_UPSTREAM_ACTIVE, idle ? -1 : 1);
    slab_gauge(slab, GAUGE_UPSTREAM_IDLE, idle ? 1 : -1);
}

static void on_closed(struct io *io)
{
    struct upstream *up = (struct upstream *)io;

    h2_upstream_free(up);
    record_give(up->conn.worker, RECORD_UPSTREAM, up);
}

void upstream_close(struct upstream *up)
{
    struct worker *worker = up->conn.worker;

    if (up->state == UPSTREAM_CLOSED) {
        return;
    }
    if (up->state == UPSTREAM_IDLE && up->h2) {
        up->pool->idle_count--;
        slab_gauge(worker->slab, GAUGE_UPSTREAM_IDLE, -1);
    } else if (up->state == UPSTREAM_IDLE) {
        idle_remove(up);
    } else {
        slab_gauge(worker->slab, GAUGE_UPSTREAM_ACTIVE, -1);
    }
    if (up->h2) {
        shared_remove(up);
    }
    up->state = UPSTREAM_CLOSED;
    up->ux = NULL;
    conn_close(&up->conn);
    pool_leave(worker, up->pool);
    up->pool = NULL;
}

static void connect_failed(struct upstream *up, enum reason reason)
{
    if (up->h2) {
        h2_upstream_lost(up, reason);
    } else {
        upstream_attempt_failed(up->ux, reason);
    }
}

static void connect_done(struct upstream *up)
{
    if (!up->conn.io.writable) {
        return;
    }

    int error = dial_error(up->conn.io.fd);

    if (error) {
        log_debug("connecting failed: %s", strerror(error));
        connect_failed(up, error == ETIMEDOUT ? REASON_connect_timeout : REASON_connect_refused);
        return;
    }
    if (up->ux && up->ux->pick.server->tls) {
        upstream_tls_start(up);
    } else {
        upstream_opened(up);
    }
}

void upstream_opened(struct upstream *up)
{
    up->state = UPSTREAM_BUSY;
    if (up->h2 == NULL && slice_eq(tls_upstream_protocol(&up->conn), SLICE("h2"))) {
        h2_upstream_adopt(up);
    } else if (up->h2) {
        h2_upstream_connected(up);
    } else {
        upstream_connected(up->ux);
    }
    if (up->conn.io.readable) {
        poller_again(&up->conn.io);
    }
}

static void busy(struct upstream *up)
{
    struct upstream_exchange *ux = up->ux;
    struct io *io = &up->conn.io;

    if (conn_backed_up(&up->conn) && io->writable) {
        size_t waited = up->conn.out_len;

        if (conn_flush(&up->conn) < 0) {
            io->broken = io->readable = true; /* there may be an answer to be read all the same */
        } else if (up->conn.out_len < waited) {
            ux->moved_ns = up->conn.worker->now_ns;
        }
        if (!io->broken && !conn_backed_up(&up->conn)) {
            upstream_arm(ux);
            if (ux->end_due) {
                (void)conn_end(&up->conn);
            } else if ((!ux->request_sent || ux->raw) && !ux->body_held) {
                exchange_want_body(ux->ex);
            }
        }
    }
    if (io->readable && !ux->paused) {
        h1_response_read(ux);
    }
}

/* Nothing came that belongs to no request. Records of TLS that carry no data (tickets, keys) do not count; and behind a body
 * that was spliced nobody has looked yet. */
static bool is_silent(struct upstream *up)
{
    struct io *io = &up->conn.io;
    char byte;

    if (io->readable && !io->hangup && !io->broken) {
        return conn_read(&up->conn, &byte, 1) < 0 && errno == EAGAIN && !io->hangup && !io->broken;
    }
    return !io->readable && !io->hangup && !io->broken;
}

static void on_ready(struct io *io)
{
    struct upstream *up = (struct upstream *)io;

    switch (up->state) {
    case UPSTREAM_CONNECTING:
        connect_done(up);
        break;
    case UPSTREAM_HANDSHAKE:
        upstream_tls_step(up);
        break;
    case UPSTREAM_BUSY:
        if (up->h2) {
            h2_upstream_ready(up);
        } else {
            busy(up);
        }
        break;
    case UPSTREAM_IDLE:
        if (up->h2) {
            h2_upstream_ready(up);
        } else if (!is_silent(up)) {
            upstream_close(up);
        }
        break;
    case UPSTREAM_TUNNEL:
    case UPSTREAM_CLOSED:
        break;
    }
}

static void on_timer(struct timer *timer)
{
    struct upstream *up = (struct upstream *)((char *)timer - offsetof(struct upstream, conn.timer));

    if (up->h2) {
        h2_upstream_late(up);
    } else if (up->state == UPSTREAM_IDLE) {
        upstream_close(up);
    } else if (up->ux) {
        upstream_late(up->ux);
    }
}

/* What came before this turn would be taken for the answer to what is asked now, though its event may be behind that of the
 * request, or left for the next turn. */
static bool is_fit(struct upstream *up)
{
    if (!poller_knows(&up->conn.io)) {
        up->conn.io.readable = true;
    }
    return is_silent(up);
}

/* The one that was used last. NULL: there is none. */
static struct upstream *idle_first(struct worker *worker, const struct server *server)
{
    struct upstream_pool *pool = pool_find(worker, server->identity);

    return pool ? pool->idle : NULL;
}

struct upstream *upstream_reuse(struct worker *worker, const struct server *server)
{
    struct upstream *up;

    while ((up = idle_first(worker, server)) && !is_fit(up)) {
        upstream_close(up); /* the pool may go with it */
    }
    if (up == NULL) {
        return NULL;
    }
    idle_remove(up);
    up->state = UPSTREAM_BUSY;
    up->reused = true;
    slab_gauge(worker->slab, GAUGE_UPSTREAM_ACTIVE, 1);
    slab_count(worker->slab, COUNT_UPSTREAM_REUSED, 1);
    return up;
}

int upstream_dial(struct worker *worker, const struct server *server, const struct server_address *address,
                  struct upstream **out)
{
    int fd = dial_address(worker, address);

    if (fd < 0) {
        return fd;
    }

    struct upstream *up = record_take(worker, RECORD_UPSTREAM);

    if (up) {
        memset(up, 0, sizeof(*up));
    } else {
        up = xcalloc(1, sizeof(*up));
    }
    up->conn.io.kind = LAP_UPSTREAM;
    up->conn.io.on_ready = on_ready;
    up->conn.io.on_closed = on_closed;
    up->conn.timer.fire = on_timer;

    int rc = conn_open(&up->conn, worker, fd);

    if (rc < 0) {
        free(up);
        return rc;
    }
    up->state = UPSTREAM_CONNECTING;
    up->pool = pool_for(worker, server->identity);
    up->pool->connections++;
    slab_gauge(worker->slab, GAUGE_UPSTREAM_ACTIVE, 1);
    slab_count(worker->slab, COUNT_UPSTREAM_CONNECTS, 1);
    *out = up;
    return 0;
}

/* This worker's part of maxIdleConnsPerHost. */
static int64_t idle_limit(struct worker *worker, const struct transport *transport)
{
    int64_t limit = transport->max_idle_conns_per_host;
    int64_t workers =
        (int64_t)atomic_load_explicit(&board_tree(worker->board)->workers, memory_order_relaxed);

    if (limit == 0) {
        return INT32_MAX;
    }
    if (limit < 0) {
        return 0;
    }
    return workers > 1 ? (limit + workers - 1) / workers : limit;
}

/* Nothing but their number is against it. */
static bool may_idle(const struct upstream *up)
{
    const struct worker *worker = up->conn.worker;
    const struct io *io = &up->conn.io;

    return !worker->draining && worker->budget.level < BUDGET_FULL && !io->hangup && !io->broken;
}

bool upstream_may_wait(const struct upstream *up, const struct transport *transport)
{
    return may_idle(up) && up->pool->idle_count < idle_limit(up->conn.worker, transport);
}

void upstream_keep(struct upstream *up, const struct transport *transport)
{
    struct worker *worker = up->conn.worker;
    int64_t limit = idle_limit(worker, transport);

    if (!may_idle(up) || limit == 0 || !is_silent(up)) {
        upstream_close(up);
        return;
    }
    if (up->pool->idle_last && up->pool->idle_count >= limit) {
        upstream_close(
            up->pool->idle_last); /* the one that waited longest: it would have been the last to be taken */
    }
    up->state = UPSTREAM_IDLE;
    up->ux = NULL;
    slab_gauge(worker->slab, GAUGE_UPSTREAM_ACTIVE, -1);
    idle_add(up);
    timer_set(worker->timers, &up->conn.timer,
              transport->idle_conn_timeout > 0 ? worker->now_ns + transport->idle_conn_timeout : TIMER_NEVER);
}

void upstream_start(struct worker *worker)
{
    worker->pools = xcalloc(1, sizeof(*worker->pools));
    record_kind_set(worker, RECORD_UPSTREAM, free);
    record_kind_set(worker, RECORD_UPSTREAM_EXCHANGE, upstream_exchange_free);
    h2_upstream_start(worker);
}

/* One that is idle, the one that waited longest first where that is known. NULL: there is none. */
static struct upstream *idlest(const struct upstream_pool *pool)
{
    struct upstream *up = pool->idle_last;

    for (up = up ? up : pool->shared; up && up->state != UPSTREAM_IDLE;) {
        up = up->next;
    }
    return up;
}

/* With the last one the pool goes. */
static unsigned close_idle(struct upstream_pool *pool, unsigned most)
{
    unsigned closed = 0;

    for (uint32_t left = pool->idle_count; left > 0 && closed < most; left--, closed++) {
        upstream_close(idlest(pool));
    }
    return closed;
}

unsigned upstream_shed(struct worker *worker, unsigned most)
{
    unsigned closed = 0;

    for (unsigned i = 0; i < BUCKETS && closed < most; i++) {
        struct upstream_pool *pool = worker->pools->buckets[i];

        while (pool && closed < most) {
            struct upstream_pool *next = pool->next;

            closed += close_idle(pool, most - closed);
            pool = next;
        }
    }
    return closed;
}

void upstream_stop(struct worker *worker)
{
    if (worker->pools == NULL) {
        return;
    }
    for (unsigned i = 0; i < BUCKETS; i++) {
        struct upstream_pool *pool = worker->pools->buckets[i];

        while (pool) {
            struct upstream_pool *next = pool->next;

            (void)close_idle(pool, UINT32_MAX);
            pool = next;
        }
    }
    free(worker->pools);
    worker->pools = NULL;
}
