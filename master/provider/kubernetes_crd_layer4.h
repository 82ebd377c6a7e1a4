/*
 * kubernetes_crd_layer4.h - what the files of the CRD provider for TCP, UDP and TLS share; nobody else includes it.
 *
 * Names (Traefik's): a TCP route is <namespace>-<object>-<20 hex digits of the SHA-256 of its match>, a UDP route
 * <namespace>-<object>-<number>, its service likewise, one of several services <route>-<service>-<port>. Other than for
 * HTTP none of them is normalized. Everything else is <namespace>-<name>, normalized.
 */
#ifndef WEIR_MASTER_PROVIDER_KUBERNETES_CRD_LAYER4_H
#define WEIR_MASTER_PROVIDER_KUBERNETES_CRD_LAYER4_H

#include "master/provider/kubernetes_crd.h"
#include "master/provider/kubernetes_crd_schema_tcp.h"

struct crd_layer4_object { /* one IngressRouteTCP or IngressRouteUDP while its routes are read */
    struct k8s_place place, spec_place;
    struct crd_layer4_route spec;
    struct element spec_errors; /* what is wrong with all of it: copied to each router */
};

/* Calls visit for each route of each object of a kind that is for this weir; number: of the route, from 0. */
void crd_layer4_routes(struct k8s *crd, const char *kind, const struct schema *schema,
                       void (*visit)(struct k8s *crd, const struct crd_layer4_object *object,
                                     const struct k8s_place *place, size_t number));

/* ---- kubernetes_crd_layer4_service.c ---- */
/* The services of a route (struct crd_layer4_service) become one called `name`, of kind TCP_SERVICE or UDP_SERVICE: a load
 * balancer, or several by weight. One of several that is refused is left out with a warning at the router. */
void crd_layer4_services(struct k8s *crd, enum layer4_kind kind, const struct k8s_place *place,
                         struct element *router, const struct list *services, struct slice name);

#endif
