/*
 * h2_answer.c - writing to an HTTP/2 client: the codec table. See codec.h, h2_client.h.
 *
 * Heads and small bodies wait for the end of the turn, so that the answers of many streams leave in one call. A large piece
 * of a body goes out at once from where it lies; what windows and socket do not take is copied, and the server has to wait.
 */
#include "common/base/log.h"
#include "common/base/memory.h"
#include "worker/h2_client.h"
#include "worker/head_write.h"
#include "worker/worker.h"

#define STAGE_BODY 8192          /* up to this a copy is cheaper than a write of its own */
#define OUT_MOST ((size_t)16384) /* with more of an answer waiting the server has to */
#define OWN_FIELDS 4             /* :status, content-length, date, and one to spare */

static struct h2_stream *stream_of(struct exchange *ex)
{
    return ex->stream;
}

/* Room for fields in a request's pool, which is gone with the stream. */
static nghttp2_nv *room(struct exchange *ex, const struct headers *headers)
{
    return pool_alloc(ex->pool, ((headers ? headers->count : 0) + OWN_FIELDS) * sizeof(nghttp2_nv));
}

static void submit_failed(struct h2_stream *stream, int rc)
{
    if (rc != 0 && !stream->closed) {
        log_debug("an answer could not be sent: %s", nghttp2_strerror(rc));
        (void)nghttp2_submit_rst_stream(stream->session->engine, NGHTTP2_FLAG_NONE, stream->id,
                                        NGHTTP2_INTERNAL_ERROR);
    }
    h2_later(stream->session);
}

/* ---- body ---- */

static void submit_trailers(struct h2_stream *stream)
{
    nghttp2_nv *fields = room(&stream->ex, &stream->answer_trailers);
    uint64_t written = 0;
    size_t count = h2_put_fields(fields, &stream->answer_trailers, 0, &written);

    submit_failed(stream, nghttp2_submit_trailer(stream->session->engine, stream->id, fields, count));
}

