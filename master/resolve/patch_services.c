/*
 * patch_services.c - services that come and go in a patch: who refers to them, and whether they are in use.
 */
#include <stdlib.h>

#include "master/resolve/patch_inner.h"

static struct slice name_of(const struct patched_service *service)
{
    return (service->fresh ? service->fresh : service->old)->element.name;
}

static struct patched_service *find(const struct patching *at, struct slice name)
{
    for (size_t i = 0; i < at->service_count; i++) {
        if (slice_eq(name_of(&at->services[i]), name)) {
            return &at->services[i];
        }
    }
    return NULL;
}

void patch_service_add(struct patching *at, struct http_service *old, struct http_service *fresh)
{
    struct patched_service *there = fresh ? find(at, fresh->element.name) : NULL;

    if (there) {
        there->fresh = fresh;
        return;
    }
    at->services =
        pool_grow(at->pool, at->services, at->service_count, &at->service_capacity, sizeof(*at->services));
    at->services[at->service_count++] = (struct patched_service){.old = old, .fresh = fresh};
}

void patch_services_settle(struct patching *at)
{
    for (size_t i = 0; i < at->service_count; i++) {
        if (at->services[i].old && at->services[i].fresh) {
            at->services[i].fresh->element.used_by = at->services[i].old->element.used_by;
        }
    }
}

/* ---- who else refers to them ---- */
/* To others it is the same: it was a load balancer and is one. */
static bool is_same_to_others(const struct patched_service *service)
{
    return service->old && service->fresh && service->old->config.load_balancer &&
           service->fresh->config.load_balancer;
}

static bool refer(struct patching *at, struct slice name, struct slice provider, bool reached)
{
    struct patched_service *service = find(at, qualified(at->pool, name, provider));

    if (service == NULL) {
        return true;
    }
    service->reached = service->reached || reached;
    return is_same_to_others(service);
}

static bool is_fresh(const struct patching *at, const struct http_service *service)
{
    for (size_t i = 0; i < at->service_count; i++) {
        if (at->services[i].fresh == service) {
            return true;
        }
    }
    return false;
}

static bool parent_apart(struct patching *at, const struct http_service *parent)
{
    const struct service_config *config = &parent->config;
    const struct weighted *weighted = config->weighted ? config->weighted : config->highest_random_weight;
    const struct weighted_service *children = weighted ? weighted->services.items : NULL;
    struct slice provider = parent->element.provider;
    bool apart = true;

    for (size_t i = 0; weighted && i < weighted->services.count; i++) {
        apart = refer(at, children[i].name, provider, parent->reached) && apart;
    }
    if (config->mirroring) {
        const struct mirror_service *mirrors = config->mirroring->mirrors.items;

        apart = refer(at, config->mirroring->service, provider, parent->reached) && apart;
        for (size_t i = 0; i < config->mirroring->mirrors.count; i++) {
            apart = refer(at, mirrors[i].name, provider, parent->reached) && apart;
        }
    }
    if (config->failover) {
        apart = refer(at, config->failover->service, provider, parent->reached) && apart;
        apart = refer(at, config->failover->fallback, provider, parent->reached) && apart;
    }
    return apart;
}

/* A router that could not be served may be missing just what comes. */
static bool missed(struct patching *at)
{
    const struct model *model = at->model;

    for (size_t i = 0; i < model->router_count; i++) {
        const struct http_router *router = model->routers[i];

        if (router->element.status == ELEMENT_DISABLED) {
            const struct patched_service *service =
                find(at, qualified(at->pool, router->config.service, router->element.provider));

            if (service && service->old == NULL) {
                return true;
            }
        }
    }
    return false;
}

bool patch_services_apart(struct patching *at)
{
    const struct model *model = at->model;
    bool apart = true;

    if (at->service_count == 0) {
        return true;
    }
    for (size_t i = 0; i < model->service_count && apart; i++) {
        if (model->services[i]->config.load_balancer == NULL && !is_fresh(at, model->services[i])) {
            apart = parent_apart(at, model->services[i]);
        }
    }
    for (size_t i = 0; i < model->middleware_count && apart; i++) {
        const struct http_middleware *middleware = model->middlewares[i];
        const struct slice *names = middleware->services.items;

        for (size_t k = 0; k < middleware->services.count; k++) {
            apart =
                refer(at, names[k], middleware->element.provider, middleware->element.used_by.count > 0) &&
                apart;
        }
    }
    return apart && !missed(at);
}

/* ---- who uses what ---- */
static struct patched_room *room_of(struct patching *at, struct list *list)
{
    for (size_t i = 0; i < at->room_count; i++) {
        if (at->rooms[i].list == list) {
            return &at->rooms[i];
        }
    }
    at->rooms = pool_grow(at->pool, at->rooms, at->room_count, &at->room_capacity, sizeof(*at->rooms));
    at->rooms[at->room_count] = (struct patched_room){list, 0};
    return &at->rooms[at->room_count++];
}

