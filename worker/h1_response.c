/*
 * h1_response.c - HTTP/1 from a server: heads, bodies, interim answers, switches of protocol.
 *
 * Bytes are read into the worker's scratch area and passed on from there; only a head that came in pieces is kept in a
 * buffer. A body is handed on as one piece for each read, however many chunks it came in.
 */
#include "worker/h1_response.h"

#include <errno.h>

#include "common/base/log.h"
#include "worker/codec.h"
#include "worker/splice.h"
#include "worker/tunnel.h"
#include "worker/worker.h"

#define READS_PER_TURN 4
#define INTERIM_MAX 16

void h1_response_expect(struct upstream_exchange *ux)
{
    headers_init(&ux->message.headers, ux->ex->pool);
    h1_parser_reset(ux->parser, &ux->message, ux->ex->request.method);
    ux->phase = RESPONSE_NOTHING;
    ux->bulk = false;
}

/* ---- body ---- */

static void complete(struct upstream_exchange *ux)
{
    struct exchange *ex = ux->ex;
    struct headers space;

    ux->phase = RESPONSE_COMPLETE;
    exchange_response_end(ex, h1_body_trailers(&ux->body, ex->pool, &space));
}

/* Body bytes. False: ux is gone or its connection is. */
static bool take_body(struct upstream_exchange *ux, struct slice input)
{
    struct slice payload;

    if (!h1_body_take(&ux->body, ux->ex->pool, &input, &payload)) {
        log_debug("malformed response body: %s", h1_body_why(&ux->body));
        exchange_response_flush(ux->ex);
        upstream_attempt_failed(ux, REASON_bad_response);
        return false;
    }
    if (payload.len) {
        struct worker *worker = ux->ex->worker;

        ux->entered = true;

        bool more = exchange_response_body(ux->ex, payload);

        if (!upstream_leave(worker, ux)) {
            return false;
        }
        ux->paused = !more;
    }
    if (ux->body.done) {
        ux->rest = input.len > 0;
        complete(ux);
        return false;
    }
    return true;
}

/* ---- head ---- */

static void open_tunnel(struct upstream_exchange *ux, struct slice rest)
{
    struct exchange *ex = ux->ex;
    struct upstream *up = ux->up;
    struct worker *worker = ex->worker;
    struct tunnel_end client, server = {.conn = &up->conn, .early = NULL, .closed = upstream_tunnel_closed};

    if (rest.len) {
        server.early = buffer_take(worker, rest.len);
        if (server.early == NULL) {
            upstream_attempt_failed(ux, REASON_limit);
            return;
        }
        memcpy(server.early->data, rest.ptr, rest.len);
        server.early->to = (uint32_t)rest.len;
    }
    if (!exchange_response_head(ex)) {
        buffer_give(worker, server.early);
        return;
    }
    up->state = UPSTREAM_TUNNEL;
    up->load = ux->pick.load;
    ux->pick.load = NULL;
    up->ux = NULL;
    ux->up = NULL;
    ex->step = EXCHANGE_TUNNEL;
    ex->doing = "tunnelling";
    log_debug("switching protocols");
    ex->codec->detach(ex, &client); /* ends the exchange: ux is gone */
    tunnel_open(worker, &client, &server, &tunnel_usual);
}

/* The same for a client whose connection is not this exchange's alone: what follows are bodies. False: ux is gone. */
static bool begin_raw(struct upstream_exchange *ux)
{
    struct exchange *ex = ux->ex;
    struct worker *worker = ex->worker;

    ux->phase = RESPONSE_BODY;
    ux->raw = true;
    ux->message.keep_alive = false;
    ux->body.framing = H1_UNTIL_CLOSE;
    ux->body.done = false;
    upstream_arm(ux);
    ux->entered = true;
    (void)exchange_response_head(ex);
    if (!upstream_leave(worker, ux)) {
        return false;
    }
    if (ex->step != EXCHANGE_RESPONSE) { /* held back, as no middleware may do with a switch */
        upstream_attempt_failed(ux, REASON_bad_response);
        return false;
    }
    log_debug("switching protocols");
    ex->doing = "tunnelling";
    ex->request_filters = ex->response_filters = NULL;
    exchange_unpin(ex);
    exchange_want_body(ex);
    return true;
}

