/*
 * client_connection.c - one connection of the HTTP client: its life and its time, TLS, bytes out and in.
 *
 * life   open -> (resolve) -> connect, address after address -> handshake -> head, body of a call -> idle -> next call
 *        ... -> close -> freed when libuv has let go of timer, socket and resolver
 *
 * One timer watches over whatever is going on; `state` says what it is. Closing is asynchronous, so a connection that a
 * handler has closed can still be looked at: after each call of a handler the state is asked.
 *
 * Not here: names and addresses (client_connect.c), what an answer is made of (client_answer.c).
 */
#include <errno.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/http/client_inner.h"

static const struct h1_limits limits = {.max_head = 65536, .max_target = 65536, .max_headers = 256};

/* ---- the end ---- */
void connection_let_go(struct http_connection *conn)
{
    struct http_client *client = conn->client;

    if (--conn->pending > 0) {
        return;
    }
    tls_session_free(conn->tls);
    h1_parser_free(conn->parser);
    pool_free(conn->pool);
    text_free(&conn->in);
    free(conn);
    client_connection_gone(client);
}

static void on_handle_closed(uv_handle_t *handle)
{
    connection_let_go(handle->data);
}

void connection_close(struct http_connection *conn)
{
    struct http_connection **link = &conn->client->connections;

    if (conn->state == CONNECTION_CLOSING) {
        return;
    }
    while (*link != conn) {
        link = &(*link)->next;
    }
    *link = conn->next;
    conn->call = NULL;
    conn->state = CONNECTION_CLOSING;
    (void)uv_cancel((uv_req_t *)&conn->resolve); /* when there is none, or it runs already: no harm */
    uv_close((uv_handle_t *)&conn->timer, on_handle_closed);
    if (conn->tcp_open) {
        conn->tcp_open = false;
        uv_close((uv_handle_t *)&conn->tcp, on_handle_closed);
    }
}

void connection_fail(struct http_connection *conn, int rc, const struct error *why)
{
    struct http_call *call = conn->call;
    bool again = call && conn->reused && !call->answered && rc != -ETIMEDOUT;
    struct http_client *client = conn->client;
    struct error copy = *why; /* it may lie in the connection */

    connection_close(conn);
    if (again) {
        connection_open(client, call);
    } else if (call) {
        call_done(call, rc, &copy);
    }
}

void connection_fail_uv(struct http_connection *conn, int rc, const char *doing)
{
    struct error why;

    (void)error_set(&why, rc, "%s: %s", doing, rc == UV_EOF ? "closed by the server" : uv_strerror(rc));
    connection_fail(conn, rc == UV_EOF ? -ECONNRESET : rc, &why);
}

static void on_deadline(uv_timer_t *timer);

void connection_arm(struct http_connection *conn, uint64_t ms)
{
    (void)uv_timer_start(&conn->timer, on_deadline, ms, 0);
}

/* ---- writing ---- */
struct write {
    uv_write_t request;
    size_t length;
    char bytes[];
};

static void on_written(uv_write_t *request, int status)
{
    struct http_connection *conn = request->data;
    struct write *write = (struct write *)request;

    explicit_bzero(write->bytes, write->length);
    free(write);
    if (status < 0 && conn->state != CONNECTION_CLOSING) {
        connection_fail_uv(conn, status, "cannot send");
    }
}

static int send_bytes(struct http_connection *conn, struct slice bytes)
{
    struct write *write;
    uv_buf_t buf;
    int rc;

    if (bytes.len == 0) {
        return 0;
    }
    write = xmalloc(sizeof(*write) + bytes.len);
    write->length = bytes.len;
    memcpy(write->bytes, bytes.ptr, bytes.len);
    write->request.data = conn;
    buf = uv_buf_init(write->bytes, (unsigned)bytes.len);
    rc = uv_write(&write->request, (uv_stream_t *)&conn->tcp, &buf, 1, on_written);
    if (rc < 0) {
        explicit_bzero(write->bytes, write->length);
        free(write);
    }
    return rc;
}

static int flush(struct http_connection *conn)
{
    int rc = send_bytes(conn, tls_session_output(conn->tls));

    tls_session_output_sent(conn->tls);
    return rc;
}

static int send_plain(struct http_connection *conn, struct slice bytes, struct error *why)
{
    int rc;

    if (conn->tls) {
        rc = tls_session_write(conn->tls, bytes, why);
        if (rc < 0) {
            return rc;
        }
        rc = flush(conn);
    } else {
        rc = send_bytes(conn, bytes);
    }
    return rc < 0 ? error_set(why, rc, "cannot send: %s", uv_strerror(rc)) : 0;
}

/* ---- the call ---- */
static int send_request(struct http_connection *conn, struct error *why)
{
    struct http_call *call = conn->call;
    int rc;

    conn->state = CONNECTION_HEAD;
    call->answered = false;
    text_clear(&conn->in);
    pool_reset(conn->pool);
    headers_init(&conn->message.headers, conn->pool);
    h1_parser_reset(conn->parser, &conn->message, slice_cstr(call->method));
    connection_arm(conn, call->head_ms);
    rc = send_plain(conn, text_slice(&call->head), why);
    return rc < 0 || call->body.len == 0 ? rc : send_plain(conn, text_slice(&call->body), why);
}

