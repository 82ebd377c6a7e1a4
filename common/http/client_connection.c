/*
 * client_connection.c - one connection of the HTTP client: connect, TLS handshake, request out, answer in.
 *
 * life   open -> (resolve) -> connect, address after address -> handshake -> head, body of a call -> idle -> next call
 *        ... -> close -> freed when libuv has let go of timer, socket and resolver
 *
 * One timer watches over whatever is going on; `state` says what it is. Closing is asynchronous, so a connection that a
 * handler has closed can still be looked at: after each call of a handler the state is asked.
 */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/http/client_inner.h"
#include "common/net/addr.h"

#define KEEPALIVE_SECONDS 15

static const struct h1_limits limits = {.max_head = 65536, .max_target = 65536, .max_headers = 256};

static void attempt(struct http_connection *conn);
static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf);

/* ---- the end ---- */
static void let_go(struct http_connection *conn)
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
    let_go(handle->data);
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

/* The server may close a kept connection just when we use it: that is no failure of the call. */
static void fail(struct http_connection *conn, int rc, const struct error *why)
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

static void fail_uv(struct http_connection *conn, int rc, const char *doing)
{
    struct error why;

    (void)error_set(&why, rc, "%s: %s", doing, rc == UV_EOF ? "closed by the server" : uv_strerror(rc));
    fail(conn, rc == UV_EOF ? -ECONNRESET : rc, &why);
}

static void on_deadline(uv_timer_t *timer);

static void arm(struct http_connection *conn, uint64_t ms)
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
        fail_uv(conn, status, "cannot send");
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
    arm(conn, call->head_ms);
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

static void finish(struct http_connection *conn, bool keep)
{
    struct http_call *call = conn->call;

    conn->call = NULL;
    if (keep) {
        conn->state = CONNECTION_IDLE;
        arm(conn, conn->client->idle_ms);
    } else {
        connection_close(conn);
    }
    call_done(call, 0, NULL);
}

static void give(struct http_connection *conn, struct slice piece)
{
    if (conn->call->handlers->on_body && piece.len > 0) {
        conn->call->handlers->on_body(conn->call->context, piece);
    }
}

static void take_chunked(struct http_connection *conn, struct slice bytes)
{
    struct slice data;
    struct error why;

    for (;;) {
        switch (h1_chunked_next(&conn->chunked, &bytes, &data)) {
        case H1_CHUNK_DATA:
            give(conn, data);
            if (conn->state == CONNECTION_CLOSING) {
                return;
            }
            break;
        case H1_CHUNK_TRAILER:
            break;
        case H1_CHUNK_MORE:
            return;
        case H1_CHUNK_END:
            finish(conn, conn->message.keep_alive && bytes.len == 0);
            return;
        case H1_CHUNK_BAD:
            (void)error_set(&why, -EPROTO, "malformed answer: %s", conn->chunked.why);
            fail(conn, -EPROTO, &why);
            return;
        }
    }
}

static void take_body(struct http_connection *conn, struct slice bytes)
{
    struct slice part;

    switch (conn->message.framing) {
    case H1_CHUNKED:
        take_chunked(conn, bytes);
        return;
    case H1_UNTIL_CLOSE:
        give(conn, bytes);
        return;
    case H1_NO_BODY:
    case H1_LENGTH:
        part = slice_head(bytes, conn->left < SIZE_MAX ? (size_t)conn->left : SIZE_MAX);
        conn->left -= part.len;
        give(conn, part);
        if (conn->state != CONNECTION_CLOSING && conn->left == 0) {
            finish(conn, conn->message.keep_alive && part.len == bytes.len);
        }
        return;
    }
}

static void head_done(struct http_connection *conn)
{
    struct http_call *call = conn->call;

    conn->state = CONNECTION_BODY;
    conn->left = conn->message.framing == H1_LENGTH ? conn->message.content_length : 0;
    h1_chunked_init(&conn->chunked);
    arm(conn, call->read_ms);
    if (call->handlers->on_head) {
        call->handlers->on_head(call->context, &conn->message);
    }
    if (conn->state == CONNECTION_BODY) {
        take_body(conn, slice_from(text_slice(&conn->in), conn->message.head_len));
    }
}

/* 100 Continue and its like: the answer proper is still to come. */
static void pass_over_head(struct http_connection *conn)
{
    size_t head = conn->message.head_len;

    memmove(conn->in.ptr, conn->in.ptr + head, conn->in.len - head);
    conn->in.len -= head;
    pool_reset(conn->pool);
    headers_init(&conn->message.headers, conn->pool);
    h1_parser_reset(conn->parser, &conn->message, slice_cstr(conn->call->method));
}

