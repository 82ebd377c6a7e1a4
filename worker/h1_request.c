/*
 * h1_request.c - what a client sends: heads, bodies, and what is left over. See h1_client.h.
 */
#include <errno.h>
#include <inttypes.h>

#include "common/base/log.h"
#include "worker/h2_client.h"
#include "worker/tcp_route.h"
#include "worker/worker.h"

#define READS_PER_TURN 4
#define TLS_FIRST_BYTE 0x16      /* of a handshake; no method begins so */
#define DISCARD_MAX (256 * 1024) /* as Go: a longer rest is not worth a kept connection */

/* ---- heads ---- */

/* Room for at least one more byte behind what is there; the message moves along. False: memory is out, or the budget for
 * it is. */
static bool make_room(struct client *client)
{
    struct worker *worker = client->conn.worker;
    struct buffer *in = client->in;

    if (in == NULL) {
        client->in = worker->budget.level < BUDGET_OVER ? buffer_take(worker, 1) : NULL;
        return client->in != NULL;
    }
    if (in->to < in->size) {
        return true;
    }

    size_t len = buffer_len(in);
    const char *old = in->data + in->from;

    if (in->from >= in->size / 2) {
        memmove(in->data, old, len);
    } else {
        struct buffer *larger =
            worker->budget.level < BUDGET_FULL ? buffer_take(worker, 2 * (size_t)in->size) : NULL;

        if (larger == NULL) {
            return false;
        }
        memcpy(larger->data, old, len);
        client->in = larger;
    }
    client->in->from = 0;
    client->in->to = (uint32_t)len;
    if (client->stream) {
        h1_message_rebase(&client->stream->message, old, client->in->data);
    }
    if (client->in != in) {
        buffer_give(worker, in);
    }
    return true;
}

static void start_exchange(struct client *client)
{
    struct h1_stream *stream = client->stream;
    struct worker *worker = client->conn.worker;
    const struct entry_options *options = &client->listener->options;
    struct h1_message *message = &stream->message;
    struct exchange *ex = &stream->ex;

    client->in->from += (uint32_t)message->head_len;
    client->requests++;
    stream->keep_alive = message->keep_alive && !worker->draining && !listener_is_ending(client->listener) &&
                         worker->budget.level < BUDGET_FULL &&
                         (options->keep_alive_max_requests <= 0 ||
                          client->requests < (uint64_t)options->keep_alive_max_requests) &&
                         (options->keep_alive_max_time <= 0 ||
                          worker->now_ns - client->opened_ns <= options->keep_alive_max_time);
    h1_body_start(&stream->body, message);
    client->half_closed = false;
    client->end_deadline = TIMER_NEVER;
    client->body_deadline = !stream->body.done && options->read_timeout > 0
                                ? client->request_ns + options->read_timeout
                                : TIMER_NEVER;
    client->write_deadline =
        options->write_timeout > 0 ? worker->now_ns + options->write_timeout : TIMER_NEVER;

    client_exchange_init(client, ex);
    ex->codec = &codec_h1;
    ex->stream = stream;
    ex->request.method = message->method;
    ex->request.target = message->target;
    ex->request.headers = message->headers;
    ex->request.version_major = 1;
    ex->request.version_minor = message->minor;
    ex->request.has_body = !stream->body.done;
    ex->request.content_length = message->framing == H1_CHUNKED ? -1 : (int64_t)message->content_length;
    ex->request.upgrade = message->upgrade;
    ex->request.expect_continue = message->expect_continue;
    ex->request_done = stream->body.done;
    client_enter(client, CLIENT_EXCHANGE);
    exchange_begin(ex);
}

/* Its first bytes are there. */
static void begin_head(struct client *client)
{
    if (client->state != CLIENT_HEAD) {
        client_enter(client, CLIENT_HEAD);
    }
}

/* Feeds what is in the buffer. True: more bytes are needed. */
static bool feed_head(struct client *client)
{
    struct h1_stream *stream = client->stream;
    struct h1_error error;

    if (client->state == CLIENT_IDLE) {
        client->request_ns = client->conn.worker->now_ns;
    }
    if (stream == NULL) {
        if (client->in->data[client->in->from] == TLS_FIRST_BYTE && client->requests == 0 &&
            client->conn.tls == NULL) {
            tls_accept(client);
            return false;
        }
        if (client->listener->options.tcp && client->requests == 0 && client->conn.tls == NULL) {
            enum tcp_first first = tcp_route_first(client);

            if (first == TCP_FIRST_TAKEN) {
                return false;
            }
            if (first == TCP_FIRST_MORE) {
                begin_head(client);
                return true;
            }
        }
        if (client->requests == 0 && client->conn.tls == NULL) {
            enum h2_preface preface =
                h2_preface(slice_of(client->in->data + client->in->from, buffer_len(client->in)));

            if (preface == H2_PREFACE_YES) {
                h2_start(client);
                return false;
            }
            if (preface == H2_PREFACE_MORE) {
                begin_head(client);
                return true;
            }
        }
        stream = h1_stream_take(client);
    }
    switch (
        h1_parser_feed(stream->parser, client->in->data + client->in->from, buffer_len(client->in), &error)) {
    case H1_MORE:
        begin_head(client);
        return true;
    case H1_HEAD_DONE:
        if (budget_admits_exchange(client->conn.worker)) {
            start_exchange(client);
        } else {
            h1_refuse(client, 503, REASON_limit, "the memory budget is used up");
        }
        return false;
    case H1_BAD:
        h1_refuse(client, error.status, error.reason, error.text);
        return false;
    }
    return false;
}

