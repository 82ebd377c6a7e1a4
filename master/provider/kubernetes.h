/*
 * kubernetes.h - what the providers that read Kubernetes objects share: the load, names, errors, servers, secrets.
 *
 * A provider of this family reads objects from a store (master/source/source.h), so it does not know whether they came from
 * manifests or an API server. Its model's text lives in the store's documents: the model holds a reference to the store.
 *
 * Error texts read "FILE:LINE:COLUMN: KEY: words"; a critical one takes its router, service or middleware out of
 * service and nothing else (I1).
 */
#ifndef WEIR_MASTER_PROVIDER_KUBERNETES_H
#define WEIR_MASTER_PROVIDER_KUBERNETES_H

#include "master/kube/live.h"
#include "master/provider/provider.h"
#include "master/provider/seen.h"
#include "master/source/source.h"

/* Ours: a Service for which there is no EndpointSlice and no Endpoints object may name its servers:
 * weir.dev/addresses: "127.0.0.1:18081,127.0.0.1:18082". They serve every port of the Service. In manifests only:
 * in a cluster whoever may write a Service could reach what no EndpointSlice may name (127.0.0.1, 169.254.169.254). */
#define K8S_ANNOTATION_ADDRESSES "weir.dev/addresses"
#define K8S_CLASS_ANNOTATION "kubernetes.io/ingress.class"
#define K8S_CLASS_DEFAULT "traefik"
extern const char K8S_INGRESS_CLASS[]; /* "IngressClass" */

struct selector;
struct k8s_refresh;
struct crd_owners;

struct k8s;
/* The addresses that the status of Ingresses is to show, as in status.loadBalancer.ingress; *out NULL: it is left as it
 * is. Text lies in the store and the pool. */
typedef int k8s_balancer(const struct static_config *config, const struct kube_store *store,
                         struct pool *pool, const struct doc **out, struct error *why);

struct k8s_slice { /* an EndpointSlice, by the Service that it belongs to */
    struct slice namespace, service, created, name;
    const struct kube_object *object;
};

enum k8s_made_kind {
    MADE_ROUTER,
    MADE_SERVICE,
    MADE_MIDDLEWARE,
    MADE_OTHER,
    ASKED_SERVICE,
    ASKED_SECRET,
    MEANT
};

struct k8s_made { /* an object of the model, and one of those of the cluster that had a part in it */
    uint64_t key; /* hash of kind and name */
    struct element *
        element; /* NULL: it asked for the Service, Secret or ConfigMap that is called that, whatever it got */
    const struct kube_object *object; /* NULL: one that cannot be read without all others */
    enum k8s_made_kind kind;
    uint64_t whom; /* MEANT: hash of what it means by the name */
};

struct k8s_use { /* servers that come from the EndpointSlices of a Service, or would */
    struct slice namespace, service;
    struct slice scheme, port;            /* port: the name of the Service's port */
    const struct load_balancer *balancer; /* whose servers they are and nothing else; NULL: not so simple */
    struct http_service *target;          /* whose load balancer that became; NULL: of none in the model */
    const struct kube_object *object;     /* who asked for them */
    bool empty;                           /* there were none */
    bool empty_fine;                      /* and that is no error */
};

struct k8s {              /* one load */
    const char *provider; /* "kubernetescrd": behind the @ */
    const char *option;   /* "providers.kubernetesCRD": for messages */
    const struct kubernetes_provider *options;
    const struct static_config *config;
    const struct kube_store *store;
    bool from_kept; /* the store is what was kept of a cluster that does not answer */
    struct model *model;
    struct pool *scratch; /* dies with the load */
    struct selector *selector;
    struct seen routers, services;    /* struct http_router, struct http_service by name */
    struct seen layer4[LAYER4_KINDS]; /* struct element by name */
    struct crd_owners *owners;        /* kubernetes_crd_owner.c; other providers: NULL */
    struct k8s_slice *slices;
    size_t slice_count;
    const struct kube_resource *resources; /* what is asked of an API server; ended by kind NULL */
    struct k8s_use *uses;
    size_t use_count, use_capacity;
    struct kube_name *needs; /* Secrets and ConfigMaps that objects name, none twice */
    struct seen needed;      /* their kinds with their names */
    size_t need_count, need_capacity;
    const struct kube_object **claims; /* k8s_claim(), of scratch */
    size_t claim_count, claim_capacity;
    /* Whether an object, which may be gone, can be read without all others (NULL: none, nor can be told of which Services
     * something was asked); reads such objects, which are sorted as in a store, in the order of a load. What a load made of
     * which objects is noted for that. */
    bool (*alone)(struct k8s *k8s, const struct kube_object *object);
    void (*read)(struct k8s *k8s, const struct kube_object *const *objects, size_t count);
    bool alone_unchanged; /* only those that are what they were: others changed what they ask for */
    struct k8s_made *made;
    size_t made_count, made_capacity;
    const struct kube_object *reading; /* who asks for Secrets now, when it can be read alone; else NULL */
    bool parents;                      /* some route names parents: it is made of other objects too */
    struct k8s_refresh *refresh;       /* who knows the slices, when not all objects are read; else NULL */
};

