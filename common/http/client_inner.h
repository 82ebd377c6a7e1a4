/*
 * client_inner.h - what the files of the HTTP client share.
 *
 *   client.c             calls, life                  client_connection.c  one connection
 *   client_connect.c     on its way up                client_answer.c      what comes in on it
 */
#ifndef WEIR_COMMON_HTTP_CLIENT_INNER_H
#define WEIR_COMMON_HTTP_CLIENT_INNER_H

#include <uv.h>

#include "common/base/text.h"
#include "common/http/client.h"

#define CLIENT_BUFFER 65536
#define CLIENT_ADDRESSES 8 /* of one name that are tried */

struct http_connection;

struct http_client {
    uv_loop_t *loop;
    char *host, *server_name;
    char port[8];
    struct tls_context *tls;
    unsigned connect_ms, idle_ms;
    bool closing;
    struct http_connection *connections; /* all that are not closing */
    unsigned open;                       /* closing ones too: the last one to go frees the client */
    char cipher[CLIENT_BUFFER], plain[CLIENT_BUFFER]; /* what is being read: used within one callback only */
};

struct http_call {
    struct http_client *client;
    struct http_connection *connection; /* always one, if only about to be opened */
    const struct http_handlers *handlers;
    void *context;
    struct text head, body; /* as sent: kept for a second attempt */
    char method[16];
    unsigned head_ms, read_ms;
    bool answered; /* a byte of the answer has come */
};

enum connection_state {
    CONNECTION_RESOLVING,
    CONNECTION_CONNECTING,
    CONNECTION_HANDSHAKE,
    CONNECTION_IDLE,
    CONNECTION_HEAD, /* request sent, head of the answer awaited */
    CONNECTION_BODY,
    CONNECTION_CLOSING
};

struct http_connection {
    struct http_client *client;
    struct http_connection *next;
    enum connection_state state;
    struct http_call *call; /* NULL: none */
    bool reused;            /* has served a call before this one */
    unsigned pending;       /* handles and requests that libuv still holds */
    uv_tcp_t tcp;
    bool tcp_open;
    uv_timer_t timer;
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    struct sockaddr_storage addresses[CLIENT_ADDRESSES];
    size_t address_count, address_next;
    uint64_t deadline; /* loop time: the end of connect_ms */
    struct tls_session *tls;
    struct error last; /* of the address tried before */
    /* the answer */
    struct h1_parser *parser;
    struct h1_message message;
    struct pool *pool;
    struct text in; /* the head as far as it has come */
    struct h1_chunked chunked;
    uint64_t left;
};

/* A connection that will take the call when it is up. */
void connection_open(struct http_client *client, struct http_call *call);
/* An idle one takes it now. */
void connection_use(struct http_connection *conn, struct http_call *call);
/* Without a word to the call, which is no longer its own. */
void connection_close(struct http_connection *conn);

/* ---- client_connection.c, for the two below ---- */
/* Closes it; the call is told, or made once more: the server may close a kept connection just when we use it. *why may lie in
 * the connection. fail_uv: an error of libuv's, while doing what. */
void connection_fail(struct http_connection *conn, int rc, const struct error *why);
void connection_fail_uv(struct http_connection *conn, int rc, const char *doing);
/* Its one timer: what that means, the state says. */
void connection_arm(struct http_connection *conn, uint64_t ms);
/* libuv holds one thing less; the last one frees it. */
void connection_let_go(struct http_connection *conn);
/* An address has taken it: TLS, or the call at once. */
void connection_up(struct http_connection *conn);

/* ---- client_connect.c ---- */
/* The deadline begins; ends in connection_up() or connection_fail(), now or later. */
void connection_resolve(struct http_connection *conn);
/* A socket serves one attempt only: the next address gets a new one. */
void connection_attempt_failed(struct http_connection *conn, int rc);

/* ---- client_answer.c ---- */
/* Bytes of the server, in the clear. The connection may be closing afterwards. */
void connection_take(struct http_connection *conn, struct slice bytes);
/* There are no more. clean: the peer said that it was the end (TLS), or there is no way to say it (TCP). */
void connection_end(struct http_connection *conn, bool clean);

/* ---- client.c, for connections ---- */
/* The call is over; the connection has let go of it. */
void call_done(struct http_call *call, int rc, const struct error *why);
/* One connection less; frees the client when it was closed. */
void client_connection_gone(struct http_client *client);

#endif
