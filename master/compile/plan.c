/*
 * plan.c - which routers get in, and what they use: marks, then numbers in order of names.
 *
 * References were followed by master/resolve, which disables what is broken. What is found broken here nevertheless is
 * left out with an error, never served in part: a router without one of its middlewares could be one without its guard.
 *
 * Not here: numbers of services (plan_services.c), writing pages (compile.c, compile_services.c).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/model/layer4.h"
#include "master/compile/compiler.h"

#define DEPTH_MAX 64      /* of weighted services in each other, of chains in chains, of layers of routers */
#define WAYS_MAX 1000000u /* to routers through their parents: many parents on many layers multiply */

/* ---- names ---- */

void name_index_make(struct pool *pool, struct name_index *index, void *elements, size_t count)
{
    size_t size = 16, mask;

    while (size < count * 2) {
        size *= 2;
    }
    mask = size - 1;
    index->size = size;
    index->elements = elements; /* arrays of pointers to structs that begin with their element */
    index->slots = pool_zalloc(pool, size * sizeof(*index->slots));
    for (size_t i = 0; i < count; i++) {
        size_t at = hash_slice(0, index->elements[i]->name) & mask;

        while (index->slots[at]) {
            at = (at + 1) & mask;
        }
        index->slots[at] = (uint32_t)i + 1;
    }
}

static uint32_t name_find_exact(const struct name_index *index, struct slice name)
{
    size_t mask = index->size - 1;

    for (size_t at = hash_slice(0, name) & mask; index->slots[at]; at = (at + 1) & mask) {
        if (slice_eq(index->elements[index->slots[at] - 1]->name, name)) {
            return index->slots[at] - 1;
        }
    }
    return NUMBER_NONE;
}

uint32_t name_find(const struct compiler *compiler, const struct name_index *index, struct slice name,
                   struct slice provider)
{
    uint32_t found = name_find_exact(index, name);

    if (found == NUMBER_NONE && slice_find(name, '@') < 0) {
        char *full = pool_alloc(compiler->pool, name.len + 1 + provider.len); /* no printf: of every router */

        if (name.len) {
            memcpy(full, name.ptr, name.len);
        }
        full[name.len] = '@';
        if (provider.len) {
            memcpy(full + name.len + 1, provider.ptr, provider.len);
        }
        found = name_find_exact(index, slice_of(full, name.len + 1 + provider.len));
    }
    return found;
}

void compile_note(struct compiler *compiler, struct element *element, bool critical, const char *format, ...)
{
    char text[1024];
    va_list args;
    const struct slice *errors = element->errors.items;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (size_t i = 0; i < element->errors.count; i++) {
        if (slice_eq(errors[i], slice_cstr(text))) {
            return;
        }
    }
    compiler->doubts = compiler->doubts || critical;
    compiler->noted = true;
    element_error(compiler->model, element, critical, "%s", text);
}

/* ---- services ---- */

const struct weighted *service_children(const struct http_service *service)
{
    return service->config.weighted ? service->config.weighted : service->config.highest_random_weight;
}

const char *service_unserved(const struct http_service *service, enum service_kind *kind,
                             enum service_internal *internal)
{
    const struct service_config *config = &service->config;

    *internal = INTERNAL_NONE;
    if (slice_eq(service->element.provider, SLICE("internal")) && !config->load_balancer &&
        !service_children(service)) {
        *kind = SERVICE_INTERNAL;
        *internal = slice_eq(service->element.name, SLICE("ping@internal"))    ? INTERNAL_PING
                    : slice_eq(service->element.name, SLICE("ready@internal")) ? INTERNAL_READY
                    : slice_eq(service->element.name, SLICE("noop@internal"))  ? INTERNAL_NOOP
                                                                               : INTERNAL_NONE;
        return *internal == INTERNAL_NONE ? "this internal service is not yet served" : NULL;
    }
    if (config->load_balancer) {
        *kind = SERVICE_LOAD_BALANCER;
        return NULL;
    }
    if (service_children(service)) {
        *kind = SERVICE_WEIGHTED;
        return NULL;
    }
    if (config->failover) {
        *kind = SERVICE_FAILOVER;
        return NULL;
    }
    if (config->mirroring) {
        *kind = SERVICE_MIRRORING;
        return NULL;
    }
    return "it has neither loadBalancer nor services to choose from";
}

static bool service_mark(struct compiler *compiler, uint32_t position, bool as_child, unsigned depth);

static void transport_mark(struct compiler *compiler, struct http_service *service)
{
    struct slice name = service->config.load_balancer->servers_transport;
    uint32_t position =
        name.len ? name_find(compiler, &compiler->transports, name, service->element.provider) : NUMBER_NONE;

    if (position != NUMBER_NONE) {
        compiler->transport_used[position] = 1;
    }
}

