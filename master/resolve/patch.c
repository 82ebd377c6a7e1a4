/*
 * patch.c - a resolved model after a few objects of one provider have changed, without resolving the others.
 *
 * The objects are judged by the very functions that judge all. What makes that enough is checked first: nothing is wrong with
 * services and middlewares that come or go, nobody else refers to what comes or goes, and what stays under its name means the
 * same to those who refer to it. Everything else is -EAGAIN.
 *
 *   refuse   what cannot be told from these objects alone
 *   replace  middlewares and services, then the tables of their names, then they are judged
 *   routers  likewise; who uses what; which services are in use
 */
#include <errno.h>
#include <stdlib.h>

#include "common/rule/rule.h"
#include "master/resolve/patch_inner.h"

/* ---- sorted arrays ---- */
size_t patch_place(void *objects, size_t count, struct slice name, bool *found)
{
    struct element **items = objects;
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_cmp(items[middle]->name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *found = low < count && slice_eq(items[low]->name, name);
    return low;
}

bool patch_take_out(void *objects, size_t *count, struct slice name)
{
    struct element **items = objects;
    bool found;
    size_t at = patch_place(objects, *count, name, &found);

    if (found) {
        memmove(&items[at], &items[at + 1], (--*count - at) * sizeof(*items));
    }
    return found;
}

bool patch_put_last(void *objects, size_t count)
{
    struct element **items = objects, *last = items[count - 1];
    bool found;
    size_t at = patch_place(objects, count - 1, last->name, &found);

    memmove(&items[at + 1], &items[at], (count - 1 - at) * sizeof(*items));
    items[at] = last;
    return !found;
}

/* ---- names of what comes or goes ---- */
void patch_touch(struct patching *at, enum model_part part, struct slice name)
{
    struct resolve_patched *out = at->out;

    out->names[part] =
        pool_grow(at->pool, out->names[part], out->counts[part], &at->capacities[part], sizeof(name));
    out->names[part][out->counts[part]++] = name;
}

static struct slice full(struct patching *at, const struct element *element)
{
    return qualified(at->model->pool, element->name, element->provider);
}

static bool clean(const struct element *element)
{
    return element->errors.count == 0 && element->status == ELEMENT_ENABLED;
}

/* ---- what cannot be told ---- */
static bool noticed(const struct patching *at)
{
    const struct model *model = at->model;

    for (size_t i = 0; i < model->notice_count; i++) {
        for (size_t k = 0; k < at->patch->source_count; k++) {
            if (slice_eq(model->notices[i].origin.object, at->patch->sources[k])) {
                return true;
            }
        }
    }
    return false;
}

static bool others_come(const struct model *more)
{
    size_t others = more->transport_count + more->notice_count;

    for (int kind = 0; kind < LAYER4_KINDS; kind++) {
        others += more->layer4[kind].count;
    }
    return others > 0;
}

/* What is wrong with a router concerns nobody else. */
static bool all_clean(const struct model *more)
{
    bool good = true;

    for (size_t i = 0; i < more->router_count; i++) {
        good = good && more->routers[i]->config.parent_refs.count == 0;
    }
    for (size_t i = 0; i < more->service_count; i++) {
        good = good && clean(&more->services[i]->element);
    }
    for (size_t i = 0; i < more->middleware_count; i++) {
        good = good && clean(&more->middlewares[i]->element);
    }
    return good;
}

static bool may_be_told(const struct patching *at)
{
    return !at->model->layered && !others_come(at->patch->more) && all_clean(at->patch->more) && !noticed(at);
}

/* ---- services ---- */
static bool has_health(const struct http_service *service)
{
    return service->config.load_balancer && service->config.load_balancer->health_check;
}

static bool services_take_out(struct patching *at)
{
    struct model *model = at->model;

    for (size_t i = 0; i < at->patch->gone_count; i++) {
        struct element *element = at->patch->gone[i].element;
        bool found;

        if (at->patch->gone[i].part != PART_SERVICE) {
            continue;
        }
        struct slice name = full(at, element);
        size_t place = patch_place(model->services, model->service_count, name, &found);

        if (!found || !clean(&model->services[place]->element) || has_health(model->services[place])) {
            return false;
        }
        patch_service_add(at, model->services[place], NULL);
        patch_touch(at, PART_SERVICE, name);
        (void)patch_take_out(model->services, &model->service_count, name);
    }
    return true;
}

static bool services_put_in(struct patching *at)
{
    const struct model *more = at->patch->more;

    for (size_t i = 0; i < more->service_count; i++) {
        struct http_service *fresh = service_take(at->model, more->services[i]);

        if (has_health(fresh) || !patch_put_last(at->model->services, at->model->service_count)) {
            return false;
        }
        patch_service_add(at, NULL, fresh);
        patch_touch(at, PART_SERVICE, fresh->element.name);
    }
    return true;
}

static bool services_replace(struct patching *at)
{
    if (!services_take_out(at) || !services_put_in(at)) {
        return false;
    }
    patch_services_settle(at);
    return patch_services_apart(at);
}

static void services_index(struct patching *at)
{
    struct resolver *resolver = &at->resolver;
    struct model *model = at->model;

    name_table_make(at->pool, &resolver->services, model->services, model->service_count);
    name_table_make(at->pool, &resolver->transports, model->transports, model->transport_count);
    resolver->service_visits = pool_zalloc(at->pool, model->service_count + 1);
    for (size_t i = 0; i < model->service_count; i++) {
        if (model->services[i]->element.status != ELEMENT_DISABLED) {
            resolver->service_visits[i] = VISIT_GOOD;
        }
    }
}

static bool services_judge(struct patching *at)
{
    for (size_t i = 0; i < at->service_count; i++) {
        const struct http_service *fresh = at->services[i].fresh;

        if (fresh) {
            uint32_t position = name_table_find(at->pool, &at->resolver.services, fresh->element.name,
                                                fresh->element.provider);

            at->resolver.service_visits[position] = VISIT_NEVER;
        }
    }
    for (size_t i = 0; i < at->service_count; i++) {
        const struct http_service *fresh = at->services[i].fresh;

        if (fresh && (service_use(&at->resolver, fresh->element.name, fresh->element.provider, NULL).len ||
                      !clean(&fresh->element))) {
            return false;
        }
    }
    return true;
}

/* ---- routers ---- */
static void note_router(struct patching *at, const struct element ***list, size_t *count, size_t *capacity,
                        const struct http_router *router)
{
    *list = pool_grow(at->pool, *list, *count, capacity, sizeof(const struct element *));
    (*list)[(*count)++] = &router->element;
}

/* Where somebody names TLS options, routers with TLS may disagree with others about a host. */
static bool may_disagree(const struct patching *at, const struct http_router *router)
{
    return router->config.tls && at->model->names_options;
}

static bool router_take_out(struct patching *at, struct slice name)
{
    struct model *model = at->model;
    bool found;
    size_t place = patch_place(model->routers, model->router_count, name, &found);
    struct http_router *router = found ? model->routers[place] : NULL;

    if (router == NULL || may_disagree(at, router)) {
        return false;
    }
    note_router(at, &at->out->gone, &at->out->gone_count, &at->gone_capacity, router);
    patch_touch(at, PART_ROUTER, name);
    (void)patch_take_out(model->routers, &model->router_count, name);
    patch_unuse(at, router);
    rule_free(router->rule);
    router->rule = NULL;
    return true;
}

/* It, and those that entry points made of it. */
static bool routers_take_out(struct patching *at)
{
    for (size_t i = 0; i < at->patch->gone_count; i++) {
        const struct element *element = at->patch->gone[i].element;
        size_t before = at->out->counts[PART_ROUTER];

        if (at->patch->gone[i].part != PART_ROUTER) {
            continue;
        }
        struct slice name = full(at, element);

        if (model_find_router(at->model, name) && !router_take_out(at, name)) {
            return false;
        }
        for (size_t k = 0; k < at->resolver.point_count; k++) {
            const struct entry_point_model *point = &at->resolver.points[k];
            struct slice made = point->adds ? pool_printf(at->model->pool, "%.*s-%.*s",
                                                          SLICE_ARG(point->name), SLICE_ARG(name))
                                            : SLICE("");
            const struct http_router *router = point->adds ? model_find_router(at->model, made) : NULL;

            if (router && slice_eq(router->made_of, name) && !router_take_out(at, made)) {
                return false;
            }
        }
        if (at->out->counts[PART_ROUTER] == before) {
            return false;
        }
    }
    return true;
}

static bool router_judge(struct patching *at, struct http_router *router)
{
    if (may_disagree(at, router)) {
        return false;
    }
    if (router->config.tls) {
        router->tls_options =
            tls_options_name(at->model->pool, router->config.tls->options, router->element.provider);
        if (!slice_eq(router->tls_options, SLICE("default"))) {
            return false;
        }
    }
    router_check_one(&at->resolver, router);
    note_router(at, &at->out->came, &at->out->came_count, &at->came_capacity, router);
    return true;
}

static bool routers_put_in(struct patching *at)
{
    const struct model *more = at->patch->more;
    struct model *model = at->model;

    for (size_t i = 0; i < more->router_count; i++) {
        const struct http_router *from = more->routers[i];
        size_t before = model->router_count, made;
        struct http_router **fresh;

        router_add(&at->resolver, from, from->element.name, from->element.provider);
        made = model->router_count - before;
        fresh = pool_alloc(at->pool, made * sizeof(*fresh));
        memcpy(fresh, &model->routers[before], made * sizeof(*fresh));
        model->router_count = before;
        for (size_t k = 0; k < made; k++) {
            if (!router_judge(at, fresh[k])) {
                return false;
            }
            model->routers[model->router_count++] = fresh[k]; /* there is room: it stood there */
            if (!patch_put_last(model->routers, model->router_count)) {
                return false;
            }
            patch_touch(at, PART_ROUTER, fresh[k]->element.name);
            patch_use(at, fresh[k]);
        }
    }
    return true;
}

/* Of what the names in handshakes are told by: nothing else of a router with TLS counts there, not even that it is disabled. */
static bool same_hosts(const struct http_router *a, const struct http_router *b)
{
    const struct slice *left = a->entry_points.items, *right = b->entry_points.items;
    bool same = a->v2 == b->v2 && a->entry_points.count == b->entry_points.count &&
                slice_eq(a->config.rule, b->config.rule);

    for (size_t i = 0; same && i < a->entry_points.count; i++) {
        same = slice_eq(left[i], right[i]);
    }
    return same;
}

static bool all_among(const struct element **some, size_t some_count, const struct element **others,
                      size_t other_count)
{
    bool all = true;

    for (size_t i = 0; i < some_count && all; i++) {
        const struct http_router *router = (const struct http_router *)some[i];

        all = router->config.tls == NULL;
        for (size_t k = 0; k < other_count && !all; k++) {
            const struct http_router *other = (const struct http_router *)others[k];

            all = other->config.tls && same_hosts(router, other);
        }
    }
    return all;
}

/* Those with TLS have the default options, which may_disagree() and router_judge() saw to. */
static bool tls_differs(const struct resolve_patched *out)
{
    return !all_among(out->gone, out->gone_count, out->came, out->came_count) ||
           !all_among(out->came, out->came_count, out->gone, out->gone_count);
}

/* ---- all ---- */
static bool patch_all(struct patching *at)
{
    if (!may_be_told(at) || !patch_middlewares_replace(at) || !services_replace(at)) {
        return false;
    }
    gather_points(&at->resolver);
    services_index(at);
    return patch_middlewares_judge(at) && services_judge(at) && routers_take_out(at) &&
           patch_middlewares_apart(at) && routers_put_in(at) && patch_services_reach(at);
}

int resolve_patch(const struct static_config *config, struct model *model, const struct model_patch *patch,
                  struct pool *pool, struct resolve_patched *out)
{
    struct patching at = {.resolver = {.config = config, .model = model, .scratch = pool_new(16384, 0)},
                          .model = model,
                          .patch = patch,
                          .pool = pool,
                          .out = out};
    bool good;

    *out = (struct resolve_patched){.tls = false};
    good = patch_all(&at);
    if (good) {
        patch_fresh(&at);
        out->tls = tls_differs(out);
    }
    pool_free(at.resolver.scratch);
    return good ? 0 : -EAGAIN;
}

bool resolve_used_vault(const struct model *model)
{
    for (size_t i = 0; i < model->middleware_count; i++) {
        const struct middleware_config *config = &model->middlewares[i]->config;

        if (config->jwt || (config->basic_auth && config->basic_auth->users_file.len) ||
            (config->digest_auth && config->digest_auth->users_file.len)) {
            return true;
        }
    }
    return false;
}
