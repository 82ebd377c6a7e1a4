/*
 * h2_upstream.c - an HTTP/2 connection to a server: its session, reading, writing, its timer, its end. See h2_upstream.h.
 */
#include "worker/h2_upstream.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "worker/worker.h"

#define SECOND INT64_C(1000000000)
#define READS_PER_TURN 4
#define READ_SIZE ((size_t)16384)
#define WRITES_PER_TURN 4
#define HEAD_MOST ((uint32_t)1024 * 1024) /* of a response, as over HTTP/1; told, and counted by ourselves */
#define REQUEST_HEAD_MOST ((size_t)2 * 1024 * 1024) /* entry points bound it */
#define CONTINUATIONS (8 + 2 * (HEAD_MOST / 16384))
#define WINDOW_ALL (1024 * 1024)
#define SETTINGS_NS (10 * SECOND) /* a server that has not said its settings by then does not speak HTTP/2 */

/* ---- the session ---- */

static nghttp2_session *engine_new(struct h2_server *server)
{
    nghttp2_session_callbacks *callbacks = h2_server_callbacks();
    nghttp2_session *engine = NULL;
    nghttp2_option *option = NULL;

    if (callbacks && nghttp2_option_new(&option) == 0) {
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_max_continuations(option, CONTINUATIONS);
        nghttp2_option_set_max_send_header_block_length(option, REQUEST_HEAD_MOST);
        if (nghttp2_session_client_new3(&engine, callbacks, server, option, &server->memory) != 0) {
            engine = NULL;
        }
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return engine;
}

static int say_settings(struct h2_server *server)
{
    static const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEAD_MOST},
    };
    int rc = nghttp2_submit_settings(server->engine, NGHTTP2_FLAG_NONE, entries, ARRAY_LEN(entries));

    return rc != 0 ? rc
                   : nghttp2_session_set_local_window_size(server->engine, NGHTTP2_FLAG_NONE, 0, WINDOW_ALL);
}

void h2_server_open(struct upstream *up, const struct transport *transport)
{
    struct worker *worker = up->conn.worker;
    struct h2_server *server = xcalloc(1, sizeof(*server));

    server->up = up;
    server->moved_ns = worker->now_ns;
    server->memory = h2_memory(worker);
    server->idle_timeout = transport->idle_conn_timeout;
    server->read_idle_timeout = transport->read_idle_timeout;
    server->ping_timeout = transport->ping_timeout;
    server->send_timeout = transport->send_timeout;
    server->most = up->pool->streams_most ? up->pool->streams_most : H2_SERVER_STREAMS_FIRST;
    work_list_init(&server->work);
    server->engine = engine_new(server);
    server->lost = server->engine == NULL || say_settings(server) != 0;
    server->room = !server->lost;
    up->h2 = server;
    upstream_share(up, server->room);
}

void h2_upstream_free(struct upstream *up)
{
    struct h2_server *server = up->h2;

    if (server) {
        up->h2 = NULL;
        nghttp2_session_del(server->engine);
        free(server);
    }
}

void h2_server_room(struct h2_server *server)
{
    bool room = !server->lost && !server->leaving && server->count < server->most &&
                nghttp2_session_check_request_allowed(server->engine);

    if (room != server->room && server->up->state != UPSTREAM_CLOSED) {
        server->room = room;
        upstream_share(server->up, room);
    }
}

/* ---- the end ---- */

/* Nobody is on it any more. */
static void say_goodbye(struct h2_server *server)
{
    if (!server->lost && server->up->state != UPSTREAM_CONNECTING) {
        (void)nghttp2_session_terminate_session(server->engine, NGHTTP2_NO_ERROR);
        h2_server_write(server);
    }
    upstream_close(server->up);
}

void h2_server_idle(struct h2_server *server, const struct transport *transport)
{
    struct upstream *up = server->up;

    if (up->state == UPSTREAM_CLOSED) {
        return;
    }
    if (up->state == UPSTREAM_CONNECTING || server->lost || server->leaving ||
        !upstream_may_wait(up, transport)) {
        say_goodbye(server);
        return;
    }
    upstream_rest(up, true);
    server->idle_ns = up->conn.worker->now_ns;
    h2_server_room(server);
    h2_server_arm(server);
}