static void head_read_failed(struct client *client, ssize_t n)
{
    if (n < 0 && errno == EAGAIN) {
        if (client->state == CLIENT_IDLE) {
            buffer_give(client->conn.worker, client->in);
            client->in = NULL;
        }
        return;
    }
    if (n == 0 && client->state == CLIENT_HEAD) {
        h1_refuse(client, 400, REASON_bad_request, "the connection ended within the head of a request");
        return;
    }
    client_close(client);
}

void h1_read_head(struct client *client)
{
    /* what came together with the request before */
    if (client->state == CLIENT_IDLE && client->in && buffer_len(client->in) && !feed_head(client)) {
        return;
    }
    for (int i = 0; i < READS_PER_TURN && client->conn.io.readable; i++) {
        if (!make_room(client)) {
            h1_refuse(client, 503, REASON_limit, "no memory is left for the head of a request");
            return;
        }

        struct buffer *in = client->in;
        ssize_t n = conn_read(&client->conn, in->data + in->to, in->size - in->to);

        if (n <= 0) {
            head_read_failed(client, n);
            return;
        }
        slab_count(client->conn.worker->slab, COUNT_BYTES_IN, (uint64_t)n);
        in->to += (uint32_t)n;
        if (!feed_head(client)) {
            return;
        }
    }
    if (client->conn.io.readable) {
        poller_again(&client->conn.io);
    }
}

/* Some refusals say more, in Go's words; others have a shape of their own. */
static struct slice refusal_detail(uint16_t status, const char *why)
{
    static const struct {
        const char *why; /* of the parser */
        struct slice detail;
    } details[] = {
        {"no Host", SLICE_INIT("missing required Host header")},
        {"malformed Host", SLICE_INIT("malformed Host header")},
        {"blank in or after a header name", SLICE_INIT("invalid header name")},
    };

    if (status == 505) {
        return SLICE("unsupported protocol version");
    }
    for (size_t i = 0; i < ARRAY_LEN(details); i++) {
        if (strcmp(details[i].why, why) == 0) {
            return details[i].detail;
        }
    }
    return SLICE("");
}

