/*
 * tcp_session.c - see tcp_session.h.
 *
 * The connection to a server is a record of its own: one that failed is still being closed when the next is dialled. An
 * open session is a tunnel and two connections; what is left here is what has to be given back at its end.
 */
#include "worker/tcp_session.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "common/net/postgres.h"
#include "common/net/proxy_protocol.h"
#include "common/net/ranges.h"
#include "shm/in_flight.h"
#include "shm/tcp_page.h"
#include "worker/dial.h"
#include "worker/pick.h"
#include "worker/tls_upstream.h"
#include "worker/tunnel.h"

#define SECOND INT64_C(1000000000)
#define HANDSHAKE_NS (10 * SECOND)
#define TURN_NS 1000000 /* so old may a turn be for another step to begin */

struct tcp_peer {                /* a connection to a server */
    struct conn conn;            /* first */
    struct tcp_session *session; /* while it is dialled */
};

struct tcp_session {
    struct record record;
    struct worker *worker;
    struct client *client;
    struct generation *generation; /* NULL: let go of */
    const struct route *route;     /* these are good while the generation is held */
    struct pick pick;
    struct tcp_way way;
    struct tcp_peer *server; /* that is being dialled */
    uint32_t address;        /* which of its addresses */
    enum reason failure;     /* why the last attempt ended */
    bool asks_tls;           /* of the server, as its client did of us: PostgreSQL, passed through */
    bool asked_tls;          /* ... and its answer is waited for */
    bool wants_tls;          /* the server that is dialled speaks TLS */
    bool shakes;             /* ... and the handshake is under way */
    int64_t since_ns;
    struct in_flight *held; /* counts of middlewares */
    size_t held_count;
};

/* ---- the end ---- */

static void generation_drop(struct tcp_session *session)
{
    generation_unref(session->generation);
    session->generation = NULL;
    session->route = NULL;
    session->pick = (struct pick){.page = NULL};
}

static void server_close(struct tcp_peer *server)
{
    slab_gauge(server->conn.worker->slab, GAUGE_UPSTREAM_ACTIVE, -1);
    conn_close(&server->conn);
}

void tcp_session_leave(struct client *client)
{
    struct tcp_session *session = client->tcp;
    struct worker *worker = client->conn.worker;

    if (session == NULL) {
        return;
    }
    client->tcp = NULL;
    for (size_t i = 0; i < session->held_count; i++) {
        in_flight_give(worker->board, worker->slot, &session->held[i]);
    }
    free(session->held);
    if (session->server) {
        session->server->session = NULL;
        server_close(session->server);
    }
    generation_drop(session);
    record_give(worker, RECORD_TCP_SESSION, session);
}

/* Nothing can be said to a client whose protocol is not known. */
static void refuse(struct tcp_session *session, enum reason reason)
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
    session->held = xrealloc(session->held, (session->held_count + 1) * sizeof(*session->held));
    session->held[session->held_count++] = held;
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
        refuse(session, reason);
        return NULL;
    }
    return session;
}

/* ---- open ---- */

