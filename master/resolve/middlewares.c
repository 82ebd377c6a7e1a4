/*
 * middlewares.c - which middlewares can run, and chains laid flat.
 *
 * Error texts that Traefik has too are worded as there: they are seen in the API.
 */
#include "master/resolve/resolver.h"

#define NOTHING ((struct slice){NULL, 0})
#define CHAIN_MAX 1000 /* members of members: chains of chains grow fast */

/* Where a message ends is not for a middleware to say. */
static void note_framing(struct resolver *resolver, struct http_middleware *middleware, const char *option,
                         const struct string_map *map)
{
    static const char *const names[] = {"Content-Length", "Transfer-Encoding", "Trailer"};

    for (size_t i = 0; i < map->count; i++) {
        for (size_t k = 0; k < ARRAY_LEN(names); k++) {
            if (slice_eq_nocase(map->items[i].key, slice_cstr(names[k]))) {
                element_error(resolver->model, &middleware->element, false,
                              "headers.%s.%s has no effect: it frames the message", option, names[k]);
            }
        }
    }
}

static void note_headers(struct resolver *resolver, struct http_middleware *middleware)
{
    const struct set_headers *headers = middleware->config.set_headers;

    if (headers) {
        note_framing(resolver, middleware, "customRequestHeaders", &headers->custom_request_headers);
        note_framing(resolver, middleware, "customResponseHeaders", &headers->custom_response_headers);
    }
}

/* What keeps a middleware from running, its references aside. */
static struct slice wrong(struct resolver *resolver, struct http_middleware *middleware)
{
    const struct middleware_config *config = &middleware->config;
    struct error why = {0};
    enum middleware_kind kind;
    const void *params;

    if (!middleware_config_kind(config, &kind, &params, &why)) {
        return pool_copy(resolver->model->pool, slice_cstr(why.text));
    }
    if (config->add_prefix && config->add_prefix->prefix.len == 0) {
        return SLICE("prefix cannot be empty");
    }
    if (config->redirect_scheme && config->redirect_scheme->scheme.len == 0) {
        return SLICE("you must provide a target scheme");
    }

    struct slice text = NOTHING;

    (void)prepare_middleware(resolver, middleware, kind, params, &text);
    return text;
}

/* The result has a chain of its own for that. */
void middleware_qualify(struct resolver *resolver, struct http_middleware *middleware)
{
    const struct chain *from = middleware->config.chain;
    struct pool *pool = resolver->model->pool;
    struct chain *to = from ? pool_zalloc(pool, sizeof(*to)) : NULL;
    size_t capacity = 0;

    if (from == NULL) {
        return;
    }

    for (size_t i = 0; i < from->middlewares.count; i++) {
        list_add_slice(pool, &to->middlewares, &capacity,
                       qualified(pool, ((const struct slice *)from->middlewares.items)[i],
                                 middleware->element.provider));
    }
    middleware->config.chain = to;
}

/* Members are made from the last to the first, as in Traefik: so the last bad one is named first. */
static struct slice chain_follow(struct resolver *resolver, struct http_middleware *middleware,
                                 struct list *flat, const struct frame *above)
{
    struct frame here = {
        .above = above, .name = middleware->element.name, .depth = above ? above->depth + 1 : 0};
    const struct list *members = &middleware->config.chain->middlewares;
    uint32_t *positions = pool_alloc(resolver->model->pool, (members->count + 1) * sizeof(*positions));
    size_t capacity = 0;

    for (size_t i = members->count; i-- > 0;) {
        struct slice text = middleware_use(resolver, ((const struct slice *)members->items)[i],
                                           middleware->element.provider, &here, &positions[i]);

        if (text.len) {
            return positions[i] == NOWHERE
                       ? text
                       : blamed(resolver->model->pool, &middleware->element,
                                &resolver->model->middlewares[positions[i]]->element, text);
        }
    }
    for (size_t i = 0; i < members->count; i++) {
        middleware_append(resolver, positions[i], flat, &capacity);
        if (flat->count > CHAIN_MAX) {
            return pool_printf(resolver->model->pool, "the chain has more than %d middlewares", CHAIN_MAX);
        }
    }
    return NOTHING;
}

/* Its state is known afterwards; the text of what is wrong is kept with it. */
static struct slice visit(struct resolver *resolver, uint32_t position, const struct frame *above)
{
    struct http_middleware *middleware = resolver->model->middlewares[position];
    struct slice text = recursion(resolver->model->pool, "middleware", middleware->element.name, above);

    if (text.len == 0 && resolver->middleware_visits[position] == VISIT_GOOD) {
        return NOTHING;
    }
    if (text.len == 0 && middleware->element.status == ELEMENT_DISABLED) {
        return errors_joined(resolver->model->pool, &middleware->element);
    }
    if (text.len == 0) {
        text = wrong(resolver, middleware);
    }
    if (text.len == 0 && middleware->config.chain) {
        text = chain_follow(resolver, middleware, &resolver->chains[position], above);
    }
    if (text.len) {
        element_error(resolver->model, &middleware->element, true, "%.*s", SLICE_ARG(text));
        resolver->middleware_visits[position] = VISIT_BAD;
    } else {
        note_headers(resolver, middleware);
        resolver->middleware_visits[position] = VISIT_GOOD;
    }
    return text;
}

struct slice middleware_use(struct resolver *resolver, struct slice name, struct slice provider,
                            const struct frame *above, uint32_t *position)
{
    struct pool *pool = resolver->model->pool;

    *position = name_table_find(pool, &resolver->middlewares, name, provider);
    if (*position == NOWHERE) {
        return pool_printf(pool, "middleware \"%.*s\" does not exist",
                           SLICE_ARG(qualified(pool, name, provider)));
    }
    return visit(resolver, *position, above);
}

void middleware_append(struct resolver *resolver, uint32_t position, struct list *chain, size_t *capacity)
{
    const struct http_middleware *middleware = resolver->model->middlewares[position];

    if (middleware->config.chain == NULL) {
        list_add_slice(resolver->model->pool, chain, capacity, middleware->element.name);
        return;
    }
    for (size_t i = 0; i < resolver->chains[position].count; i++) {
        list_add_slice(resolver->model->pool, chain, capacity,
                       ((const struct slice *)resolver->chains[position].items)[i]);
    }
}

void middlewares_check_all(struct resolver *resolver)
{
    struct model *model = resolver->model;

    name_table_make(model->pool, &resolver->middlewares, model->middlewares, model->middleware_count);
    resolver->middleware_visits = pool_zalloc(model->pool, model->middleware_count + 1);
    resolver->chains = pool_zalloc(model->pool, (model->middleware_count + 1) * sizeof(*resolver->chains));
    for (size_t i = 0; i < model->middleware_count; i++) {
        middleware_qualify(resolver, model->middlewares[i]);
    }
    for (size_t i = 0; i < model->middleware_count; i++) {
        visit(resolver, (uint32_t)i, NULL);
    }
}
