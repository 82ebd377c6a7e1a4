/*
 * h1_upstream.c - HTTP/1.1 to a server: writing requests. See upstream_inner.h; responses: h1_response.c.
 *
 * A failed write is not handled where it happens: the connection is marked and its event handler, which reads first (the
 * server may have answered before it closed), deals with it. So nothing here ends an exchange.
 */
#include <errno.h>

#include "shm/routes.h"
#include "worker/codec.h"
#include "worker/h1_response.h"
#include "worker/head_write.h"
#include "worker/upstream_inner.h"
#include "worker/worker.h"

static void write_failed(struct upstream *up, int rc)
{
    up->ux->starved = rc == -ENOMEM;
    up->conn.io.broken = up->conn.io.readable = true;
    poller_again(&up->conn.io);
}

static void send_pieces(struct upstream *up, const struct iovec *pieces, int count)
{
    int rc = conn_send(&up->conn, pieces, count);

    if (rc < 0) {
        write_failed(up, rc);
    }
}

/* ---- head ---- */

static void put_target(struct stage *stage, const struct upstream_exchange *ux)
{
    struct slice pieces[TARGET_PIECES];
    unsigned count = upstream_request_target(ux, pieces);

    for (unsigned i = 0; i < count; i++) {
        stage_put(stage, pieces[i]);
    }
}

static void put_hop_fields(struct stage *stage, const struct exchange *ex)
{
    const struct headers *headers = &ex->request.headers;

    if (upstream_request_takes_trailers(ex)) {
        stage_literal(stage, "Te: trailers\r\n");
    }
    if (ex->request.upgrade) {
        const struct header *upgrade = headers_get(headers, HEADER_UPGRADE);

        if (upgrade) {
            stage_literal(stage, "Connection: Upgrade\r\n");
            head_put_field(stage, SLICE("Upgrade"), upgrade->value);
        }
    }
}

static void put_framing(struct stage *stage, const struct exchange *ex)
{
    int64_t length = upstream_request_length(ex);

    if (length >= 0) {
        stage_literal(stage, "Content-Length: ");
        stage_number(stage, (uint64_t)length);
        stage_literal(stage, "\r\n");
    } else if (ex->request.has_body) {
        const struct header *trailer = headers_get(&ex->request.headers, HEADER_TRAILER);

        stage_literal(stage, "Transfer-Encoding: chunked\r\n");
        if (trailer) {
            head_put_field(stage, SLICE("Trailer"), trailer->value);
        }
    }
}

/* Somebody but a parser may have written a field: a middleware here, or one of the exchange that this request was made for. */
static bool fields_made(const struct exchange *ex)
{
    return ex->chain_done > 0 || ex->route == ROUTE_NONE;
}

static void build_head(struct stage *stage, struct upstream_exchange *ux)
{
    struct exchange *ex = ux->ex;

    upstream_request_settle(ex);
    stage_put(stage, ex->request.method);
    stage_literal(stage, " ");
    put_target(stage, ux);
    stage_literal(stage, " HTTP/1.1\r\n");
    head_put_field(stage, SLICE("Host"), upstream_request_host(ux));
    head_put_fields(stage, &ex->request.headers, HEADER_BIT(HEADER_HOST) | HEADER_BIT(HEADER_CONTENT_LENGTH),
                    fields_made(ex));
    put_hop_fields(stage, ex);
    put_framing(stage, ex);
    stage_literal(stage, "\r\n");
}

static void send_head(struct upstream_exchange *ux)
{
    struct exchange *ex = ux->ex;
    struct upstream *up = ux->up;
    struct stage *stage = &ex->worker->recycler->request;

    build_head(stage, ux);
    h1_response_expect(ux);
    ux->request_sent = !ex->request.has_body;
    ux->body_held = ex->request.expect_continue && !ex->request_done;
    if (ux->request_sent || ux->body_held) {
        struct iovec piece = {stage->ptr, stage->len};

        send_pieces(up, &piece, 1);
    } else {
        /* leaves with the first bytes of the body, which mostly are here already */
        int rc = conn_queue(&up->conn, slice_of(stage->ptr, stage->len));

        if (rc < 0) {
            write_failed(up, rc);
        }
        stage_reset(stage); /* a body that was kept comes at once */
        exchange_want_body(ex);
        poller_again(&up->conn.io);
    }
    stage_reset(stage);
    ex->doing = "waiting for the server's answer";
    upstream_arm(ux);
}

