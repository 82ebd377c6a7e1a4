/*
 * h2_call.c - one exchange on an HTTP/2 connection to a server: the codec table, bodies, its end. See h2_upstream.h.
 */
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "worker/codec.h"
#include "worker/h2_upstream.h"
#include "worker/worker.h"

#define STAGE_BODY 8192                   /* up to this a copy is cheaper than a write of its own */
#define OUT_MOST ((size_t)16384)          /* with more of a request waiting the client has to */
#define WINDOW_FIRST 65535                /* of each stream, as RFC 9113 has it */
#define WINDOW_WIDE ((int32_t)256 * 1024) /* ... once a client took so much without a stop */

/* ---- the record ---- */

static struct h2_call *call_new(struct h2_server *server, struct upstream_exchange *ux)
{
    struct worker *worker = server->up->conn.worker;
    struct h2_call *call = record_take(worker, RECORD_H2_CALL);

    if (call) {
        memset(call, 0, sizeof(*call));
    } else {
        call = xcalloc(1, sizeof(*call));
    }
    call->ux = ux;
    call->server = server;
    call->heads_tail = &call->heads;
    headers_init(&call->answer_trailers, ux->ex->pool);
    call->next = server->calls;
    if (call->next) {
        call->next->previous = call;
    }
    server->calls = call;
    server->count++;
    return call;
}

static void call_free(struct h2_call *call)
{
    struct h2_server *server = call->server;
    struct worker *worker = server->up->conn.worker;

    work_remove(&server->work, &call->work);
    timer_remove(worker->timers, &call->timer);
    h2_bytes_drop(worker, &call->in);
    h2_bytes_drop(worker, &call->out);
    *(call->previous ? &call->previous->next : &server->calls) = call->next;
    if (call->next) {
        call->next->previous = call->previous;
    }
    server->count--;
    record_give(worker, RECORD_H2_CALL, call);
}

void h2_upstream_start(struct worker *worker)
{
    record_kind_set(worker, RECORD_H2_CALL, free);
}

struct h2_call *h2_call_find(nghttp2_session *engine, int32_t id)
{
    return nghttp2_session_get_stream_user_data(engine, id);
}

void h2_call_work(struct h2_call *call)
{
    work_add(&call->server->work, &call->work);
    poller_again(&call->server->up->conn.io);
}

/* ---- joining, leaving ---- */

static void on_timer(struct timer *timer)
{
    upstream_late(((struct h2_call *)((char *)timer - offsetof(struct h2_call, timer)))->ux);
}

static void enter(struct upstream_exchange *ux, struct upstream *up)
{
    struct h2_call *call = call_new(up->h2, ux);

    call->timer.fire = on_timer;
    ux->up = up;
    ux->call = call;
    ux->timer = &call->timer;
    if (up->state == UPSTREAM_IDLE) {
        upstream_rest(up, false);
    }
    h2_server_room(up->h2);
}

static bool join(struct upstream_exchange *ux)
{
    struct worker *worker = ux->ex->worker;
    struct upstream_pool *pool = upstream_pool_find(worker, ux->pick.server);
    struct upstream *up = pool ? pool->shared : NULL;

    if (up == NULL || !up->h2->room) { /* those with room stand in front */
        return false;
    }
    enter(ux, up);
    if (up->state != UPSTREAM_CONNECTING) {
        up->reused = true;
        slab_count(worker->slab, COUNT_UPSTREAM_REUSED, 1);
    }
    return true;
}

static void attach(struct upstream_exchange *ux, struct upstream *up)
{
    h2_server_open(up, ux->transport);
    enter(ux, up);
}

void h2_upstream_adopt(struct upstream *up)
{
    struct upstream_exchange *ux = up->ux;

    up->ux = NULL;
    ux->codec = &upstream_h2;
    if (join(ux)) {
        upstream_close(up); /* another one was quicker */
        upstream_connected(ux);
    } else {
        attach(ux, up);
        h2_upstream_connected(up);
    }
}

