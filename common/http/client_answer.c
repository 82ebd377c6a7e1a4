/*
 * client_answer.c - what comes in on a connection of the HTTP client: head, body in one of its framings, end. See client_inner.h.
 */
#include <errno.h>

#include "common/http/client_inner.h"

static void finish(struct http_connection *conn, bool keep)
{
    struct http_call *call = conn->call;

    conn->call = NULL;
    if (keep) {
        conn->state = CONNECTION_IDLE;
        connection_arm(conn, conn->client->idle_ms);
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
            connection_fail(conn, -EPROTO, &why);
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
    connection_arm(conn, call->read_ms);
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
            connection_fail(conn, -EPROTO, &why);
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

void connection_take(struct http_connection *conn, struct slice bytes)
{
    if (conn->state == CONNECTION_HEAD) {
        take_head(conn, bytes);
    } else if (conn->state == CONNECTION_BODY) {
        connection_arm(conn, conn->call->read_ms);
        take_body(conn, bytes);
    } else {
        connection_close(conn); /* idle: nobody asked for anything */
    }
}

void connection_end(struct http_connection *conn, bool clean)
{
    struct error why;

    if (conn->state == CONNECTION_BODY && conn->message.framing == H1_UNTIL_CLOSE && clean) {
        finish(conn, false);
        return;
    }
    (void)error_set(&why, -ECONNRESET, "the server closed the connection");
    connection_fail(conn, -ECONNRESET, &why);
}