/* The first of the list that is not before the name. */
static size_t user_place(const struct list *list, struct slice name)
{
    const struct slice *items = list->items;
    size_t low = 0, high = list->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_cmp(items[middle], name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void user_remove(struct patching *at, struct list *list, struct slice name)
{
    struct slice *items = (struct slice *)(uintptr_t)list->items;
    size_t place = user_place(list, name);

    if (place < list->count && slice_eq(items[place], name)) {
        list->count--;
        memmove(&items[place], &items[place + 1], (list->count - place) * sizeof(*items));
        room_of(at, list)->room++;
    }
}

static void user_add(struct patching *at, struct list *list, struct slice name)
{
    struct patched_room *room = room_of(at, list);
    size_t place = user_place(list, name);
    struct slice *items = (struct slice *)(uintptr_t)list->items;

    if (room->room == 0) {
        items = pool_alloc(at->model->pool, (list->count + 1) * sizeof(*items));
        if (list->count) {
            memcpy(items, list->items, list->count * sizeof(*items));
        }
    } else {
        room->room--;
    }
    memmove(&items[place + 1], &items[place], (list->count - place) * sizeof(*items));
    items[place] = name;
    *list = (struct list){items, list->count + 1};
}

/* Also of a service that goes. */
static struct http_service *service_of(struct patching *at, const struct http_router *router)
{
    struct slice name = qualified(at->pool, router->config.service, router->element.provider);
    const struct patched_service *patched = find(at, name);
    uint32_t position;

    if (patched) {
        return patched->fresh ? patched->fresh : patched->old;
    }
    position = name_table_find(at->pool, &at->resolver.services, name, SLICE(""));
    return position == NOWHERE ? NULL : at->model->services[position];
}

static struct http_middleware *middleware_of(struct patching *at, const struct http_router *router, size_t i)
{
    struct slice name = ((const struct slice *)router->config.middlewares.items)[i];
    uint32_t position = name_table_find(at->pool, &at->resolver.middlewares, name, router->element.provider);

    return position == NOWHERE ? NULL : at->model->middlewares[position];
}

void patch_unuse(struct patching *at, const struct http_router *router)
{
    struct http_service *service = service_of(at, router);

    if (service) {
        user_remove(at, &service->element.used_by, router->element.name);
        at->left =
            pool_grow(at->pool, at->left, at->left_count, &at->left_capacity, sizeof(struct http_service *));
        at->left[at->left_count++] = service;
    }
    for (size_t i = 0; i < router->config.middlewares.count; i++) {
        struct http_middleware *middleware = middleware_of(at, router, i);

        if (middleware) {
            user_remove(at, &middleware->element.used_by, router->element.name);
        }
    }
}

void patch_use(struct patching *at, const struct http_router *router)
{
    struct http_service *service = service_of(at, router);

    if (service) {
        user_add(at, &service->element.used_by, router->element.name);
        if (router->entry_points.count) {
            service_reach(&at->resolver, service->element.name, service->element.provider);
        }
    }
    for (size_t i = 0; i < router->config.middlewares.count; i++) {
        struct http_middleware *middleware = middleware_of(at, router, i);

        if (middleware) {
            user_add(at, &middleware->element.used_by, router->element.name);
        }
    }
}

/* ---- which are in use ---- */
static bool has_user(const struct patching *at, const struct http_service *service)
{
    const struct slice *users = service->element.used_by.items;

    for (size_t i = 0; i < service->element.used_by.count; i++) {
        const struct http_router *router = model_find_router(at->model, users[i]);

        if (router && router->entry_points.count) {
            return true;
        }
    }
    return false;
}

static bool is_touched(const struct patching *at, const struct http_middleware *middleware)
{
    for (size_t i = 0; i < at->room_count; i++) {
        if (at->rooms[i].list == &middleware->element.used_by) {
            return true;
        }
    }
    return false;
}

/* Middlewares that ask services are used by more routers, or by fewer. False: perhaps nobody leads to those any more. */
static bool reach_asked(struct patching *at)
{
    bool good = true;

    for (size_t i = 0; i < at->model->middleware_count && good; i++) {
        const struct http_middleware *middleware = at->model->middlewares[i];
        const struct slice *names = middleware->services.items;

        if (middleware->services.count == 0 || !is_touched(at, middleware)) {
            continue;
        }
        good = middleware->element.used_by.count > 0;
        for (size_t k = 0; good && k < middleware->services.count; k++) {
            service_reach(&at->resolver, names[k], middleware->element.provider);
        }
    }
    return good;
}

bool patch_services_reach(struct patching *at)
{
    for (size_t i = 0; i < at->service_count; i++) {
        const struct patched_service *service = &at->services[i];

        if (service->fresh == NULL && service->old->element.used_by.count) {
            return false; /* a router that stays names it */
        }
        if (service->fresh && (service->reached || has_user(at, service->fresh))) {
            service_reach(&at->resolver, service->fresh->element.name, service->fresh->element.provider);
        }
    }
    for (size_t i = 0; i < at->left_count; i++) {
        const struct http_service *service = at->left[i];

        if (!is_fresh(at, service) && find(at, service->element.name) == NULL && !has_user(at, service)) {
            return false; /* perhaps nobody leads there any more */
        }
    }
    return reach_asked(at);
}

static int by_address(const void *left, const void *right)
{
    uintptr_t a = (uintptr_t) * (const struct element *const *)left;
    uintptr_t b = (uintptr_t) * (const struct element *const *)right;

    return (a > b) - (a < b);
}

void patch_fresh(struct patching *at)
{
    struct resolve_patched *out = at->out;

    out->fresh = pool_alloc(at->pool, (at->service_count + 1) * sizeof(*out->fresh));
    for (size_t i = 0; i < at->service_count; i++) {
        if (at->services[i].fresh) {
            out->fresh[out->fresh_count++] = &at->services[i].fresh->element;
        }
    }
    if (out->fresh_count > 1) {
        qsort(out->fresh, out->fresh_count, sizeof(*out->fresh), by_address);
    }
}
