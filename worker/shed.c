/*
 * shed.c - see shed.h.
 *
 * Closing asks nothing of the peer: what the kernel still holds for it would stay for minutes. So whoever is ended while
 * bytes wait for it is reset; an idle connection that has taken all it was sent gets an orderly end.
 */
#include "worker/shed.h"

#include <sys/socket.h>
#include <unistd.h>

#include "shm/tcp_page.h"
#include "worker/h2_client.h"
#include "worker/tunnel.h"
#include "worker/upstream.h"
#include "worker/worker.h"

#define SECOND INT64_C(1000000000)
#define STEP_CLIENTS 512 /* looked at in one step */
#define STEP_UPSTREAMS 256
#define UPSTREAMS_AT_ONCE 8
#define STEP_PART 20 /* a step that gave back so small a part of the budget is over */
#define IDLE_FIRST (4 * SECOND)
#define HEAD_PATIENCE (1 * SECOND)
#define READ_PATIENCE (10 * SECOND)
#define COST_FIRST (64 * 1024)
#define COST_LEAST 4096
#define REFUSALS 64 /* connections at a time that wait for their client to read the refusal */

static const char refusal[] = "HTTP/1.1 503 Service Unavailable\r\n"
                              "Content-Type: text/plain; charset=utf-8\r\n"
                              "Content-Length: 23\r\n"
                              "Connection: close\r\n\r\n"
                              "503 Service Unavailable";

static void count(struct worker *worker, enum board_counter what, bool reason)
{
    slab_count(worker->slab, what, 1);
    if (reason) {
        slab_count(worker->slab, COUNT_REASONS + REASON_limit, 1);
    }
}

/* ---- new connections ---- */