/* ---- body ---- */

static void put_last_chunk(struct stage *stage, const struct headers *trailers)
{
    stage_literal(stage, "0\r\n");
    if (trailers) {
        head_put_fields(stage, trailers, 0, false);
    }
    stage_literal(stage, "\r\n");
}

static bool send_body(struct upstream_exchange *ux, struct slice data, bool last,
                      const struct headers *trailers)
{
    struct upstream *up = ux->up;
    struct stage *stage = &ux->ex->worker->recycler->request;
    struct iovec pieces[3];
    int count = 0;
    size_t before;

    if (!conn_backed_up(&up->conn)) {
        ux->moved_ns = up->conn.worker->now_ns;
    }
    if (ux->ex->request.content_length < 0) {
        if (data.len) {
            stage_hex(stage, data.len);
            stage_literal(stage, "\r\n");
        }
        before = stage->len;
        if (data.len) {
            stage_literal(stage, "\r\n");
        }
        if (last) {
            put_last_chunk(stage, trailers);
        }
        pieces[count++] = (struct iovec){stage->ptr, before};
        pieces[count++] = (struct iovec){(void *)(uintptr_t)data.ptr, data.len};
        pieces[count++] = (struct iovec){stage->ptr + before, stage->len - before};
    } else {
        pieces[count++] = (struct iovec){(void *)(uintptr_t)data.ptr, data.len};
    }
    send_pieces(up, pieces, count);
    stage_reset(stage);
    if (last) {
        ux->request_sent = true;
        ux->end_due = ux->raw;
    }
    if (ux->end_due && !conn_backed_up(&up->conn)) {
        (void)conn_end(&up->conn);
    }
    upstream_arm(ux);
    return !conn_backed_up(&up->conn);
}

static bool reusable(const struct upstream_exchange *ux)
{
    return ux->phase == RESPONSE_COMPLETE && ux->request_sent && !ux->rest && ux->message.keep_alive &&
           !conn_backed_up(&ux->up->conn);
}

/* ---- connections ---- */

static void attach(struct upstream_exchange *ux, struct upstream *up)
{
    ux->up = up;
    ux->timer = &up->conn.timer;
    ux->stale = up->reused;
    up->ux = ux;
}

static bool join(struct upstream_exchange *ux)
{
    struct upstream *up = upstream_reuse(ux->ex->worker, ux->pick.server);

    if (up) {
        attach(ux, up);
    }
    return up != NULL;
}

static bool backed_up(const struct upstream_exchange *ux)
{
    return conn_backed_up(&ux->up->conn);
}

static size_t held(const struct upstream_exchange *ux)
{
    const struct conn *conn = &ux->up->conn;

    return conn->out_len + budget_queued(conn->io.fd);
}

static void resume(struct upstream_exchange *ux)
{
    poller_again(&ux->up->conn.io);
}

static void leave(struct upstream_exchange *ux)
{
    struct upstream *up = ux->up;

    up->ux = NULL;
    if (up->state == UPSTREAM_BUSY && reusable(ux)) {
        upstream_keep(up, ux->transport);
    } else {
        upstream_close(up);
    }
    ux->up = NULL;
}

const struct upstream_codec upstream_h1 = {
    .name = "h1",
    .join = join,
    .attach = attach,
    .send_head = send_head,
    .send_body = send_body,
    .held = held,
    .waiting = held,
    .backed_up = backed_up,
    .resume = resume,
    .leave = leave,
};