static void build_refusal(struct stage *stage, uint16_t status, const char *why)
{
    static const struct slice end =
        SLICE_INIT("\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n");
    struct slice phrase = slice_cstr(http_status_text(status));
    struct slice detail = refusal_detail(status, why);

    if (status == 417) {
        stage_put(stage, h1_status_line(status));
        stage_put(stage, http_date());
        stage_literal(stage, "Connection: close\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    for (int part = 0; part < 2; part++) { /* the body repeats the status line */
        if (part == 0) {
            stage_literal(stage, "HTTP/1.1 ");
        } else if (status == 501) {
            stage_literal(stage, "Unsupported transfer encoding");
            return;
        }
        stage_number(stage, status);
        stage_literal(stage, " ");
        stage_put(stage, phrase);
        if (detail.len) {
            stage_literal(stage, ": ");
            stage_put(stage, detail);
        }
        if (part == 0) {
            stage_put(stage, end);
        }
    }
}

void h1_refuse(struct client *client, uint16_t status, enum reason reason, const char *why)
{
    struct worker *worker = client->conn.worker;
    struct stage *stage = &worker->recycler->response;

    log_at(LOG_LEVEL_DEBUG, LOG_FIELDS("reason", reason_name(reason)), "refused %.*s on %s: %u, %s",
           client->peer_text_len, client->peer_text, client->listener->name, status, why);
    slab_count(worker->slab, COUNT_REASONS + (unsigned)reason, 1);
    build_refusal(stage, status, why);

    int rc = conn_send_one(&client->conn, slice_of(stage->ptr, stage->len));

    slab_count(worker->slab, COUNT_BYTES_OUT, stage->len);
    stage_reset(stage);
    if (rc < 0 || conn_backed_up(&client->conn)) {
        client_close(client);
        return;
    }
    client_linger(client);
}

/* ---- bodies ---- */

/* Bytes behind the body: the next request. */
static bool keep_ahead(struct client *client, struct slice rest)
{
    if (rest.len == 0) {
        return true;
    }

    struct buffer *ahead = buffer_take(client->conn.worker, rest.len);

    if (ahead == NULL) {
        return false;
    }
    memcpy(ahead->data, rest.ptr, rest.len);
    ahead->to = (uint32_t)rest.len;
    client->ahead = ahead;
    return true;
}

static void body_broken(struct client *client)
{
    struct h1_stream *stream = client->stream;

    log_debug("malformed request body: %s", h1_body_why(&stream->body));
    stream->keep_alive = false;
    client_arm(client);
    exchange_client_gone(&stream->ex, REASON_bad_request);
}

/* Hands on what is there. False: stop reading (backed up, complete, or the exchange is over). */
static bool hand_on(struct client *client, struct slice payload)
{
    struct h1_stream *stream = client->stream;
    struct exchange *ex = &stream->ex;
    struct headers space;
    const struct headers *trailers = NULL;
    bool last = stream->body.done;

    if (last) {
        trailers = h1_body_trailers(&stream->body, stream->ex.pool, &space);
        client->body_deadline = TIMER_NEVER;
        client_arm(client);
        stream->body_wanted = false;
    } else if (payload.len == 0) {
        return true;
    }

    /* the exchange may end in there, and the stream with it */
    bool more = exchange_request_body(ex, payload, last, trailers);

    if (client->state != CLIENT_EXCHANGE || client->stream != stream || last) {
        return false;
    }
    if (!more) {
        stream->body_wanted = false;
    }
    return more;
}

/* From the buffer that the head came in. True: go on reading. */
static bool body_from_buffer(struct client *client)
{
    struct h1_stream *stream = client->stream;
    struct buffer *in = client->in;
    struct slice input = slice_of(in->data + in->from, buffer_len(in));
    struct slice payload;

    if (input.len == 0) {
        return true;
    }
    if (!h1_body_take(&stream->body, stream->ex.pool, &input, &payload)) {
        body_broken(client);
        return false;
    }
    in->from = in->to - (uint32_t)input.len;
    return hand_on(client, payload);
}

/* From the socket, by way of the scratch area. True: go on reading. */
static bool body_from_socket(struct client *client)
{
    struct h1_stream *stream = client->stream;
    char *scratch = client->conn.worker->recycler->scratch;
    size_t most = scratch_size(client->conn.worker);
    size_t size =
        stream->body.framing == H1_LENGTH && stream->body.left < most ? (size_t)stream->body.left : most;
    ssize_t n = conn_read(&client->conn, scratch, size);

    if (n < 0 && errno == EAGAIN) {
        return false;
    }
    if (n <= 0) {
        client_lost(client);
        return false;
    }
    slab_count(client->conn.worker->slab, COUNT_BYTES_IN, (uint64_t)n);

    struct slice input = slice_of(scratch, (size_t)n);
    struct slice payload;

    if (!h1_body_take(&stream->body, stream->ex.pool, &input, &payload) || !keep_ahead(client, input)) {
        body_broken(client);
        return false;
    }
    return hand_on(client, payload);
}

void h1_read_body(struct client *client)
{
    struct h1_stream *stream = client->stream;

    if (buffer_len(client->in) && !body_from_buffer(client)) {
        return;
    }
    for (int i = 0; i < READS_PER_TURN && client->conn.io.readable; i++) {
        if (i > 0 && stopwatch_is_over(&client->conn.worker->watch)) {
            break;
        }
        if (!body_from_socket(client)) {
            return;
        }
    }
    if (client->state == CLIENT_EXCHANGE && client->stream == stream && client->conn.io.readable) {
        poller_again(&client->conn.io);
    }
}

/* The answer is out; the rest of the body only has to come to its end. */
void h1_discard(struct client *client)
{
    struct h1_stream *stream = client->stream;
    char *scratch = client->conn.worker->recycler->scratch;

    for (int i = 0; i < READS_PER_TURN && !stream->body.done; i++) {
        struct buffer *in = client->in;
        struct slice input, payload;

        if (in && buffer_len(in)) {
            input = slice_of(in->data + in->from, buffer_len(in));
            in->from = in->to;
        } else {
            ssize_t n = conn_read(&client->conn, scratch, SCRATCH_SIZE);

            if (n < 0 && errno == EAGAIN) {
                return;
            }
            if (n <= 0) {
                client_close(client);
                return;
            }
            input = slice_of(scratch, (size_t)n);
        }
        stream->discarded += input.len;
        if (!h1_body_take(&stream->body, stream->ex.pool, &input, &payload) ||
            stream->discarded > DISCARD_MAX || !keep_ahead(client, input)) {
            client_linger(client);
            return;
        }
    }
    if (stream->body.done) {
        client_answered(client);
    } else {
        poller_again(&client->conn.io);
    }
}
