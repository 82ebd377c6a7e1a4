/*
 * h2_upstream.h - HTTP/2 towards servers (RFC 9113): a connection that many exchanges share, each with a stream of its own.
 *
 *   h2_upstream.c         the connection: joining, reading, writing, its timer and PING, its end
 *   h2_upstream_frames.c  what nghttp2 tells about frames: written down, and work is noted for later
 *   h2_call.c             one exchange on it: the codec table, bodies, ends
 *   h2_call_head.c        heads: of the request to nghttp2, of the response into the exchange
 *
 * No exchange runs while nghttp2 is on the stack. A connection that was lost stays as it is until the last of its exchanges
 * has had what came for it: they end one by one as their clients take that.
 *
 * Memory that a server can make us hold: of each response what the stream's window allows (64 KiB; more for a client that
 * keeps up). The connection's window opens with every byte that comes, so that a slow client stops its own stream and no
 * other. Of each request: one piece of its body, because send_body() says false while a window or the socket is full.
 */
#ifndef WEIR_WORKER_H2_UPSTREAM_H
#define WEIR_WORKER_H2_UPSTREAM_H

#include "worker/h2_bytes.h"
#include "worker/h2_engine.h"
#include "worker/upstream_inner.h"
#include "worker/work_list.h"

#define H2_SERVER_STREAMS 250u       /* at a time on one connection, at the most */
#define H2_SERVER_STREAMS_FIRST 100u /* as long as the server has not said how many */

struct h2_head { /* of a response, or of an interim one; in the exchange's pool */
    uint16_t status;
    struct headers headers;
    struct h2_head *next;
};

struct h2_call { /* one attempt of an exchange */
    struct record record;
    struct upstream_exchange *ux;
    struct h2_server *server;
    struct h2_call *next, *previous; /* of the connection */
    struct work work;
    struct timer timer;
    int32_t id;  /* 0: not sent yet */
    bool closed; /* nghttp2 has no such stream any more */
    bool reset;  /* by the server */
    uint32_t code;
    /* the request */
    struct h2_bytes out;
    struct slice now; /* of it, what is not copied: the caller's, during send_body() */
    struct headers trailers;
    bool begun;     /* its head has left */
    bool complete;  /* all of it is in `out` */
    bool sent;      /* nghttp2 has had the end of it */
    bool waits;     /* send_body() said false */
    bool unasked;   /* the body is to be asked for once the server's settings are there */
    uint64_t heard; /* what had come on the connection when the head was sent */
    /* the response */
    struct h2_head *heads, **heads_tail; /* not handed on yet */
    struct h2_head *head;                /* that is coming in */
    size_t head_len;                     /* of all, counted as RFC 9113, 6.5.2 */
    unsigned fields, interim;
    bool final;   /* the head of the response itself is complete */
    bool bad;     /* it is over a bound, or no response */
    bool starved; /* no buffer was to be had for a body */
    bool end;     /* all of it is here */
    struct headers answer_trailers;
    struct h2_bytes in;
    size_t taken; /* by the client, in a row */
    bool wide;    /* its window is the large one */
};

struct h2_server { /* a connection */
    struct upstream *up;
    nghttp2_session *engine;
    nghttp2_mem memory;
    struct h2_call *calls;
    unsigned count, most; /* of them */
    struct work_list work;
    bool
        sounding; /* a PING is out behind requests that the server may refuse: its answer comes behind the refusals */
    bool settled;       /* the server's settings are here, and what it refused because of them */
    bool leaving;       /* nobody new: GOAWAY */
    bool ended;         /* by us, because too much came that served nobody */
    bool lost;          /* nothing is read or written any more; ... */
    enum reason reason; /* ... why, for those whose head is not complete */
    bool room;          /* as upstream_share() was told */
    uint64_t heard;     /* bytes that came */
    int64_t begun_ns, heard_ns, pinged_ns /* 0: no answer is due */, idle_ns;
    int64_t idle_timeout, read_idle_timeout, ping_timeout, send_timeout;
    int64_t moved_ns; /* when the server last took something, or nothing waited */
    uint64_t unsent;  /* so much waited in the kernel then */
    struct h2_calm calm;
};

extern const struct upstream_codec upstream_h2;

/* ---- for upstream_pool.c ---- */
void h2_upstream_start(struct worker *worker);
void h2_upstream_connected(struct upstream *up);
/* The server of https chose HTTP/2: the exchange that opened the connection goes over to it, or to one that others opened
 * meanwhile. */
void h2_upstream_adopt(struct upstream *up);
/* Its descriptor is ready, or it asked to be called again. */
void h2_upstream_ready(struct upstream *up);
void h2_upstream_late(struct upstream *up);
/* It could not be opened, or is not to be used any more. */
void h2_upstream_lost(struct upstream *up, enum reason reason);
void h2_upstream_free(struct upstream *up); /* the session's memory; nothing when there is none */

/* ---- between the four files ---- */
/* The session of a new connection. */
void h2_server_open(struct upstream *up, const struct transport *transport);
/* What is ready goes out with this turn's writing. */
void h2_server_later(struct h2_server *server);
void h2_server_write(struct h2_server *server);
/* May it take one more exchange? Told to the pool. */
void h2_server_room(struct h2_server *server);
/* The last exchange left it. */
void h2_server_idle(struct h2_server *server, const struct transport *transport);
void h2_server_arm(struct h2_server *server);

nghttp2_session_callbacks *h2_server_callbacks(void); /* NULL: no memory */

void h2_call_work(struct h2_call *call);                           /* something is to be done for it */
struct h2_call *h2_call_find(nghttp2_session *engine, int32_t id); /* NULL: let go of */
/* Does what was noted, for one piece of time. */
void h2_server_work(struct h2_server *server);
/* Takes up to len bytes of what is to be sent. */
size_t h2_call_take(struct h2_call *call, uint8_t *to, size_t len);

/* The request to nghttp2, with the data that it reads by `body` unless there is none. */
int h2_call_submit(struct h2_call *call, const nghttp2_data_provider *body);
/* Hands the heads on that are there. False: the call is gone. */
bool h2_call_heads(struct h2_call *call);

#endif