struct k8s_judging {      /* what k8s_verdicts() has to know of a load */
    const char *provider; /* "kubernetescrd" */
    const struct kube_resource *resources;
    const struct kube_object **claims; /* k8s_claim(): of the store and in its order, malloc'd */
    size_t claim_count;
    k8s_balancer *balancer; /* NULL: the provider knows of no Ingresses */
};

struct k8s_live {            /* kept between loads */
    struct kube_live *live;  /* NULL: manifests */
    bool complete;           /* everything that was needed has been there once */
    const char *provider;    /* "kubernetescrd" */
    bool recalled;           /* recall() has looked for what was kept */
    struct kube_store *kept; /* what load() gives while the cluster is silent, one reference; NULL: nothing */
    int64_t kept_s;          /* of what time */
    bool stale;              /* load() gave it last */
    struct k8s_refresh *refresh; /* of the model that load() gave last; NULL: it must be loaded again */
    struct k8s_judging judging;  /* of the last load */
};

/* Where one object is being read: what an error needs to name. */
struct k8s_place {
    const struct kube_object *object;
    const struct doc *node; /* for the line; NULL: the object's */
    struct slice key;       /* "spec.routes[0].services[1]" */
};

/* ---- kubernetes_load.c ---- */
/* The store of options->manifests into k8s->store, a new model that holds it into k8s->model; the other members are made
 * ready. Providers that name the same path share documents, and the store when nothing changed. k8s->scratch is made in any
 * case: k8s_end(). */
int k8s_begin(struct k8s *k8s, struct provider_state **state, struct error *why);
/* A new model into k8s->model, in which nothing is made yet. */
void k8s_model_begin(struct k8s *k8s);
void k8s_end(struct k8s *k8s);
struct k8s_live *k8s_state_live(struct provider_state *state);
const struct k8s_live *k8s_state_live_const(const struct provider_state *state);
/* It is the state's from now on, as that of the last load. */
void k8s_state_take_store(struct provider_state *state, struct kube_store *store);
/* The store of the last load; NULL: there was none. */
struct kube_store *k8s_state_store(const struct provider_state *state);
void k8s_free_state(struct provider_state *state);
/* What the source itself found wrong becomes notices of the model; once for each store: of the providers that share it the
 * first one tells. */
void k8s_copy_notices(struct k8s *k8s);
/* Appends the path of the manifests to the list, when there is one. */
void k8s_watch_paths(const struct kubernetes_provider *options, struct pool *pool, struct list *out);
bool k8s_namespace_watched(const struct k8s *k8s, struct slice namespace);
/* In a namespace that is watched, with labels that are selected. */
bool k8s_selected(const struct k8s *k8s, const struct kube_object *object);
/* The objects of a kind that are selected and that `ours` knows. The same object in two groups: the later in the order of
 * names is taken, with a notice at the other ("traefik.io" before "traefik.containo.us"). */
size_t k8s_objects(struct k8s *k8s, const char *kind, bool (*ours)(const struct kube_object *object),
                   const struct kube_object ***out);
/* Whether objects of that class (annotation kubernetes.io/ingress.class, or a name) are for this weir. */
bool k8s_class_wanted(const struct k8s *k8s, struct slice class);
bool k8s_cross_provider_allowed(const struct k8s *k8s, struct slice namespace);

/* ---- kubernetes_live.c ---- */
/* From the API server that the options name, or what was kept of it. -EAGAIN: later; who listens (kube_live_listen) is
 * told. One reference for the caller. */
int k8s_live_store(struct k8s *k8s, struct k8s_live *state, struct kube_store **out, struct error *why);
/* Something names this object: it is asked for. kind: "Secret" or "ConfigMap", static. */
void k8s_need(struct k8s *k8s, const char *kind, struct slice namespace, struct slice name);
/* This Ingress is for us, whether or not something comes of it. In the order of the store. */
void k8s_claim(struct k8s *k8s, const struct kube_object *object);
/* After the objects were read: asks for what they need. -EAGAIN, and the model is gone: some of it has not come, and the first
 * load of all waits for that as long as it takes, later ones for a moment (kube_live_patient()). */