static void take_head(struct http_connection *conn, struct slice bytes)
{
    const char *before = conn->in.ptr;
    struct h1_error wrong;
    struct error why;

    conn->call->answered = true;
    text_add(&conn->in, bytes);
    if (before != conn->in.ptr) {
        h1_message_rebase(&conn->message, before, conn->in.ptr);
    }
    for (;;) {
        switch (h1_parser_feed(conn->parser, conn->in.ptr, conn->in.len, &wrong)) {
        case H1_MORE:
            return;
        case H1_BAD:
            (void)error_set(&why, -EPROTO, "malformed answer: %s", wrong.text);
            fail(conn, -EPROTO, &why);
            return;
        case H1_HEAD_DONE:
            if (conn->message.status >= 200 || conn->message.status == 101) {
                head_done(conn);
                return;
            }
            pass_over_head(conn);
            if (conn->in.len == 0) {
                return;
            }
            break;
        }
    }
}

static void take_plain(struct http_connection *conn, struct slice bytes)
{
    if (conn->state == CONNECTION_HEAD) {
        take_head(conn, bytes);
    } else if (conn->state == CONNECTION_BODY) {
        arm(conn, conn->call->read_ms);
        take_body(conn, bytes);
    } else {
        connection_close(conn); /* idle: nobody asked for anything */
    }
}

/* clean: the peer said that it was the end (TLS), or there is no way to say it (TCP). */
static void take_end(struct http_connection *conn, bool clean)
{
    struct error why;

    if (conn->state == CONNECTION_BODY && conn->message.framing == H1_UNTIL_CLOSE && clean) {
        finish(conn, false);
        return;
    }
    (void)error_set(&why, -ECONNRESET, "the server closed the connection");
    fail(conn, -ECONNRESET, &why);
}

/* ---- TLS ---- */
static void up(struct http_connection *conn)
{
    struct error why;
    int rc = send_request(conn, &why);

    if (rc < 0) {
        fail(conn, rc, &why);
    }
}

static void take_cipher(struct http_connection *conn)
{
    struct error why;
    size_t length;

    while (conn->state != CONNECTION_CLOSING) {
        switch (tls_session_read(conn->tls, conn->client->plain, CLIENT_BUFFER, &length, &why)) {
        case TLS_READ_DATA:
            take_plain(conn, slice_of(conn->client->plain, length));
            break;
        case TLS_READ_MORE:
            (void)flush(conn); /* an answer to a key update; what cannot be sent is found by the next read */
            return;
        case TLS_READ_CLOSE:
            take_end(conn, true);
            return;
        case TLS_READ_ERROR:
            fail(conn, -EPROTO, &why);
            return;
        }
    }
}

