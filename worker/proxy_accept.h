/*
 * proxy_accept.h - a connection on an entry point with proxyProtocol: its PROXY header, before TLS and everything else.
 */
#ifndef WEIR_WORKER_PROXY_ACCEPT_H
#define WEIR_WORKER_PROXY_ACCEPT_H

#include "worker/h1_client.h"

/* It is in the state CLIENT_PROXY and may go on. Ends with client_begin(), with what followed the header in client->in, or
 * with the connection. */
void proxy_accept_ready(struct client *client);
/* Its time is over. */
void proxy_accept_late(struct client *client);

#endif
