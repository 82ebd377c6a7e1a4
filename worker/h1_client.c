/*
 * h1_client.c - the life of a client's connection: its states, its one timer, its end. See h1_client.h.
 */
#include "worker/h1_client.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "worker/h2_client.h"
#include "worker/tunnel.h"
#include "worker/worker.h"

#define SECOND INT64_C(1000000000)
#define LINGER_NS (2 * SECOND)
#define HANDSHAKE_NS (60 * SECOND)
#define DISCARD_NS (10 * SECOND)
#define HALF_CLOSE_NS (3 * SECOND) /* an answer may still come that long after the client sent its end */
#define STALL_NS (300 * SECOND)    /* a client that takes nothing for that long is gone */
#define STREAM_POOL_FIRST 4096
#define STREAM_POOL_LIMIT ((size_t)8 * 1024 * 1024)

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

void client_start(struct worker *worker)
{
    record_kind_set(worker, RECORD_STREAM, stream_free);
    record_kind_set(worker, RECORD_CLIENT, free);
    h2_start_worker(worker);
}

void client_exchange_init(struct client *client, struct exchange *ex)
{
    const struct entry_options *options = &client->listener->options;

    ex->worker = client->conn.worker;
    ex->generation = generation_ref(options->generation);
    ex->entry = options;
    ex->entry_point = options->row;
    ex->entry_point_number = options->number;
    ex->client = client->peer;
    ex->client_text = slice_of(client->peer_text, client->peer_text_len);
    ex->started_ns = client->conn.worker->now_ns;
    ex->request.tls = client->conn.tls != NULL;
    ex->request.tls_options = client->conn.tls ? tls_options_used(&client->conn) : 0;
}

static struct client *client_of_timer(struct timer *timer)
{
    return (struct client *)((char *)timer - offsetof(struct client, conn.timer));
}

