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

struct tunnel {
    struct record record;
    struct worker *worker;
    struct tunnel_end ends[2];
    struct tunnel_terms terms;
    int64_t cut_ns; /* half open so long at most */
    bool ended[2];  /* that side sent its end */
    bool told[2];   /* that side was told of the other's, behind everything before it */
    bool bulk[2];   /* that side sent much at once: splice.h */
    bool closed;
};

static struct conn *conn_of(struct tunnel *tunnel, int side)
{
    return tunnel->ends[side].conn;
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

static bool half_open(const struct tunnel *tunnel)
{
    return tunnel->told[0] || tunnel->told[1];
}

static void arm(struct tunnel *tunnel)
{
    for (int side = 0; side < 2; side++) {
        struct conn *conn = conn_of(tunnel, side);
        int64_t deadline = TIMER_NEVER;

        if (conn_backed_up(conn)) {
            deadline = tunnel->worker->now_ns + STALL_NS;
        } else if (half_open(tunnel)) {
            deadline = tunnel->cut_ns;
        }
        timer_set(tunnel->worker->timers, &conn->timer, deadline);
    }
}

/* Whoever is half open may be so from now on. */
static void count_half_open(struct tunnel *tunnel)
{
    int64_t most = tunnel->terms.half_open_ns;

    tunnel->cut_ns = most < 0 ? TIMER_NEVER : tunnel->worker->now_ns + most;
    arm(tunnel);
}

/* One side has ended: the other is told once everything before it has left. False: the tunnel is over. */
static bool pass_end(struct tunnel *tunnel, int from)
{
    struct conn *to = conn_of(tunnel, 1 - from);

    if (!tunnel->ended[from] || conn_backed_up(to)) {
        return true;
    }
    if (tunnel->ended[1 - from] && !conn_backed_up(conn_of(tunnel, from))) {
        tunnel_close(tunnel); /* tells the one that was not told */
        return false;
    }
    if (tunnel->told[1 - from]) {
        return true;
    }
    if (conn_end(to) < 0) {
        tunnel_close(tunnel);
        return false;
    }
    tunnel->told[1 - from] = true;
    count_half_open(tunnel);
    return true;
}

/* One portion: how many bytes went over; 0 at the end of that side; -EAGAIN; another negative errno: one is lost. */
static ssize_t move(struct tunnel *tunnel, int from)
{
    struct conn *in = conn_of(tunnel, from), *out = conn_of(tunnel, 1 - from);
    char *scratch = tunnel->worker->recycler->scratch;
    ssize_t n;
    int rc = 0;

    if (tunnel->bulk[from] && splice_fits(in, out)) {
        n = splice_bytes(in, out, UINT64_MAX, &rc);
    } else {
        n = conn_read(in, scratch, scratch_size(tunnel->worker));
        n = n < 0 ? -errno : n;
        rc = n > 0 ? conn_send(out, &(struct iovec){scratch, (size_t)n}, 1) : 0;
    }
    if (n > 0) {
        tunnel->bulk[from] = n >= SPLICE_LEAST;
        slab_count(tunnel->worker->slab, from == 0 ? COUNT_BYTES_IN : COUNT_BYTES_OUT, (uint64_t)n);
    }
    return rc < 0 ? rc : n;
}

/* Bytes from one side to the other. False: the tunnel is over. */
static bool pump(struct tunnel *tunnel, int from)
{
    struct conn *in = conn_of(tunnel, from), *out = conn_of(tunnel, 1 - from);

    for (int i = 0; i < READS_PER_TURN && in->io.readable && !tunnel->ended[from] && !conn_backed_up(out);
         i++) {
        if (i > 0 && stopwatch_is_over(&tunnel->worker->watch)) {
            break;
        }

        ssize_t n = move(tunnel, from);

        if (n == -EAGAIN) {
            break;
        }
        if (n < 0) {
            tunnel_lost(tunnel, (int)n);
            return false;
        }
        if (n == 0) {
            tunnel->ended[from] = true;
            return pass_end(tunnel, from);
        }
        if (half_open(tunnel) && !tunnel->terms.from_the_end) {
            count_half_open(tunnel);
        } else if (conn_backed_up(out)) {
            arm(tunnel);
        }
    }
    if (in->io.readable && !tunnel->ended[from] && !conn_backed_up(out)) {
        poller_again(&in->io);
    }
    return true;
}

static void on_ready(struct io *io)
{
    struct conn *conn = (struct conn *)io;
    struct tunnel *tunnel = conn->owner;

    if (tunnel == NULL) {
        return;
    }

    int side = conn == conn_of(tunnel, 0) ? 0 : 1;

    if (conn_backed_up(conn) && io->writable) {
        if (conn_flush(conn) < 0) {
            tunnel_close(tunnel);
            return;
        }
        if (!conn_backed_up(conn)) { /* the other direction may go on, or end */
            arm(tunnel);
            if (!pass_end(tunnel, 1 - side) || !pump(tunnel, 1 - side)) {
                return;
            }
        }
    }
    pump(tunnel, side);
}

static void on_timer(struct timer *timer)
{
    struct conn *conn = (struct conn *)((char *)timer - offsetof(struct conn, timer));
    struct tunnel *tunnel = conn->owner;

    if (tunnel == NULL) {
        return;
    }
    if (!conn_backed_up(conn) && conn_backed_up(conn_of(tunnel, conn == conn_of(tunnel, 0)))) {
        tunnel->ended[0] = tunnel->ended[1] = true; /* nothing more is read; what was read still leaves */
        return;
    }
    log_debug("tunnel: %s for too long, closed", conn_backed_up(conn) ? "nothing was taken" : "half open");
    tunnel_close(tunnel);
}

/* What was read before the switch goes first. False: the tunnel is over. */
static bool send_early(struct tunnel *tunnel, int from)
{
    struct buffer *early = tunnel->ends[from].early;
    struct iovec piece;
    int rc;

    if (early == NULL) {
        return true;
    }
    piece = (struct iovec){early->data + early->from, buffer_len(early)};
    if ((rc = conn_send(conn_of(tunnel, 1 - from), &piece, 1)) < 0) {
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
        struct conn *conn = conn_of(tunnel, side);

        conn->owner = tunnel;
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
    struct tunnel *tunnel = conn->owner;

    return tunnel ? conn_of(tunnel, conn == conn_of(tunnel, 0)) : NULL;
}

void tunnel_cut(struct conn *conn)
{
    if (conn->owner) {
        tunnel_close(conn->owner);
    }
}

void tunnel_start(struct worker *worker)
{
    record_kind_set(worker, RECORD_TUNNEL, free);
}
