/*
 * tcp_session.h - a connection that a TCP router took: from its routing until both ends are gone.
 *
 *   handshake  TLS ends here: the session waits for its client's handshake (tls_accept.c)
 *   dialling   a server is picked and connected to; another one when it does not accept (state CLIENT_SESSION)
 *   open       a tunnel (tunnel.h) moves the bytes
 *
 * The generation is held until there is a connection to a server; what is needed afterwards is kept here.
 */
#ifndef WEIR_WORKER_TCP_SESSION_H
#define WEIR_WORKER_TCP_SESSION_H

#include "shm/routes.h"
#include "worker/h1_client.h"

struct tcp_session;

/* For a client that no session has; the generation is that of its listener. NULL, with the client closed: a middleware
 * does not let it pass. */
struct tcp_session *tcp_session_new(struct client *client, uint32_t route);
/* Goes on to a server with what the client sent so far (client->in). */
void tcp_session_dial(struct client *client);
/* Something happened to the client's connection in state CLIENT_SESSION. */
void tcp_session_ready(struct client *client);
/* The client is closed: what the session holds is given back. Harmless without a session. */
void tcp_session_leave(struct client *client);
/* Lets go of the generation, at the cost of trying no other server. */
void tcp_session_unpin(struct client *client, int64_t since_ns);

/* While its client waits for the handshake: the pages to choose options and certificate from; NULL: they cannot be had. */
const struct generation *tcp_session_generation(const struct client *client);
uint64_t tcp_session_tls_options(const struct client *client);

void tcp_session_start(struct worker *worker);

#endif