static int64_t after(const struct client *client, int64_t ns)
{
    return ns > 0 ? client->conn.worker->now_ns + ns : TIMER_NEVER;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The deadline of the state: at most one store, as a rule (timers.h). */
void client_arm(struct client *client)
{
    struct worker *worker = client->conn.worker;
    const struct entry_options *options = &client->listener->options;
    int64_t deadline = TIMER_NEVER;

    switch (client->state) {
    case CLIENT_HELLO:
    case CLIENT_HANDSHAKE:
        deadline = client->opened_ns + (options->read_timeout > 0 && options->read_timeout < HANDSHAKE_NS
                                            ? options->read_timeout
                                            : HANDSHAKE_NS);
        break;
    case CLIENT_IDLE:
        /* the first request has the time of a head to begin, as in Go */
        deadline = client->requests == 0 && options->read_timeout > 0
                       ? client->opened_ns + options->read_timeout
                       : after(client, options->idle_timeout);
        break;
    case CLIENT_HEAD:
        deadline = options->read_timeout > 0 ? client->request_ns + options->read_timeout : TIMER_NEVER;
        break;
    case CLIENT_EXCHANGE:
    case CLIENT_FLUSH:
        deadline = earlier(earlier(client->body_deadline, client->write_deadline), client->end_deadline);
        if (conn_backed_up(&client->conn)) {
            deadline = earlier(deadline, worker->now_ns + STALL_NS);
        }
        break;
    case CLIENT_DISCARD:
        deadline = worker->now_ns + DISCARD_NS;
        break;
    case CLIENT_LINGER:
        deadline = worker->now_ns + LINGER_NS;
        break;
    case CLIENT_H2: /* has many: h2_client.c */
    case CLIENT_TUNNEL:
    case CLIENT_CLOSED:
        return;
    }
    timer_set(worker->timers, &client->conn.timer, deadline);
}

void client_enter(struct client *client, enum client_state state)
{
    client->state = state;
    client_arm(client);
}

static void exchange_late(struct client *client)
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

static void on_timer(struct timer *timer)
{
    struct client *client = client_of_timer(timer);

    switch (client->state) {
    case CLIENT_HELLO:
    case CLIENT_HANDSHAKE:
        tls_accept_late(client);
        break;
    case CLIENT_HEAD:
        h1_refuse(client, 408, REASON_request_timeout, "the head of the request did not arrive in time");
        break;
    case CLIENT_EXCHANGE:
        exchange_late(client);
        break;
    case CLIENT_IDLE:
    case CLIENT_FLUSH:
    case CLIENT_DISCARD:
    case CLIENT_LINGER:
        client_close(client);
        break;
    case CLIENT_H2:
        h2_late(client);
        break;
    case CLIENT_TUNNEL:
    case CLIENT_CLOSED:
        break;
    }
}

static void on_closed(struct io *io)
{
    struct client *client = (struct client *)io;

    record_give(client->conn.worker, RECORD_CLIENT, client);
}

static void client_unlink(struct client *client)
{
    struct worker *worker = client->conn.worker;

    if (worker->walk == client) {
        worker->walk = client->next;
    }
    if (worker->shed == client) {
        worker->shed = client->next;
    }
    if (worker->leaving == client) {
        worker->leaving = client->next;
    }
    worker->budget.refusals -= client->refused;
    *(client->previous ? &client->previous->next : &worker->clients) = client->next;
    if (client->next) {
        client->next->previous = client->previous;
    }
    slab_gauge(worker->slab, GAUGE_CONNECTIONS, -1);
    listener_release(client->listener);
}

void client_close(struct client *client)
{
    struct worker *worker = client->conn.worker;

    if (client->state == CLIENT_CLOSED) {
        return;
    }
    tls_accept_leave(client);
    client->state = CLIENT_CLOSED;
    h2_free(client);
    if (client->stream) {
        h1_stream_give(client->stream);
    }
    buffer_give(worker, client->in);
    buffer_give(worker, client->ahead);
    client->in = client->ahead = NULL;
    conn_close(&client->conn);
    client_unlink(client);
}

void client_lost(struct client *client)
{
    if (client->state == CLIENT_EXCHANGE) {
        exchange_client_gone(&client->stream->ex, client->starved ? REASON_limit : REASON_client_gone);
    } else {
        client_close(client);
    }
}

void client_stop(struct client *client)
{
    if (client->state == CLIENT_TUNNEL) {
        tunnel_cut(&client->conn);
    } else {
        client_lost(client);
    }
    client_close(client);
}

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

/* Reads and drops what comes after our end; the connection closes with the client's end. */
static void linger_read(struct client *client)
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

static void flush(struct client *client)
{
    if (conn_flush(&client->conn) < 0) {
        client_lost(client);
        return;
    }
    if (conn_backed_up(&client->conn)) {
        client_arm(client); /* something left: the stall begins anew */
        return;
    }
    if (client->state == CLIENT_EXCHANGE) {
        client_arm(client);
        exchange_client_drained(&client->stream->ex);
    } else if (client->state == CLIENT_FLUSH) {
        client_answered(client);
    }
}

static void exchange_ready(struct client *client)
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

static void on_ready(struct io *io)
{
    struct client *client = (struct client *)io;

    if (conn_backed_up(&client->conn) && io->writable) {
        flush(client);
    }
    switch (client->state) {
    case CLIENT_HELLO:
    case CLIENT_HANDSHAKE:
        tls_accept_ready(client);
        break;
    case CLIENT_IDLE:
    case CLIENT_HEAD:
        h1_read_head(client);
        break;
    case CLIENT_EXCHANGE:
        exchange_ready(client);
        break;
    case CLIENT_FLUSH:
        if (io->broken) {
            client_close(client);
        }
        break;
    case CLIENT_DISCARD:
        h1_discard(client);
        break;
    case CLIENT_LINGER:
        linger_read(client);
        break;
    case CLIENT_H2:
        h2_ready(client);
        break;
    case CLIENT_TUNNEL:
    case CLIENT_CLOSED:
        break;
    }
}

/* NULL: the connection could not be watched and is closed. */
static struct client *take_in(struct listener *listener, int fd, const struct address *peer)
{
    struct worker *worker = listener->worker;
    struct client *client = record_take(worker, RECORD_CLIENT);

    if (client) {
        memset(client, 0, sizeof(*client));
    } else {
        client = xcalloc(1, sizeof(*client));
    }
    budget_cap_socket(worker, fd);
    client->conn.io.kind = LAP_CLIENT;
    client->conn.io.on_ready = on_ready;
    client->conn.io.on_closed = on_closed;
    client->conn.timer.fire = on_timer;
    if (conn_open(&client->conn, worker, fd) < 0) {
        free(client);
        return NULL;
    }
    client->listener = listener;
    client->peer = *peer;
    client->peer_text_len = (uint8_t)address_format(peer, client->peer_text);
    client->opened_ns = worker->now_ns;
    client->next = worker->clients;
    if (client->next) {
        client->next->previous = client;
    }
    worker->clients = client;
    listener->clients++;
    slab_count(worker->slab, COUNT_CONNECTIONS, 1);
    slab_gauge(worker->slab, GAUGE_CONNECTIONS, 1);
    return client;
}

void client_accept(struct listener *listener, int fd, const struct address *peer)
{
    struct client *client = take_in(listener, fd, peer);

    if (client) {
        client_enter(client, CLIENT_IDLE); /* who connects sends at once, mostly: the first event tells */
    }
}

void client_refuse(struct listener *listener, int fd, const struct address *peer)
{
    struct client *client = take_in(listener, fd, peer);

    if (client) {
        client->refused = true;
        client->conn.worker->budget.refusals++;
        h1_refuse(client, 503, REASON_limit, "the memory budget is used up");
    }
}

static void on_tunnel_closed(struct conn *conn)
{
    struct client *client = (struct client *)conn;

    client_close(client);
}

void client_leave(struct client *client, struct tunnel_end *end)
{
    end->conn = &client->conn;
    end->closed = on_tunnel_closed;
    if (client->in && buffer_len(client->in)) {
        end->early = client->in;
        client->in = NULL;
    } else {
        end->early = client->ahead; /* what came together with the end of a chunked body */
        client->ahead = NULL;
    }
    client->state = CLIENT_TUNNEL;
    timer_set(client->conn.worker->timers, &client->conn.timer, TIMER_NEVER);
}
