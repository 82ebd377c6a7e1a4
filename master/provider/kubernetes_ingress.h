/*
 * kubernetes_ingress.h - what the files of the Ingress provider share among themselves; nobody else includes it.
 *
 * Names (Traefik's, an interface): a router is <namespace>-<ingress>-<host><path>, with -<20 hex digits of the SHA-256 of
 * its rule> behind it when several paths of one Ingress come to the same; a service <namespace>-<service>-<port>; the default
 * backend makes default-router and default-backend. Every run of characters other than letters and digits becomes one '-'.
 */
#ifndef WEIR_MASTER_PROVIDER_KUBERNETES_INGRESS_H
#define WEIR_MASTER_PROVIDER_KUBERNETES_INGRESS_H

#include "master/provider/kubernetes.h"

#define INGRESS_PROVIDER "kubernetes"
#define INGRESS_ANNOTATIONS "traefik.ingress.kubernetes.io/"

/* ---- what objects hold: kubernetes_ingress_schema.c ---- */
struct ingress_port {
    struct slice name;
    int64_t number;
};

struct ingress_service {
    struct slice name;
    struct ingress_port *port;
};

struct ingress_backend_spec { /* networking.k8s.io/v1: service; the versions before it: the other two */
    struct ingress_service *service;
    struct slice service_name;
    struct doc *service_port;
    struct doc *resource;
};

struct ingress_tls {
    struct list hosts; /* struct slice */
    struct slice secret_name;
};

struct ingress_spec {
    struct slice class_name;
    struct ingress_backend_spec *default_backend;
    struct list tls;   /* struct ingress_tls */
    struct doc *rules; /* decoded one by one, so that a bad path takes no other down */
};

struct ingress_rule {
    struct slice host;
    struct doc *http;
};

struct ingress_path {
    struct slice path, path_type;
    struct ingress_backend_spec *backend;
};

struct router_annotations { /* traefik.ingress.kubernetes.io/router.* of an Ingress */
    struct slice path_matcher, rule_syntax;
    struct list entry_points, middlewares; /* struct slice */
    int64_t priority;
    struct router_tls *tls;
    struct router_observability *observability;
};

struct service_annotations { /* traefik.ingress.kubernetes.io/service.* of a Service */
    struct slice servers_scheme, servers_transport;
    struct opt_bool pass_host_header, native_lb;
    struct list middlewares; /* struct slice */
    struct sticky *sticky;
    bool node_port_lb;
};

/* The tables of networking.k8s.io/v1, and those of the versions before it. */
extern const struct schema ingress_spec_schema, ingress_path_schema, ingress_old_spec_schema,
    ingress_old_path_schema;
extern const struct schema ingress_rule_schema;
extern const struct schema router_annotations_schema, service_annotations_schema;

/* ---- one Ingress while it is read ---- */
struct ingress {
    struct k8s_place place, spec_place;
    const struct doc *annotations; /* or NULL */
    bool old_api;                  /* a version before networking.k8s.io/v1 */
    struct ingress_spec spec;
    struct element errors; /* what is wrong with all of it: copied to each router */
};

struct ingress_target { /* the Service that a path sends to */
    struct slice service;
    const struct doc *port; /* DOC_INT or DOC_STRING */
};

/* ---- kubernetes_ingress.c ---- */
/* For each path of each rule: place is the path's, path NULL when it could not be read (the errors are in the element,
 * which also holds those of its rule and of the object). */
typedef void ingress_visit(void *context, const struct k8s_place *place, struct slice host,
                           struct slice path_text, const struct ingress_path *path, struct element *element);
void ingress_walk(struct k8s *k8s, const struct ingress *ingress, ingress_visit *visit, void *context);
/* False: errors were added to the element. */
bool ingress_target(struct k8s *k8s, const struct k8s_place *place,
                    const struct ingress_backend_spec *backend, struct element *element,
                    struct ingress_target *out);

/* ---- kubernetes_balancer.c ---- */
int ingress_balancer(const struct static_config *config, const struct kube_store *store, struct pool *pool,
                     const struct doc **out, struct error *why);

/* ---- kubernetes_ingress_annotation.c ---- */
/* Decodes the annotations traefik.ingress.kubernetes.io/<group>.* (any letter case) by the table. */
bool ingress_annotations(struct k8s *k8s, const struct k8s_place *place, const struct doc *annotations,
                         const char *group, const struct schema *schema, void *object,
                         struct element *element);
/* Names those of ingress-nginx, which have no effect: among them are some that say who may come in. */
void ingress_note_nginx(struct k8s *k8s, const struct ingress *ingress);
/* Whether there is any of that group. */
bool ingress_has_annotations(const struct doc *annotations, const char *group);

/* ---- kubernetes_ingress_rule.c ---- */
struct text;
/* MATCHER("value"), quoted as Go does. */
void ingress_add_matcher(struct text *out, const char *matcher, struct slice value);

/* ---- kubernetes_ingress_route.c ---- */
/* Router and service of the default backend, if there is one; options: what the annotations add. */
void ingress_load_default(struct k8s *k8s, const struct ingress *ingress,
                          const struct router_annotations *options);
void ingress_load_routes(struct k8s *k8s, struct ingress *ingress);

/* ---- kubernetes_ingress_service.c ---- */
/* The name of the service for a target; it is made when it is not there yet. False: errors were added, or the element is
 * refused already. */
bool ingress_use_service(struct k8s *k8s, const struct k8s_place *place, const struct ingress_target *target,
                         struct element *element, struct slice *name);
/* The load balancer of a target. False: errors were added. */
bool ingress_load_balancer(struct k8s *k8s, const struct k8s_place *place,
                           const struct ingress_target *target, struct element *element,
                           struct service_config *config);

#endif
