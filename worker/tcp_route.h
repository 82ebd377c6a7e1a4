/*
 * tcp_route.h - which TCP router a new connection belongs to, if any: before HTTP is looked for (listener's options.tcp).
 *
 *   at once    an entry point without anything for TLS: nothing of the client is waited for, so servers may speak first
 *   first      the first bytes are there, and they are not those of TLS; PostgreSQL's clients ask for it (STARTTLS): they
 *              are answered, and go on with their ClientHello
 *   hello      the ClientHello is there
 *
 * Not here: in which order TCP and HTTP are asked (shm/tcp_routes.h).
 */
#ifndef WEIR_WORKER_TCP_ROUTE_H
#define WEIR_WORKER_TCP_ROUTE_H

#include "common/tls/hello.h"
#include "worker/h1_client.h"

/* True when the connection is not HTTP's any more (it may be closed). */
bool tcp_route_at_once(struct client *client);

enum tcp_first {
    TCP_FIRST_HTTP,
    TCP_FIRST_TAKEN /* it may be closed */,
    TCP_FIRST_MORE /* bytes are needed */
};
enum tcp_first tcp_route_first(struct client *client);

/* As tcp_route_at_once(). name: the server name in lower case. A router whose TLS ends here only leaves its session with
 * the client: false. */
bool tcp_route_hello(struct client *client, const struct tls_hello *hello, struct slice name);

#endif
