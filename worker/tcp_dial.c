/*
 * tcp_dial.c - the server's side of a TCP session until it is open: which server, connecting, what goes before the client's
 * bytes (PROXY protocol, PostgreSQL's question for TLS), TLS. See tcp_inner.h.
 *
 * The connection is a record of its own: one that failed is still being closed when the next is dialled.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "common/net/postgres.h"
#include "common/net/proxy_protocol.h"
#include "worker/dial.h"
#include "worker/tcp_inner.h"
#include "worker/tls_upstream.h"

#define SECOND INT64_C(1000000000)
#define HANDSHAKE_NS (10 * SECOND)
#define TURN_NS 1000000 /* so old may a turn be for another step to begin */

void tcp_peer_close(struct tcp_peer *server)
{
    slab_gauge(server->conn.worker->slab, GAUGE_UPSTREAM_ACTIVE, -1);
    conn_close(&server->conn);
}

static void attempt_failed(struct tcp_session *session, enum reason why)
{
    struct tcp_peer *server = session->server;

    session->server = NULL;
    session->failure = why;
    session->asked_tls = session->shakes = false;
    server->session = NULL;
    tcp_peer_close(server);
    if (session->generation == NULL) {
        tcp_refuse(session, why);
        return;
    }
    session->address++;
    tcp_dial(session);
}

/* False: the connection is lost. */
static bool tell_client(const struct tcp_session *session)
{
    char header[PROXY_HEADER_WRITTEN];
    struct address local;

    client_local(session->client, &local);

    size_t len = proxy_header_write((int)session->way.proxy_protocol, &session->client->peer, &local, header);

    return conn_send_one(&session->server->conn, slice_of(header, len)) == 0;
}

/* What goes before the client's bytes. False: the connection is lost. */
static bool introduce(struct tcp_session *session)
{
    if (session->way.proxy_protocol && !tell_client(session)) {
        return false;
    }
    session->asked_tls = session->asks_tls;
    return !session->asks_tls || conn_send_one(&session->server->conn, postgres_ssl_request) == 0;
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
        tcp_opened(session);
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
        tcp_opened(session);
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
        tcp_refuse(session, REASON_bad_response);
    }
}

static void on_server_ready(struct io *io)
{
    struct tcp_peer *server = (struct tcp_peer *)io;
    struct tcp_session *session = server->session;

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

    int error = dial_error(io->fd);

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

void tcp_dial(struct tcp_session *session)
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
                tcp_refuse(session, REASON_limit);
                return;
            }
            session->address++;
        } else if (pick_turn_next(worker, &session->pick)) {
            session->address = 0;
            slab_count(worker->slab, COUNT_RETRIES, 1);
        } else {
            tcp_refuse(session, session->failure ? session->failure : REASON_connect_refused);
            return;
        }
    }
}
