/*
 * resolver.h - what the parts of resolve() share; nobody else includes it.
 *
 * order    gather.c (merge, entry points' models, internal objects) -> middlewares.c -> services.c -> routers.c
 */
#ifndef WEIR_MASTER_RESOLVE_RESOLVER_H
#define WEIR_MASTER_RESOLVE_RESOLVER_H

#include "master/resolve/resolve.h"

#define NOWHERE UINT32_MAX
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
    struct model *model; /* the result */
    struct entry_point_model *points;
    size_t point_count;
    struct list default_points;  /* struct slice */
    struct slice default_syntax; /* "", "v2", "v3" */
    struct name_table services, middlewares, transports;
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

/* ---- gather.c ---- */
void gather(struct resolver *resolver, struct model *const *models, size_t count);
const struct entry_point_model *point_find(const struct resolver *resolver, struct slice name);

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
void list_add_slice(struct pool *pool, struct list *list, size_t *capacity, struct slice item);

/* ---- the checks: each returns what is wrong, or an empty slice ---- */
void middlewares_check_all(struct resolver *resolver);
/* Looks the middleware up and checks it. *position is set when nothing is wrong. */
struct slice middleware_use(struct resolver *resolver, struct slice name, struct slice provider,
                            const struct frame *above, uint32_t *position);
/* A checked middleware, or its members when it is a chain. */
void middleware_append(struct resolver *resolver, uint32_t position, struct list *chain, size_t *capacity);
struct slice service_use(struct resolver *resolver, struct slice name, struct slice provider,
                         const struct frame *above);
void services_check_all(struct resolver *resolver);
void routers_check_all(struct resolver *resolver);
void used_by_fill(struct resolver *resolver);

#endif