/* The server is told, unless it knows that nothing follows in either direction. */
static void reset(struct h2_call *call)
{
    nghttp2_session *engine = call->server->engine;

    if (call->id == 0) {
        return;
    }
    (void)nghttp2_session_set_stream_user_data(engine, call->id, NULL);
    if (!call->closed && (!call->end || !call->sent)) {
        (void)nghttp2_submit_rst_stream(engine, NGHTTP2_FLAG_NONE, call->id,
                                        call->end ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
        h2_server_later(call->server);
    }
}

static void leave(struct upstream_exchange *ux)
{
    struct h2_call *call = ux->call;
    struct h2_server *server = call->server;

    reset(call);
    call_free(call);
    ux->call = NULL;
    ux->up = NULL;
    ux->timer = NULL;
    if (server->count == 0) {
        h2_server_idle(server, ux->transport);
    } else {
        h2_server_room(server);
    }
}

/* ---- the request ---- */

size_t h2_call_take(struct h2_call *call, uint8_t *to, size_t len)
{
    size_t done = h2_bytes_take(call->server->up->conn.worker, &call->out, to, len);
    size_t part = call->now.len < len - done ? call->now.len : len - done;

    if (part) {
        memcpy(to + done, call->now.ptr, part);
        call->now = slice_from(call->now, part);
    }
    return done + part;
}

static void submit_trailers(struct h2_call *call)
{
    nghttp2_nv *fields = pool_alloc(call->ux->ex->pool, (call->trailers.count + 1) * sizeof(*fields));
    uint64_t written = 0;
    size_t count = h2_put_fields(fields, &call->trailers, 0, &written);

    (void)nghttp2_submit_trailer(call->server->engine, call->id, fields, count);
}

static ssize_t read_body(nghttp2_session *engine, int32_t id, uint8_t *to, size_t len, uint32_t *flags,
                         nghttp2_data_source *source, void *context)
{
    struct h2_call *call = h2_call_find(engine, id);
    size_t taken;

    (void)source;
    (void)context;
    if (call == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    taken = h2_call_take(call, to, len);
    if (call->out.len == 0 && call->now.len == 0) {
        if (call->complete) {
            *flags |= NGHTTP2_DATA_FLAG_EOF;
            if (call->trailers.count) {
                *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
                submit_trailers(call);
            }
        } else if (taken == 0) {
            return NGHTTP2_ERR_DEFERRED;
        }
    }
    if (taken) {
        call->ux->moved_ns = call->server->up->conn.worker->now_ns;
    }
    if (taken && (call->waits || call->complete)) {
        h2_call_work(call);
    }
    return (ssize_t)taken;
}

static void send_head(struct upstream_exchange *ux)
{
    static const nghttp2_data_provider body = {.read_callback = read_body};
    struct exchange *ex = ux->ex;
    struct h2_call *call = ux->call;
    struct h2_server *server = call->server;
    int rc;

    call->heard = server->heard;
    ux->request_sent = !ex->request.has_body;
    ux->body_held = ex->request.expect_continue && !ex->request_done;
    rc = h2_call_submit(call, ex->request.has_body ? &body : NULL);
    if (rc != 0) {
        log_debug("a request could not be sent: %s", nghttp2_strerror(rc));
        call->closed = true;
        h2_call_work(call); /* not from here: the caller is in the middle of something */
        return;
    }
    h2_server_later(server);
    ex->doing = "waiting for the server's answer";
    upstream_arm(ux);
    if (!ux->request_sent && !ux->body_held) {
        if (server->settled) {
            exchange_want_body(ex);
        } else {
            call->unasked = true; /* a server may take fewer streams than we think: then it is asked again */
        }
    }
}

static bool backed_up(const struct upstream_exchange *ux)
{
    return ux->call->out.len > 0; /* for the connection as a whole: h2_upstream_late() */
}

static size_t waiting(const struct upstream_exchange *ux)
{
    return ux->call->out.len + budget_unsent(ux->call->server->up->conn.io.fd);
}

/* The connection is full, and its window would let it go on. */
static bool held_by_others(const struct upstream_exchange *ux)
{
    const struct h2_call *call = ux->call;

    return conn_backed_up(&call->server->up->conn) &&
           nghttp2_session_get_stream_remote_window_size(call->server->engine, call->id) > 0;
}

static size_t held(const struct upstream_exchange *ux)
{
    return ux->call->in.len + ux->call->out.len;
}

static bool send_body(struct upstream_exchange *ux, struct slice data, bool last,
                      const struct headers *trailers)
{
    struct h2_call *call = ux->call;
    struct h2_server *server = call->server;
    struct worker *worker = ux->ex->worker;

    if (last) {
        headers_init(&call->trailers, ux->ex->pool);
        if (trailers) {
            headers_copy(&call->trailers, trailers);
        }
        call->complete = ux->request_sent = true;
    }
    if (call->closed || server->lost) {
        return true; /* its end is on the way */
    }
    if (call->out.len == 0) {
        ux->moved_ns = worker->now_ns;
    }
    call->now = data;
    if (call->id > 0) {
        (void)nghttp2_session_resume_data(server->engine, call->id);
        if (data.len > STAGE_BODY || call->out.len + data.len > OUT_MOST) {
            h2_server_write(server);
        }
    }
    data = call->now;
    call->now = slice_of(NULL, 0);
    if (!h2_bytes_add(worker, &call->out, data)) {
        call->starved = true;
        h2_call_work(call); /* ends it: not from here */
        return true;
    }
    if (call->id > 0) {
        (void)nghttp2_session_resume_data(server->engine, call->id);
    }
    h2_server_later(server);
    upstream_arm(ux);
    call->waits = call->out.len > OUT_MOST || call->id == 0 || conn_backed_up(&ux->up->conn);
    return !call->waits;
}

/* ---- the response ---- */

/* The client takes what is there, and with it the stream's window opens again. False: the call is gone. */
static bool hand_on(struct h2_call *call)
{
    struct upstream_exchange *ux = call->ux;
    struct h2_server *server = call->server;
    struct worker *worker = ux->ex->worker;

    while (call->in.first && !ux->paused) {
        struct buffer *buffer = h2_bytes_pop(&call->in);
        size_t len = buffer_len(buffer);

        ux->entered = true;

        bool more = exchange_response_body(ux->ex, slice_of(buffer->data + buffer->from, len));

        buffer_give(worker, buffer);
        if (!upstream_leave(worker, ux)) {
            return false;
        }
        ux->paused = !more;
        call->taken = more ? call->taken + len : 0;
        if (!call->closed && !call->end) {
            if (!call->wide && call->taken > WINDOW_FIRST && worker->budget.level < BUDGET_TIGHT) {
                call->wide = true;
                (void)nghttp2_session_set_local_window_size(server->engine, NGHTTP2_FLAG_NONE, call->id,
                                                            WINDOW_WIDE);
            }
            (void)nghttp2_session_consume_stream(server->engine, call->id, len);
            h2_server_later(server);
        }
    }
    return true;
}

static void complete(struct h2_call *call)
{
    struct upstream_exchange *ux = call->ux;
    struct headers trailers = call->answer_trailers; /* its items are in the exchange's pool */

    ux->phase = RESPONSE_COMPLETE;
    exchange_response_end(ux->ex, trailers.count ? &trailers : NULL);
}

/* The stream ended, and not as it should. */
static void failed(struct h2_call *call)
{
    struct upstream_exchange *ux = call->ux;
    struct h2_server *server = call->server;
    bool told = call->reset || (server->leaving && call->code == NGHTTP2_REFUSED_STREAM);
    enum reason reason = ux->phase == RESPONSE_BODY ? REASON_body_cut : REASON_reset_before_headers;

    if (told) {
        ux->untouched = call->code == NGHTTP2_REFUSED_STREAM;
    } else if (server->lost) {
        reason = ux->phase == RESPONSE_BODY ? REASON_body_cut : server->reason;
        ux->stale = ux->up->reused && server->heard == call->heard;
    } else if (call->id > 0) {
        reason = REASON_bad_response; /* nghttp2 found it malformed */
    }
    exchange_response_flush(ux->ex);
    upstream_attempt_failed(ux, reason);
}

static void do_work(struct h2_call *call)
{
    struct upstream_exchange *ux = call->ux;
    struct exchange *ex = ux->ex;

    if (!call->begun && call->server->settled && call->server->count > call->server->most) {
        ux->untouched = true; /* there is no room for it here, as is known now */
        upstream_attempt_failed(ux, REASON_reset_before_headers);
        return;
    }
    if (call->unasked && call->server->settled && !call->closed) {
        call->unasked = false;
        exchange_want_body(ex);
    }
    if (call->waits && call->out.len <= OUT_MOST && call->id > 0 && !conn_backed_up(&ux->up->conn)) {
        call->waits = false;
        exchange_want_body(ex);
    }
    if (call->out.len == 0 && !call->end) {
        upstream_arm(ux); /* it was waited for the server to take the body */
    }
    if (call->bad || call->starved) {
        upstream_attempt_failed(ux, call->bad ? REASON_bad_response : REASON_limit);
        return;
    }
    if (!h2_call_heads(call) || !hand_on(call)) {
        return;
    }
    if (call->in.len == 0 && call->end && call->final) {
        complete(call);
    } else if (call->in.len == 0 && (call->closed || call->end)) {
        failed(call);
    } else {
        exchange_response_flush(ex);
    }
}

static void resume(struct upstream_exchange *ux)
{
    h2_call_work(ux->call);
}

void h2_server_work(struct h2_server *server)
{
    struct worker *worker = server->up->conn.worker;
    unsigned most = server->count;

    for (unsigned done = 0; server->work.first && done < most; done++) {
        struct work *work = server->work.first;

        work_remove(&server->work, work);
        do_work((struct h2_call *)((char *)work - offsetof(struct h2_call, work)));
        if (stopwatch_is_over(&worker->watch)) {
            break;
        }
    }
    if (server->work.first) {
        poller_again(&server->up->conn.io);
    }
}

const struct upstream_codec upstream_h2 = {
    .name = "h2",
    .join = join,
    .attach = attach,
    .send_head = send_head,
    .send_body = send_body,
    .held = held,
    .waiting = waiting,
    .held_by_others = held_by_others,
    .backed_up = backed_up,
    .resume = resume,
    .leave = leave,
};