static void handshake(struct http_connection *conn)
{
    struct error why;
    int rc = tls_session_handshake(conn->tls, &why), sent = flush(conn);

    if (rc < 0) {
        fail(conn, rc, &why);
    } else if (sent < 0) {
        fail_uv(conn, sent, "cannot send");
    } else if (rc == 1) {
        up(conn);
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
        take_end(conn, conn->tls == NULL);
    } else if (got < 0) {
        fail_uv(conn, (int)got, "cannot receive");
    } else if (conn->tls == NULL) {
        take_plain(conn, slice_of(buf->base, (size_t)got));
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

/* ---- connecting ---- */
static void on_attempt_closed(uv_handle_t *handle)
{
    struct http_connection *conn = handle->data;

    if (conn->state == CONNECTION_CLOSING) {
        let_go(conn);
        return;
    }
    conn->pending--;
    if (conn->address_next < conn->address_count) {
        attempt(conn);
    } else {
        fail(conn, -ECONNREFUSED, &conn->last);
    }
}

/* A socket serves one attempt only: the next address gets a new one. */
static void attempt_failed(struct http_connection *conn, int rc)
{
    struct address address;
    char text[ADDRESS_TEXT_SIZE];

    address_from_sockaddr((const struct sockaddr *)&conn->addresses[conn->address_next - 1], &address);
    (void)address_format(&address, text);
    (void)error_set(&conn->last, rc, "cannot connect to %s port %s: %s", text, conn->client->port,
                    uv_strerror(rc));
    (void)uv_timer_stop(&conn->timer);
    conn->tcp_open = false;
    uv_close((uv_handle_t *)&conn->tcp, on_attempt_closed);
}

static void on_connect(uv_connect_t *request, int status)
{
    struct http_connection *conn = request->data;
    struct error why;
    int rc;

    if (conn->state == CONNECTION_CLOSING || !conn->tcp_open) {
        return;
    }
    if (status < 0) {
        attempt_failed(conn, status);
        return;
    }
    (void)uv_tcp_nodelay(&conn->tcp, 1);
    (void)uv_tcp_keepalive(&conn->tcp, 1, KEEPALIVE_SECONDS);
    rc = uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
    if (rc < 0) {
        fail_uv(conn, rc, "cannot receive");
        return;
    }
    if (conn->client->tls == NULL) {
        up(conn);
        return;
    }
    rc = tls_session_client(conn->client->tls, slice_cstr(conn->client->server_name), &conn->tls, &why);
    if (rc < 0) {
        fail(conn, rc, &why);
        return;
    }
    conn->state = CONNECTION_HANDSHAKE;
    arm(conn, conn->deadline > uv_now(conn->client->loop) ? conn->deadline - uv_now(conn->client->loop) : 0);
    handshake(conn);
}

static void attempt(struct http_connection *conn)
{
    uint64_t now = uv_now(conn->client->loop), left = conn->deadline > now ? conn->deadline - now : 0;
    size_t addresses = conn->address_count - conn->address_next;
    int rc = uv_tcp_init(conn->client->loop, &conn->tcp);

    if (rc < 0) {
        fail_uv(conn, rc, "cannot open a socket");
        return;
    }
    conn->tcp.data = conn;
    conn->tcp_open = true;
    conn->pending++;
    conn->connect.data = conn;
    conn->state = CONNECTION_CONNECTING;
    arm(conn, left / addresses);
    rc = uv_tcp_connect(&conn->connect, &conn->tcp,
                        (const struct sockaddr *)&conn->addresses[conn->address_next++], on_connect);
    if (rc < 0) {
        attempt_failed(conn, rc);
    }
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct http_connection *conn = request->data;
    struct error why;

    if (conn->state != CONNECTION_CLOSING) {
        for (const struct addrinfo *item = found; item && conn->address_count < CLIENT_ADDRESSES;
             item = item->ai_next) {
            memcpy(&conn->addresses[conn->address_count++], item->ai_addr, item->ai_addrlen);
        }
    }
    uv_freeaddrinfo(found);
    if (conn->state == CONNECTION_CLOSING) {
        let_go(conn);
        return;
    }
    conn->pending--;
    if (conn->address_count > 0) {
        attempt(conn);
        return;
    }
    (void)error_set(&why, -EHOSTUNREACH, "cannot resolve %s: %s", conn->client->host,
                    status < 0 ? uv_strerror(status) : "no address");
    fail(conn, -EHOSTUNREACH, &why);
}

static void resolve(struct http_connection *conn)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct http_client *client = conn->client;
    struct address address;
    uint64_t port;
    int rc;

    conn->deadline = uv_now(client->loop) + client->connect_ms;
    if (address_parse(slice_cstr(client->host), &address) && slice_to_u64(slice_cstr(client->port), &port)) {
        address.port = (uint16_t)port;
        (void)address_to_sockaddr(&address, &conn->addresses[0]);
        conn->address_count = 1;
        attempt(conn);
        return;
    }
    arm(conn, client->connect_ms);
    conn->resolve.data = conn;
    rc = uv_getaddrinfo(client->loop, &conn->resolve, on_resolved, client->host, client->port, &hints);
    if (rc < 0) {
        fail_uv(conn, rc, "cannot resolve");
    } else {
        conn->pending++;
    }
}

static void on_deadline(uv_timer_t *timer)
{
    struct http_connection *conn = timer->data;
    struct error why = {""};

    switch (conn->state) {
    case CONNECTION_RESOLVING:
        if (conn->deadline == 0) {
            resolve(conn);
            return;
        }
        (void)error_set(&why, -ETIMEDOUT, "%s is not resolved within %u ms", conn->client->host,
                        conn->client->connect_ms);
        break;
    case CONNECTION_CONNECTING:
        attempt_failed(conn, -ETIMEDOUT);
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
    fail(conn, -ETIMEDOUT, &why);
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
    arm(conn, 0); /* from the loop: no handler runs before the caller has the call */
}