int k8s_settle(struct k8s *k8s, struct provider_state *state, struct error *why);
int k8s_wait(struct provider_state *state, unsigned timeout_ms, struct error *why); /* provider.h */
void k8s_keep(const struct static_config *config, struct provider_state *state);    /* provider.h */
void k8s_recall(const struct static_config *config, struct provider_state *state);  /* provider.h */
int64_t k8s_stale(const struct provider_state *state);                              /* provider.h */
void k8s_live_free(struct k8s_live *live);
/* " (FILE:LINE)" for what stands in a manifest, nothing for what came from an API server. */
struct slice k8s_written_at(struct k8s *k8s, const struct origin *origin, uint32_t line);

/* ---- kubernetes_status.c ---- */
/* What became of the objects of the store, by the resolved model; those of others are left out. */
struct kube_verdicts *k8s_verdicts(const struct k8s_judging *judging, struct kube_store *store,
                                   const struct model *model, const struct static_config *config);
struct kube_verdicts *k8s_judge(const struct static_config *config, const struct provider_state *state,
                                const struct model *model);                    /* provider.h */
void k8s_judged(struct provider_state *state, struct kube_verdicts *verdicts); /* provider.h */
/* Those hooks of a provider of Kubernetes that are the same for all. */
#define K8S_SHARED_HOOKS                                                                                     \
    .free_state = k8s_free_state, .wait = k8s_wait, .keep = k8s_keep, .recall = k8s_recall,                  \
    .stale = k8s_stale, .judge = k8s_judge, .judged = k8s_judged

/* ---- kubernetes_name.c ---- */
/* Every run of characters other than letters and digits becomes one '-', none at the ends. */
struct slice k8s_normalize(struct pool *pool, struct slice name);
struct slice k8s_object_name(struct pool *pool, struct slice namespace, struct slice name);
/* NAME-<first 20 hexadecimal digits of the SHA-256 of text>. */
struct slice k8s_hashed_name(struct pool *pool, struct slice name, struct slice text);

