/*
 * kubernetes_crd.h - what the files of the Kubernetes CRD provider share among themselves; nobody else includes it.
 *
 * Names (Traefik's, an interface): an object is <namespace>-<name>; a route <namespace>-<object>-<20 hex digits of the
 * SHA-256 of its match>; a load balancer of a Service <namespace>-<service>-<port>, or the route's name when the route
 * has that one Service only. Every run of characters other than letters and digits becomes one '-'.
 * So several come to one name: whose it is says kubernetes_crd_owner.c.
 */
#ifndef WEIR_MASTER_PROVIDER_KUBERNETES_CRD_H
#define WEIR_MASTER_PROVIDER_KUBERNETES_CRD_H

#include "master/provider/kubernetes.h"
#include "master/provider/kubernetes_crd_schema.h"

#define CRD_PROVIDER "kubernetescrd"
#define CRD_GROUP "traefik.io"
#define CRD_GROUP_OLD "traefik.containo.us"

/* Kinds of objects that others refer to by name. */
enum crd_named {
    CRD_SERVICE, /* what is made of Services has names among these, too */
    CRD_MIDDLEWARE,
    CRD_MIDDLEWARE_TCP,
    CRD_TRANSPORT,
    CRD_TRANSPORT_TCP,
    CRD_TLS_OPTION,
    CRD_TLS_STORE,
    CRD_NAMED_KINDS
};

/* ---- kubernetes_crd.c ---- */
bool crd_ours(const struct kube_object *object); /* of Traefik's groups */
/* Objects of a kind of Traefik's groups that the options let through; the newer group wins over the older. */
size_t crd_objects(struct k8s *crd, const char *kind, const struct kube_object ***out);
/* Whether this weir shall serve the object: by spec.ingressClassName, or by the old annotation. */
bool crd_class_wanted(struct k8s *crd, const struct k8s_place *place);

/* ---- kubernetes_crd_name.c ---- */
struct slice crd_route_name(struct pool *pool, struct slice namespace, struct slice object,
                            struct slice match);
/* The full name of an object that `place` refers to; errors go to the element (critical). False then. */
bool crd_reference_name(struct k8s *crd, const struct k8s_place *place, struct element *element,
                        enum crd_named kind, struct slice parent, struct slice namespace, struct slice name,
                        struct slice *out);
bool crd_reference_names(struct k8s *crd, const struct k8s_place *place, struct element *element,
                         enum crd_named kind, struct slice parent, const struct list *references,
                         struct list *out);

/* ---- kubernetes_crd_owner.c; full: names as elements have them ---- */
void crd_owners_begin(struct k8s *crd); /* nobody owns a name: for a patch */
void crd_find_owners(struct k8s *crd);  /* before a load reads anything */
/* Called "default" without its namespace: TLS options and stores for all. */
bool crd_is_default(enum crd_named kind, const struct kube_object *object);
/* Whether the object is what is called that; else a notice says whose name it is, and nothing is to be made of it. */
bool crd_owns(struct k8s *crd, enum crd_named kind, const struct kube_object *object, struct slice full);
/* The object of that kind is meant: false, and an error of the element (critical), where another one is called so. */
bool crd_means(struct k8s *crd, const struct k8s_place *place, struct element *element, enum crd_named kind,
               struct slice namespace, struct slice name, struct slice full);
/* "Service NAMESPACE/NAME:PORT". */
struct slice crd_whom(struct k8s *crd, struct slice namespace, struct slice service, const struct doc *port);
/* What is to be made for `whom` (of that namespace) gets the name: false, and an error of the element (critical), where
 * something else is called so. For k8s_add_service() and k8s_add_layer4(). */
bool crd_takes_service(struct k8s *crd, const struct k8s_place *place, struct element *element,
                       struct slice full, struct slice namespace, struct slice whom);
bool crd_takes_layer4(struct k8s *crd, const struct k8s_place *place, struct element *element,
                      enum layer4_kind kind, struct slice full, struct slice whom);
