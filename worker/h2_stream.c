/*
 * h2_stream.c - from a stream to an exchange: its record, its request, bodies, its end. See h2_client.h.
 */
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "worker/h2_client.h"
#include "worker/worker.h"

#define STREAM_POOL_FIRST 4096
#define STREAM_POOL_LIMIT ((size_t)8 * 1024 * 1024)

/* ---- bytes ---- */
size_t h2_answer_take(struct h2_stream *stream, uint8_t *to, size_t len)
{
    struct worker *worker = stream->ex.worker;
    size_t done = h2_bytes_take(worker, &stream->out, to, len);
    size_t part = stream->now.len < len - done ? stream->now.len : len - done;

    if (part) {
        memcpy(to + done, stream->now.ptr, part);
        stream->now = slice_from(stream->now, part);
    }
    if (done + part) {
        stream->moved_ns = worker->now_ns;
    }
    return done + part;
}

/* ---- the record ---- */
struct h2_stream *h2_stream_new(struct h2_session *session, int32_t id)
{
    struct client *client = session->client;
    struct worker *worker = client->conn.worker;
    struct h2_stream *stream = record_take(worker, RECORD_H2_STREAM);
    struct pool *pool;

    if (stream) {
        pool = stream->ex.pool;
        memset(stream, 0, sizeof(*stream));
    } else {
        stream = xcalloc(1, sizeof(*stream));
        pool = pool_new(STREAM_POOL_FIRST, STREAM_POOL_LIMIT);
    }
    stream->ex.pool = pool;
    stream->ex.worker = worker;
    stream->session = session;
    stream->id = id;
    headers_init(&stream->ex.request.headers, pool);
    stream->body_deadline = client->listener->options.read_timeout > 0
                                ? worker->now_ns + client->listener->options.read_timeout
                                : TIMER_NEVER;
    stream->write_deadline = TIMER_NEVER;
    stream->moved_ns = worker->now_ns;
    stream->next = session->streams;
    if (stream->next) {
        stream->next->previous = stream;
    }
    session->streams = stream;
    session->count++;
    h2_deadline(session, stream->body_deadline);
    return stream;
}

static void record_free(void *record)
{
    struct h2_stream *stream = record;

    pool_free(stream->ex.pool);
    free(stream);
}

void h2_start_worker(struct worker *worker)
{
    record_kind_set(worker, RECORD_H2_STREAM, record_free);
}

void h2_stream_free(struct h2_stream *stream)
{
    struct h2_session *session = stream->session;
    struct worker *worker = session->client->conn.worker;

    work_remove(&session->work, &stream->work);
    h2_drop_body(stream);
    h2_bytes_drop(worker, &stream->out);
    *(stream->previous ? &stream->previous->next : &session->streams) = stream->next;
    if (stream->next) {
        stream->next->previous = stream->previous;
    }
    if (--session->count == 0) {
        session->client->idle_ns = worker->now_ns;
    }
    if (!stream->closed) {
        (void)nghttp2_session_set_stream_user_data(session->engine, stream->id, NULL);
    }
    pool_reset(stream->ex.pool);
    record_give(worker, RECORD_H2_STREAM, stream);
}

void h2_stream_work(struct h2_stream *stream)
{
    struct h2_session *session = stream->session;

    work_add(&session->work, &stream->work);
    poller_again(&session->client->conn.io);
}

/* ---- the request ---- */

/* Cookie may come in crumbs: RFC 9113, 8.2.3. */
static void join_cookies(struct exchange *ex)
{
    struct headers *headers = &ex->request.headers;
    struct header *first = headers_get(headers, HEADER_COOKIE);
    size_t len = 0, count = 0;
    char *joined, *at;

    for (size_t i = 0; first && i < headers->count; i++) {
        if (headers->items[i].id == HEADER_COOKIE) {
            len += headers->items[i].value.len + 2;
            count++;
        }
    }
    if (count < 2 || (joined = pool_try_alloc(ex->pool, len)) == NULL) {
        return;
    }
    at = joined;
    for (size_t i = 0; i < headers->count; i++) {
        struct header *item = &headers->items[i];

        if (item->id != HEADER_COOKIE) {
            continue;
        }
        if (at != joined) {
            memcpy(at, "; ", 2);
            at += 2;
            item->flags |= HEADER_REMOVED;
        }
        memcpy(at, item->value.ptr, item->value.len);
        at += item->value.len;
    }
    first->value = slice_of(joined, (size_t)(at - joined));
}

static void fill_request(struct h2_stream *stream)
{
    struct exchange_request *request = &stream->ex.request;
    const struct header *length, *expect;
    uint64_t number;

    if (stream->authority.len && headers_get(&request->headers, HEADER_HOST) == NULL) {
        headers_add_id(&request->headers, HEADER_HOST, stream->authority);
    }
    join_cookies(&stream->ex);
    length = headers_get(&request->headers, HEADER_CONTENT_LENGTH);
    expect = headers_get(&request->headers, HEADER_EXPECT);
    request->method = stream->method;
    request->target = stream->path.len ? stream->path : stream->authority; /* CONNECT has no path */
    request->version_major = 2;
    request->has_body = !stream->body_end || stream->in.len;
    request->content_length = !request->has_body                               ? 0
                              : length && slice_to_u64(length->value, &number) ? (int64_t)number
                                                                               : -1;
    request->expect_continue = expect && slice_eq_nocase(expect->value, SLICE("100-continue"));
    stream->body_given = stream->ex.request_done = !request->has_body;
    if (stream->protocol.len) {
        h2_connect_request(stream);
    }
}