static bool child_mark(struct compiler *compiler, struct http_service *service, struct slice name,
                       unsigned depth)
{
    uint32_t child = name_find(compiler, &compiler->services, name, service->element.provider);

    if (child != NUMBER_NONE && service_mark(compiler, child, true, depth + 1)) {
        return true;
    }
    compiler->doubts = true;
    compile_note(compiler, &service->element, false, "its service %.*s cannot be used and is left out",
                 SLICE_ARG(name));
    return false;
}

/* At least one child is served, and all that are not are named. */
static bool children_mark(struct compiler *compiler, struct http_service *service, unsigned depth)
{
    const struct list *list = &service_children(service)->services;
    const struct weighted_service *children = list->items;
    bool any = list->count == 0; /* empty: it answers 503 */

    for (size_t i = 0; i < list->count; i++) {
        any = child_mark(compiler, service, children[i].name, depth) || any;
    }
    return any;
}

static bool mirrors_mark(struct compiler *compiler, struct http_service *service, unsigned depth)
{
    const struct mirroring *mirroring = service->config.mirroring;
    const struct mirror_service *mirrors = mirroring->mirrors.items;
    bool good = child_mark(compiler, service, mirroring->service, depth);

    for (size_t i = 0; i < mirroring->mirrors.count; i++) {
        (void)child_mark(compiler, service, mirrors[i].name, depth);
    }
    return good;
}

static bool service_chain_make(struct compiler *compiler, uint32_t position);

/* Marks it and all below it as used; false when it cannot be served. */
static bool service_mark(struct compiler *compiler, uint32_t position, bool as_child, unsigned depth)
{
    struct http_service *service = compiler->model->services[position];
    uint8_t *state = &compiler->service_states[position];
    enum service_internal internal;
    enum service_kind kind;
    const char *why;
    bool good = true;

    if (as_child && !service_chain_make(compiler, position)) {
        *state = SERVICE_BAD;
        return false;
    }
    if (*state != SERVICE_UNKNOWN) {
        return *state == SERVICE_GOOD; /* SERVICE_LOOKED_AT: it is part of itself */
    }
    if (service->element.status == ELEMENT_DISABLED) {
        *state = SERVICE_BAD;
        return false;
    }
    *state = SERVICE_LOOKED_AT;
    if ((why = service_unserved(service, &kind, &internal)) != NULL || depth > DEPTH_MAX) {
        compile_note(compiler, &service->element, true, "%s",
                     why ? why : "weighted services are nested too deep");
        good = false;
    } else if (kind == SERVICE_WEIGHTED) {
        good = children_mark(compiler, service, depth);
    } else if (kind == SERVICE_MIRRORING) {
        good = mirrors_mark(compiler, service, depth);
    } else if (kind == SERVICE_FAILOVER) {
        good = child_mark(compiler, service, service->config.failover->service, depth) &&
               child_mark(compiler, service, service->config.failover->fallback, depth);
    } else if (kind == SERVICE_LOAD_BALANCER) {
        transport_mark(compiler, service);
    }
    *state = good ? SERVICE_GOOD : SERVICE_BAD;
    compiler->service_orders[position] =
        ++compiler->service_order; /* all below it have lower ones, circles aside */
    return good;
}

/* ---- middlewares ---- */

struct steps {
    uint32_t *items, *owners; /* in the pool */
    size_t count, capacity, owner_capacity;
    uint32_t owner; /* the router whose middlewares are added */
};

static void step_add(struct compiler *compiler, struct steps *chain, uint32_t middleware, uint32_t owner)
{
    chain->items =
        pool_grow(compiler->pool, chain->items, chain->count, &chain->capacity, sizeof(*chain->items));
    chain->owners = pool_grow(compiler->pool, chain->owners, chain->count, &chain->owner_capacity,
                              sizeof(*chain->owners));
    chain->items[chain->count] = middleware;
    chain->owners[chain->count++] = owner;
}

/* The services that it asks are used too. */
static bool asked_mark(struct compiler *compiler, struct element *user,
                       const struct http_middleware *middleware)
{
    const struct slice *names = middleware->services.items;

    for (size_t i = 0; i < middleware->services.count; i++) {
        uint32_t service = name_find(compiler, &compiler->services, names[i], middleware->element.provider);

        if (service == NUMBER_NONE || !service_mark(compiler, service, true, 0)) {
            compile_note(compiler, user, true, "middleware %.*s: its service %.*s %s",
                         SLICE_ARG(middleware->element.name), SLICE_ARG(names[i]),
                         service == NUMBER_NONE ? "does not exist" : "cannot be served");
            return false;
        }
    }
    return true;
}