/* Whether the router that is there (NULL: none) is of another namespace than the route at `place`: says so. */
bool crd_router_taken(struct k8s *crd, const struct k8s_place *place, const struct element *there);
struct crd_parent {
    struct k8s_place place; /* where it is named */
    const struct kube_object *object;
};
/* The router means routers of these IngressRoutes by these names (struct slice). What is given must stay. */
void crd_means_parents(struct k8s *crd, struct element *router, const struct crd_parent *parents,
                       struct list names);
/* After a load read everything: who means what is made for another namespace gets an error. */
void crd_look_later(struct k8s *crd);

/* ---- kubernetes_crd_route.c ---- */
void crd_load_routes(struct k8s *crd);
void crd_read_route(struct k8s *crd, const struct kube_object *object); /* one IngressRoute */

/* ---- kubernetes_crd_service.c ---- */
void crd_load_services(struct k8s *crd); /* TraefikServices */
void crd_read_service(struct k8s *crd, const struct kube_object *object);
/* The name of the service that a reference means; for a Kubernetes Service *config is its load balancer, else NULL.
 * False: errors were added to the element. */
bool crd_service_reference(struct k8s *crd, const struct k8s_place *place, struct element *element,
                           const struct crd_service *reference, struct slice *name,
                           struct service_config **config);
/* Weighted over references: what a route with several services and a TraefikService make. */
bool crd_weighted_config(struct k8s *crd, const struct k8s_place *place, struct element *element,
                         const struct list *references, struct sticky *sticky, struct weighted **out);

/* ---- kubernetes_crd_middleware.c ---- */
void crd_load_middlewares(struct k8s *crd);
void crd_read_middleware(struct k8s *crd, const struct kube_object *object);

/* ---- kubernetes_crd_auth.c: parts of a Middleware that name Secrets; errors go to the element ---- */
void crd_load_basic_auth(struct k8s *crd, const struct k8s_place *place, struct http_middleware *middleware);
/* Texts of a Middleware that name a Secret by urn:k8s:secret:NAME:KEY become what stands there. */
void crd_load_named_secrets(struct k8s *crd, const struct k8s_place *place,
                            struct http_middleware *middleware);
void crd_load_digest_auth(struct k8s *crd, const struct k8s_place *place, struct http_middleware *middleware);
/* Of a forwardAuth and a rateLimit that are decoded already but for this part. */
void crd_load_forward_auth_tls(struct k8s *crd, const struct k8s_place *place,
                               struct http_middleware *middleware);
void crd_load_redis(struct k8s *crd, const struct k8s_place *place, struct http_middleware *middleware);

/* ---- kubernetes_crd_transport.c ---- */
void crd_load_transports(struct k8s *crd);
/* The certificate of an authority: tls.ca or ca.crt of a Secret or ConfigMap. alone: or, under any name, the only thing
 * that a Secret holds. */
bool crd_authority(struct k8s *crd, const char *kind, bool alone, struct slice namespace, struct slice name,
                   struct slice *out, struct error *why);
/* rootCAsSecrets (struct slice) and rootCAs (struct crd_root_ca) of the object at place; struct slice each. */
struct list crd_authorities(struct k8s *crd, const struct k8s_place *place, struct element *element,
                            const struct list *secrets, const struct list *root_cas);
/* certificatesSecrets (struct slice): struct tls_certificate_file each. */
struct list crd_client_certificates(struct k8s *crd, const struct k8s_place *place, struct element *element,
                                    const struct list *secrets);

/* ---- kubernetes_crd_tcp.c, kubernetes_crd_udp.c, kubernetes_crd_tls.c ---- */
void crd_load_tcp(struct k8s *crd);
void crd_load_udp(struct k8s *crd);
void crd_load_tls(struct k8s *crd);
/* What `tls` of a route's spec refers to: the full name of its options, its certificate (""; none). Errors go to the element. */
void crd_load_tls_references(struct k8s *crd, const struct k8s_place *spec, struct element *element,
                             const struct crd_reference *options, struct slice secret, struct slice *name);

#endif
