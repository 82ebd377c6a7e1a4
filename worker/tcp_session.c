/*
 * tcp_session.c - see tcp_session.h.
 *
 * An open session is a tunnel and two connections; what is left here is what has to be given back at its end.
 *
 * Not here: the way to a server (tcp_dial.c).
 */
#include "worker/tcp_session.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/net/ranges.h"
#include "worker/tcp_inner.h"
#include "worker/tunnel.h"

#define SECOND INT64_C(1000000000)

/* ---- the end ---- */

static void generation_drop(struct tcp_session *session)
{
    generation_unref(session->generation);
    session->generation = NULL;
    session->route = NULL;
    session->pick = (struct pick){.page = NULL};
}

void tcp_session_leave(struct client *client)
{
    struct tcp_session *session = client->tcp;
    struct worker *worker = client->conn.worker;

    if (session == NULL) {
        return;
    }
    client->tcp = NULL;
    if (session->server) {
        session->server->session = NULL;
        tcp_peer_close(session->server);
    }
    generation_drop(session);
    record_give(worker, RECORD_TCP_SESSION, session);
}

void tcp_refuse(struct tcp_session *session, enum reason reason)
{
    struct client *client = session->client;

    log_at(LOG_LEVEL_DEBUG, LOG_FIELDS("reason", reason_name(reason)), "TCP session of %.*s on %s closed: %s",
           client->peer_text_len, client->peer_text, client->listener->name, reason_text(reason));
    slab_count(session->worker->slab, COUNT_REASONS + (unsigned)reason, 1);
    client_close(client);
}

/* ---- middlewares ---- */

static bool count_in(struct tcp_session *session, const struct tcp_middleware_row *row)
{
    struct worker *worker = session->worker;
    const struct address *peer = &session->client->peer;
    struct slice source = slice_of((const char *)peer->bytes, peer->family == 4 ? 4 : 16);
    struct in_flight held;

    if (table_at(worker->board, row->table) == NULL) {
        return true; /* the board had none left: nothing is counted */
    }
    if (!in_flight_take(worker->board, row->table, worker->slot, table_key(worker->board, row->table, source),
                        row->amount, &held)) {
        return false;
    }
    held_add(&session->client->held, &held);
    return true;
}

/* REASON_none: it may pass. */
static enum reason ask_middlewares(struct tcp_session *session)
{
    const struct page *tcp = session->generation->pages[PAGE_TCP];
    const struct page *routes = session->generation->pages[PAGE_TCP_ROUTES];
    const uint32_t *chain = page_at(routes, session->route->middlewares.items);

    for (size_t i = 0; i < session->route->middlewares.count; i++) {
        const struct tcp_middleware_row *row = tcp_middleware_at(tcp, chain[i]);

        if (row->kind == TCP_IP_LIST && !ranges_hold(page_text(tcp, row->allowed), &session->client->peer)) {
            return REASON_ip_denied;
        }
        if (row->kind == TCP_IN_FLIGHT_CONN && !count_in(session, row)) {
            return REASON_in_flight;
        }
    }
    return REASON_none;
}

struct tcp_session *tcp_session_new(struct client *client, uint32_t route)
{
    struct worker *worker = client->conn.worker;
    struct tcp_session *session = record_take(worker, RECORD_TCP_SESSION);
    enum reason reason;

    session = session ? session : xmalloc(sizeof(*session));
    *session = (struct tcp_session){
        .worker = worker,
        .client = client,
        .generation = generation_ref(client->listener->options.generation),
        .since_ns = worker->now_ns,
    };
    session->route = routes_at(session->generation->pages[PAGE_TCP_ROUTES], route);
    client->tcp = session;
    reason = ask_middlewares(session);
    if (reason != REASON_none) {
        tcp_refuse(session, reason);
        return NULL;
    }
    return session;
}

/* ---- open ---- */

static void on_server_over(struct conn *conn)
{
    tcp_peer_close((struct tcp_peer *)conn);
}

static void keep_alive(const struct tcp_session *session, int fd)
{
    int on = session->way.keep_alive > 0;
    int64_t most = INT16_MAX; /* what the kernel takes */
    int64_t wanted = (session->way.keep_alive + SECOND - 1) / SECOND;
    int seconds = (int)(wanted < most ? wanted : most);

    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    if (on) {
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
    }
}

void tcp_opened(struct tcp_session *session)
{
    struct client *client = session->client;
    struct tcp_peer *server = session->server;
    struct tunnel_terms terms = {.half_open_ns = session->way.termination_delay, .from_the_end = true};
    struct tunnel_end near, far = {.conn = &server->conn, .closed = on_server_over};

    if (session->generation) {
        log_debug("TCP session of %.*s on %s: router %.*s, server %.*s", client->peer_text_len,
                  client->peer_text, client->listener->name,
                  SLICE_ARG(page_text(session->generation->pages[PAGE_TCP_ROUTES], session->route->name)),
                  SLICE_ARG(page_text(session->pick.page, session->pick.server->url)));
    }
    generation_drop(session);
    session->server = NULL;
    server->session = NULL;
    keep_alive(session, server->conn.io.fd);
    client_leave(client, &near);
    tunnel_open(session->worker, &near, &far, &terms);
}

void tcp_session_dial(struct client *client)
{
    struct tcp_session *session = client->tcp;
    const struct tcp_way *way;

    client_enter(client, CLIENT_SESSION);
    session->asks_tls = client->starttls && (session->route->flags & ROUTE_PASSTHROUGH);
    session->since_ns = session->worker->now_ns;
    if (!pick_turn(session->worker, &session->generation->services, session->route->service,
                   &session->pick)) {
        tcp_refuse(session, REASON_no_server);
        return;
    }
    way = tcp_way_of(session->generation->pages[PAGE_TCP], session->pick.number);
    if (way == NULL) {
        tcp_refuse(session, REASON_no_server);
        return;
    }
    session->way = *way;
    tcp_dial(session);
}

/* ---- from outside ---- */

void tcp_session_ready(struct client *client)
{
    if (client->conn.io.broken) {
        client_close(client);
    }
}

void tcp_session_unpin(struct client *client, int64_t since_ns)
{
    struct tcp_session *session = client->tcp;

    if (session->generation == NULL || session->generation == session->worker->generation ||
        session->since_ns > since_ns) {
        return;
    }
    if (session->server) {
        generation_drop(session);
    } else {
        client_close(client); /* a handshake that takes so long comes to nothing, mostly */
    }
}

const struct generation *tcp_session_generation(const struct client *client)
{
    return client->tcp->generation;
}

uint64_t tcp_session_tls_options(const struct client *client)
{
    return client->tcp->route->tls_options;
}

void tcp_session_start(struct worker *worker)
{
    record_kind_set(worker, RECORD_TCP_SESSION, free);
    record_kind_set(worker, RECORD_TCP_SERVER, free);
}
