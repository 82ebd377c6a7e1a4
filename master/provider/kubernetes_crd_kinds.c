/*
 * kubernetes_crd_kinds.c - the list of kubernetes_crd_kinds.h. Not here: the tables of fields (kubernetes_crd_schema.c).
 */
#include "master/provider/kubernetes_crd_kinds.h"

#include "master/provider/kubernetes_crd_schema.h"

static const struct schema_part middleware_parts[] = {
    {"chain", &crd_chain_schema},
    {"basicAuth", &crd_auth_schema},
    {"digestAuth", &crd_auth_schema},
    {"forwardAuth.tls", &crd_client_tls_schema},
    {"errors.service", &crd_service_schema},
    {"rateLimit.redis", &crd_redis_schema},
};

const struct crd_kind crd_kinds[] = {
    {.name = "IngressRoute",
     .plural = "ingressroutes",
     .singular = "ingressroute",
     .spec = &crd_ingress_route_schema,
     .old_group = true,
     .text = "HTTP routes: rules, middlewares and services."},
    {.name = "Middleware",
     .plural = "middlewares",
     .singular = "middleware",
     .spec = &middleware_schema,
     .parts = middleware_parts,
     .part_count = ARRAY_LEN(middleware_parts),
     .old_group = true,
     .text = "One middleware: what happens to a request before it is sent on."},
    {.name = "ServersTransport",
     .plural = "serverstransports",
     .singular = "serverstransport",
     .spec = &crd_servers_transport_schema,
     .old_group = true,
     .text = "How servers are spoken to."},
    {.name = "TraefikService",
     .plural = "traefikservices",
     .singular = "traefikservice",
     .spec = &crd_traefik_service_schema,
     .old_group = true,
     .text = "A service made of others: weighted, mirrored, with a fallback."},
};
const size_t crd_kind_count = ARRAY_LEN(crd_kinds);
