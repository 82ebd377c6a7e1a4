/*
 * plan.c - which routers get in, and what they use: marks, then numbers in order of names.
 *
 * Not here: what a router uses (plan_uses.c), numbers of services (plan_services.c), names (lookup.c), writing pages (compile.c,
 * compile_services.c).
 */
#include "master/compile/plan_inner.h"

#define WAYS_MAX 1000000u /* to routers through their parents: many parents on many layers multiply */

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
    struct plan_steps chain = {.owner = plan->router};

    plan->service = NUMBER_NONE;
    if (router->children.count == 0) {
        struct slice name = router->config.service;

        plan->service = name_find(compiler, &compiler->services, name, router->element.provider);
        if (plan->service == NUMBER_NONE || !plan_use_service(compiler, plan->service, false, 0)) {
            compile_note(compiler, &router->element, true, "service %.*s %s", SLICE_ARG(name),
                         plan->service == NUMBER_NONE ? "does not exist" : "cannot be served");
            return false;
        }
        service = compiler->model->services[plan->service];
    }
    for (uint32_t i = 0; parent && i < parent->chain_count; i++) {
        plan_add_step(compiler, &chain, parent->chain[i], parent->owners[i]);
    }
    if (!plan_use_middlewares(compiler, router, service, &chain)) {
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
    if (depth > PLAN_DEPTH_MAX || compiler->layer_count > WAYS_MAX || compiler->plan_count > WAYS_MAX) {
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
