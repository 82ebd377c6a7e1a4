/*
 * upstream_inner.h - between the files of the upstream side.
 *
 *   upstream.c        an exchange's attempts: pick, connect, retry, release
 *   upstream_pool.c   connections and the pools of idle ones
 *   upstream_tls.c    the handshake with a server of https
 *   upstream_request.c what of a request is the same for every codec
 *   h1_upstream.c     HTTP/1.1 towards a server: writing requests      h1_response.c  reading responses
 *   h2_upstream*.c    HTTP/2 towards a server: h2_upstream.h
 */
#ifndef WEIR_WORKER_UPSTREAM_INNER_H
#define WEIR_WORKER_UPSTREAM_INNER_H

#include "common/http/h1.h"
#include "shm/services.h"
#include "shm/transports.h"
#include "worker/h1_body.h"
#include "worker/h2_bytes.h"
#include "worker/upstream.h"

enum upstream_state {
    UPSTREAM_CONNECTING,
    UPSTREAM_HANDSHAKE, /* of TLS */
    UPSTREAM_BUSY,
    UPSTREAM_IDLE,
    UPSTREAM_TUNNEL,
    UPSTREAM_CLOSED
};

struct upstream_pool { /* of one server identity; kept over generations */
    uint64_t identity;
    struct upstream *idle, *idle_last; /* of HTTP/1, newest first */
    uint32_t idle_count;               /* with those of HTTP/2 */
    uint32_t connections;              /* all that belong to it */
    struct upstream *shared,
        *shared_last;      /* of HTTP/2, idle or not: those that take one more exchange first */
    uint32_t streams_most; /* what the server said last about streams at a time; 0: nothing yet */
    struct upstream_pool *next;
};

struct upstream {     /* a connection to a server */
    struct conn conn; /* first */
    enum upstream_state state;
    bool reused; /* served an exchange before */
    struct upstream_pool *pool;
    struct upstream *next, *previous; /* idle ones, or shared ones */
    struct upstream_exchange *ux;     /* of HTTP/1, while not idle */
    struct h2_server *h2;             /* of HTTP/2: its session, from the beginning on */
    int64_t idle_timeout;
    _Atomic uint32_t *load; /* where a tunnel is counted as under way */
};

/* How far the response has come. */
enum response_phase {
    RESPONSE_NOTHING,
    RESPONSE_HEAD /* some bytes of it */,
    RESPONSE_BODY,
    RESPONSE_COMPLETE
};

struct upstream_exchange { /* one exchange on its way to a server: all its attempts */
    struct record record;
    struct exchange *ex;
    struct upstream *up; /* NULL between attempts */
    struct pick pick;
    const struct transport *transport;
    struct transport transport_copy; /* once the generation was let go */
    const struct upstream_codec *codec;
    struct h2_call *call; /* of HTTP/2, with `up` */
    struct timer *timer;  /* of the attempt: its connection's, or its own */
    int64_t sent_ns;      /* when the request began to leave */
    int64_t moved_ns;  /* when the server last took something of it, or nothing waited, as far as is known */
    size_t unsent;     /* so much waited when the timer was set, in the kernel too */
    uint32_t address;  /* which of the server's addresses */
    bool retried;      /* a pooled connection had died once */
    bool request_sent; /* head and body are handed over to the connection */
    bool body_held;    /* Expect: 100-continue: the body waits for the server's word */
    enum reason refused; /* why the last connection did not come about; none: nobody was asked yet */
    /* of the attempt */
    bool stale;        /* the connection was there before, and may have been closed just then */
    bool untouched;    /* the server said that it did nothing of it */
    bool stalling;     /* the timer bounds how long the server takes nothing */
    bool starved;      /* the memory budget let nothing of it wait */
    unsigned refusals; /* so many attempts were untouched */
    /* of the body, what came while a connection was being opened once more */
    struct h2_bytes early;
    struct headers early_trailers;
    bool early_last;
    /* response */
    struct h1_parser *parser; /* kept with the record */
    struct h1_limits limits;
    struct h1_message message;
    enum response_phase phase;
    unsigned interim;    /* 1xx answers so far */
    struct buffer *head; /* a head that came in pieces */
    struct h1_body body;
    bool raw;               /* the server switched protocols: both bodies are bytes without framing */
    bool end_due;           /* of the connection's sending side, once everything has left */
    bool paused;            /* the client is slow */
    bool bulk;              /* the last read brought much: splice.h */
    bool rest;              /* bytes behind the response: not to be used again */
    bool entered, released; /* the exchange is called, and let go of this meanwhile: upstream_leave() */
};

