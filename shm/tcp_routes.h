/*
 * tcp_routes.h - which TCP router a connection belongs to, if any: the order in which TCP and HTTP are asked.
 *
 * As Traefik: HTTP routers that name the host, TCP routers, HTTP routers that name none, TCP routers for HostSNI(`*`); what
 * nobody takes is HTTP. Without TLS: TCP routers, then HTTP. Workers and `weir explain` ask here.
 */
#ifndef WEIR_SHM_TCP_ROUTES_H
#define WEIR_SHM_TCP_ROUTES_H

#include "shm/generation.h"
#include "shm/routes.h"

/* connection: host (the name that TLS asks for, in lower case; empty: none), alpn, client. tcp_only: HTTP is not asked.
 * ROUTE_NONE: it is HTTP's. */
uint32_t tcp_routes_choose(const struct generation *generation, uint32_t entry_point, bool tls, bool tcp_only,
                           const struct rule_request *connection);

#endif
