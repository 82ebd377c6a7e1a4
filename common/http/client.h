/*
 * client.h - a small asynchronous HTTP/1.1 client under libuv, over TCP or TLS: for what weir itself asks (API servers).
 *
 * One client speaks to one server. Calls run beside each other, each on a connection of its own; a connection whose call
 * is over is kept for the next one. Bodies are handed on as they come, nothing is collected. A call that fails on a kept
 * connection before a byte of the answer came is made once more on a new one.
 *
 * Everything happens on the loop's thread; names are resolved on a thread of libuv's pool. Nothing blocks.
 * Not here: proxying for users (worker/), redirects (they are answers like others), cookies, compression.
 */
#ifndef WEIR_COMMON_HTTP_CLIENT_H
#define WEIR_COMMON_HTTP_CLIENT_H

#include "common/base/error.h"
#include "common/http/h1.h"
#include "common/tls/tls.h"

struct uv_loop_s;
struct http_client;
struct http_call;

struct http_client_options {
    struct slice host; /* name or address, an IPv6 one without brackets */
    uint16_t port;
    struct tls_context *tls;  /* NULL: plain TCP; the client takes a reference of its own */
    struct slice server_name; /* that the certificate must carry; empty: host */
    unsigned connect_ms; /* for name, connection and handshake together; shared by the host's addresses */
    unsigned idle_ms;    /* how long a connection without a call is kept */
};

struct http_request {
    struct slice method; /* upper case */
    struct slice target; /* "/path?query" */
    struct slice host;   /* value of Host; empty: host and port of the client */
    struct slice
        fields; /* whole lines, each with its CRLF; without Host and Content-Length, which are added */
    struct slice body;
    unsigned head_ms; /* from the request sent until the whole head of the answer is there */
    unsigned read_ms; /* longest silence within the body */
};

struct http_handlers {
    /* The head of the final answer (1xx are passed over); the message holds until on_head returns. May be NULL. */
    void (*on_head)(void *context, const struct h1_message *message);
    void (*on_body)(void *context, struct slice piece); /* may be NULL */
    /* The call is over and gone. rc 0: the answer is whole; else a negative errno and words. */
    void (*on_done)(void *context, int rc, const struct error *why);
};

/* Texts are copied. */
int http_client_new(struct uv_loop_s *loop, const struct http_client_options *options,
                    struct http_client **out, struct error *why);
/* Of the connections made from now on; for a client that was made with one. A reference of its own is taken. */
void http_client_set_tls(struct http_client *client, struct tls_context *tls);
/* Cancels all calls and closes the connections; memory goes when the loop has closed their handles. NULL is fine. */
void http_client_close(struct http_client *client);

/* Texts are copied; handlers and context are the caller's until on_done or cancel. No handler runs before this
 * returns. */
struct http_call *http_client_call(struct http_client *client, const struct http_request *request,
                                   const struct http_handlers *handlers, void *context);
/* No handler is called any more. May be called within one (not within on_done: the call is gone then). */
void http_call_cancel(struct http_call *call);

#endif
