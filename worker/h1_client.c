/*
 * h1_client.c - the life of a client's connection: its states, its one timer, its end. See h1_client.h.
 */
#include "worker/h1_client.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "common/base/memory.h"
#include "worker/h2_client.h"
#include "worker/proxy_accept.h"
#include "worker/tcp_route.h"
#include "worker/tcp_session.h"
#include "worker/tunnel.h"
#include "worker/worker.h"

#define SECOND INT64_C(1000000000)
#define LINGER_NS (2 * SECOND)
#define HANDSHAKE_NS (60 * SECOND)
#define HURRY_NS (2 * SECOND) /* so long may a handshake take while another one waits for its place */
#define DISCARD_NS (10 * SECOND)
#define STALL_NS (300 * SECOND) /* a client that takes nothing for that long is gone */

void client_start(struct worker *worker)
{
    h1_start_worker(worker);
    record_kind_set(worker, RECORD_CLIENT, free);
    h2_start_worker(worker);
    tcp_session_start(worker);
}

void client_exchange_init(struct client *client, struct exchange *ex)
{
    const struct entry_options *options = &client->listener->options;

    ex->worker = client->conn.worker;
    ex->connection = &client->conn;
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

/* Of what comes before the first request and has begun. */
static int64_t first_deadline(const struct client *client)
{
    int64_t most = client->listener->options.read_timeout;

    return client->opened_ns + (most > 0 && most < HANDSHAKE_NS ? most : HANDSHAKE_NS);
}

/* Of a connection with nothing under way: the first request has the time of a head to begin, as in Go. */
static int64_t silence_deadline(const struct client *client)
{
    const struct entry_options *options = &client->listener->options;

    return client->requests == 0 && options->read_timeout > 0 ? client->opened_ns + options->read_timeout
                                                              : after(client, options->idle_timeout);
}

/* The deadline of the state: at most one store, as a rule (timers.h). */
void client_arm(struct client *client)
{
    struct worker *worker = client->conn.worker;
    const struct entry_options *options = &client->listener->options;
    int64_t deadline = TIMER_NEVER;

    switch (client->state) {
    case CLIENT_PROXY:
        deadline = client->in ? first_deadline(client) : silence_deadline(client);
        break;
    case CLIENT_HELLO:
        deadline = first_deadline(client);
        break;
    case CLIENT_HANDSHAKE:
        deadline = first_deadline(client);
        deadline = client->hurried ? earlier(deadline, client->request_ns + HURRY_NS) : deadline;
        break;
    case CLIENT_IDLE:
        deadline = silence_deadline(client);
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
    case CLIENT_SESSION: /* time counts at the server's connection */
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
    if (state == CLIENT_IDLE) {
        client->idle_ns = client->conn.worker->now_ns;
    }
    client_arm(client);
}

static void on_timer(struct timer *timer)
{
    struct client *client = client_of_timer(timer);

    switch (client->state) {
    case CLIENT_PROXY:
        proxy_accept_late(client);
        break;
    case CLIENT_HELLO:
    case CLIENT_HANDSHAKE:
        tls_accept_late(client);
        break;
    case CLIENT_HEAD:
        h1_refuse(client, 408, REASON_request_timeout, "the head of the request did not arrive in time");
        break;
    case CLIENT_EXCHANGE:
        h1_exchange_late(client);
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
    case CLIENT_SESSION:
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
    tcp_session_leave(client);
    held_give(worker, &client->held);
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

static void on_ready(struct io *io)
{
    struct client *client = (struct client *)io;

    if (conn_backed_up(&client->conn) && io->writable) {
        flush(client);
    }
    switch (client->state) {
    case CLIENT_PROXY:
        proxy_accept_ready(client);
        break;
    case CLIENT_HELLO:
    case CLIENT_HANDSHAKE:
        tls_accept_ready(client);
        break;
    case CLIENT_IDLE:
    case CLIENT_HEAD:
        h1_read_head(client);
        break;
    case CLIENT_EXCHANGE:
        h1_exchange_ready(client);
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
        h1_linger(client);
        break;
    case CLIENT_H2:
        h2_ready(client);
        break;
    case CLIENT_SESSION:
        tcp_session_ready(client);
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

    if (client && listener->options.proxy_protocol) {
        client_enter(client, CLIENT_PROXY);
    } else if (client) {
        client_begin(client); /* who connects sends at once, mostly: the first event tells */
    }
}

void client_begin(struct client *client)
{
    client_enter(client, CLIENT_IDLE);
    if (client->listener->options.tcp && tcp_route_at_once(client)) {
        return;
    }
    if (client->in || client->conn.io.readable) {
        poller_again(&client->conn.io);
    }
}

void client_local(const struct client *client, struct address *local)
{
    struct sockaddr_storage storage;
    socklen_t len = sizeof(storage);

    *local = client->local;
    if (local->family == 0 && getsockname(client->conn.io.fd, (struct sockaddr *)&storage, &len) == 0) {
        address_from_sockaddr((const struct sockaddr *)&storage, local);
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
