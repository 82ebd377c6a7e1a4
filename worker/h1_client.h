/*
 * h1_client.h - HTTP/1.0 and 1.1 as clients speak it: a connection, one request on it at a time.
 *
 * A connection between two requests holds no buffer and no stream. The head of a request lies in `in` for as long as its
 * exchange lives (its slices point there); body bytes behind it are handed on from there, later ones from the worker's
 * scratch area. What was read behind the request waits for the next turn.
 *
 *   h1_client.c   states, timers, closing       h1_turn.c     one request after the other
 *   h1_request.c  reading heads and bodies      h1_answer.c   the codec table: writing
 */
#ifndef WEIR_WORKER_H1_CLIENT_H
#define WEIR_WORKER_H1_CLIENT_H

#include "common/http/h1.h"
#include "worker/codec.h"
#include "worker/conn.h"
#include "worker/h1_body.h"
#include "worker/held.h"
#include "worker/listener.h"

enum client_state {
    CLIENT_PROXY, /* whether a PROXY header comes is not known, or not all of it is there (proxy_accept.c) */
    CLIENT_HELLO, /* TLS, and not all of the ClientHello is there, or it has to wait (tls_accept.c) */
    CLIENT_HANDSHAKE, /* of TLS */
    CLIENT_IDLE,      /* nothing of the next request is there */
    CLIENT_HEAD,      /* a part of a head is */
    CLIENT_EXCHANGE,  /* an exchange is under way */
    CLIENT_FLUSH,     /* it is over, the last bytes of the answer have not left yet */
    CLIENT_DISCARD,   /* answered before the request's body was in: the rest of it is dropped */
    CLIENT_LINGER,    /* our end was sent; what still comes is dropped until the client's end comes */
    CLIENT_H2,        /* it speaks HTTP/2: h2_client.h has the rest */
    CLIENT_SESSION,   /* of a TCP router: a server is dialled (tcp_session.h) */
    CLIENT_TUNNEL,    /* given up to a tunnel */
    CLIENT_CLOSED,
};

struct h2_session;
struct tcp_session;

struct h1_stream { /* one request and its answer */
    struct record record;
    struct exchange ex;
    struct client *client;
    struct h1_parser *parser; /* kept with the record, as is ex.pool */
    struct h1_message message;
    struct h1_limits limits;
    /* the request's body */
    struct h1_body body;
    bool body_wanted; /* the exchange takes more */
    uint64_t discarded;
    /* the answer */
    enum h1_framing answer;
    bool keep_alive;
    bool head_sent, answered, continued;
};

struct client {
    struct conn conn; /* first */
    enum client_state state;
    bool half_closed; /* the client sent its end while an answer was due */
    bool refused;     /* only to be told that there is no room */
    bool starttls;    /* PostgreSQL: TLS was asked for before it began (tcp_route.c) */
    bool starved;     /* no buffer was to be had for its answer */
    bool hurried;     /* its handshake has less time: others wait (tls_accept.c) */
    struct listener *listener;
    struct buffer *in;    /* head and early body of the request, or the beginning of the next head */
    struct buffer *ahead; /* bytes of later requests that came with a body */
    struct h1_stream *stream;
    struct h2_session *h2;   /* of CLIENT_H2 */
    struct tcp_session *tcp; /* a TCP router has it; NULL: none */
    struct held held;        /* until the connection ends: of a TCP session, of a tunnel */
    struct address peer;
    char peer_text[ADDRESS_TEXT_SIZE];
    uint8_t peer_text_len;
    struct address local;          /* as a PROXY header told it; family 0: that of the socket */
    int64_t opened_ns, request_ns; /* request_ns: first byte of the request; of TLS: begin of the handshake */
    int64_t idle_ns;               /* since when nothing is asked: the end of the last answer */
    int64_t body_deadline, write_deadline, end_deadline;
    uint64_t requests;
    struct client *next, *previous;
    struct client *queue_next, **queue_place; /* tls_accept.c; NULL: in neither of its lists */
};

void client_accept(struct listener *listener, int fd, const struct address *peer);
/* The same for a connection that there is no room for: it gets 503 and is closed. */
void client_refuse(struct listener *listener, int fd, const struct address *peer);
void client_close(struct client *client); /* whatever its state; harmless twice */
/* Ends whatever it is in the middle of: exchange, tunnel. */
void client_stop(struct client *client);
void client_start(struct worker *worker);

/* ---- between these files, and those of what else a connection may speak ---- */
/* Sets the state and the timer that belongs to it. */
void client_enter(struct client *client, enum client_state state);
void client_arm(struct client *client);
/* The answer is complete as far as the exchange is concerned (exchange_end was called): what comes next. */
void client_answered(struct client *client);
/* Reading or writing failed. */
void client_lost(struct client *client);
/* Sends our end, then waits a little for the client's, so that the answer is not lost to a reset. */
void client_linger(struct client *client);
void client_leave(struct client *client, struct tunnel_end *end);
/* What an exchange of this connection knows of it and of its entry point, whatever the codec; begins its time. */
void client_exchange_init(struct client *client, struct exchange *ex);
/* Who it comes from is known: its first bytes tell what it speaks. Those that were read already are in client->in. */
void client_begin(struct client *client);
/* The address that it speaks to, as the proxy in front tells it; family 0 when it is not known. */
void client_local(const struct client *client, struct address *local);

void h1_read_head(struct client *client);
void h1_read_body(struct client *client);
void h1_discard(struct client *client);
/* A bare answer to what is no request: no middleware runs on it. Then closes. */
void h1_refuse(struct client *client, uint16_t status, enum reason reason, const char *why);

/* ---- h1_turn.c ---- */
/* The client's stream is a new one, with an empty pool. */
struct h1_stream *h1_stream_take(struct client *client);
void h1_stream_give(struct h1_stream *stream);
/* In state CLIENT_EXCHANGE: a deadline has passed; something happened to the connection. */
void h1_exchange_late(struct client *client);
void h1_exchange_ready(struct client *client);
/* In state CLIENT_LINGER: reads and drops what comes after our end; the connection closes with the client's end. */
void h1_linger(struct client *client);
void h1_start_worker(struct worker *worker);

#endif
