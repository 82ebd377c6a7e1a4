/*
 * h1_answer.c - writing to an HTTP/1 client: the codec table. See codec.h, h1_client.h.
 *
 * What is to be sent is staged in an area of the worker and leaves at flush: head, small bodies and the end of the answer
 * in one call. Larger bodies go out from where they lie, together with what is staged.
 */
#include <errno.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "worker/exchange_inner.h"
#include "worker/h1_client.h"
#include "worker/head_write.h"
#include "worker/splice.h"
#include "worker/worker.h"

#define STAGE_BODY 8192 /* up to this a copy is cheaper than a piece of its own */

static struct h1_stream *stream_of(struct exchange *ex)
{
    return ex->stream;
}

static struct stage *stage_of(struct exchange *ex)
{
    return &ex->worker->recycler->response;
}

/* ---- head ---- */

static bool body_allowed(const struct exchange *ex)
{
    uint16_t status = ex->response.status;

    return status >= 200 && status != 204 && status != 304 && !slice_eq(ex->request.method, SLICE("HEAD"));
}

static enum h1_framing choose_framing(const struct exchange *ex)
{
    if (!body_allowed(ex)) {
        return H1_NO_BODY;
    }
    if (ex->response.content_length >= 0) {
        return ex->response.content_length > 0 ? H1_LENGTH : H1_NO_BODY;
    }
    return ex->request.version_minor > 0 ? H1_CHUNKED : H1_UNTIL_CLOSE;
}

/* The phrase of a known code is the standard one, as Go's server has it. */
static void put_status_line(struct stage *stage, const struct exchange *ex, uint16_t status,
                            struct slice phrase)
{
    struct slice known = h1_status_line(status);

    if (known.len) {
        size_t at = stage->len;

        stage_put(stage, known);
        if (ex->request.version_minor == 0) {
            stage->ptr[at + sizeof("HTTP/1.") - 1] = '0';
        }
        return;
    }
    stage_put(stage, ex->request.version_minor > 0 ? SLICE("HTTP/1.1 ") : SLICE("HTTP/1.0 "));
    stage_number(stage, status);
    stage_literal(stage, " ");
    stage_put(stage, phrase);
    stage_literal(stage, "\r\n");
}

/* What a status does not allow is taken out, as Go's server does it. */
static uint64_t suppressed(uint16_t status)
{
    return HEADER_BIT(HEADER_CONTENT_LENGTH) | (status == 304 ? HEADER_BIT(HEADER_CONTENT_TYPE) : 0);
}

static void put_trailer_names(struct stage *stage, const struct exchange *ex)
{
    for (size_t i = 0; i < ex->response.headers.count; i++) {
        const struct header *item = &ex->response.headers.items[i];

        if (item->id == HEADER_TRAILER && !(item->flags & HEADER_REMOVED)) {
            head_put_field(stage, SLICE("Trailer"), item->value);
        }
    }
}

static void put_upgrade(struct stage *stage, const struct exchange *ex)
{
    const struct header *upgrade = headers_get(&ex->response.headers, HEADER_UPGRADE);

    stage_literal(stage, "Connection: Upgrade\r\n");
    if (upgrade) {
        head_put_field(stage, SLICE("Upgrade"), upgrade->value);
    }
}

static void put_framing(struct stage *stage, const struct exchange *ex, const struct h1_stream *stream)
{
    const struct exchange_response *response = &ex->response;

    if (stream->answer == H1_CHUNKED) {
        stage_literal(stage, "Transfer-Encoding: chunked\r\n");
        put_trailer_names(stage, ex);
    } else if (response->content_length >= 0 && response->status >= 200 && response->status != 204 &&
               response->status != 304) {
        stage_literal(stage, "Content-Length: ");
        stage_number(stage, (uint64_t)response->content_length);
        stage_literal(stage, "\r\n");
    }
    if (!stream->keep_alive) {
        stage_literal(stage, "Connection: close\r\n");
    } else if (ex->request.version_minor == 0) {
        stage_literal(stage, "Connection: keep-alive\r\n");
    }
}

static void send_head(struct exchange *ex)
{
    struct h1_stream *stream = stream_of(ex);
    struct stage *stage = stage_of(ex);

    stream->head_sent = true;
    stream->answer = ex->response.status == 101 ? H1_NO_BODY : choose_framing(ex);
    if (stream->answer == H1_UNTIL_CLOSE || ex->worker->draining || ex->close ||
        listener_is_ending(stream->client->listener)) {
        stream->keep_alive = false;
    }
    if (ex->request.expect_continue && !stream->continued && !stream->body.done) {
        stream->keep_alive =
            false; /* the body may come or not: nobody can know where the next request begins */
    }
    put_status_line(stage, ex, ex->response.status, ex->response.phrase);

    uint64_t written =
        head_put_fields(stage, &ex->response.headers, suppressed(ex->response.status), ex->chain_done > 0);

    if (ex->response.status == 101) {
        put_upgrade(stage, ex);
    } else {
        if (!(written & HEADER_BIT(HEADER_DATE))) {
            stage_put(stage, http_date());
        }
        put_framing(stage, ex, stream);
    }
    stage_literal(stage, "\r\n");
}

/* After bytes were given to the client's connection; rc as conn_send() says. */
static void given(struct client *client, int rc)
{
    if (rc < 0) {
        client->starved = rc == -ENOMEM;
        /* noticed by its owner when control returns to it: the event of the broken socket follows */
        client->conn.io.broken = true;
        poller_again(&client->conn.io);
    } else if (conn_backed_up(&client->conn)) {
        client_arm(client);
    }
}