void h2_upstream_lost(struct upstream *up, enum reason reason)
{
    struct h2_server *server = up->h2;

    server->lost = true;
    server->reason = reason;
    h2_server_room(server);
    if (up->state == UPSTREAM_CONNECTING) { /* nothing came that anybody could still want */
        while (server->calls) {
            upstream_attempt_failed(server->calls->ux, reason);
        }
    }
    for (struct h2_call *call = server->calls; call; call = call->next) {
        call->closed = true;
        h2_call_work(call);
    }
    if (server->calls == NULL) {
        upstream_close(up);
    } else {
        timer_set(up->conn.worker->timers, &up->conn.timer, TIMER_NEVER);
    }
}

/* ---- the timer ---- */

static void has_moved(struct h2_server *server)
{
    server->moved_ns = server->up->conn.worker->now_ns;
    if (server->send_timeout > 0 && conn_backed_up(&server->up->conn)) {
        server->unsent = budget_unsent(server->up->conn.io.fd);
    }
}

/* Nothing was put behind what the kernel holds, so there is less of it if the server took but a little. */
static bool is_stalled(struct h2_server *server)
{
    struct conn *conn = &server->up->conn;

    if (server->send_timeout <= 0 || !conn_backed_up(conn) ||
        conn->worker->now_ns - server->moved_ns < server->send_timeout) {
        return false;
    }
    if (budget_unsent(conn->io.fd) >= server->unsent) {
        return true;
    }
    has_moved(server);
    return false;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void h2_server_arm(struct h2_server *server)
{
    struct upstream *up = server->up;
    int64_t deadline = server->settled ? TIMER_NEVER : server->begun_ns + SETTINGS_NS;

    if (up->state == UPSTREAM_IDLE && server->idle_timeout > 0) {
        deadline = earlier(deadline, server->idle_ns + server->idle_timeout);
    }
    if (server->pinged_ns) {
        deadline = earlier(deadline, server->pinged_ns + server->ping_timeout);
    } else if (server->read_idle_timeout > 0) {
        deadline = earlier(deadline, server->heard_ns + server->read_idle_timeout);
    }
    if (server->send_timeout > 0 && conn_backed_up(&up->conn)) {
        deadline = earlier(deadline, server->moved_ns + server->send_timeout);
    }
    timer_set(up->conn.worker->timers, &up->conn.timer, deadline);
}

void h2_upstream_late(struct upstream *up)
{
    struct h2_server *server = up->h2;
    int64_t now = up->conn.worker->now_ns;

    if (server->lost || up->state == UPSTREAM_CONNECTING) {
        return;
    }
    if (!server->settled && now - server->begun_ns >= SETTINGS_NS) {
        log_debug("a server said nothing of its settings: it does not speak HTTP/2");
        h2_upstream_lost(up, REASON_bad_response);
        return;
    }
    if (is_stalled(server)) {
        log_debug("a server took nothing of its connection for too long");
        h2_upstream_lost(up, REASON_response_timeout);
        return;
    }
    if (server->pinged_ns && now - server->pinged_ns >= server->ping_timeout) {
        log_debug("a server did not answer a PING: its connection is given up");
        h2_upstream_lost(up, REASON_reset_before_headers);
        return;
    }
    if (up->state == UPSTREAM_IDLE && server->idle_timeout > 0 &&
        now - server->idle_ns >= server->idle_timeout) {
        say_goodbye(server);
        return;
    }
    if (!server->pinged_ns && server->read_idle_timeout > 0 &&
        now - server->heard_ns >= server->read_idle_timeout) {
        server->pinged_ns = now;
        (void)nghttp2_submit_ping(server->engine, NGHTTP2_FLAG_NONE, NULL);
        h2_server_later(server);
    }
    h2_server_arm(server);
}

/* ---- writing ---- */

void h2_server_later(struct h2_server *server)
{
    poller_again(&server->up->conn.io);
}

static void write_failed(struct h2_server *server)
{
    struct io *io = &server->up->conn.io;

    io->broken = io->readable = true; /* dealt with on its event, which reads first */
    h2_server_later(server);
}

void h2_server_write(struct h2_server *server)
{
    struct conn *conn = &server->up->conn;
    struct stage *stage = &conn->worker->recycler->frames;

    if (server->up->state == UPSTREAM_CONNECTING || server->lost || conn_backed_up(conn)) {
        return;
    }
    bool all = false;

    for (int i = 0; i < WRITES_PER_TURN && !all && !conn_backed_up(conn) && !conn->io.broken; i++) {
        bool good = h2_gather(server->engine, stage);

        all = stage->len < H2_WRITE_SIZE;

        if (!good || (stage->len && conn_send_one(conn, slice_of(stage->ptr, stage->len)) < 0)) {
            write_failed(server);
        }
        stage_reset(stage);
    }
    has_moved(server);
    if (conn_backed_up(conn)) {
        h2_server_arm(server);
    } else if (!all) {
        h2_server_later(server);
    }
}

/* What waited has left: those that were told to wait go on. */
static void flush(struct h2_server *server)
{
    struct conn *conn = &server->up->conn;

    if (!conn_backed_up(conn) || !conn->io.writable) {
        return;
    }
    size_t waited = conn->out_len;

    if (conn_flush(conn) < 0) {
        conn->io.broken = conn->io.readable = true;
        return;
    }
    if (conn->out_len < waited) {
        has_moved(server);
    }
    for (struct h2_call *call = server->calls; call && !conn_backed_up(conn); call = call->next) {
        if (call->waits && call->out.len == 0) {
            h2_call_work(call);
        }
    }
}

/* ---- reading ---- */

static bool wants_to_read(const struct h2_server *server)
{
    return !server->lost && nghttp2_session_want_read(server->engine);
}

/* False: the connection is over; *reason says why. */
static bool feed(struct h2_server *server, const char *bytes, size_t len, enum reason *reason)
{
    ssize_t n = nghttp2_session_mem_recv(server->engine, (const uint8_t *)bytes, len);

    server->heard += len;
    server->heard_ns = server->up->conn.worker->now_ns;
    if (server->pinged_ns) {
        server->pinged_ns = 0; /* whatever it said: it lives */
        h2_server_arm(server);
    }
    if (n < 0) {
        log_debug("malformed HTTP/2 from a server: %s", nghttp2_strerror((int)n));
        *reason = REASON_bad_response;
        return false;
    }
    return true;
}

static bool read_some(struct h2_server *server, enum reason *reason)
{
    struct upstream *up = server->up;
    struct worker *worker = up->conn.worker;

    *reason = REASON_reset_before_headers;
    for (int i = 0; i < READS_PER_TURN && up->conn.io.readable && wants_to_read(server); i++) {
        if (i > 0 && stopwatch_is_over(&worker->watch)) {
            break;
        }
        ssize_t n = conn_read(&up->conn, worker->recycler->scratch, READ_SIZE);

        if (n < 0 && errno == EAGAIN && !up->conn.io.broken) {
            return true;
        }
        if (n <= 0 || !feed(server, worker->recycler->scratch, (size_t)n, reason)) {
            return false;
        }
        h2_server_work(server);
        if (up->state == UPSTREAM_CLOSED) {
            return true;
        }
    }
    if (up->conn.io.readable && wants_to_read(server)) {
        h2_server_later(server);
    }
    return true;
}

void h2_upstream_connected(struct upstream *up)
{
    struct h2_server *server = up->h2;

    if (server->lost) {
        h2_upstream_lost(up, REASON_limit);
        return;
    }
    server->begun_ns = server->heard_ns = up->conn.worker->now_ns;
    for (struct h2_call *call = server->calls; call; call = call->next) {
        upstream_connected(call->ux);
    }
    h2_server_room(server);
    h2_server_arm(server);
    h2_server_later(server);
}

void h2_upstream_ready(struct upstream *up)
{
    struct h2_server *server = up->h2;
    enum reason reason;

    if (server->lost) {
        h2_server_work(server);
        return;
    }
    flush(server);
    if (!read_some(server, &reason)) {
        if (server->calls && upstream_tls_broke(server->calls->ux)) {
            reason = REASON_upstream_tls;
        }
        h2_upstream_lost(up, reason);
        return;
    }
    if (up->state != UPSTREAM_CLOSED) {
        h2_server_work(server);
    }
    if (up->state != UPSTREAM_CLOSED) {
        h2_server_write(server);
    }
    if (up->state == UPSTREAM_CLOSED) {
        return;
    }
    if (server->leaving && server->count == 0) {
        say_goodbye(server);
    } else if (!conn_backed_up(&up->conn) && !nghttp2_session_want_write(server->engine) &&
               !wants_to_read(server)) {
        h2_upstream_lost(up, REASON_bad_response);
    }
}
