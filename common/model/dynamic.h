/*
 * dynamic.h - the dynamic configuration: routers, services, middlewares, servers transports.
 *
 * Providers fill a struct model each (names without "@provider"); master/resolve merges them into one
 * (names "name@provider"), applies defaults, resolves references and keeps errors on the object they
 * belong to (I1). Everything lives in the model's pool. The *_config structs are what the schema
 * decodes; struct element (element.h) is what weir knows about each object besides. Objects of TCP, UDP and TLS: layer4.h.
 */
#ifndef WEIR_COMMON_MODEL_DYNAMIC_H
#define WEIR_COMMON_MODEL_DYNAMIC_H

#include "common/model/element.h"
#include "common/model/layer4.h"
#include "common/model/middlewares.h"
#include "common/schema/schema.h"

struct tls_domain {
    struct slice main;
    struct list sans; /* struct slice */
};

struct router_tls {
    struct slice options, cert_resolver;
    struct list domains; /* struct tls_domain */
};

struct ingress_metadata { /* of a router that was made of an Ingress */
    struct slice namespace, ingress_name, service_name, service_port;
};

struct router_metadata {
    struct ingress_metadata *ingress;
};

struct router_observability {
    struct opt_bool access_logs, metrics, tracing;
    struct slice trace_verbosity;
    struct router_metadata *metadata; /* cannot be configured */
};

struct router_config {
    struct list entry_points; /* struct slice */
    struct list middlewares;  /* struct slice */
    struct slice service;
    struct slice rule;
    struct list parent_refs; /* struct slice */
    struct slice rule_syntax;
    int64_t priority; /* 0: length of the rule */
    struct router_tls *tls;
    struct router_observability *observability;
};

struct server_config {
    struct slice url;
    struct opt_int weight;
    bool preserve_path, fenced;
};

struct sticky_cookie {
    struct slice name, same_site, path, domain;
    bool secure, http_only;
    int64_t max_age;
};

struct sticky {
    struct sticky_cookie *cookie;
};

struct response_forwarding {
    int64_t flush_interval;
};

struct health_check {
    struct slice scheme, mode, path, method, hostname;
    int64_t status, port, interval, timeout;
    int64_t unhealthy_interval; /* nanoseconds; 0: as interval */
    struct opt_bool follow_redirects;
    struct string_map headers;
};

struct passive_health_check {
    int64_t failure_window, max_failed_attempts;
};

#define FAILURES_MOST 64 /* of max_failed_attempts: more count as so many */

struct load_balancer {
    struct list servers; /* struct server_config */
    struct sticky *sticky;
    struct slice strategy;
    struct health_check *health_check;
    struct passive_health_check *passive_health_check;
    int64_t slow_start; /* nanoseconds; 0: a server has its whole share at once */
    struct opt_bool pass_host_header;
    struct response_forwarding *response_forwarding;
    struct slice servers_transport;
};

struct health_signal { /* `healthCheck: {}` of weighted, mirroring, failover */
    bool unused;
};

struct weighted_service {
    struct slice name;
    struct opt_int weight; /* default 1 */
};

struct weighted {
    struct list services; /* struct weighted_service */
    struct sticky *sticky;
    struct health_signal *health_check;
};

struct mirror_service {
    struct slice name;
    int64_t percent;
};

struct mirroring {
    struct slice service;
    struct opt_bool mirror_body;
    struct opt_int max_body_size;
    struct list mirrors; /* struct mirror_service */
    struct health_signal *health_check;
};

struct failover_errors {
    struct opt_int max_request_body_bytes;
    struct list status; /* struct slice */
};

struct failover {
    struct slice service, fallback;
    struct health_signal *health_check;
    struct failover_errors *errors;
};

struct service_config {
    struct list middlewares; /* struct slice */
    struct load_balancer *load_balancer;
    struct weighted *highest_random_weight;
    struct weighted *weighted;
    struct mirroring *mirroring;
    struct failover *failover;
};

/* Whether parents learn of its health: what it is made of is told to have that. */
bool service_tells_health(const struct service_config *config);

struct forwarding_timeouts {
    int64_t dial_timeout;            /* default 30s */
    int64_t response_header_timeout; /* default 0: none */
    int64_t idle_conn_timeout;       /* default 90s */
    int64_t read_idle_timeout, ping_timeout;
    int64_t send_timeout; /* default 60s */
};

struct peer_cert_san {
    struct slice type, value; /* "DNSName" or "URI" */
};

struct servers_transport_config {
    struct slice server_name;
    bool insecure_skip_verify;
    struct list root_cas;     /* struct slice */
    struct list certificates; /* struct tls_certificate_file */
    int64_t max_idle_conns_per_host;
    struct forwarding_timeouts *forwarding_timeouts;
    bool disable_http2;
    struct slice peer_cert_uri, min_version, max_version;
    struct list cipher_suites;  /* struct slice */
    struct list peer_cert_sans; /* struct peer_cert_san */
    struct doc *spiffe;
};

struct tls_certificate_file {
    struct slice cert_file, key_file; /* path or inline PEM; key_file is secret */
};

/* What a user writes under `http:` in a dynamic file. */
struct http_config {
    struct map routers;            /* struct router_config */
    struct map services;           /* struct service_config */
    struct map middlewares;        /* struct middleware_config */
    struct map servers_transports; /* struct servers_transport_config */
};

