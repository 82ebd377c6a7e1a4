/*
 * resolver.h - what the parts of resolve() share; nobody else includes it.
 *
 * order    gather.c (merge, entry points' models, internal objects) -> tls.c -> middlewares.c -> services.c -> routers.c
 *          (layers.c before it) -> tcp.c -> udp.c (both over layer4.c, layer4_services.c)
 */
#ifndef WEIR_MASTER_RESOLVE_RESOLVER_H
#define WEIR_MASTER_RESOLVE_RESOLVER_H

#include "master/resolve/resolve.h"

#define NOWHERE UINT32_MAX
#define PRIORITY_USER_MAX (INT64_MAX - 1000)
#define DEPTH_MAX 64 /* of chains in chains, and of services in services */

struct name_table { /* names to positions in one of the model's arrays */
    struct element **elements;
    uint32_t *slots; /* position + 1; 0: free */
    size_t size;     /* power of two */
};

enum visit { VISIT_NEVER, VISIT_GOOD, VISIT_BAD };

/* What an entry point adds to each router on it; Traefik calls it a model. */
struct entry_point_model {
    struct slice name;
    const struct entry_point *config;
    bool tcp;  /* HTTP routers can be served on it */
    bool adds; /* there is something to add: the router gets a copy for this entry point */
};

struct resolver {
    const struct static_config *config;
    struct vault *vault; /* files that models name; may be NULL */
    struct model *model; /* the result */
    struct entry_point_model *points;
    size_t point_count;
    struct list default_points;  /* struct slice */
    struct slice default_syntax; /* "", "v2", "v3" */
    struct name_table services, middlewares, transports;
    struct name_table layer4[LAYER4_KINDS];
    uint8_t *layer4_visits[LAYER4_KINDS];        /* enum visit; of the kinds that refer to their own kind */
    size_t *layer4_user_room[LAYER4_KINDS];      /* capacity of each used_by */
    uint8_t *service_visits, *middleware_visits; /* enum visit */
    struct list *chains;  /* by position of the middleware: its members flattened, struct slice */
    struct pool *scratch; /* for parsing rules */
};

/* Where we are while following references: on the stack. */
struct frame {
    const struct frame *above;
    struct slice name;
    unsigned depth;
};

/* ---- prepare.c ---- */
/* Fills in middleware->prepared where its kind has that; false: *wrong says what keeps it from running. */
bool prepare_middleware(struct resolver *resolver, struct http_middleware *middleware,
                        enum middleware_kind kind, const void *options, struct slice *wrong);

/* ---- gather.c ---- */
void gather(struct resolver *resolver, struct model *const *models, size_t count);
void gather_points(struct resolver *resolver); /* entry points alone */
/* A provider's object into the result, with its full name. */
struct http_service *service_take(struct model *model, const struct http_service *from);
struct http_middleware *middleware_take(struct model *model, const struct http_middleware *from);
const struct entry_point_model *point_find(const struct resolver *resolver, struct slice name);
/* The error of an element that names an entry point which is not there, or is one of the other protocol. */
void point_missing(struct resolver *resolver, struct element *element, struct slice name, bool tcp);

/* Of objects that are called the same the first stays; the others are named and left out. Returns how many stay. */
size_t unique(struct model *model, const char *what, void *objects, size_t count);
uint32_t precedence_of(const struct resolver *resolver, struct slice provider);

/* ---- layer4.c: TCP, UDP and TLS as a whole ---- */
void layer4_take(struct resolver *resolver, const struct model *from);
void layer4_unique(struct resolver *resolver); /* after model_sort() */
void layer4_tables(struct resolver *resolver);
/* The names in order that exist and fit (TCP or UDP), each once; the others become errors of the element. */
void layer4_points(struct resolver *resolver, struct element *element, const struct list *wanted, bool tcp,
                   struct list *out);
/* Adds the router to the used_by of what is called that. */
void layer4_used(struct resolver *resolver, enum layer4_kind kind, struct slice name,
                 const struct element *router);

/* ---- layer4_services.c: services of TCP and UDP ---- */
/* HOST:PORT: names, addresses, IPv6 in brackets; the port may be empty or a name, as dialling decides. */
bool layer4_address_fit(struct slice address);
void layer4_services_check(struct resolver *resolver, enum layer4_kind kind);
struct slice layer4_service_use(struct resolver *resolver, enum layer4_kind kind, struct slice name,
                                struct slice provider, const struct frame *above);

/* ---- tls.c ---- */
void tls_check_all(struct resolver *resolver);
/* "default", or the full name. */
struct slice tls_options_name(struct pool *pool, struct slice name, struct slice provider);
/* What is wrong with the options of that name (empty: default), or an empty slice. */
struct slice tls_options_use(struct resolver *resolver, struct slice name, struct slice provider);

