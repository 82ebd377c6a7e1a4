/*
 * upstream_inner.h - between the files of the upstream side.
 *
 *   upstream.c        an exchange's attempts: pick, connect, retry, release
 *   upstream_pool.c   connections and the pools of idle ones
 *   upstream_tls.c    the handshake with a server of https
 *   h1_upstream.c     HTTP/1.1 towards a server: writing requests      h1_response.c  reading responses
 */
#ifndef WEIR_WORKER_UPSTREAM_INNER_H
#define WEIR_WORKER_UPSTREAM_INNER_H

#include "common/http/h1.h"
#include "shm/services.h"
#include "shm/transports.h"
#include "worker/h1_body.h"
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
    struct upstream *idle, *idle_last; /* newest first */
    uint32_t idle_count;
    uint32_t connections; /* all that belong to it */
    struct upstream_pool *next;
};

struct upstream {     /* a connection to a server */
    struct conn conn; /* first */
    enum upstream_state state;
    bool reused; /* served an exchange before */
    struct upstream_pool *pool;
    struct upstream *next, *previous; /* idle ones */
    struct upstream_exchange *ux;     /* while not idle */
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
    int64_t sent_ns;     /* when the request began to leave */
    uint32_t address;    /* which of the server's addresses */
    bool retried;        /* a pooled connection had died once */
    bool request_sent;   /* head and body are handed over to the connection */
    bool body_held;      /* Expect: 100-continue: the body waits for the server's word */
    enum reason refused; /* why the last connection did not come about; none: nobody was asked yet */
    /* response */
    struct h1_parser *parser; /* kept with the record */
    struct h1_limits limits;
    struct h1_message message;
    enum response_phase phase;
    unsigned interim;    /* 1xx answers so far */
    struct buffer *head; /* a head that came in pieces */
    struct h1_body body;
    bool paused;            /* the client is slow */
    bool rest;              /* bytes behind the response: not to be used again */
    bool entered, released; /* the exchange is called, and let go of this meanwhile: upstream_leave() */
};

/* What carries an exchange to a server: HTTP/2 will be another table. */
struct upstream_codec {
    const char *name;
    /* The connection is there: send the head, ask for the body. */
    void (*send_head)(struct upstream_exchange *ux);
    bool (*send_body)(struct upstream_exchange *ux, struct slice data, bool last,
                      const struct headers *trailers);
    /* Something to read, or the end. */
    void (*read)(struct upstream_exchange *ux);
    /* May the connection serve another exchange? */
    bool (*reusable)(const struct upstream_exchange *ux);
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
void upstream_on_timer(struct upstream *up);
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
/* An idle connection to the server, or NULL. */
struct upstream *upstream_reuse(struct worker *worker, const struct server *server);
/* Begins to connect. 0 with *out, or a negative errno. */
int upstream_dial(struct worker *worker, const struct server *server, const struct server_address *address,
                  struct upstream **out);
/* Into the pool, or closed when that is full. */
void upstream_keep(struct upstream *up, const struct transport *transport);
void upstream_close(struct upstream *up); /* whatever its state; harmless twice */

#endif
