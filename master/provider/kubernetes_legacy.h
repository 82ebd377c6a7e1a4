/*
 * kubernetes_legacy.h - Ingresses with annotations of Traefik 1: what their files share; only the Ingress provider includes it.
 *
 * Traefik 1 made a frontend of every host and path, over all Ingresses: those that have both in common are one frontend whose
 * servers are the pods of all. Here it becomes a router and a service called <host><path> (<priority>-<host><path> when a
 * priority is written), and a middleware <router>-<what> for each thing that its annotations ask for. What the annotations
 * say comes from the first of the Ingresses, by namespace and name.
 *
 * Annotations are called by their bare name ("rule-type"): they are written traefik.ingress.kubernetes.io/NAME or
 * ingress.kubernetes.io/NAME, some also in a spelling older than that (traefik.frontend.rule.type).
 */
#ifndef WEIR_MASTER_PROVIDER_KUBERNETES_LEGACY_H
#define WEIR_MASTER_PROVIDER_KUBERNETES_LEGACY_H

#include "master/provider/kubernetes_ingress.h"

struct legacy_part { /* one path of one Ingress: pods of a frontend */
    const struct ingress *ingress;
    struct k8s_place place;
    struct ingress_target target;
    struct slice host, path, path_type;
    struct list servers;   /* struct server_config */
    struct element errors; /* critical: its servers are left out */
    uint64_t share,
        sharers; /* share: of the requests, for `sharers` servers together; 1 and 1 without weights */
};

struct legacy_frontend {
    struct slice base, name; /* "2-a.test/x"; its router's name */
    struct slice host, path;
    struct element errors;      /* critical: the frontend is not served */
    struct legacy_part **parts; /* the first is that whose annotations count */
    size_t count, capacity;
    struct router_config config;
    const struct kube_object *service; /* of the first part, or NULL: its annotations count too */
};

struct legacy {
    struct k8s *k8s;
    struct legacy_frontend **frontends; /* in the order of the Ingresses */
    size_t count, capacity;
    struct seen by_base; /* struct legacy_frontend */
};

/* ---- kubernetes_legacy.c ---- */
void legacy_init(struct legacy *legacy, struct k8s *k8s);
/* Takes an Ingress apart; it must live as long as the load. */
void legacy_add(struct legacy *legacy, struct ingress *ingress);
/* Makes the routers of all that was added. */
void legacy_finish(struct legacy *legacy);

/* ---- kubernetes_legacy_annotation.c ---- */
bool legacy_annotated(const struct doc *annotations); /* with any of Traefik 1 */
/* Whether it has annotations of Traefik 1 and none of today's. */
bool legacy_ingress(struct k8s *k8s, const struct ingress *ingress);
/* Names annotations of Traefik's that have no effect: those that nobody knows, and those that belong to Services. */
void legacy_note_unknown(struct k8s *k8s, struct ingress *ingress, bool legacy);
/* NULL: not there. */
const struct doc *legacy_get(const struct doc *annotations, const char *name);
struct slice legacy_text(const struct doc *annotations,
                         const char *name); /* without blanks around; may be empty */
/* What cannot be read is told in a warning of the element, and the fallback counts. */
bool legacy_bool(struct k8s *k8s, const struct k8s_place *place, const struct doc *annotations,
                 const char *name, bool fallback, struct element *element);
int64_t legacy_int(struct k8s *k8s, const struct k8s_place *place, const struct doc *annotations,
                   const char *name, int64_t fallback, struct element *element);
/* "A: 1||B: 2" as a map; "a, b" as a list. NULL: not there. Both live in the model's pool. */
struct doc *legacy_pairs(struct k8s *k8s, const struct k8s_place *place, const struct doc *annotations,
                         const char *name, struct element *element);
struct doc *legacy_items(struct k8s *k8s, const struct doc *annotations, const char *name);
/* YAML in the annotation's text, which must be a map; NULL: not there, or wrong (critical). Lives in the model's pool. */
struct doc *legacy_yaml(struct k8s *k8s, const struct k8s_place *place, const struct doc *annotations,
                        const char *name, struct element *element);
/* The place of an annotation, for errors. */
struct k8s_place legacy_place(struct k8s *k8s, const struct k8s_place *place, const struct doc *annotations,
                              const char *name);

/* ---- kubernetes_legacy_rule.c ---- */
/* Rule, syntax and priority of a frontend. Errors are the frontend's. */
void legacy_rule(struct k8s *k8s, struct legacy_frontend *frontend);
/* How its path is rewritten, as middlewares at the end of the chain. */
struct legacy_chain;
void legacy_rewrites(struct legacy_chain *chain);

/* ---- kubernetes_legacy_middleware.c, kubernetes_legacy_guard.c ---- */
struct legacy_chain { /* the middlewares of a frontend while they are made */
    struct k8s *k8s;
    struct legacy_frontend *frontend;
    struct k8s_place place;        /* the Ingress, or the Service */
    const struct doc *annotations; /* its */
    struct slice *names;
    size_t count, capacity;
};
/* What they are told: options of the kind in the form of a file; taken over. `name`: the annotation that asked for it. */
void legacy_chain_add(struct legacy_chain *chain, const char *suffix, const char *kind, struct doc *options,
                      const char *name);
void legacy_doc_text(struct k8s *k8s, struct doc *map, const char *key, struct slice value);
void legacy_doc_bool(struct k8s *k8s, struct doc *map, const char *key, bool value);
void legacy_doc_int(struct k8s *k8s, struct doc *map, const char *key, int64_t value);
void legacy_doc_set(struct k8s *k8s, struct doc *map, const char *key, struct doc *value);
void legacy_middlewares(struct k8s *k8s, struct legacy_frontend *frontend);
/* Who may come in: allowed addresses, users or another server's word, rates; of the Service: requests at once. */
void legacy_guard_allow(struct legacy_chain *chain);
void legacy_guard_auth(struct legacy_chain *chain);
void legacy_guard_rates(struct legacy_chain *chain);
void legacy_guard_connections(struct legacy_chain *chain);

/* ---- kubernetes_legacy_backend.c ---- */
/* The servers of a part. Errors are the part's. */
void legacy_servers(struct k8s *k8s, struct legacy_part *part);
/* The shares of an Ingress' parts by its annotation service-weights; when they make no sense, all its parts are refused. */
void legacy_weigh(struct k8s *k8s, const struct ingress *ingress, struct legacy_part *const *parts,
                  size_t count);
/* The load balancer over the parts that are good. */
void legacy_balance(struct k8s *k8s, struct legacy_frontend *frontend, struct service_config *config);

#endif