extern const struct schema router_schema, service_schema, servers_transport_schema, http_schema;
extern const struct schema load_balancer_schema, weighted_schema, highest_random_weight_schema, server_schema;
extern const struct schema weighted_service_schema, health_signal_schema, tls_certificate_file_schema;
extern const struct schema tls_domain_schema, sticky_schema, health_check_schema, passive_health_check_schema;
extern const struct schema response_forwarding_schema;
extern const struct schema router_tls_schema, router_observability_schema, forwarding_timeouts_schema,
    peer_cert_san_schema;

struct http_router {
    struct element element;
    struct router_config config;
    struct list entry_points; /* struct slice: those it is served on, after defaults and checks */
    int64_t priority;         /* effective */
    uint32_t precedence;      /* of its provider: between equal priorities the lower one wins */
    bool v2;                  /* rule syntax in force */
    struct rule *rule;        /* NULL when it did not parse */
    struct slice tls_options; /* with TLS: the full name of those in force, or "default" */
    struct list chain;        /* struct slice: full names in order, entry point's first, chains flattened */
    struct list
        children; /* uint32_t: positions in the model of the routers that are asked behind it (parentRefs) */
    struct slice made_of; /* the full name of the router that an entry point's options made this one of */
    bool child;           /* has parents */
    bool checked;         /* while children are checked before their parents */
    bool in_circle;       /* names a router above it as its child: left out where it is a child */
};

struct http_service {
    struct element element;
    struct service_config config;
    bool reached; /* a router leads here, straight or through other services */
    bool hidden;  /* of a middleware alone */
    struct pool *
        servers_pool; /* that its load balancer's servers lie in; NULL: in the model's (model_free() frees it) */
};

struct http_middleware {
    struct element element;
    struct middleware_config config;
    /* made by resolve (master/resolve/prepare.h), of kinds that are prepared */
    const void *prepared;
    struct list services; /* struct slice: full names of the services that it asks */
    size_t service_capacity;
    uint32_t word_count;  /* words on the board that are its own, ... */
    uint64_t table;       /* not 0: a table is, told by this from others that it had (shm/tables.h), ... */
    bool words_by_router; /* ... apart for each router that uses it */
    struct slice
        learns; /* the question of what others tell (master/tls/learned.h): word 0 says that it is not enough */
};

struct servers_transport {
    struct element element;
    struct servers_transport_config config;
};

/* Something a provider refused and could not even name as one of the above, or noticed by the way. */
struct notice {
    bool is_error;
    struct origin origin;
    struct slice text;
};

struct model {
    struct pool *pool;
    /* Called by model_free(), when set: gives back what the model's text lives in besides the pool (a provider's documents). */
    void (*release)(void *context);
    void *release_context;
    /* arrays of pointers, sorted by element.name after model_sort() */
    struct http_router **routers;
    size_t router_count, router_capacity;
    struct http_service **services;
    size_t service_count, service_capacity;
    struct http_middleware **middlewares;
    size_t middleware_count, middleware_capacity;
    struct servers_transport **transports;
    size_t transport_count, transport_capacity;
    struct layer4_objects layer4[LAYER4_KINDS]; /* TCP, UDP, TLS */
    struct notice *notices;
    size_t notice_count, notice_capacity;
    bool
        gaps; /* of a provider: a file of its input could not be read, and nothing that it gave before is known */
    bool unread; /* of a provider: something of it could not be read, which may pass without a change */
    struct model *patches; /* some of its objects live there (patch.h): freed with it */
    struct model *next;    /* of the same list */
    bool owned;            /* it is in such a list */
    bool layered;          /* resolved: some router names parents */
    bool names_options;    /* resolved: some router names TLS options */
};

struct model *model_new(void);        /* with a pool of its own */
void model_free(struct model *model); /* with the routers' rules; NULL is fine */
/* New zeroed objects with name and provider copied into the pool. A name that exists already is allowed here
 * (resolve reports it). */
struct http_router *model_add_router(struct model *model, struct slice name, struct slice provider);
/* The same without copies: name and provider must live as long as the model. */
struct http_router *model_adopt_router(struct model *model, struct slice name, struct slice provider);
struct http_service *model_add_service(struct model *model, struct slice name, struct slice provider);
struct http_middleware *model_add_middleware(struct model *model, struct slice name, struct slice provider);
struct servers_transport *model_add_transport(struct model *model, struct slice name, struct slice provider);
void model_notice(struct model *model, bool is_error, const struct origin *origin, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Adds an error text and lifts the status (critical: DISABLED, else WARNING). */
void element_error(struct model *model, struct element *element, bool critical, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* For layer4.c: any object that begins with struct element, and arrays of pointers to such. */
void *model_object_new(struct model *model, size_t size, struct slice name, struct slice provider);
void model_objects_sort(void *objects, size_t count);
void *model_objects_find(void *objects, size_t count, struct slice name); /* the first of its name, or NULL */
/* By name, keeping the order of those that are called the same; afterwards the find functions work. */
void model_sort(struct model *model);
struct http_router *model_find_router(const struct model *model, struct slice name);
struct http_service *model_find_service(const struct model *model, struct slice name);
struct http_middleware *model_find_middleware(const struct model *model, struct slice name);
struct servers_transport *model_find_transport(const struct model *model, struct slice name);

#endif
