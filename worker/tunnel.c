/*
 * tunnel.c - see tunnel.h.
 *
 * Each direction reads into the worker's scratch area and writes at once, or splices where much comes at once and there is no
 * TLS; while the other side is backed up it does not read. Memory: nothing while both sides keep up.
 */
#include "worker/tunnel.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/http/reason.h"
#include "worker/splice.h"
#include "worker/worker.h"

#define READS_PER_TURN 4
#define STALL_NS (INT64_C(300) * 1000000000) /* a side that takes nothing for that long is gone */

const struct tunnel_terms tunnel_usual = {.half_open_ns = INT64_C(60) * 1000000000};

/* One direction. Everything that an event of `in` needs stands here. */
struct way {
    struct tunnel *tunnel;
    struct conn *in, *out;
    bool ended; /* `in` sent its end */
    bool told;  /* `out` was told of it, behind everything before it */
    bool bulk;  /* `in` sent much at once: splice.h */
    unsigned counter;
};

struct tunnel {
    struct record record;
    struct way ways[2]; /* from the client, from the server; in->owner is the way */
    struct worker *worker;
    struct tunnel_end ends[2];
    struct tunnel_terms terms;
    int64_t cut_ns; /* half open so long at most */
    bool half_open; /* one side was told of the other's end */
    bool closed;
};

static struct way *way_back(struct way *way)
{
    struct way *ways = way->tunnel->ways;

    return way == ways ? ways + 1 : ways;
}

static void tunnel_close(struct tunnel *tunnel)
{
    if (tunnel->closed) {
        return;
    }
    tunnel->closed = true;
    for (int side = 0; side < 2; side++) {
        struct tunnel_end *end = &tunnel->ends[side];

        buffer_give(tunnel->worker, end->early);
        end->early = NULL;
        end->conn->owner = NULL;
        end->closed(end->conn);
    }
    record_give(tunnel->worker, RECORD_TUNNEL, tunnel);
}

/* A connection was lost, or the memory budget lets nothing more wait. */
static void tunnel_lost(struct tunnel *tunnel, int rc)
{
    if (rc == -ENOMEM) {
        slab_count(tunnel->worker->slab, COUNT_SHED_BUSY, 1);
        slab_count(tunnel->worker->slab, COUNT_REASONS + REASON_limit, 1);
    }
    tunnel_close(tunnel);
}

static void arm(struct tunnel *tunnel)
{
    for (int side = 0; side < 2; side++) {
        struct conn *conn = tunnel->ends[side].conn;
        int64_t deadline = TIMER_NEVER;

        if (conn_backed_up(conn)) {
            deadline = tunnel->worker->now_ns + STALL_NS;
        } else if (tunnel->half_open) {
            deadline = tunnel->cut_ns;
        }
        timer_set(tunnel->worker->timers, &conn->timer, deadline);
    }
}

/* Whoever is half open may be so from now on. */
static void count_half_open(struct tunnel *tunnel)
{
    int64_t most = tunnel->terms.half_open_ns;

    tunnel->half_open = true;
    tunnel->cut_ns = most < 0 ? TIMER_NEVER : tunnel->worker->now_ns + most;
    arm(tunnel);
}

/* One side has ended: the other is told once everything before it has left. False: the tunnel is over. */
static bool pass_end(struct way *way)
{
    struct tunnel *tunnel = way->tunnel;

    if (!way->ended || conn_backed_up(way->out)) {
        return true;
    }
    if (way_back(way)->ended && !conn_backed_up(way->in)) {
        tunnel_close(tunnel); /* tells the one that was not told */
        return false;
    }
    if (way->told) {
        return true;
    }
    if (conn_end(way->out) < 0) {
        tunnel_close(tunnel);
        return false;
    }
    way->told = true;
    count_half_open(tunnel);
    return true;
}

/* One portion: how many bytes went over; 0 at the end of that side; -EAGAIN; another negative errno: one is lost. */
static ssize_t move(struct way *way)
{
    struct worker *worker = way->in->worker;
    char *scratch = worker->recycler->scratch;
    ssize_t n = conn_read(way->in, scratch, scratch_size(worker));

    if (n <= 0) {
        return n < 0 ? -errno : 0;
    }
    way->bulk = n >= SPLICE_LEAST;
    slab_count(worker->slab, way->counter, (uint64_t)n);

    int rc = conn_send_one(way->out, slice_of(scratch, (size_t)n));

    return rc < 0 ? rc : n;
}

/* The same without a copy, where much comes at once. */
__attribute__((noinline)) static ssize_t move_pages(struct way *way)
{
    int rc;
    ssize_t n = splice_bytes(way->in, way->out, UINT64_MAX, &rc);

    if (n > 0) {
        way->bulk = n >= SPLICE_LEAST;
        slab_count(way->in->worker->slab, way->counter, (uint64_t)n);
    }
    return rc < 0 ? rc : n;
}

