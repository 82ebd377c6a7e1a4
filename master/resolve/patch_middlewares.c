/*
 * patch_middlewares.c - middlewares that come, go or are others in a patch: who refers to them, chains laid flat anew.
 *
 * Who comes must be called by nobody yet, who goes by nobody any more: what is wrong with those who do only a resolve of all
 * tells. A chain that is another, also by a chain in it, is judged again, and the routers that it is a part of have their
 * middlewares laid flat.
 */
#include "master/resolve/patch_inner.h"

struct patched_middleware {
    struct http_middleware *old, *fresh; /* of one name; NULL: it comes, or goes */
};

/* It names files, or keys that are fetched: both are the vault's. */
static bool needs_vault(const struct middleware_config *config)
{
    return (config->basic_auth && config->basic_auth->users_file.len) ||
           (config->digest_auth && config->digest_auth->users_file.len) ||
           (config->jwt && config->jwt->signing_secret.len == 0);
}

static bool is_apart(const struct http_middleware *middleware)
{
    return middleware->element.errors.count == 0 && middleware->element.status == ELEMENT_ENABLED &&
           !needs_vault(&middleware->config);
}

static struct slice name_of(const struct patched_middleware *patched)
{
    return (patched->fresh ? patched->fresh : patched->old)->element.name;
}

static struct patched_middleware *find(const struct patching *at, struct slice name)
{
    for (size_t i = 0; i < at->middleware_count; i++) {
        if (slice_eq(name_of(&at->middlewares[i]), name)) {
            return &at->middlewares[i];
        }
    }
    return NULL;
}

static struct patched_middleware *add(struct patching *at)
{
    at->middlewares = pool_grow(at->pool, at->middlewares, at->middleware_count, &at->middleware_capacity,
                                sizeof(*at->middlewares));
    at->middlewares[at->middleware_count] = (struct patched_middleware){.old = NULL};
    return &at->middlewares[at->middleware_count++];
}

/* ---- in the place of those that were there ---- */
static bool take_out(struct patching *at)
{
    struct model *model = at->model;

    for (size_t i = 0; i < at->patch->gone_count; i++) {
        const struct element *element = at->patch->gone[i].element;
        bool found;

        if (at->patch->gone[i].part != PART_MIDDLEWARE) {
            continue;
        }
        struct slice name = qualified(model->pool, element->name, element->provider);
        size_t place = patch_place(model->middlewares, model->middleware_count, name, &found);

        if (!found || !is_apart(model->middlewares[place])) {
            return false;
        }
        add(at)->old = model->middlewares[place];
        patch_touch(at, PART_MIDDLEWARE, name);
        (void)patch_take_out(model->middlewares, &model->middleware_count, name);
    }
    return true;
}

bool patch_middlewares_replace(struct patching *at)
{
    const struct model *more = at->patch->more;
    struct model *model = at->model;

    if (!take_out(at)) {
        return false;
    }
    for (size_t i = 0; i < more->middleware_count; i++) {
        struct http_middleware *fresh = middleware_take(model, more->middlewares[i]);
        struct patched_middleware *patched = find(at, fresh->element.name);

        if (!patch_put_last(model->middlewares, model->middleware_count)) {
            return false;
        }
        if (patched) {
            fresh->element.used_by = patched->old->element.used_by;
        } else {
            patched = add(at);
            patch_touch(at, PART_MIDDLEWARE, fresh->element.name);
        }
        patched->fresh = fresh;
    }
    return true;
}

/* ---- what is right with them ---- */
static void index_all(struct patching *at)
{
    struct resolver *resolver = &at->resolver;
    struct model *model = at->model;

    name_table_make(at->pool, &resolver->middlewares, model->middlewares, model->middleware_count);
    resolver->middleware_visits = pool_zalloc(at->pool, model->middleware_count + 1);
    resolver->chains = pool_zalloc(at->pool, (model->middleware_count + 1) * sizeof(*resolver->chains));
    for (size_t i = 0; i < model->middleware_count; i++) {
        const struct http_middleware *middleware = model->middlewares[i];

        if (middleware->element.status != ELEMENT_DISABLED && middleware->config.chain == NULL) {
            resolver->middleware_visits[i] = VISIT_GOOD;
        }
    }
}