void shed_refuse(struct listener *listener, int fd, const struct address *peer)
{
    struct worker *worker = listener->worker;
    bool http = !(listener->options.tcp & TCP_ROUTERS); /* who knows what else a client of TCP takes it for */
    bool polite = http && worker->budget.refusals < REFUSALS && worker->budget.level < BUDGET_OVER;

    count(worker, COUNT_REFUSED_CONNECTIONS,
          !polite); /* else the refusal itself is counted with its reason */
    if (polite) {
        client_refuse(listener, fd, peer);
        return;
    }
    if (http) {
        (void)send(fd, refusal, sizeof(refusal) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    close(fd);
}

/* ---- those that are there ---- */

static void reset_on_close(const struct client *client)
{
    fence_reset_on_close(&client->conn.worker->fence, client->conn.io.fd);
}

static uint64_t close_idle(struct client *client)
{
    struct worker *worker = client->conn.worker;
    int64_t since = client->request_ns > client->opened_ns ? client->request_ns : client->opened_ns;

    since = client->idle_ns > since ? client->idle_ns : since;
    if (worker->now_ns - since < worker->budget.idle_least_ns) {
        return 0;
    }
    uint64_t queued = budget_queued(client->conn.io.fd);

    if (queued && worker->budget.level < BUDGET_OVER) {
        return 0; /* still taking its last answer */
    }
    if (queued) {
        reset_on_close(client);
    }
    count(worker, COUNT_SHED_IDLE, true);
    client_close(client);
    return queued + sizeof(*client);
}

static uint64_t refuse_head(struct client *client)
{
    struct worker *worker = client->conn.worker;
    size_t held = client->in ? client->in->size : 0;
    bool large = held > BUFFER_SMALL && worker->now_ns - client->request_ns >= HEAD_PATIENCE;

    if (!large && (worker->budget.level < BUDGET_OVER || held < worker->budget.cost_least)) {
        return 0;
    }
    count(worker, COUNT_SHED_BUSY, false);
    h1_refuse(client, 503, REASON_limit, "no memory is left for the head of a request");
    return held;
}

/* What begins can begin anew, elsewhere. Who takes long over it keeps others out. */
static uint64_t end_handshake(struct client *client)
{
    struct worker *worker = client->conn.worker;

    if (worker->budget.level < BUDGET_OVER && worker->now_ns - client->opened_ns < HEAD_PATIENCE) {
        return 0;
    }
    count(worker, COUNT_SHED_BUSY, true);
    client_close(client);
    return BUFFER_SMALL;
}

/* The connection to a server that is there for this client alone; NULL: there is none. */
static struct conn *server_of(const struct client *client)
{
    if (client->state == CLIENT_TUNNEL) {
        return tunnel_other(&client->conn);
    }
    return client->state == CLIENT_EXCHANGE ? upstream_conn(&client->stream->ex) : NULL;
}

static bool is_stalled(const struct conn *conn)
{
    return conn->charged && conn->worker->now_ns - conn->waits_ns >= READ_PATIENCE;
}

static uint64_t cost_of(const struct client *client, const struct conn *server)
{
    uint64_t cost = budget_queued(client->conn.io.fd) + (client->in ? client->in->size : 0);

    if (client->h2) {
        return cost + h2_held(client);
    }
    cost += client->conn.out_len;
    if (client->state == CLIENT_EXCHANGE) {
        return cost + upstream_held(&client->stream->ex);
    }
    return cost + (server ? server->out_len + budget_queued(server->io.fd) : 0);
}

/* An answer, or what waits of one, or a tunnel, or a request whose server takes nothing of it. */
static uint64_t end_costly(struct client *client)
{
    struct worker *worker = client->conn.worker;
    const struct conn *server = server_of(client);
    bool stalled = is_stalled(&client->conn) || (server && is_stalled(server));

    if (worker->budget.level < BUDGET_OVER && !stalled) {
        return 0;
    }
    uint64_t cost = cost_of(client, server);

    if (cost < worker->budget.cost_least && !stalled) {
        return 0;
    }
    count(worker, COUNT_SHED_BUSY, client->state != CLIENT_EXCHANGE);
    if (server) {
        fence_reset_on_close(&worker->fence, server->io.fd);
    }
    if (client->state == CLIENT_EXCHANGE) { /* ends with 503 if nothing of the answer has left */
        if (client->stream->head_sent) {
            reset_on_close(client);
        }
        client->stream->keep_alive = false;
        exchange_client_gone(&client->stream->ex, REASON_limit);
    } else {
        reset_on_close(client);
        client_stop(client);
    }
    return cost;
}

/* Bytes that are thought to come free. */
static uint64_t shed(struct client *client)
{
    switch (client->state) {
    case CLIENT_PROXY:
        return client->in ? end_handshake(client) : close_idle(client);
    case CLIENT_HELLO:
    case CLIENT_HANDSHAKE:
    case CLIENT_SESSION:
        return end_handshake(client);
    case CLIENT_IDLE:
        return close_idle(client);
    case CLIENT_HEAD:
        return refuse_head(client);
    case CLIENT_H2:
        return h2_idle(client) ? close_idle(client) : end_costly(client);
    case CLIENT_EXCHANGE:
    case CLIENT_FLUSH:
    case CLIENT_DISCARD:
    case CLIENT_TUNNEL:
        return end_costly(client);
    case CLIENT_LINGER:
    case CLIENT_CLOSED:
        break;
    }
    return 0;
}

/* All have been looked at: the next time the bar is lower. */
static void next_round(struct worker *worker)
{
    struct budget *budget = &worker->budget;

    worker->shed = worker->clients;
    budget->idle_least_ns = budget->idle_least_ns > SECOND / 8 ? budget->idle_least_ns / 2 : 0;
    if (budget->level >= BUDGET_OVER && budget->cost_least > COST_LEAST) {
        budget->cost_least /= 2;
    }
}

void shed_begin(struct worker *worker)
{
    struct budget *budget = &worker->budget;

    if (!budget->shedding) {
        budget->shedding = true;
        budget->idle_least_ns = IDLE_FIRST;
        budget->cost_least = COST_FIRST;
        worker->shed = worker->clients;
        timer_set(worker->timers, &budget->step, worker->now_ns);
    }
}

/* True when the step is over, false when only the time of this piece of it is. */
static bool step_piece(struct worker *worker, int64_t piece)
{
    struct budget *budget = &worker->budget;

    while (budget->step_upstreams > 0) {
        if (piece_is_over(piece)) {
            return false;
        }
        unsigned closed = upstream_shed(worker, UPSTREAMS_AT_ONCE);

        slab_count(worker->slab, COUNT_SHED_IDLE, closed);
        budget->step_freed += closed * sizeof(struct conn);
        budget->step_upstreams = closed ? budget->step_upstreams - UPSTREAMS_AT_ONCE : 0;
    }
    while (budget->step_clients > 0 && worker->shed && budget->step_freed < budget->most / STEP_PART) {
        struct client *client = worker->shed;

        if (piece_is_over(piece)) {
            return false;
        }
        worker->shed = client->next; /* client_close() moves it on when that one ends */
        budget->step_freed += shed(client);
        budget->step_clients--;
    }
    return true;
}

void shed_step(struct timer *timer)
{
    struct worker *worker =
        (struct worker *)((char *)timer - offsetof(struct worker, budget) - offsetof(struct budget, step));
    struct budget *budget = &worker->budget;

    if (budget->step_clients == 0) { /* a new one; what the one before gave back shows now */
        budget_look(worker);
        if (budget->level < BUDGET_FULL) {
            budget->shedding = false;
            return;
        }
        budget->step_clients = STEP_CLIENTS;
        budget->step_upstreams = STEP_UPSTREAMS;
        budget->step_freed = 0;
    }
    if (!step_piece(worker, piece_begin())) {
        timer_again(worker->timers, &budget->step);
        return;
    }
    budget->step_clients = 0;
    if (worker->shed == NULL) {
        next_round(worker);
    }
    if (budget->step_freed) {
        recycler_relieve(worker);
    }
    timer_set(worker->timers, &budget->step, worker->now_ns + TIMER_TICK_NS);
}