static ssize_t read_body(nghttp2_session *engine, int32_t id, uint8_t *to, size_t len, uint32_t *flags,
                         nghttp2_data_source *source, void *context)
{
    struct h2_stream *stream = h2_stream_find(engine, id);
    size_t taken;

    (void)source;
    (void)context;
    if (stream == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    taken = h2_answer_take(stream, to, len);
    if (stream->out.len == 0 && stream->now.len == 0) {
        if (stream->complete) {
            *flags |= NGHTTP2_DATA_FLAG_EOF;
            if (stream->answer_trailers.count) {
                *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
                submit_trailers(stream);
            }
        } else if (taken == 0) {
            return NGHTTP2_ERR_DEFERRED;
        }
        if (stream->waits) {
            h2_stream_work(stream);
        }
    }
    return (ssize_t)taken;
}

/* ---- head ---- */

static bool body_allowed(const struct exchange *ex)
{
    uint16_t status = ex->response.status;

    return status != 204 && status != 304 && !slice_eq(ex->request.method, SLICE("HEAD"));
}

static struct slice date_value(void)
{
    struct slice line = http_date();
    size_t name = sizeof("Date: ") - 1;

    return slice_of(line.ptr + name, line.len - name - 2);
}

/* With the answer goes what Connection: close is in HTTP/1. */
static void leave_if_ending(struct h2_stream *stream)
{
    if (stream->ex.worker->draining || listener_is_ending(stream->session->client->listener)) {
        h2_leave(stream->session);
    }
}

static void send_head(struct exchange *ex)
{
    struct h2_stream *stream = stream_of(ex);
    const struct exchange_response *response = &ex->response;
    nghttp2_nv *fields = room(ex, &response->headers);
    nghttp2_data_provider body = {.read_callback = read_body};
    uint64_t skip =
        HEADER_BIT(HEADER_CONTENT_LENGTH) | (response->status == 304 ? HEADER_BIT(HEADER_CONTENT_TYPE) : 0);
    uint64_t written = 0;
    char text[3], length[20];
    size_t count = 1;
    uint16_t status = stream->protocol.len ? h2_connect_answer(stream) : response->status;

    stream->head_sent = true;
    stream->bodiless = !stream->tunnel && (!body_allowed(ex) || response->content_length == 0);
    leave_if_ending(stream);
    fields[0] = h2_pair(SLICE(":status"), h2_number(status, text, sizeof(text)));
    count += h2_put_fields(fields + 1, &response->headers, skip, &written);
    if (!(written & HEADER_BIT(HEADER_DATE))) {
        fields[count++] = h2_pair(SLICE("date"), date_value());
    }
    if (response->content_length >= 0 && response->status != 204 && response->status != 304 &&
        !stream->tunnel) {
        fields[count++] = h2_pair(SLICE("content-length"),
                                  h2_number((uint64_t)response->content_length, length, sizeof(length)));
    }
    submit_failed(stream, nghttp2_submit_response(stream->session->engine, stream->id, fields, count,
                                                  stream->bodiless ? NULL : &body));
}

static void send_interim(struct exchange *ex, uint16_t status, const struct headers *headers)
{
    struct h2_stream *stream = stream_of(ex);
    nghttp2_nv *fields = room(ex, headers);
    uint64_t written = 0;
    char text[3];
    size_t count = 1;

    if (status == 101) {
        return; /* there is no such thing: RFC 9113, 8.6 */
    }
    stream->continued = stream->continued || status == 100;
    fields[0] = h2_pair(SLICE(":status"), h2_number(status, text, sizeof(text)));
    if (headers) {
        count += h2_put_fields(fields + 1, headers, HEADER_BIT(HEADER_CONTENT_LENGTH), &written);
    }
    submit_failed(stream, nghttp2_submit_headers(stream->session->engine, NGHTTP2_FLAG_NONE, stream->id, NULL,
                                                 fields, count, NULL));
}

static void send_continue(struct exchange *ex)
{
    struct h2_stream *stream = stream_of(ex);

    if (ex->request.expect_continue && !stream->continued && !stream->head_sent && !stream->body_end) {
        send_interim(ex, 100, NULL);
    }
}

/* ---- the rest of the table ---- */

static void flush(struct exchange *ex)
{
    struct h2_stream *stream = stream_of(ex);

    if (stream->out.len || stream->complete) {
        (void)nghttp2_session_resume_data(stream->session->engine, stream->id); /* if it was put off */
    }
    h2_later(stream->session);
}

static bool send_body(struct exchange *ex, struct slice data)
{
    struct h2_stream *stream = stream_of(ex);
    struct h2_session *session = stream->session;

    if (stream->bodiless || stream->closed || data.len == 0) {
        return true;
    }
    stream->now = data;
    if (data.len > STAGE_BODY || stream->out.len + data.len > OUT_MOST) {
        (void)nghttp2_session_resume_data(session->engine, stream->id);
        h2_write(session);
    }
    data = stream->now;
    stream->now = slice_of(NULL, 0);
    if (!h2_bytes_add(ex->worker, &stream->out, data)) {
        h2_bytes_drop(ex->worker, &stream->out);
        ex->reason = REASON_limit;
        (void)nghttp2_submit_rst_stream(session->engine, NGHTTP2_FLAG_NONE, stream->id,
                                        NGHTTP2_INTERNAL_ERROR);
        h2_later(session);
        return false; /* the end of the stream ends the exchange */
    }
    stream->waits = stream->out.len > OUT_MOST || conn_backed_up(&session->client->conn);
    if (stream->waits && stream->out.len == 0) {
        h2_stream_work(stream);
    }
    return !stream->waits;
}

/* Nothing of the exchange is under way any more; what is in `out` still leaves. */
static void let_go(struct h2_stream *stream)
{
    exchange_end(&stream->ex);
    stream->ended = true;
    stream->body_deadline = stream->write_deadline = TIMER_NEVER;
    h2_stream_work(stream); /* drops what waits of the request */
}

static void finish(struct exchange *ex, const struct headers *trailers)
{
    struct h2_stream *stream = stream_of(ex);

    headers_init(&stream->answer_trailers, ex->pool);
    if (trailers && !stream->bodiless) {
        headers_copy(&stream->answer_trailers, trailers);
    }
    stream->complete = true;
    leave_if_ending(stream); /* its head may have left before */
    flush(ex);
    let_go(stream);
}

static void resume(struct exchange *ex)
{
    struct h2_stream *stream = stream_of(ex);

    if (!stream->body_given && !stream->body_wanted) {
        stream->body_wanted = true;
        h2_stream_work(stream); /* not from here: the caller is in the middle of something */
    }
}

static void abort_answer(struct exchange *ex)
{
    struct h2_stream *stream = stream_of(ex);

    if (!stream->closed) {
        (void)nghttp2_submit_rst_stream(stream->session->engine, NGHTTP2_FLAG_NONE, stream->id,
                                        stream->tunnel ? NGHTTP2_CONNECT_ERROR : NGHTTP2_INTERNAL_ERROR);
        h2_later(stream->session);
    }
    h2_bytes_drop(ex->worker, &stream->out);
    let_go(stream);
}

void h2_refuse(struct h2_stream *stream, uint16_t status, enum reason reason)
{
    struct client *client = stream->session->client;
    char text[3];
    nghttp2_nv fields[] = {h2_pair(SLICE(":status"), h2_number(status, text, sizeof(text))),
                           h2_pair(SLICE("content-length"), SLICE("0")),
                           h2_pair(SLICE("date"), date_value())};

    log_at(LOG_LEVEL_DEBUG, LOG_FIELDS("reason", reason_name(reason)), "refused a stream of %.*s on %s: %u",
           client->peer_text_len, client->peer_text, client->listener->name, status);
    slab_count(client->conn.worker->slab, COUNT_REASONS + (unsigned)reason, 1);
    stream->ended = true;
    stream->body_deadline = TIMER_NEVER;
    submit_failed(stream, nghttp2_submit_response(stream->session->engine, stream->id, fields,
                                                  ARRAY_LEN(fields), NULL));
}

/* No detach: a stream has no connection to give up. Its requests that ask for an upgrade have `tunnel` set. */
const struct codec codec_h2 = {
    .name = "h2",
    .send_head = send_head,
    .send_interim = send_interim,
    .send_continue = send_continue,
    .send_body = send_body,
    .finish = finish,
    .flush = flush,
    .resume = resume,
    .abort = abort_answer,
};