static bool good(struct patching *at, struct http_middleware *middleware)
{
    uint32_t position;

    return middleware_use(&at->resolver, middleware->element.name, middleware->element.provider, NULL,
                          &position)
                   .len == 0 &&
           is_apart(middleware);
}

bool patch_middlewares_judge(struct patching *at)
{
    size_t services = at->model->service_count;
    bool all = true;

    index_all(at); /* chains are laid flat once more, which is not kept */
    for (size_t i = 0; i < at->middleware_count; i++) {
        struct http_middleware *fresh = at->middlewares[i].fresh;

        if (fresh) {
            at->resolver.middleware_visits[name_table_find(at->pool, &at->resolver.middlewares,
                                                           fresh->element.name, fresh->element.provider)] =
                VISIT_NEVER;
            middleware_qualify(&at->resolver, fresh);
        }
    }
    for (size_t i = 0; i < at->middleware_count && all; i++) {
        all = at->middlewares[i].fresh == NULL || good(at, at->middlewares[i].fresh);
    }
    return all && at->model->service_count == services; /* none of them has brought one */
}

/* ---- who refers to them ---- */
static bool means(struct slice name, struct slice provider, struct slice full)
{
    return slice_eq(name, full) || (slice_find(name, '@') < 0 && full.len == name.len + 1 + provider.len &&
                                    slice_has_prefix(full, name) && full.ptr[name.len] == '@' &&
                                    slice_eq(slice_from(full, name.len + 1), provider));
}

/* Some of the names are of those that came or went. */
static bool any_new(const struct patching *at, const struct list *names, struct slice provider)
{
    const struct slice *items = names->items;

    for (size_t i = 0; i < names->count; i++) {
        for (size_t k = 0; k < at->middleware_count; k++) {
            const struct patched_middleware *patched = &at->middlewares[k];

            if ((patched->old == NULL || patched->fresh == NULL) &&
                means(items[i], provider, name_of(patched))) {
                return true;
            }
        }
    }
    return false;
}

/* Others than what came with them, and was judged by what is there now. */
static bool nobody_calls_new(const struct patching *at)
{
    const struct model *model = at->model;
    bool any = false, calls = false;

    for (size_t i = 0; i < at->middleware_count; i++) {
        any = any || at->middlewares[i].old == NULL || at->middlewares[i].fresh == NULL;
    }
    for (size_t i = 0; any && !calls && i < model->router_count; i++) {
        calls = any_new(at, &model->routers[i]->config.middlewares, model->routers[i]->element.provider);
    }
    for (size_t i = 0; any && !calls && i < model->service_count; i++) {
        const struct http_service *service = model->services[i];

        calls = !patch_service_is_fresh(at, service) &&
                any_new(at, &service->config.middlewares, service->element.provider);
    }
    for (size_t i = 0; any && !calls && i < model->middleware_count; i++) {
        const struct http_middleware *middleware = model->middlewares[i];

        calls = middleware->config.chain && find(at, middleware->element.name) == NULL &&
                any_new(at, &middleware->config.chain->middlewares, middleware->element.provider);
    }
    return !calls;
}

/* ---- chains ---- */
static bool names_marked(struct patching *at, const struct list *names, struct slice provider,
                         const bool *marked)
{
    const struct slice *items = names->items;

    for (size_t i = 0; i < names->count; i++) {
        uint32_t position = name_table_find(at->pool, &at->resolver.middlewares, items[i], provider);

        if (position != NOWHERE && marked[position]) {
            return true;
        }
    }
    return false;
}