/* The switch must be what was asked for, else the two sides would read different protocols. */
static bool switch_allowed(const struct upstream_exchange *ux)
{
    const struct header *asked = headers_get(&ux->ex->request.headers, HEADER_UPGRADE);
    const struct header *given = headers_get(&ux->message.headers, HEADER_UPGRADE);

    return ux->ex->request.upgrade && asked && given && slice_eq_nocase(asked->value, given->value) &&
           (ux->ex->request_done || ux->ex->request.tunnel);
}

static void fill_response(struct upstream_exchange *ux)
{
    struct exchange_response *response = &ux->ex->response;
    const struct h1_message *message = &ux->message;
    const struct header *length = headers_get(&message->headers, HEADER_CONTENT_LENGTH);

    response->status = message->status;
    response->phrase = message->phrase;
    response->headers = message->headers;
    response->has_body = message->framing != H1_NO_BODY;
    response->content_length = message->framing == H1_CHUNKED || message->framing == H1_UNTIL_CLOSE ? -1
                               : length ? (int64_t)message->content_length
                               : message->framing == H1_NO_BODY && message->status >= 200 ? -1
                                                                                          : 0;
    h1_body_start(&ux->body, message);
}

/* An interim answer goes on at once; 100 lets the body come. */
static bool interim(struct upstream_exchange *ux)
{
    struct exchange *ex = ux->ex;

    if (++ux->interim > INTERIM_MAX) {
        upstream_attempt_failed(ux, REASON_bad_response);
        return false;
    }
    if (ux->message.status != 100 || ex->request.expect_continue) {
        exchange_interim(ex, &ux->message);
    }
    if (ux->body_held && ux->message.status == 100) {
        ux->body_held = false;
        exchange_want_body(ex);
    }
    h1_response_expect(ux);
    ux->phase = RESPONSE_HEAD; /* the server has begun to answer: no retry */
    upstream_arm(ux);
    return true;
}

/* A whole head. *input is what follows it. False: ux or its connection is gone. */
static bool head_done(struct upstream_exchange *ux, struct slice *input)
{
    uint16_t status = ux->message.status;

    if (ux->interim == 0) {
        pick_answered(ux->ex->worker, &ux->pick, ux->ex->worker->now_ns - ux->sent_ns);
    }
    if (status == 101) {
        if (!switch_allowed(ux)) {
            log_debug("the server switched to a protocol that was not asked for");
            upstream_attempt_failed(ux, REASON_bad_response);
            return false;
        }
        fill_response(ux);
        if (ux->ex->request.tunnel) {
            return begin_raw(ux);
        }
        open_tunnel(ux, *input);
        return false;
    }
    if (status < 200) {
        return interim(ux);
    }
    ux->phase = RESPONSE_BODY;
    ux->body_held = false;
    upstream_arm(ux);
    fill_response(ux);

    struct worker *worker = ux->ex->worker;

    ux->entered = true;
    (void)exchange_response_head(ux->ex); /* false: then ux was let go, too */
    return upstream_leave(worker, ux);
}

/* Keeps a part of a head until the rest comes. */
static bool keep_head(struct upstream_exchange *ux, struct slice input)
{
    struct worker *worker = ux->ex->worker;
    struct buffer *head = buffer_take(worker, 2 * input.len);

    if (head == NULL) {
        return false;
    }
    memcpy(head->data, input.ptr, input.len);
    head->to = (uint32_t)input.len;
    h1_message_rebase(&ux->message, input.ptr, head->data);
    buffer_give(worker, ux->head);
    ux->head = head;
    return true;
}