void connection_use(struct http_connection *conn, struct http_call *call)
{
    struct error why;

    conn->reused = true;
    conn->call = call;
    call->connection = conn;
    if (send_request(conn, &why) < 0) {
        connection_close(conn);
        connection_open(call->client, call);
    }
}

/* The connection is there. */
static void begin(struct http_connection *conn)
{
    struct error why;
    int rc = send_request(conn, &why);

    if (rc < 0) {
        connection_fail(conn, rc, &why);
    }
}

/* ---- TLS ---- */
static void take_cipher(struct http_connection *conn)
{
    struct error why;
    size_t length;

    while (conn->state != CONNECTION_CLOSING) {
        switch (tls_session_read(conn->tls, conn->client->plain, CLIENT_BUFFER, &length, &why)) {
        case TLS_READ_DATA:
            connection_take(conn, slice_of(conn->client->plain, length));
            break;
        case TLS_READ_MORE:
            (void)flush(conn); /* an answer to a key update; what cannot be sent is found by the next read */
            return;
        case TLS_READ_CLOSE:
            connection_end(conn, true);
            return;
        case TLS_READ_ERROR:
            connection_fail(conn, -EPROTO, &why);
            return;
        }
    }
}

static void handshake(struct http_connection *conn)
{
    struct error why;
    int rc = tls_session_handshake(conn->tls, &why), sent = flush(conn);

    if (rc < 0) {
        connection_fail(conn, rc, &why);
    } else if (sent < 0) {
        connection_fail_uv(conn, sent, "cannot send");
    } else if (rc == 1) {
        begin(conn);
    }
}

/* ---- reading ---- */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    const struct http_connection *conn = handle->data;

    (void)suggested;
    *buf = uv_buf_init(conn->client->cipher, CLIENT_BUFFER);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct http_connection *conn = stream->data;

    if (got == 0 || conn->state == CONNECTION_CLOSING) {
        return;
    }
    if (got == UV_EOF) {
        connection_end(conn, conn->tls == NULL);
    } else if (got < 0) {
        connection_fail_uv(conn, (int)got, "cannot receive");
    } else if (conn->tls == NULL) {
        connection_take(conn, slice_of(buf->base, (size_t)got));
    } else {
        tls_session_feed(conn->tls, slice_of(buf->base, (size_t)got));
        if (conn->state == CONNECTION_HANDSHAKE) {
            handshake(conn);
        }
        if (conn->state > CONNECTION_HANDSHAKE && conn->state != CONNECTION_CLOSING) {
            take_cipher(conn);
        }
    }
}

void connection_up(struct http_connection *conn)
{
    struct error why;
    int rc = uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);

    if (rc < 0) {
        connection_fail_uv(conn, rc, "cannot receive");
        return;
    }
    if (conn->client->tls == NULL) {
        begin(conn);
        return;
    }
    rc = tls_session_client(conn->client->tls, slice_cstr(conn->client->server_name), &conn->tls, &why);
    if (rc < 0) {
        connection_fail(conn, rc, &why);
        return;
    }
    conn->state = CONNECTION_HANDSHAKE;
    connection_arm(
        conn, conn->deadline > uv_now(conn->client->loop) ? conn->deadline - uv_now(conn->client->loop) : 0);
    handshake(conn);
}

/* ---- time ---- */
static void on_deadline(uv_timer_t *timer)
{
    struct http_connection *conn = timer->data;
    struct error why = {""};

    switch (conn->state) {
    case CONNECTION_RESOLVING:
        if (conn->deadline == 0) {
            connection_resolve(conn);
            return;
        }
        (void)error_set(&why, -ETIMEDOUT, "%s is not resolved within %u ms", conn->client->host,
                        conn->client->connect_ms);
        break;
    case CONNECTION_CONNECTING:
        connection_attempt_failed(conn, -ETIMEDOUT);
        return;
    case CONNECTION_HANDSHAKE:
        (void)error_set(&why, -ETIMEDOUT, "no TLS handshake within %u ms", conn->client->connect_ms);
        break;
    case CONNECTION_HEAD:
        (void)error_set(&why, -ETIMEDOUT, "no answer within %u ms", conn->call->head_ms);
        break;
    case CONNECTION_BODY:
        (void)error_set(&why, -ETIMEDOUT, "the server fell silent for %u ms", conn->call->read_ms);
        break;
    case CONNECTION_IDLE:
    case CONNECTION_CLOSING:
        connection_close(conn);
        return;
    }
    connection_fail(conn, -ETIMEDOUT, &why);
}

void connection_open(struct http_client *client, struct http_call *call)
{
    struct http_connection *conn = xcalloc(1, sizeof(*conn));

    conn->client = client;
    conn->call = call;
    call->connection = conn;
    conn->state = CONNECTION_RESOLVING;
    conn->parser = h1_parser_new(H1_RESPONSE, &limits);
    conn->pool = pool_new(4096, 0);
    text_init(&conn->in);
    (void)uv_timer_init(client->loop, &conn->timer);
    conn->timer.data = conn;
    conn->pending = 1;
    conn->next = client->connections;
    client->connections = conn;
    client->open++;
    connection_arm(conn, 0); /* from the loop: no handler runs before the caller has the call */
}
