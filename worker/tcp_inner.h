/*
 * tcp_inner.h - between the two files of a TCP session.
 *
 *   tcp_session.c  the session: what it holds, its middlewares, its end, and the tunnel when it is open
 *   tcp_dial.c     its server: picked, connected to, told what goes before the client's bytes, TLS
 */
#ifndef WEIR_WORKER_TCP_INNER_H
#define WEIR_WORKER_TCP_INNER_H

#include "shm/tcp_page.h"
#include "worker/pick.h"
#include "worker/tcp_session.h"

struct tcp_peer {                /* a connection to a server */
    struct conn conn;            /* first */
    struct tcp_session *session; /* while it is dialled */
};

struct tcp_session {
    struct record record;
    struct worker *worker;
    struct client *client;
    struct generation *generation; /* NULL: let go of */
    const struct route *route;     /* these are good while the generation is held */
    struct pick pick;
    struct tcp_way way;
    struct tcp_peer *server; /* that is being dialled */
    uint32_t address;        /* which of its addresses */
    enum reason failure;     /* why the last attempt ended */
    bool asks_tls;           /* of the server, as its client did of us: PostgreSQL, passed through */
    bool asked_tls;          /* ... and its answer is waited for */
    bool wants_tls;          /* the server that is dialled speaks TLS */
    bool shakes;             /* ... and the handshake is under way */
    int64_t since_ns;
};

/* ---- tcp_session.c ---- */
/* Closes the client: nothing can be said to one whose protocol is not known. The session is gone afterwards. */
void tcp_refuse(struct tcp_session *session, enum reason reason);
/* The server has all that goes before the client's bytes: the tunnel. The session goes with the client's end of it. */
void tcp_opened(struct tcp_session *session);

/* ---- tcp_dial.c ---- */
/* Addresses of the server that was picked, then of the next servers. The session may be gone afterwards. */
void tcp_dial(struct tcp_session *session);
/* Closes a connection to a server, dialled or open; its session, if it has one, must have let go of it. */
void tcp_peer_close(struct tcp_peer *server);

#endif
