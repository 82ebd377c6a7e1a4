/*
 * tls.h - TLS under a connection: the same reads and writes, so that no codec knows (conn.h).
 *
 *   tls_accept.c   what comes first on a connection: the ClientHello, which options and certificate, the handshake
 *   tls_stream.c   records: reading, writing, the end
 *   tls_live.c     live contexts: one for each pair of options and certificate in use, a bounded number
 *   tls_peer.c     what is told of a client's certificate
 *   tls_ticket.c   session tickets, sealed with the keys of the secrets page
 *   tls_key.c      certificates and their keys, of either side
 *   tls_upstream.h the other side: connections to servers
 *
 * A connection holds its context and nothing of a generation. Between records it holds no buffer: what is read or written goes
 * through areas of the worker. So an idle connection costs what BoringSSL keeps of a session.
 * TCP routers look at the ClientHello in hello_ready() (tls_accept.c), before options are chosen.
 */
#ifndef WEIR_WORKER_TLS_H
#define WEIR_WORKER_TLS_H

#include <sys/uio.h>

#include "shm/generation.h"
#include "worker/worker.h"

struct client;
struct conn;

/* ---- of the worker ---- */
void tls_start(struct worker *worker);
void tls_stop(struct worker *worker);
/* The generation in force is another one: keys of tickets. Contexts stay: they are known by content. */
void tls_switch(struct worker *worker);

/* ---- of a connection whose first byte is that of TLS: client->in holds what came ---- */
void tls_accept(struct client *client);
/* It is in one of the states CLIENT_HELLO, CLIENT_HANDSHAKE and may go on. */
void tls_accept_ready(struct client *client);
/* Its time is over. */
void tls_accept_late(struct client *client);
/* It ends in one of these states: out of the queue. */
void tls_accept_leave(struct client *client);

/* ---- of a connection after its handshake, for conn.c ---- */
/* As io_read(); 0 at the end of the peer's stream, whether announced or not. */
ssize_t tls_read(struct conn *conn, void *space, size_t size);
/* After tls_read() gave 0: did the peer say that nothing follows? Else somebody may have cut the end off. */
bool tls_ended_well(const struct conn *conn);
/* After tls_read() failed: what the peer said, or what is wrong with what it sent. NULL: only TCP is broken. */
const char *tls_broken_words(const struct conn *conn);
/* As conn_queue(). */
int tls_queue(struct conn *conn, struct slice data);
/* As conn_send(). */
int tls_send(struct conn *conn, const struct iovec *pieces, int count);
/* Says that nothing follows from us; reading goes on. */
int tls_end(struct conn *conn);
/* Frees it; says the end first if `orderly`, and if it can be said at once. */
void tls_close(struct conn *conn, bool orderly);

/* The id of the options that a client's handshake was made with (tls_options_id()). */
uint64_t tls_options_used(const struct conn *conn);

#endif