/* Nothing came from that side: it has ended, or a connection is lost. False: the tunnel is over. */
static bool stop(struct way *way, ssize_t n)
{
    if (n == -EAGAIN) {
        return true;
    }
    if (n < 0) {
        tunnel_lost(way->tunnel, (int)n);
        return false;
    }
    way->ended = true;
    return pass_end(way);
}

/* Bytes from one side to the other. False: the tunnel is over. */
static bool pump(struct way *way)
{
    for (int reads = 0; way->in->io.readable && !way->ended && !conn_backed_up(way->out);) {
        ssize_t n = way->bulk && splice_fits(way->in, way->out) ? move_pages(way) : move(way);

        if (n <= 0) {
            return stop(way, n);
        }
        if (way->tunnel->half_open && !way->tunnel->terms.from_the_end) {
            count_half_open(way->tunnel);
        } else if (conn_backed_up(way->out)) {
            arm(way->tunnel);
            return true;
        }
        if (way->in->io.readable &&
            (++reads == READS_PER_TURN || stopwatch_is_over(&way->in->worker->watch))) {
            poller_again(&way->in->io);
            return true;
        }
    }
    return true;
}

/* What waited for a side has a way again. False: the tunnel is over. */
static bool flush(struct way *way)
{
    struct way *back = way_back(way);

    if (conn_flush(way->in) < 0) {
        tunnel_close(way->tunnel);
        return false;
    }
    if (conn_backed_up(way->in)) {
        return true;
    }
    arm(way->tunnel); /* the other direction may go on, or end */
    return pass_end(back) && pump(back);
}

static void on_ready(struct io *io)
{
    struct conn *conn = (struct conn *)io;
    struct way *way = conn->owner;

    if (way && (!conn_backed_up(conn) || !io->writable || flush(way))) {
        pump(way);
    }
}

static void on_timer(struct timer *timer)
{
    struct conn *conn = (struct conn *)((char *)timer - offsetof(struct conn, timer));
    struct way *way = conn->owner;

    if (way == NULL) {
        return;
    }
    if (!conn_backed_up(conn) && conn_backed_up(way->out)) {
        way->ended = way_back(way)->ended = true; /* nothing more is read; what was read still leaves */
        return;
    }
    log_debug("tunnel: %s for too long, closed", conn_backed_up(conn) ? "nothing was taken" : "half open");
    tunnel_close(way->tunnel);
}

/* What was read before the switch goes first. False: the tunnel is over. */
static bool send_early(struct tunnel *tunnel, int from)
{
    struct buffer *early = tunnel->ends[from].early;
    int rc;

    if (early == NULL) {
        return true;
    }
    if ((rc = conn_send_one(tunnel->ways[from].out, slice_of(early->data + early->from, buffer_len(early)))) <
        0) {
        tunnel_lost(tunnel, rc);
        return false;
    }
    tunnel->ends[from].early = NULL;
    buffer_give(tunnel->worker, early);
    return true;
}

void tunnel_open(struct worker *worker, struct tunnel_end *client, struct tunnel_end *server,
                 const struct tunnel_terms *terms)
{
    struct tunnel *tunnel = record_take(worker, RECORD_TUNNEL);

    if (tunnel == NULL) {
        tunnel = xmalloc(sizeof(*tunnel));
    }
    *tunnel = (struct tunnel){.worker = worker, .ends = {*client, *server}, .terms = *terms};
    for (int side = 0; side < 2; side++) {
        struct conn *conn = tunnel->ends[side].conn;

        tunnel->ways[side] = (struct way){
            .tunnel = tunnel,
            .in = conn,
            .out = tunnel->ends[1 - side].conn,
            .counter = side == 0 ? COUNT_BYTES_IN : COUNT_BYTES_OUT,
        };
        conn->owner = &tunnel->ways[side];
        conn->io.kind = LAP_TUNNEL;
        conn->io.on_ready = on_ready;
        conn->timer.fire = on_timer;
        poller_again(&conn->io);
    }
    arm(tunnel);
    if (send_early(tunnel, 0)) {
        send_early(tunnel, 1);
    }
}

struct conn *tunnel_other(const struct conn *conn)
{
    const struct way *way = conn->owner;

    return way ? way->out : NULL;
}

void tunnel_cut(struct conn *conn)
{
    const struct way *way = conn->owner;

    if (way) {
        tunnel_close(way->tunnel);
    }
}

void tunnel_start(struct worker *worker)
{
    record_kind_set(worker, RECORD_TUNNEL, free);
}