/* What carries an exchange to a server. */
struct upstream_codec {
    const char *name;
    /* On a connection that is there, or will be soon (h2). False: one must be opened. */
    bool (*join)(struct upstream_exchange *ux);
    /* The attempt goes over that new connection, which is still being opened. */
    void (*attach)(struct upstream_exchange *ux, struct upstream *up);
    /* The connection is there: send the head, ask for the body. */
    void (*send_head)(struct upstream_exchange *ux);
    bool (*send_body)(struct upstream_exchange *ux, struct slice data, bool last,
                      const struct headers *trailers);
    /* Bytes that are held for this exchange alone, in our memory or in the kernel's. */
    size_t (*held)(const struct upstream_exchange *ux);
    /* Bytes of the request wait because the server does not take them; ux->moved_ns says since when. */
    bool (*backed_up)(const struct upstream_exchange *ux);
    /* Less of it than before, and the server took something: what of the request waits, in the kernel too. */
    size_t (*waiting)(const struct upstream_exchange *ux);
    /* What holds it back is not its own: somebody else sees to it that this does not last. NULL: never. */
    bool (*held_by_others)(const struct upstream_exchange *ux);
    /* The client takes bytes of the response again. */
    void (*resume)(struct upstream_exchange *ux);
    /* The attempt is over, however: its part of the connection is given back, kept for others, or ended so that the server
     * sees it. ux->up is NULL afterwards. */
    void (*leave)(struct upstream_exchange *ux);
};

extern const struct upstream_codec upstream_h1;

/* ---- upstream.c ---- */
/* The connection of the running attempt failed: again, the next server, or the end (ux is gone then). */
void upstream_attempt_failed(struct upstream_exchange *ux, enum reason reason);
/* Deadline of the phase that the attempt is in. */
void upstream_arm(struct upstream_exchange *ux);
/* After a call into the exchange that was announced by ux->entered. False: ux is gone, and its exchange may be. */
bool upstream_leave(struct worker *worker, struct upstream_exchange *ux);
void upstream_exchange_free(void *record);
void upstream_connected(struct upstream_exchange *ux);
/* The time of the phase that the attempt is in is over. */
void upstream_late(struct upstream_exchange *ux);
void upstream_tunnel_closed(struct conn *conn);

/* ---- upstream_tls.c ---- */
/* TCP is there, and the server is one of https. */
void upstream_tls_start(struct upstream *up);
void upstream_tls_step(struct upstream *up);
/* Reading failed: when that is for TLS (the server refuses our certificate only after the handshake, say), it is logged. */
bool upstream_tls_broke(const struct upstream_exchange *ux);

/* ---- upstream_pool.c ---- */
/* It is ready for a request: bytes may have come with the last event, and no other edge tells of them. */
void upstream_opened(struct upstream *up);
/* An idle connection of HTTP/1 to the server, or NULL. */
struct upstream *upstream_reuse(struct worker *worker, const struct server *server);
/* Where connections to the server are; NULL: there is none. */
struct upstream_pool *upstream_pool_find(struct worker *worker, const struct server *server);
/* Begins to connect. 0 with *out, or a negative errno. */
int upstream_dial(struct worker *worker, const struct server *server, const struct server_address *address,
                  struct upstream **out);
/* Into the pool, or closed when that is full. */
void upstream_keep(struct upstream *up, const struct transport *transport);
void upstream_close(struct upstream *up); /* whatever its state; harmless twice */
/* An HTTP/2 connection takes its place among those of its pool: in front when it has room for one more exchange. */
void upstream_share(struct upstream *up, bool room);
/* May it wait for its next exchange? */
bool upstream_may_wait(const struct upstream *up, const struct transport *transport);
/* An HTTP/2 connection has no exchange any more, or has one again. */
void upstream_rest(struct upstream *up, bool idle);

/* ---- upstream_request.c ---- */
/* Before the head of an attempt is built: X-Forwarded-For (once), User-Agent. */
void upstream_request_settle(struct exchange *ex);
/* What Host, or :authority, says. */
struct slice upstream_request_host(const struct upstream_exchange *ux);
/* The target in pieces, to be put one behind the other. Returns how many. */
#define TARGET_PIECES 5
unsigned upstream_request_target(const struct upstream_exchange *ux, struct slice pieces[TARGET_PIECES]);
/* The length that is told: -1: none (no body, or one of unknown length). */
int64_t upstream_request_length(const struct exchange *ex);
/* The client takes trailers (TE). */
bool upstream_request_takes_trailers(const struct exchange *ex);

#endif