/* ---- tls_conflicts.c ---- */
/* Sets tls_options of HTTP routers, and makes routers of their own where they cannot have those they name. */
void tls_conflicts_resolve(struct resolver *resolver);
struct rule;
bool tls_rule_has_host(const struct rule *rule);

/* ---- tcp.c, udp.c ---- */
void tcp_check_all(struct resolver *resolver);
void udp_check_all(struct resolver *resolver);

/* ---- internal.c: the internal provider's objects ---- */
void gather_internal(struct resolver *resolver);
/* A router of any provider, by its name without "@provider": makes one or, where entry points add something, more. */
void router_add(struct resolver *resolver, const struct http_router *from, struct slice name,
                struct slice provider);

/* ---- names.c ---- */
void name_table_make(struct pool *pool, struct name_table *table, void *elements, size_t count);
/* A name without '@' belongs to the provider of the object that refers. NOWHERE when there is none. */
uint32_t name_table_find(struct pool *pool, const struct name_table *table, struct slice name,
                         struct slice provider);
struct slice qualified(struct pool *pool, struct slice name, struct slice provider);
/* "could not instantiate KIND NAME: recursion detected in KIND:A->KIND:B->KIND:A", or an empty slice when name is not on
 * the way that leads here. Too deep counts as recursion. */
struct slice recursion(struct pool *pool, const char *kind, struct slice name, const struct frame *above);
struct slice errors_joined(struct pool *pool, const struct element *element);
/* What is wrong with `other`, for one who uses it: with the object that it is made of, unless that is the user's own. */
struct slice blamed(struct pool *pool, const struct element *user, const struct element *other,
                    struct slice text);
void list_add_slice(struct pool *pool, struct list *list, size_t *capacity, struct slice item);

/* ---- sticky.c ---- */
/* Gives the service's cookies their names; the result's own copies. The service has its full name. */
void sticky_fill(struct pool *pool, struct http_service *service);

/* ---- the checks: each returns what is wrong, or an empty slice ---- */
void middlewares_check_all(struct resolver *resolver);
/* The members of a chain get their full names; others are left as they are. */
void middleware_qualify(struct resolver *resolver, struct http_middleware *middleware);
/* Looks the middleware up and checks it. *position is set when nothing is wrong. */
struct slice middleware_use(struct resolver *resolver, struct slice name, struct slice provider,
                            const struct frame *above, uint32_t *position);
/* A checked middleware, or its members when it is a chain. */
void middleware_append(struct resolver *resolver, uint32_t position, struct list *chain, size_t *capacity);
struct slice service_use(struct resolver *resolver, struct slice name, struct slice provider,
                         const struct frame *above);
void services_check_all(struct resolver *resolver);
/* Warns of what is understood, without effect yet, and harmless to do without. */
void service_note_unserved(struct resolver *resolver, struct http_service *service,
                           const struct schema *schema, const void *object);
void service_note_sticky(struct resolver *resolver, struct http_service *service, const struct sticky *sticky,
                         const char *where);

/* ---- health.c ---- */
/* Warns of options of a health check that are not taken as they are. */
void health_note(struct resolver *resolver, struct http_service *service, const struct health_check *options);
void health_note_tcp(struct resolver *resolver, struct element *service,
                     const struct tcp_health_check *options);

/* ---- service_parents.c: services that are made of others; what is wrong with them ---- */
struct slice weighted_wrong(struct resolver *resolver, struct http_service *service,
                            const struct frame *here);
struct slice hashed_wrong(struct resolver *resolver, struct http_service *service, const struct frame *here);
struct slice mirroring_wrong(struct resolver *resolver, struct http_service *service,
                             const struct frame *here);
struct slice failover_wrong(struct resolver *resolver, struct http_service *service,
                            const struct frame *here);
void routers_check_all(struct resolver *resolver);

/* ---- layers.c ---- */
/* Who is whose child, and what is wrong with that; before routers_check_all(). */
void layers_resolve(struct resolver *resolver);
/* Children that cannot be served are left out; false, and an error on the router: that is all of them. They were checked. */
bool layers_children_check(struct resolver *resolver, struct http_router *router);
void used_by_fill(struct resolver *resolver);
/* rule_hints.c: a notice when the rule, which could be read, means something else than it looks like. */
void rule_hint(struct resolver *resolver, const struct http_router *router);
/* For patch.c: one router that is no child; the service of that name and all below it are in use. */
void router_check_one(struct resolver *resolver, struct http_router *router);
void service_reach(struct resolver *resolver, struct slice name, struct slice provider);
/* A chain among its middlewares is another: they were checked, and are as good, or as bad, as before. False: they are
 * not good. */
bool router_lay_flat(struct resolver *resolver, struct http_router *router);

#endif