/* New streams are to go to another connection: as Connection: close of HTTP/1. */
static void look_whether_to_leave(struct h2_session *session)
{
    struct client *client = session->client;
    struct worker *worker = client->conn.worker;
    const struct entry_options *options = &client->listener->options;

    if (worker->draining || listener_is_ending(client->listener) || worker->budget.level >= BUDGET_FULL ||
        (options->keep_alive_max_requests > 0 &&
         client->requests >= (uint64_t)options->keep_alive_max_requests) ||
        (options->keep_alive_max_time > 0 &&
         worker->now_ns - client->opened_ns > options->keep_alive_max_time)) {
        h2_leave(session);
    }
}

static void begin(struct h2_stream *stream)
{
    struct h2_session *session = stream->session;
    struct client *client = session->client;
    struct worker *worker = client->conn.worker;
    const struct entry_options *options = &client->listener->options;
    struct exchange *ex = &stream->ex;

    client->requests++;
    client->request_ns = worker->now_ns;
    look_whether_to_leave(session);
    if (stream->refused) {
        h2_refuse(stream, stream->refused,
                  stream->refused == 414 ? REASON_uri_too_long : REASON_head_too_large);
        return;
    }
    if (stream->protocol.len && !h2_connect_known(stream)) {
        h2_refuse(stream, 501, REASON_unsupported);
        return;
    }
    if (!budget_admits_exchange(worker)) {
        h2_refuse(stream, 503, REASON_limit);
        return;
    }
    client_exchange_init(client, ex);
    ex->codec = &codec_h2;
    ex->stream = stream;
    fill_request(stream);
    if (stream->body_given) {
        stream->body_deadline = TIMER_NEVER;
    }
    if (options->write_timeout > 0) {
        stream->write_deadline = worker->now_ns + options->write_timeout;
        h2_deadline(session, stream->write_deadline);
    }
    exchange_begin(ex);
}

/* ---- bodies ---- */

static void consumed(struct h2_stream *stream, size_t len)
{
    /* of a stream that is closed only the connection's window is left */
    if (stream->closed) {
        (void)nghttp2_session_consume_connection(stream->session->engine, len);
    } else {
        (void)nghttp2_session_consume(stream->session->engine, stream->id, len);
    }
    h2_later(stream->session);
}

void h2_drop_body(struct h2_stream *stream)
{
    if (stream->in.len) {
        consumed(stream, stream->in.len);
        h2_bytes_drop(stream->session->client->conn.worker, &stream->in);
    }
}

/* The exchange takes what is there, and with it the window opens again. */
static void hand_on(struct h2_stream *stream)
{
    struct worker *worker = stream->ex.worker;

    while (stream->body_wanted && !stream->ended && (stream->in.first || stream->body_end)) {
        struct buffer *buffer = stream->in.first ? h2_bytes_pop(&stream->in) : NULL;
        struct slice data =
            buffer ? slice_of(buffer->data + buffer->from, buffer_len(buffer)) : slice_of(NULL, 0);
        bool last = stream->body_end && stream->in.first == NULL;

        if (last) {
            stream->body_wanted = false;
            stream->body_given = true;
            stream->body_deadline = TIMER_NEVER;
        }
        if (!exchange_request_body(&stream->ex, data, last,
                                   last && stream->trailers.count ? &stream->trailers : NULL)) {
            stream->body_wanted = false;
        }
        if (data.len) {
            consumed(stream, data.len);
        }
        buffer_give(worker, buffer);
    }
}

/* ---- work ---- */

static void do_work(struct h2_stream *stream)
{
    if (stream->closed) {
        if (!stream->ended && stream->ex.codec) {
            exchange_client_gone(&stream->ex, REASON_client_gone);
        }
        h2_stream_free(stream);
        return;
    }
    if (stream->head_done && !stream->ended && stream->ex.codec == NULL) {
        begin(stream);
    }
    if (!stream->ended) {
        hand_on(stream);
    }
    if (!stream->ended && stream->waits && stream->out.len == 0 &&
        !conn_backed_up(&stream->session->client->conn)) {
        stream->waits = false;
        exchange_client_drained(&stream->ex);
    }
    if (stream->ended) {
        h2_drop_body(stream);
    }
}

void h2_work(struct h2_session *session)
{
    struct worker *worker = session->client->conn.worker;
    unsigned most = session->count;

    for (unsigned done = 0; session->work.first && done < most; done++) {
        struct work *work = session->work.first;
        struct h2_stream *stream = (struct h2_stream *)((char *)work - offsetof(struct h2_stream, work));

        work_remove(&session->work, work);
        do_work(stream);
        if (stopwatch_is_over(&worker->watch)) {
            break;
        }
    }
    if (session->work.first) {
        poller_again(&session->client->conn.io);
    }
}
