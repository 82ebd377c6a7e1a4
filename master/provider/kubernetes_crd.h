/*
 * kubernetes_crd.h - what the files of the Kubernetes CRD provider share among themselves; nobody else includes it.
 *
 * Names (Traefik's, an interface): an object is <namespace>-<name>; a route <namespace>-<object>-<20 hex digits of the
 * SHA-256 of its match>; a load balancer of a Service <namespace>-<service>-<port>, or the route's name when the route
 * has that one Service only. Every run of characters other than letters and digits becomes one '-'.
 *
 * Error texts read "FILE:LINE:COLUMN: KEY: words"; a critical one takes its router, service or middleware out of
 * service and nothing else (I1).
 */
#ifndef WEIR_MASTER_PROVIDER_KUBERNETES_CRD_H
#define WEIR_MASTER_PROVIDER_KUBERNETES_CRD_H

#include "master/provider/kubernetes_crd_schema.h"
#include "master/provider/kubernetes_source.h"
#include "master/provider/provider.h"
#include "master/provider/seen.h"
#include "master/source/source.h"

#define CRD_PROVIDER "kubernetescrd"
#define CRD_GROUP "traefik.io"
#define CRD_GROUP_OLD "traefik.containo.us"

/* Ours: a Service for which there is no EndpointSlice and no Endpoints object may name its servers:
 * weir.dev/addresses: "127.0.0.1:18081,127.0.0.1:18082". They serve every port of the Service. In manifests only: in a
 * cluster whoever may write a Service could reach what no EndpointSlice may name (127.0.0.1, 169.254.169.254). */
#define CRD_ANNOTATION_ADDRESSES "weir.dev/addresses"

struct selector;

struct crd_slice { /* an EndpointSlice, by the Service that it belongs to */
    struct slice namespace, service, created, name;
    const struct doc *doc;
};

struct crd {
    const struct kubernetes_crd_provider *options;
    const struct kube_store *store;
    struct model *model;
    struct pool *scratch; /* dies with the load */
    struct selector *selector;
    struct seen routers, services; /* struct http_router, struct http_service by name */
    struct crd_slice *slices;
    size_t slice_count;
    struct kubernetes_needs needs;
};

/* Where one object is being read: what an error needs to name. */
struct crd_place {
    const struct kube_object *object;
    const struct doc *node; /* for the line; NULL: the object's */
    struct slice key;       /* "spec.routes[0].services[1]" */
};

/* ---- kubernetes_crd.c ---- */
/* Objects of a kind of Traefik's groups that the options let through; the newer group wins over the older. */
size_t crd_objects(struct crd *crd, const char *kind, const struct kube_object ***out);
/* " (FILE:LINE)" for what stands in a manifest, nothing for what came from an API server. */
struct slice crd_written_at(struct crd *crd, const struct origin *origin, uint32_t line);
bool crd_namespace_watched(const struct crd *crd, struct slice namespace);

/* ---- kubernetes_crd_name.c ---- */
struct slice crd_normalize(struct pool *pool, struct slice name);
struct slice crd_object_name(struct pool *pool, struct slice namespace, struct slice name);
struct slice crd_route_name(struct pool *pool, struct slice namespace, struct slice object,
                            struct slice match);
/* The full name of a Middleware or TLSOption that `place` refers to; errors go to the element (critical). False then. */
bool crd_reference_name(struct crd *crd, const struct crd_place *place, struct element *element,
                        struct slice namespace, struct slice name, struct slice *out);
bool crd_reference_names(struct crd *crd, const struct crd_place *place, struct element *element,
                         const struct list *references, struct list *out);
bool crd_cross_provider_allowed(const struct crd *crd, struct slice namespace);

/* ---- kubernetes_crd_error.c ---- */
void crd_error(struct crd *crd, const struct crd_place *place, struct element *element, bool critical,
               const char *format, ...) __attribute__((format(printf, 5, 6)));
/* place one step further: `key` printed, under node's child for the line (may be NULL). */
struct crd_place crd_step(struct crd *crd, const struct crd_place *place, const struct doc *node,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Decodes place->node into object (defaults first). Errors become critical errors of the element, warnings notices. */
bool crd_decode(struct crd *crd, const struct crd_place *place, const struct schema *schema, void *object,
                struct element *element);
void crd_warn(struct crd *crd, const struct crd_place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- kubernetes_crd_route.c ---- */
void crd_load_routes(struct crd *crd);

/* ---- kubernetes_crd_service.c ---- */
void crd_load_services(struct crd *crd); /* TraefikServices */
struct http_service *crd_add_service(struct crd *crd, const struct crd_place *place, struct slice name);
/* The name of the service that a reference means; for a Kubernetes Service *config is its load balancer, else NULL.
 * False: errors were added to the element. */
bool crd_service_reference(struct crd *crd, const struct crd_place *place, struct element *element,
                           const struct crd_service *reference, struct slice *name,
                           struct service_config **config);
/* Weighted over references: what a route with several services and a TraefikService make. */
bool crd_weighted_config(struct crd *crd, const struct crd_place *place, struct element *element,
                         const struct list *references, struct sticky *sticky, struct weighted **out);

/* ---- kubernetes_crd_server.c ---- */
void crd_index_slices(struct crd *crd);
bool crd_load_servers(struct crd *crd, const struct crd_place *place, struct element *element,
                      const struct crd_service *reference, struct slice namespace, struct list *servers);

/* ---- kubernetes_crd_middleware.c ---- */
void crd_load_middlewares(struct crd *crd);

/* ---- kubernetes_crd_transport.c ---- */
void crd_load_transports(struct crd *crd);
/* Whether a Secret holds tls.crt and tls.key; otherwise *why says what is wrong. */
bool crd_certificate_secret(struct crd *crd, struct slice namespace, struct slice name,
                            struct slice *certificate, struct slice *key, struct error *why);

/* ---- kubernetes_selector.c ---- */
/* Kubernetes' label selectors: "a=b,c!=d,e in (f,g),h notin (i),j,!k". An empty text selects everything (*out NULL). */
int selector_parse(struct pool *pool, struct slice text, struct selector **out, struct error *why);
bool selector_matches(const struct selector *selector, const struct doc *labels);

#endif