/* What is backed up stays so until its owner comes by: were it sent from here, whoever was told to wait would wait on. */
static int send_pieces(struct conn *conn, const struct iovec *pieces, int count)
{
    int rc = 0;

    if (!conn_backed_up(conn)) {
        return conn_send(conn, pieces, count);
    }
    for (int i = 0; i < count && rc == 0; i++) {
        rc = conn_queue(conn, slice_of(pieces[i].iov_base, pieces[i].iov_len));
    }
    return rc;
}

static void write_out(struct exchange *ex, struct slice data)
{
    struct stage *stage = stage_of(ex);
    struct client *client = stream_of(ex)->client;
    struct iovec pieces[2];
    int count = 0;

    if (stage->len) {
        pieces[count++] = (struct iovec){stage->ptr, stage->len};
    }
    if (data.len) {
        pieces[count++] = (struct iovec){(void *)(uintptr_t)data.ptr, data.len};
    }
    if (count == 0) {
        return;
    }
    slab_count(ex->worker->slab, COUNT_BYTES_OUT, stage->len + data.len);
    given(client, send_pieces(&client->conn, pieces, count));
    stage_reset(stage);
}

static void flush(struct exchange *ex)
{
    write_out(ex, SLICE(""));
}

static void send_interim(struct exchange *ex, uint16_t status, const struct headers *headers)
{
    struct stage *stage = stage_of(ex);

    if (ex->request.version_minor == 0) {
        return;
    }
    if (status == 100) {
        stream_of(ex)->continued = true;
    }
    put_status_line(stage, ex, status, SLICE(""));
    if (headers) {
        head_put_fields(stage, headers, HEADER_BIT(HEADER_CONTENT_LENGTH), false);
    }
    stage_literal(stage, "\r\n");
    flush(ex);
}

static void send_continue(struct exchange *ex)
{
    struct h1_stream *stream = stream_of(ex);

    if (ex->request.expect_continue && !stream->continued && !stream->head_sent && !stream->body.done) {
        send_interim(ex, 100, NULL);
    }
}

/* ---- body ---- */

static bool send_body(struct exchange *ex, struct slice data)
{
    struct h1_stream *stream = stream_of(ex);
    struct stage *stage = stage_of(ex);

    if (stream->answer == H1_NO_BODY || data.len == 0) {
        return !conn_backed_up(&stream->client->conn);
    }
    if (stream->answer == H1_CHUNKED) {
        stage_hex(stage, data.len);
        stage_literal(stage, "\r\n");
    }
    if (data.len <= STAGE_BODY) {
        stage_put(stage, data);
    } else {
        write_out(ex, data);
    }
    if (stream->answer == H1_CHUNKED) {
        stage_literal(stage, "\r\n");
    }
    return !conn_backed_up(&stream->client->conn);
}

static ssize_t splice_body(struct exchange *ex, struct conn *from, uint64_t most, bool *more)
{
    struct h1_stream *stream = stream_of(ex);
    struct conn *conn = &stream->client->conn;
    ssize_t n;
    int sent;

    if (stream->answer != H1_LENGTH) {
        return -ENOTSUP;
    }
    flush(ex); /* stands before it */
    if (!splice_fits(from, conn) || conn->io.broken) {
        return -ENOTSUP;
    }
    n = splice_bytes(from, conn, most, &sent);
    if (n > 0) {
        slab_count(ex->worker->slab, COUNT_BYTES_OUT, (uint64_t)n);
        given(stream->client, sent);
    }
    *more = !conn_backed_up(conn);
    return n;
}

static void finish(struct exchange *ex, const struct headers *trailers)
{
    struct h1_stream *stream = stream_of(ex);
    struct client *client = stream->client;

    if (stream->answer == H1_CHUNKED) {
        struct stage *stage = stage_of(ex);

        stage_literal(stage, "0\r\n");
        if (trailers) {
            head_put_fields(stage, trailers, 0, false);
        }
        stage_literal(stage, "\r\n");
    }
    flush(ex);
    exchange_end(ex);
    if (client->conn.io.broken) {
        client_close(client);
        return;
    }
    client_answered(client);
}

static void resume(struct exchange *ex)
{
    struct h1_stream *stream = stream_of(ex);

    if (stream->body.done || stream->body_wanted) {
        return;
    }
    stream->body_wanted = true;
    poller_again(&stream->client->conn.io); /* not from here: the caller is in the middle of something */
}

static void abort_answer(struct exchange *ex)
{
    struct h1_stream *stream = stream_of(ex);
    struct client *client = stream->client;

    flush(ex);
    client->conn.cut = true;
    if (stream->answer == H1_UNTIL_CLOSE && client->conn.tls == NULL) {
        /* an orderly end would look like the end of the body */
        fence_reset_on_close(&client->conn.worker->fence, client->conn.io.fd);
    }
    exchange_end(ex);
    client_close(client);
}

static void detach(struct exchange *ex, struct tunnel_end *end)
{
    struct h1_stream *stream = stream_of(ex);
    struct client *client = stream->client;

    flush(ex);
    client_leave(client, end);
    exchange_hand_over(ex, &client->held);
    exchange_end(ex);
    h1_stream_give(stream);
}

const struct codec codec_h1 = {
    .name = "h1",
    .send_head = send_head,
    .send_interim = send_interim,
    .send_continue = send_continue,
    .send_body = send_body,
    .splice_body = splice_body,
    .finish = finish,
    .flush = flush,
    .resume = resume,
    .abort = abort_answer,
    .detach = detach,
};