/* Adds one by name; a chain is replaced by its members. False (and an error on the user) when one is missing. */
static bool chain_add(struct compiler *compiler, struct element *user, struct steps *chain, struct slice name,
                      struct slice provider, unsigned depth)
{
    uint32_t position = name_find(compiler, &compiler->middlewares, name, provider);
    struct http_middleware *middleware;

    if (position == NUMBER_NONE || depth > DEPTH_MAX ||
        compiler->model->middlewares[position]->element.status == ELEMENT_DISABLED) {
        compile_note(compiler, user, true, "middleware %.*s %s", SLICE_ARG(name),
                     position == NUMBER_NONE ? "does not exist"
                     : depth > DEPTH_MAX     ? "is a chain in too many chains"
                                             : "has errors");
        return false;
    }
    middleware = compiler->model->middlewares[position];
    if (middleware->config.chain) {
        const struct list *members = &middleware->config.chain->middlewares;

        for (size_t i = 0; i < members->count; i++) {
            if (!chain_add(compiler, user, chain, ((const struct slice *)members->items)[i],
                           middleware->element.provider, depth + 1)) {
                return false;
            }
        }
        return true;
    }
    if (!asked_mark(compiler, user, middleware)) {
        return false;
    }
    step_add(compiler, chain, position, chain->owner);
    return true;
}

/* Once for a service that is part of another or asked by a middleware. A middleware that asks the very same service leads in a
 * circle: it finds the service looked at, and is refused. */
static bool service_chain_make(struct compiler *compiler, uint32_t position)
{
    struct http_service *service = compiler->model->services[position];
    struct service_chain *made = &compiler->service_chains[position];
    const struct slice *names = service->config.middlewares.items;
    uint8_t *state = &compiler->service_states[position], before = *state;
    struct steps chain = {.owner = (uint32_t)compiler->model->router_count + position};
    bool good = true;

    if (made->made || service->config.middlewares.count == 0) {
        return true;
    }
    made->made = true;
    *state = before == SERVICE_BAD ? before : SERVICE_LOOKED_AT; /* good only by what is below it so far */
    for (size_t i = 0; i < service->config.middlewares.count && good; i++) {
        good = chain_add(compiler, &service->element, &chain, names[i], service->element.provider, 0);
    }
    *state = before;
    made->items = pool_alloc(compiler->kept, (chain.count + 1) * sizeof(*made->items));
    made->count = (uint32_t)chain.count;
    if (chain.count) {
        memcpy(made->items, chain.items, chain.count * sizeof(*made->items));
    }
    return good;
}

/* service: NULL with children. */
static bool chain_make(struct compiler *compiler, struct http_router *router,
                       const struct http_service *service, struct steps *chain)
{
    const struct list none = {NULL, 0}, *of_service = service ? &service->config.middlewares : &none;
    const struct slice *names = router->chain.items, *after = of_service->items;

    for (size_t i = 0; i < router->chain.count; i++) {
        if (!chain_add(compiler, &router->element, chain, names[i], router->element.provider, 0)) {
            return false;
        }
    }
    for (size_t i = 0; i < of_service->count; i++) {
        if (!chain_add(compiler, &router->element, chain, after[i], service->element.provider, 0)) {
            return false;
        }
    }
    return true;
}

/* ---- routers ---- */

static void plan_add(struct compiler *compiler, const struct plan *plan)
{
    compiler->plans = pool_grow(compiler->pool, compiler->plans, compiler->plan_count,
                                &compiler->plan_capacity, sizeof(*compiler->plans));
    compiler->plans[compiler->plan_count++] = *plan;
}

/* Where the way of a request goes on: fills in service, chain and owners; false when it cannot. */
static bool plan_way(struct compiler *compiler, struct plan *plan, const struct plan *parent)
{
    struct http_router *router = compiler->model->routers[plan->router];
    const struct http_service *service = NULL;
    struct steps chain = {.owner = plan->router};

    plan->service = NUMBER_NONE;
    if (router->children.count == 0) {
        struct slice name = router->config.service;

        plan->service = name_find(compiler, &compiler->services, name, router->element.provider);
        if (plan->service == NUMBER_NONE || !service_mark(compiler, plan->service, false, 0)) {
            compile_note(compiler, &router->element, true, "service %.*s %s", SLICE_ARG(name),
                         plan->service == NUMBER_NONE ? "does not exist" : "cannot be served");
            return false;
        }
        service = compiler->model->services[plan->service];
    }
    for (uint32_t i = 0; parent && i < parent->chain_count; i++) {
        step_add(compiler, &chain, parent->chain[i], parent->owners[i]);
    }
    if (!chain_make(compiler, router, service, &chain)) {
        return false;
    }
    plan->chain = chain.items;
    plan->owners = chain.owners;
    plan->chain_count = (uint32_t)chain.count;
    return true;
}

