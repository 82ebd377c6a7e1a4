/*
 * h1_turn.c - one request after the other on a connection of HTTP/1: its stream, an exchange that is under way, and what comes
 * when it is answered. See h1_client.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "worker/h1_client.h"
#include "worker/worker.h"

#define SECOND INT64_C(1000000000)
#define HALF_CLOSE_NS (3 * SECOND) /* an answer may still come that long after the client sent its end */
#define STREAM_POOL_FIRST 4096
#define STREAM_POOL_LIMIT ((size_t)8 * 1024 * 1024)

/* ---- the stream ---- */

struct h1_stream *h1_stream_take(struct client *client)
{
    struct h1_stream *stream = record_take(client->conn.worker, RECORD_STREAM);
    struct pool *pool;
    struct h1_parser *parser;

    if (stream) {
        pool = stream->ex.pool;
        parser = stream->parser;
        memset(stream, 0, sizeof(*stream));
    } else {
        stream = xcalloc(1, sizeof(*stream));
        pool = pool_new(STREAM_POOL_FIRST, STREAM_POOL_LIMIT);
        parser = h1_parser_new(H1_REQUEST, &stream->limits);
    }
    stream->ex.pool = pool;
    stream->parser = parser;
    stream->limits = client->listener->options.limits;
    stream->client = client;
    headers_init(&stream->message.headers, pool);
    h1_parser_reset(parser, &stream->message, SLICE(""));
    client->stream = stream;
    return stream;
}

static void stream_free(void *record)
{
    struct h1_stream *stream = record;

    h1_parser_free(stream->parser);
    pool_free(stream->ex.pool);
    free(stream);
}

void h1_stream_give(struct h1_stream *stream)
{
    struct worker *worker = stream->client->conn.worker;

    stream->client->stream = NULL;
    pool_reset(stream->ex.pool);
    record_give(worker, RECORD_STREAM, stream);
}

void h1_start_worker(struct worker *worker)
{
    record_kind_set(worker, RECORD_STREAM, stream_free);
}

/* ---- under way ---- */

void h1_exchange_late(struct client *client)
{
    int64_t now = client->conn.worker->now_ns;
    struct exchange *ex = &client->stream->ex;

    if (client->body_deadline <= now) {
        client->body_deadline = TIMER_NEVER;
        if (!client->stream->head_sent) {
            log_debug("%s: the request's body did not arrive in time", ex->doing);
            client->stream->keep_alive = false;
            exchange_client_gone(ex, REASON_request_timeout);
            return;
        }
    }
    /* a client that takes nothing is gone; one that waits for more was let down by the server */
    exchange_client_gone(ex, client->write_deadline <= now && client->stream->head_sent &&
                                     !conn_backed_up(&client->conn)
                                 ? REASON_response_timeout
                                 : REASON_client_gone);
}

void h1_exchange_ready(struct client *client)
{
    struct io *io = &client->conn.io;

    if (io->broken) {
        client_lost(client);
        return;
    }
    if (!client->stream->body.done && client->stream->body_wanted) {
        h1_read_body(client);
    } else if (io->hangup && !client->half_closed && client->stream->body.done) {
        client->half_closed = true; /* requests sent before the end are still answered, in their turn */
        client->end_deadline = client->conn.worker->now_ns + HALF_CLOSE_NS;
        client_arm(client);
    }
}

/* ---- answered ---- */

void client_linger(struct client *client)
{
    if (client->stream) {
        h1_stream_give(client->stream);
    }
    buffer_give(client->conn.worker, client->in);
    buffer_give(client->conn.worker, client->ahead);
    client->in = client->ahead = NULL;
    if (conn_end(&client->conn) < 0 || conn_backed_up(&client->conn)) {
        client_close(client);
        return;
    }
    client_enter(client, CLIENT_LINGER);
    poller_again(&client->conn.io);
}

/* The bytes of later requests become the beginning of `in`. False when there are none. */
static bool next_request(struct client *client)
{
    struct worker *worker = client->conn.worker;

    if (client->ahead) {
        buffer_give(worker, client->in);
        client->in = client->ahead;
        client->ahead = NULL;
        return true;
    }
    if (client->in == NULL || buffer_len(client->in) == 0) {
        buffer_give(worker, client->in);
        client->in = NULL;
        return false;
    }
    return true;
}

static bool more_waits(const struct client *client)
{
    return client->ahead || (client->in && buffer_len(client->in)) || client->conn.io.readable;
}

void client_answered(struct client *client)
{
    struct h1_stream *stream = client->stream;

    if (client->state == CLIENT_CLOSED) {
        return;
    }
    if (conn_backed_up(&client->conn)) {
        client_enter(client, CLIENT_FLUSH);
        return;
    }
    if (!stream->keep_alive) {
        if (!stream->body.done || more_waits(client)) {
            client_linger(client);
        } else {
            client_close(client);
        }
        return;
    }
    if (!stream->body.done) {
        client_enter(client, CLIENT_DISCARD);
        h1_discard(client);
        return;
    }
    h1_stream_give(stream);
    client_enter(client, CLIENT_IDLE);
    if (next_request(client) || client->conn.io.readable) {
        poller_again(&client->conn.io);
    }
}

void h1_linger(struct client *client)
{
    struct recycler *recycler = client->conn.worker->recycler;

    for (int i = 0; i < 4 && client->conn.io.readable; i++) {
        ssize_t n = io_read(&client->conn.io, recycler->scratch, SCRATCH_SIZE);

        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            client_close(client);
            return;
        }
    }
    if (client->conn.io.readable) {
        poller_again(&client->conn.io);
    }
}