/* Everything that is known of the response and not consumed yet. False: ux or its connection is gone. */
static bool take(struct upstream_exchange *ux, struct slice input)
{
    while (ux->phase < RESPONSE_BODY) {
        struct h1_error error;

        if (input.len == 0) {
            return true;
        }
        ux->phase = RESPONSE_HEAD;
        switch (h1_parser_feed(ux->parser, input.ptr, input.len, &error)) {
        case H1_MORE:
            if (ux->head && ux->head->data + ux->head->from == input.ptr) {
                return true; /* it lies there already */
            }
            if (!keep_head(ux, input)) {
                upstream_attempt_failed(ux, REASON_limit);
                return false;
            }
            return true;
        case H1_BAD:
            log_debug("malformed response: %s", error.text);
            upstream_attempt_failed(ux, REASON_bad_response);
            return false;
        case H1_HEAD_DONE:
            input = slice_from(input, ux->message.head_len);
            if (ux->head) {
                ux->head->from = (uint32_t)(input.ptr - ux->head->data);
            }
            if (!head_done(ux, &input)) {
                return false;
            }
        }
    }
    return take_body(ux, input);
}

/* ---- reading ---- */

/* Where the next bytes go: behind the part of a head that is there, else into the scratch area. */
static ssize_t read_more(struct upstream_exchange *ux, struct slice *input)
{
    struct worker *worker = ux->ex->worker;
    struct conn *conn = &ux->up->conn;
    ssize_t n;

    if (ux->phase >= RESPONSE_BODY || ux->head == NULL) {
        char *scratch = worker->recycler->scratch;

        n = conn_read(conn, scratch, scratch_size(worker));
        *input = slice_of(scratch, n > 0 ? (size_t)n : 0);
        return n;
    }
    if (ux->head->to == ux->head->size &&
        !keep_head(ux, slice_of(ux->head->data + ux->head->from, buffer_len(ux->head)))) {
        errno = ENOMEM;
        return -1;
    }

    struct buffer *head = ux->head;

    n = conn_read(conn, head->data + head->to, head->size - head->to);
    head->to += n > 0 ? (uint32_t)n : 0;
    *input = slice_of(head->data + head->from, buffer_len(head));
    return n;
}

static void ended(struct upstream_exchange *ux, bool orderly)
{
    exchange_response_flush(ux->ex);
    if (ux->phase == RESPONSE_BODY && ux->body.framing == H1_UNTIL_CLOSE && orderly) {
        complete(ux);
        return;
    }
    bool tls = !orderly && upstream_tls_broke(ux);

    upstream_attempt_failed(ux, ux->phase == RESPONSE_BODY ? REASON_body_cut
                                : tls                      ? REASON_upstream_tls
                                                           : REASON_reset_before_headers);
}

/* One portion of a body that only goes by, where much comes at once. *n as of io_read(), with errno. False: not this one. */
static bool go_by(struct upstream_exchange *ux, ssize_t *n)
{
    bool more;

    if (!ux->bulk || ux->phase != RESPONSE_BODY || ux->body.framing != H1_LENGTH ||
        ux->body.left < SPLICE_LEAST) {
        return false;
    }
    *n = exchange_splice_response(ux->ex, &ux->up->conn, ux->body.left, &more);
    if (*n == -ENOTSUP) {
        return false;
    }
    if (*n < 0) {
        errno = (int)-*n;
        *n = -1;
    } else if (*n > 0) {
        ux->bulk = *n >= SPLICE_LEAST;
        ux->body.left -= (uint64_t)*n;
        ux->body.done = ux->body.left == 0;
        ux->paused = !more;
    }
    return true;
}

void h1_response_read(struct upstream_exchange *ux)
{
    struct exchange *ex = ux->ex;
    struct io *io = &ux->up->conn.io;

    for (int i = 0; i < READS_PER_TURN && io->readable && !ux->paused; i++) {
        if (i > 0 && stopwatch_is_over(&ex->worker->watch)) {
            break;
        }

        struct slice input;
        ssize_t n;
        bool gone_by = go_by(ux, &n);

        if (!gone_by) {
            n = read_more(ux, &input);
            ux->bulk = n >= SPLICE_LEAST;
        }
        if (n < 0 && errno == EAGAIN && !io->broken) {
            break;
        }
        if (n <= 0) {
            ended(ux, n == 0 && (ux->up->conn.tls == NULL || tls_ended_well(&ux->up->conn)));
            return;
        }
        if (gone_by && ux->body.done) {
            complete(ux);
            return;
        }
        if (!gone_by && !take(ux, input)) {
            return;
        }
    }
    exchange_response_flush(ex);
    if (io->readable && !ux->paused) {
        poller_again(io);
    }
}