static bool plan_child(struct compiler *compiler, uint32_t position, const struct plan *parent,
                       unsigned depth);

/* The plan, and those of its children in a layer of their own: one for each way that leads to a router. */
static bool plan_layer(struct compiler *compiler, struct plan *plan, unsigned depth)
{
    struct http_router *router = compiler->model->routers[plan->router];
    const uint32_t *children = router->children.items;
    size_t before = compiler->plan_count;

    plan->children = router->children.count ? ++compiler->layer_count : 0;
    plan_add(compiler, plan);
    for (size_t i = 0; i < router->children.count; i++) {
        (void)plan_child(compiler, children[i], plan, depth + 1);
    }
    if (router->children.count && compiler->plan_count == before + 1) {
        compiler->plan_count = before;
        compile_note(compiler, &router->element, true, "none of its child routers can be served");
        return false;
    }
    return true;
}

static bool plan_child(struct compiler *compiler, uint32_t position, const struct plan *parent,
                       unsigned depth)
{
    struct http_router *router = compiler->model->routers[position];
    struct plan plan = {.router = position, .layer = parent->children};

    if (router->element.status == ELEMENT_DISABLED || router->in_circle || !router->rule) {
        return false;
    }
    if (depth > DEPTH_MAX || compiler->layer_count > WAYS_MAX || compiler->plan_count > WAYS_MAX) {
        compile_note(compiler, &router->element, true, "too many ways through parent routers lead to it");
        return false;
    }
    return plan_way(compiler, &plan, parent) && plan_layer(compiler, &plan, depth);
}

/* One plan for the entry points that refuse the same characters: nearly always one in all. */
static void plan_split(struct compiler *compiler, struct plan *plan, const uint32_t *entry_points,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t denied = compiler->denied[entry_points[i]], *group;
        size_t used = 0;
        bool seen = false;

        for (size_t k = 0; k < i && !seen; k++) {
            seen = compiler->denied[entry_points[k]] == denied;
        }
        if (seen) {
            continue;
        }
        group = pool_alloc(compiler->pool, count * sizeof(*group));
        for (size_t k = i; k < count; k++) {
            if (compiler->denied[entry_points[k]] == denied) {
                group[used++] = entry_points[k];
            }
        }
        plan->denied = denied;
        plan->entry_points = group;
        plan->entry_point_count = (uint32_t)used;
        (void)plan_layer(compiler, plan, 0);
    }
}

static void plan_router(struct compiler *compiler, uint32_t position)
{
    struct http_router *router = compiler->model->routers[position];
    struct plan plan = {.router = position};
    uint32_t *entry_points;
    size_t entry_point_count;

    if (router->element.status == ELEMENT_DISABLED || router->child) {
        return;
    }
    if (!router->rule) {
        compile_note(compiler, &router->element, true, "it has no rule");
        return;
    }
    if ((entry_point_count =
             plan_entry_points(compiler, &router->element, &router->entry_points, &entry_points)) == 0) {
        compile_note(compiler, &router->element, true, "it is served on no entry point");
        return;
    }
    if (plan_way(compiler, &plan, NULL)) {
        plan_split(compiler, &plan, entry_points, entry_point_count);
    }
}

/* Transports that are used get numbers from 1 on, in the order of the model: that of names. */
static void transports_number(struct compiler *compiler)
{
    size_t count = compiler->model->transport_count;
    uint32_t *numbers = pool_alloc(compiler->kept, (count + 1) * sizeof(*numbers)), next = 1;

    for (size_t i = 0; i < count; i++) {
        numbers[i] = compiler->transport_used[i] ? next++ : NUMBER_NONE;
    }
    compiler->transport_numbers = numbers;
    compiler->transport_count = next;
}

void plan_all(struct compiler *compiler)
{
    struct model *model = compiler->model;
    struct pool *pool = compiler->pool, *kept = compiler->kept;

    name_index_make(kept, &compiler->services, model->services, model->service_count);
    name_index_make(pool, &compiler->middlewares, model->middlewares, model->middleware_count);
    name_index_make(kept, &compiler->transports, model->transports, model->transport_count);
    compiler->service_states = pool_zalloc(pool, model->service_count + 1);
    compiler->service_chains =
        pool_zalloc(kept, (model->service_count + 1) * sizeof(*compiler->service_chains));
    compiler->service_orders = pool_zalloc(kept, (model->service_count + 1) * sizeof(uint32_t));
    compiler->transport_used = pool_zalloc(pool, model->transport_count + 1);
    plan_denied(compiler);
    for (size_t i = 0; i < model->router_count; i++) {
        plan_router(compiler, (uint32_t)i);
    }
    tcp_plan_all(compiler);
    plan_services(compiler);
    middlewares_number(compiler);
    transports_number(compiler);
}