/* Those that are others, and over and over those that have one of them. NULL: there is none. */
static bool *mark_chains(struct patching *at)
{
    const struct model *model = at->model;
    bool *marked = pool_zalloc(at->pool, model->middleware_count + 1), more = false, any;

    for (size_t i = 0; i < at->middleware_count; i++) {
        const struct patched_middleware *patched = &at->middlewares[i];

        if (patched->old && patched->fresh && (patched->old->config.chain || patched->fresh->config.chain)) {
            marked[name_table_find(at->pool, &at->resolver.middlewares, name_of(patched),
                                   patched->fresh->element.provider)] = true;
            more = true;
        }
    }
    any = more;
    while (more) {
        more = false;
        for (size_t i = 0; i < model->middleware_count; i++) {
            const struct http_middleware *middleware = model->middlewares[i];

            if (!marked[i] && middleware->config.chain &&
                names_marked(at, &middleware->config.chain->middlewares, middleware->element.provider,
                             marked)) {
                marked[i] = more = true;
            }
        }
    }
    return any ? marked : NULL;
}

/* Full names: both were checked. */
static bool same_names(const struct http_router *left, const struct http_router *right)
{
    const struct list *a = &left->config.middlewares, *b = &right->config.middlewares;
    bool same = a->count == b->count;

    for (size_t i = 0; same && i < a->count; i++) {
        same = slice_eq(((const struct slice *)a->items)[i], ((const struct slice *)b->items)[i]);
    }
    return same;
}

static bool lay_flat(struct patching *at)
{
    struct model *model = at->model;
    const struct http_router *before = NULL;
    const bool *marked = mark_chains(at);

    for (size_t i = 0; marked && i < model->middleware_count; i++) {
        if (marked[i] && !good(at, model->middlewares[i])) {
            return false;
        }
    }
    for (size_t i = 0; marked && i < model->router_count; i++) {
        struct http_router *router = model->routers[i];

        if (!names_marked(at, &router->config.middlewares, router->element.provider, marked)) {
            continue;
        }
        if (before && router->entry_points.count && same_names(router, before)) {
            router->chain = before->chain; /* what all have is there once */
        } else if (router_lay_flat(&at->resolver, router)) {
            before = router;
            at->out->left_behind++;
        }
    }
    return true;
}

/* ---- services that they ask ---- */
static bool among(const struct patching *at, struct slice name, struct slice provider,
                  const struct http_middleware *middleware)
{
    const struct slice *names = middleware->services.items;

    for (size_t i = 0; i < middleware->services.count; i++) {
        if (slice_eq(qualified(at->pool, names[i], middleware->element.provider),
                     qualified(at->pool, name, provider))) {
            return true;
        }
    }
    return false;
}

/* A service that is asked no more is perhaps in use by nobody any more, unless it goes too. */
static bool asked_stay(struct patching *at)
{
    for (size_t i = 0; i < at->middleware_count; i++) {
        const struct http_middleware *old = at->middlewares[i].old, *fresh = at->middlewares[i].fresh;
        const struct slice *names = old ? old->services.items : NULL;

        for (size_t k = 0; old && k < old->services.count; k++) {
            struct slice full = qualified(at->pool, names[k], old->element.provider);

            if (!(fresh && among(at, names[k], old->element.provider, fresh)) &&
                name_table_find(at->pool, &at->resolver.services, full, old->element.provider) != NOWHERE) {
                return false;
            }
        }
        names = fresh ? fresh->services.items : NULL;
        for (size_t k = 0; fresh && fresh->element.used_by.count && k < fresh->services.count; k++) {
            service_reach(&at->resolver, names[k], fresh->element.provider);
        }
    }
    return true;
}

bool patch_middlewares_apart(struct patching *at)
{
    return at->middleware_count == 0 || (nobody_calls_new(at) && lay_flat(at) && asked_stay(at));
}
