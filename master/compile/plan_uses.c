/*
 * plan_uses.c - what routers use: their services with all below them are marked, their middlewares become chains.
 *
 * References were followed by master/resolve, which disables what is broken. What is found broken here nevertheless is
 * left out with an error, never served in part: a router without one of its middlewares could be one without its guard.
 */
#include "master/compile/plan_inner.h"

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

    if (child != NUMBER_NONE && plan_use_service(compiler, child, true, depth + 1)) {
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

bool plan_use_service(struct compiler *compiler, uint32_t position, bool as_child, unsigned depth)
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
    if ((why = service_unserved(service, &kind, &internal)) != NULL || depth > PLAN_DEPTH_MAX) {
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

void plan_add_step(struct compiler *compiler, struct plan_steps *chain, uint32_t middleware, uint32_t owner)
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

        if (service == NUMBER_NONE || !plan_use_service(compiler, service, true, 0)) {
            compile_note(compiler, user, true, "middleware %.*s: its service %.*s %s",
                         SLICE_ARG(middleware->element.name), SLICE_ARG(names[i]),
                         service == NUMBER_NONE ? "does not exist" : "cannot be served");
            return false;
        }
    }
    return true;
}

/* Adds one by name; a chain is replaced by its members. False (and an error on the user) when one is missing. */
static bool chain_add(struct compiler *compiler, struct element *user, struct plan_steps *chain,
                      struct slice name, struct slice provider, unsigned depth)
{
    uint32_t position = name_find(compiler, &compiler->middlewares, name, provider);
    struct http_middleware *middleware;

    if (position == NUMBER_NONE || depth > PLAN_DEPTH_MAX ||
        compiler->model->middlewares[position]->element.status == ELEMENT_DISABLED) {
        compile_note(compiler, user, true, "middleware %.*s %s", SLICE_ARG(name),
                     position == NUMBER_NONE  ? "does not exist"
                     : depth > PLAN_DEPTH_MAX ? "is a chain in too many chains"
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
    plan_add_step(compiler, chain, position, chain->owner);
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
    struct plan_steps chain = {.owner = (uint32_t)compiler->model->router_count + position};
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

bool plan_use_middlewares(struct compiler *compiler, struct http_router *router,
                          const struct http_service *service, struct plan_steps *chain)
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
