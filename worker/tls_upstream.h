/*
 * tls_upstream.h - TLS on a connection that weir opened itself: contexts, the handshake, who the server is, sessions.
 *
 * Knows nothing of HTTP: servers of HTTP and of TCP, and what middlewares ask, are spoken to in the same way. Whoever
 * dialled calls tls_upstream_start() once TCP is there, then tls_upstream_step() each time the connection is ready until it
 * is not TLS_UPSTREAM_MORE any more. From then on conn_read(), conn_send(), conn_end() and conn_close() go through TLS by
 * themselves (conn.h). Time-outs are the caller's; closing the connection in the middle is fine.
 *
 *   tls_upstream.c   contexts (one for each content of settings, a bounded number), the handshake
 *   tls_verify.c     who the server is: authorities, name, dates
 *   tls_kept.c       sessions that are taken up again, a bounded number
 *
 * A context holds nothing of a generation; what a handshake needs of one it holds until it is over. Settings are rows of
 * the transports page (shm/server_tls.h).
 */
#ifndef WEIR_WORKER_TLS_UPSTREAM_H
#define WEIR_WORKER_TLS_UPSTREAM_H

#include "common/base/error.h"
#include "shm/generation.h"
#include "shm/server_tls.h"
#include "worker/conn.h"

/* As a server of HTTP is told first what may be spoken: struct tls_upstream_want.alpn. */
#define TLS_UPSTREAM_ALPN_H1 SLICE("\x08http/1.1")

struct tls_upstream_want {
    const struct generation *generation;
    uint32_t settings; /* their number: server_tls_at() */
    struct slice
        host; /* of the server, a port behind it or not: asked for and verified, unless settings name another */
    uint64_t peer;     /* the server's identity: whose sessions are taken up again */
    struct slice alpn; /* as on the wire, by preference; empty: none is offered */
};

enum tls_upstream_step {
    TLS_UPSTREAM_MORE, /* call again when the connection is ready */
    TLS_UPSTREAM_DONE, /* bytes of the server may be there already: look at conn->io.readable, no new event comes for them */
    TLS_UPSTREAM_FAILED, /* close the connection; *why says it in words that may be logged */
};

/* Right after the connect succeeded, nothing was read or written yet. 0, then the first step is to be made at once; or a
 * negative errno with *why: memory is out, or BoringSSL does not take the settings. */
int tls_upstream_start(struct conn *conn, const struct tls_upstream_want *want, struct error *why);
enum tls_upstream_step tls_upstream_step(struct conn *conn, struct error *why);
/* After DONE: what was agreed on by ALPN ("h2", "http/1.1"); empty: nothing, or not TLS at all. */
struct slice tls_upstream_protocol(const struct conn *conn);

/* ---- of the worker, called by tls.h's functions of the same names ---- */
void tls_upstream_switch(struct worker *worker); /* contexts and sessions of settings that are gone go */
void tls_upstream_stop(struct worker *worker);

#endif