static void on_server_over(struct conn *conn)
{
    server_close((struct tcp_peer *)conn);
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

/* False: the connection is lost. */
static bool tell_client(const struct tcp_session *session)
{
    char header[PROXY_HEADER_WRITTEN];
    struct address local;
    struct iovec piece = {.iov_base = header};

    client_local(session->client, &local);
    piece.iov_len =
        proxy_header_write((int)session->way.proxy_protocol, &session->client->peer, &local, header);
    return conn_send(&session->server->conn, &piece, 1) == 0;
}

static void opened(struct tcp_session *session)
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

/* ---- dialling ---- */

static void dial(struct tcp_session *session);

static void attempt_failed(struct tcp_session *session, enum reason why)
{
    struct tcp_peer *server = session->server;

    session->server = NULL;
    session->failure = why;
    session->asked_tls = session->shakes = false;
    server->session = NULL;
    server_close(server);
    if (session->generation == NULL) {
        refuse(session, why);
        return;
    }
    session->address++;
    dial(session);
}

/* What goes before the client's bytes. False: the connection is lost. */
static bool introduce(struct tcp_session *session)
{
    struct iovec piece = {(char *)(uintptr_t)postgres_ssl_request.ptr, postgres_ssl_request.len};

    if (session->way.proxy_protocol && !tell_client(session)) {
        return false;
    }
    session->asked_tls = session->asks_tls;
    return !session->asks_tls || conn_send(&session->server->conn, &piece, 1) == 0;
}

/* ---- TLS with the server ---- */

static void handshake_failed(struct tcp_session *session, const struct error *why)
{
    log_at(LOG_LEVEL_ERROR, LOG_FIELDS("reason", reason_name(REASON_upstream_tls)),
           "TLS with the server %.*s (TCP service %.*s) failed: %s",
           SLICE_ARG(page_text(session->pick.page, session->pick.server->url)),
           SLICE_ARG(page_text(session->pick.page, session->pick.service->name)), why->text);
    attempt_failed(session, REASON_upstream_tls);
}

static void shake_hands(struct tcp_session *session)
{
    struct conn *conn = &session->server->conn;
    struct error why = {""};

    if (session->generation == NULL) { /* let go of: who the server has to be is not known any more */
        attempt_failed(session, REASON_connect_timeout);
        return;
    }
    if (process_clock_ns() - session->worker->now_ns >= TURN_NS) {
        poller_again(&conn->io);
        return;
    }
    enum tls_upstream_step step = tls_upstream_step(conn, &why);

    stopwatch_end(&session->worker->watch, LAP_UPSTREAM); /* it may take a millisecond */
    if (step == TLS_UPSTREAM_DONE) {
        opened(session);
    } else if (step == TLS_UPSTREAM_FAILED) {
        handshake_failed(session, &why);
    }
}

/* The server knows all that goes before the client's bytes, but for TLS. */
static void spoken_to(struct tcp_session *session)
{
    struct conn *conn = &session->server->conn;
    const struct server *server = session->pick.server;
    struct error why = {""};

    if (!session->wants_tls) {
        opened(session);
        return;
    }
    if (session->generation == NULL) { /* let go of: who the server has to be is not known any more */
        attempt_failed(session, REASON_connect_timeout);
        return;
    }
    const struct tls_upstream_want want = {
        .generation = session->generation,
        .settings = session->way.tls,
        .host = page_text(session->pick.page, server->host),
        .peer = server->identity,
    };

    session->shakes = true;
    timer_set(session->worker->timers, &conn->timer, session->worker->now_ns + HANDSHAKE_NS);
    if (tls_upstream_start(conn, &want, &why) < 0) {
        handshake_failed(session, &why);
        return;
    }
    shake_hands(session);
}

/* The server's answer to that. */
static void read_willing(struct tcp_session *session)
{
    char answer;
    ssize_t n = io_read(&session->server->conn.io, &answer, 1);

    if (n < 0 && errno == EAGAIN) {
        return;
    }
    if (n == 1 && answer == POSTGRES_WILLING[0]) {
        session->asked_tls = false;
        spoken_to(session);
    } else {
        refuse(session, REASON_bad_response);
    }
}

static void on_server_ready(struct io *io)
{
    struct tcp_peer *server = (struct tcp_peer *)io;
    struct tcp_session *session = server->session;
    int error = 0;
    socklen_t length = sizeof(error);

    if (session == NULL || !io->writable) {
        return;
    }
    if (session->asked_tls) {
        read_willing(session);
        return;
    }
    if (session->shakes) {
        shake_hands(session);
        return;
    }
    getsockopt(io->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error) {
        log_debug("connecting failed: %s", strerror(error));
        attempt_failed(session, error == ETIMEDOUT ? REASON_connect_timeout : REASON_connect_refused);
        return;
    }
    if (!introduce(session)) {
        attempt_failed(session, REASON_connect_refused);
    } else if (!session->asked_tls) {
        spoken_to(session);
    }
}

static void on_server_late(struct timer *timer)
{
    struct tcp_peer *server = (struct tcp_peer *)((char *)timer - offsetof(struct tcp_peer, conn.timer));

    if (server->session) {
        attempt_failed(server->session, REASON_connect_timeout);
    }
}

static void on_server_closed(struct io *io)
{
    struct tcp_peer *server = (struct tcp_peer *)io;

    record_give(server->conn.worker, RECORD_TCP_SERVER, server);
}

/* 0 or a negative errno. */
static int connect_to(struct tcp_session *session, const struct server_address *address)
{
    struct worker *worker = session->worker;
    struct tcp_peer *server;
    int fd = dial_address(worker, address), rc;

    if (fd < 0) {
        return fd;
    }
    server = record_take(worker, RECORD_TCP_SERVER);
    server = server ? server : xmalloc(sizeof(*server));
    memset(server, 0, sizeof(*server));
    server->conn.io.kind = LAP_UPSTREAM;
    server->conn.io.on_ready = on_server_ready;
    server->conn.io.on_closed = on_server_closed;
    server->conn.timer.fire = on_server_late;
    if ((rc = conn_open(&server->conn, worker, fd)) < 0) {
        free(server);
        return rc;
    }
    server->session = session;
    session->server = server;
    slab_gauge(worker->slab, GAUGE_UPSTREAM_ACTIVE, 1);
    slab_count(worker->slab, COUNT_UPSTREAM_CONNECTS, 1);
    timer_set(worker->timers, &server->conn.timer,
              session->way.dial_timeout > 0 ? worker->now_ns + session->way.dial_timeout : TIMER_NEVER);
    return 0;
}

/* Addresses of the server, then of the next servers, until one does not fail at once. */
static void dial(struct tcp_session *session)
{
    struct worker *worker = session->worker;

    for (;;) {
        const struct server *server = session->pick.server;
        const struct server_address *addresses = page_at(session->pick.page, server->addresses.items);

        if (session->address < server->addresses.count) {
            int rc = connect_to(session, &addresses[session->address]);

            if (rc == 0) {
                session->wants_tls = server->tls;
                return;
            }
            log_debug("connecting to %.*s failed: %s", SLICE_ARG(page_text(session->pick.page, server->url)),
                      strerror(-rc));
            if (rc == -EMFILE || rc == -ENFILE) { /* ours are short: no other server would help */
                refuse(session, REASON_limit);
                return;
            }
            session->address++;
        } else if (pick_turn_next(worker, &session->pick)) {
            session->address = 0;
            slab_count(worker->slab, COUNT_RETRIES, 1);
        } else {
            refuse(session, session->failure ? session->failure : REASON_connect_refused);
            return;
        }
    }
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
        refuse(session, REASON_no_server);
        return;
    }
    way = tcp_way_of(session->generation->pages[PAGE_TCP], session->pick.number);
    if (way == NULL) {
        refuse(session, REASON_no_server);
        return;
    }
    session->way = *way;
    dial(session);
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