/* ---- kubernetes_error.c ---- */
void k8s_error(struct k8s *k8s, const struct k8s_place *place, struct element *element, bool critical,
               const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Adds to `to` what was found wrong with something that it is a part of; nothing is told twice. */
void k8s_copy_errors(struct k8s *k8s, const struct element *from, struct element *to);
/* place one step further: `key` printed, under node's child for the line (may be NULL). */
struct k8s_place k8s_step(struct k8s *k8s, const struct k8s_place *place, const struct doc *node,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Decodes place->node into object (defaults first). Errors become critical errors of the element, warnings notices.
 * flags: enum schema_decode_flags. */
bool k8s_decode(struct k8s *k8s, const struct k8s_place *place, const struct schema *schema, unsigned flags,
                void *object, struct element *element);
void k8s_warn(struct k8s *k8s, const struct k8s_place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void k8s_notice_error(struct k8s *k8s, const struct k8s_place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- kubernetes_slices.c ---- */
struct k8s_slice k8s_slice_of(const struct kube_object *object);
/* In the order in which their addresses count. */
void k8s_sort_slices(struct k8s_slice *slices, size_t count);
void k8s_index_slices(struct k8s *k8s);
/* Those of a Service, sorted. */
const struct k8s_slice *k8s_slices(struct k8s *k8s, struct slice namespace, struct slice service,
                                   size_t *count);

/* ---- kubernetes_server.c ---- */
/* The kinds that the servers of Services come from: the first rows of a provider's kube_resource. */
#define K8S_SERVER_RESOURCES                                                                                 \
    {.group = "", .version = "v1", .plural = "services", .kind = "Service"},                                 \
        {.group = "discovery.k8s.io", .version = "v1", .plural = "endpointslices", .kind = "EndpointSlice"}, \
        {.group = "",                                                                                        \
         .version = "v1",                                                                                    \
         .plural = "endpoints",                                                                              \
         .kind = "Endpoints",                                                                                \
         .optional = true,                                                                                   \
         .stands_in_for = "EndpointSlice"},                                                                  \
    {                                                                                                        \
        .group = "", .version = "v1", .plural = "nodes", .kind = "Node", .cluster_scoped = true              \
    }

enum k8s_empty {                   /* a Service without servers */
                 K8S_EMPTY_OPTION, /* is refused unless allowEmptyServices is set */
                 K8S_EMPTY_KEPT,   /* is fine when its EndpointSlices or Endpoints are there */
};

struct k8s_backend {
    struct slice name;      /* of the Service */
    const struct doc *port; /* DOC_INT: number; DOC_STRING: name */
    struct slice scheme;    /* empty: https for port 443 and names that begin with https, else http */
    struct opt_bool native_lb;
    bool node_port_lb;
    bool native_never_default; /* nativeLBByDefault does not count */
    bool node_port_first;      /* nodePortLB counts before ExternalName and nativeLB, as for Ingresses */
    bool
        ready_only; /* endpoints must say that they are ready; else those count that do not say that they serve not */
    bool external_port_free; /* a Service of type ExternalName need not list a port that is given by number */
    const char *external_only; /* an option in use that is for Services of type ExternalName only, or NULL */
    enum k8s_empty empty;
    const struct load_balancer
        *balancer; /* that gets the servers as they are; NULL: something else is made of them */
};

/* struct server_config of sorted slices, in the pool. */
struct list k8s_servers_of_slices(struct pool *pool, struct pool *scratch, const struct k8s_use *use,
                                  const struct k8s_slice *slices, size_t count);
/* struct server_config into *servers. False: errors were added to the element. */
bool k8s_load_servers(struct k8s *k8s, const struct k8s_place *place, struct element *element,
                      const struct k8s_backend *backend, struct slice namespace, struct list *servers);

/* ---- kubernetes_uses.c ---- */
/* What a load finds out about its Services: kept, when the load is good, for k8s_refresh(). */
void k8s_note_use(struct k8s *k8s, const struct k8s_use *use);
struct k8s_refresh *k8s_refresh_new(struct k8s *k8s);
/* k8s_slices() by k8s->refresh, in scratch; NULL: it does not know that Service. */
const struct k8s_slice *k8s_refresh_slices(struct k8s *k8s, struct slice namespace, struct slice service,
                                           size_t *count);
void k8s_refresh_free(struct k8s_refresh *refresh); /* before the load's store; NULL is fine */

/* ---- kubernetes_refresh.c ---- */
/* provider.h; k8s: its first members, as for k8s_begin(). */
int k8s_refresh(struct k8s *k8s, struct provider_state *state, struct provider_changes *out);

/* ---- kubernetes_secret.c ---- */
const struct kube_object *k8s_find(struct k8s *k8s, const char *kind, struct slice namespace,
                                   struct slice name, struct error *why);
/* A value of a Secret or ConfigMap, decoded. 1: there, 0: not, -EINVAL. */
int k8s_value(struct k8s *k8s, const struct kube_object *object, const char *key, struct slice *out,
              struct error *why);
/* The value of the only key that there is, whatever it is called; 0: there are none or several. */
int k8s_only_value(struct k8s *k8s, const struct kube_object *object, struct slice *out, struct error *why);
/* Whether a Secret holds tls.crt and tls.key; otherwise *why says what is wrong. */
bool k8s_certificate_secret(struct k8s *k8s, struct slice namespace, struct slice name,
                            struct slice *certificate, struct slice *key, struct error *why);

/* ---- kubernetes_model.c ---- */
/* The object had a part in what is called that. */
void k8s_note_made(struct k8s *k8s, enum k8s_made_kind kind, struct element *element,
                   const struct kube_object *object);
void k8s_note_asked(struct k8s *k8s, struct slice namespace, struct slice service,
                    const struct kube_object *object);
uint64_t k8s_asked_key(struct slice namespace, struct slice service);
/* The same for a Secret or ConfigMap, by k8s->reading. */
void k8s_note_needed(struct k8s *k8s, struct slice kind, struct slice namespace, struct slice name);
uint64_t k8s_needed_key(struct slice kind, struct slice namespace, struct slice name);
/* By that name, among those of one `domain`, the object means `whom`, or is that itself. A patch is made only where all
 * mean the same by the names that it touches. */
void k8s_note_meant(struct k8s *k8s, unsigned domain, struct slice name, struct slice whom,
                    const struct kube_object *object);
/* A router or service of that name, at that place; one that is there already is emptied and returned. */
struct http_router *k8s_add_router(struct k8s *k8s, const struct k8s_place *place, struct slice name);
struct http_service *k8s_add_service(struct k8s *k8s, const struct k8s_place *place, struct slice name);
/* A route has the name of one before it: whether it takes its place. As upstream the last one does that can be used. */
bool k8s_twin_wins(struct k8s *k8s, const struct k8s_place *place, const struct element *before,
                   const struct element *after);

/* The same for TCP, UDP and TLS; its options have their defaults. */
void *k8s_add_layer4(struct k8s *k8s, const struct k8s_place *place, enum layer4_kind kind,
                     struct slice name);
/* The certificate in a Secret of the object's namespace, for a TLS store (empty: the default one), once however many refer to
 * it. What is wrong with it is a warning of `user`. */
void k8s_add_certificate(struct k8s *k8s, const struct k8s_place *place, struct element *user,
                         struct slice secret, struct slice store);

/* ---- kubernetes_selector.c ---- */
/* Kubernetes' label selectors: "a=b,c!=d,e in (f,g),h notin (i),j,!k". An empty text selects everything (*out NULL). */
int selector_parse(struct pool *pool, struct slice text, struct selector **out, struct error *why);
bool selector_matches(const struct selector *selector, const struct doc *labels);

#endif
