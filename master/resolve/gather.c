/*
 * gather.c - the providers' models become one: full names, default entry points, what entry points add to routers.
 *
 * A router on an entry point that adds something (middlewares, TLS, a rule syntax...) gets a copy of its own for that
 * entry point; where the router has several, the copy is called ENTRYPOINT-NAME@PROVIDER, as in Traefik.
 * Not here: the internal provider's objects (internal.c), references (middlewares.c, services.c, routers.c).
 */
#include "master/resolve/resolver.h"
#include "master/static/load.h"

#include "common/base/text.h"
#include "common/net/addr.h"

#define POINTS_TOLD 8

/* ---- entry points ---- */

const struct entry_point_model *point_find(const struct resolver *resolver, struct slice name)
{
    size_t low = 0, high = resolver->point_count; /* in the order of the static configuration: sorted */

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = slice_cmp(resolver->points[middle].name, name);

        if (order == 0) {
            return &resolver->points[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* "a, b": those of the protocol, the first few. */
static void points_print(const struct resolver *resolver, bool tcp, struct text *out)
{
    size_t count = 0;

    for (size_t i = 0; i < resolver->point_count; i++) {
        if (resolver->points[i].tcp == tcp && count++ < POINTS_TOLD) {
            text_printf(out, "%s%.*s", count > 1 ? ", " : "", SLICE_ARG(resolver->points[i].name));
        }
    }
    text_add_cstr(out, count > POINTS_TOLD ? "..." : "");
}

void point_missing(struct resolver *resolver, struct element *element, struct slice name, bool tcp)
{
    const struct entry_point_model *point = point_find(resolver, name);
    struct text others;

    text_init(&others);
    points_print(resolver, tcp, &others);
    if (point) {
        element_error(resolver->model, element, false,
                      "entryPoint \"%.*s\" doesn't exist here: it is one of %s", SLICE_ARG(name),
                      point->tcp ? "TCP" : "UDP");
    } else {
        element_error(resolver->model, element, false, "entryPoint \"%.*s\" doesn't exist%s%.*s%s",
                      SLICE_ARG(name), others.len ? " (there are " : "", SLICE_ARG(text_slice(&others)),
                      others.len ? ")" : "");
    }
    text_free(&others);
}

static bool denies_characters(const struct encoded_characters *allow)
{
    return !(allow->allow_encoded_slash && allow->allow_encoded_back_slash &&
             allow->allow_encoded_null_character && allow->allow_encoded_semicolon &&
             allow->allow_encoded_percent && allow->allow_encoded_question_mark && allow->allow_encoded_hash);
}

static bool observes(const struct router_observability *observability)
{
    return observability->access_logs.set || observability->metrics.set || observability->tracing.set ||
           !slice_eq(observability->trace_verbosity, SLICE("minimal"));
}

static void points_make(struct resolver *resolver)
{
    const struct map *map = &resolver->config->entry_points;
    const struct entry_point *configs = map->values;

    resolver->points = pool_zalloc(resolver->model->pool, (map->count + 1) * sizeof(*resolver->points));
    resolver->point_count = map->count;
    for (size_t i = 0; i < map->count; i++) {
        struct entry_point_model *point = &resolver->points[i];
        struct address address;
        bool udp = false;

        point->name = map->keys[i];
        point->config = &configs[i];
        point->tcp = entry_point_address(&configs[i], &address, &udp, NULL) == 0 && !udp;
        point->adds = configs[i].http.middlewares.count > 0 || configs[i].http.tls ||
                      resolver->default_syntax.len || observes(&configs[i].observability) ||
                      denies_characters(&configs[i].http.encoded_characters);
    }
}

static void default_points_make(struct resolver *resolver)
{
    bool marked = false;
    size_t capacity = 0;

    for (size_t i = 0; i < resolver->point_count; i++) {
        marked = marked || resolver->points[i].config->as_default;
    }
    for (size_t i = 0; i < resolver->point_count; i++) {
        const struct entry_point_model *point = &resolver->points[i];

        if (point->tcp && !slice_eq(point->name, SLICE("traefik")) &&
            (!marked || point->config->as_default)) {
            list_add_slice(resolver->model->pool, &resolver->default_points, &capacity, point->name);
        }
    }
}

/* ---- routers ---- */

uint32_t precedence_of(const struct resolver *resolver, struct slice provider)
{
    const struct list *names = &resolver->config->providers.precedence;
    uint32_t i;

    for (i = 0; i < names->count; i++) {
        if (slice_eq(((const struct slice *)names->items)[i], provider)) {
            break;
        }
    }
    return i; /* behind all others when it is not named, as the internal one */
}

static struct http_router *copy_add(struct resolver *resolver, const struct http_router *from,
                                    struct slice name, struct slice provider)
{
    struct http_router *copy =
        model_adopt_router(resolver->model, qualified(resolver->model->pool, name, provider), provider);
    struct slice full = copy->element.name;

    copy->config = from->config;
    copy->element = from->element;
    copy->element.name = full;
    copy->element.provider = provider;
    copy->precedence = precedence_of(resolver, provider);
    if (copy->config.rule_syntax.len == 0 && copy->config.parent_refs.count == 0) {
        copy->config.rule_syntax = resolver->default_syntax;
    }
    return copy;
}

static struct list joined(struct pool *pool, struct list first, struct list second)
{
    struct list out = {NULL, first.count + second.count};
    struct slice *items;

    if (first.count == 0 || second.count == 0) {
        return first.count ? first : second;
    }
    items = pool_alloc(pool, out.count * sizeof(*items));
    memcpy(items, first.items, first.count * sizeof(*items));
    memcpy(items + first.count, second.items, second.count * sizeof(*items));
    out.items = items;
    return out;
}

static void observability_add(struct pool *pool, struct http_router *router,
                              const struct router_observability *more)
{
    struct router_observability *merged = pool_zalloc(pool, sizeof(*merged));

    if (router->config.observability) {
        *merged = *router->config.observability;
    }
    merged->access_logs = merged->access_logs.set ? merged->access_logs : more->access_logs;
    merged->metrics = merged->metrics.set ? merged->metrics : more->metrics;
    merged->tracing = merged->tracing.set ? merged->tracing : more->tracing;
    merged->trace_verbosity = merged->trace_verbosity.len ? merged->trace_verbosity : more->trace_verbosity;
    router->config.observability = merged;
}

static void point_apply(struct resolver *resolver, struct http_router *router,
                        const struct entry_point_model *point)
{
    const struct entry_point_http *http = &point->config->http;
    struct pool *pool = resolver->model->pool;
    struct slice *only = pool_alloc(pool, sizeof(*only));

    *only = point->name;
    router->config.entry_points = (struct list){only, 1};
    if (router->config.tls == NULL) {
        router->config.tls = http->tls;
    }
    router->config.middlewares = joined(pool, http->middlewares, router->config.middlewares);
    observability_add(pool, router, &point->config->observability);
}

void router_add(struct resolver *resolver, const struct http_router *from, struct slice name,
                struct slice provider)
{
    struct pool *pool = resolver->model->pool;
    bool child = from->config.parent_refs.count > 0;
    struct list points = from->config.entry_points, rest = {NULL, 0};
    size_t rest_capacity = 0, made = 0;

    if (points.count == 0 && !child) {
        points = resolver->default_points;
    }
    for (size_t i = 0; i < points.count && !child; i++) {
        struct slice point_name = ((const struct slice *)points.items)[i];
        const struct entry_point_model *point = point_find(resolver, point_name);

        if (point && point->adds) {
            struct slice copy_name =
                points.count == 1 ? name
                                  : pool_printf(pool, "%.*s-%.*s", SLICE_ARG(point_name), SLICE_ARG(name));
            struct http_router *copy = copy_add(resolver, from, copy_name, provider);

            point_apply(resolver, copy, point);
            if (points.count > 1) {
                copy->made_of = qualified(pool, name, provider);
            }
            made++;
        }
    }
    if (made == 0) { /* the usual case: nothing is copied but the struct */
        copy_add(resolver, from, name, provider)->config.entry_points = points;
        return;
    }
    for (size_t i = 0; i < points.count; i++) {
        struct slice point_name = ((const struct slice *)points.items)[i];
        const struct entry_point_model *point = point_find(resolver, point_name);

        if (point == NULL || !point->adds) {
            list_add_slice(pool, &rest, &rest_capacity, point_name);
        }
    }
    if (rest.count) {
        copy_add(resolver, from, name, provider)->config.entry_points = rest;
    }
}

/* ---- all ---- */

/* The name and provider that the object has in the result; its errors and origin stay. */
static void element_take(struct element *to, const struct element *from)
{
    struct slice name = to->name;

    *to = *from;
    to->name = name;
}

struct http_service *service_take(struct model *model, const struct http_service *from)
{
    const struct element *element = &from->element;
    struct http_service *service =
        model_add_service(model, qualified(model->pool, element->name, element->provider), element->provider);

    element_take(&service->element, element);
    service->config = from->config;
    return service;
}

struct http_middleware *middleware_take(struct model *model, const struct http_middleware *from)
{
    const struct element *element = &from->element;
    struct http_middleware *middleware = model_add_middleware(
        model, qualified(model->pool, element->name, element->provider), element->provider);

    element_take(&middleware->element, element);
    middleware->config = from->config;
    return middleware;
}

static void take_model(struct resolver *resolver, const struct model *from)
{
    struct model *model = resolver->model;

    for (size_t i = 0; i < from->router_count; i++) {
        const struct http_router *router = from->routers[i];
        router_add(resolver, router, router->element.name, router->element.provider);
    }
    for (size_t i = 0; i < from->service_count; i++) {
        (void)service_take(model, from->services[i]);
    }
    for (size_t i = 0; i < from->middleware_count; i++) {
        (void)middleware_take(model, from->middlewares[i]);
    }
    for (size_t i = 0; i < from->transport_count; i++) {
        const struct element *element = &from->transports[i]->element;
        struct servers_transport *transport = model_add_transport(
            model, qualified(model->pool, element->name, element->provider), element->provider);
        element_take(&transport->element, element);
        transport->config = from->transports[i]->config;
    }
    layer4_take(resolver, from);
    for (size_t i = 0; i < from->notice_count; i++) {
        model_notice(model, from->notices[i].is_error, &from->notices[i].origin, "%.*s",
                     SLICE_ARG(from->notices[i].text));
    }
}

size_t unique(struct model *model, const char *what, void *objects, size_t count)
{
    struct element **elements = objects;
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (kept && slice_eq(elements[kept - 1]->name, elements[i]->name)) {
            const struct origin *first = &elements[kept - 1]->origin;
            model_notice(model, true, &elements[i]->origin,
                         "%s %.*s is defined twice, the other one (%.*s%s%.*s:%u) is "
                         "used",
                         what, SLICE_ARG(elements[i]->name), SLICE_ARG(first->object),
                         first->object.len ? " " : "", SLICE_ARG(first->file), first->line);
        } else {
            elements[kept++] = elements[i];
        }
    }
    return kept;
}

void gather_points(struct resolver *resolver)
{
    resolver->default_syntax = resolver->config->core.default_rule_syntax;
    points_make(resolver);
    default_points_make(resolver);
}

void gather(struct resolver *resolver, struct model *const *models, size_t count)
{
    struct model *model = resolver->model;

    gather_points(resolver);
    for (size_t i = 0; i < count; i++) {
        if (models[i]) {
            take_model(resolver, models[i]);
        }
    }
    gather_internal(resolver);
    tls_conflicts_resolve(resolver);
    model_sort(model);
    model->router_count = unique(model, "router", model->routers, model->router_count);
    model->service_count = unique(model, "service", model->services, model->service_count);
    model->middleware_count = unique(model, "middleware", model->middlewares, model->middleware_count);
    model->transport_count = unique(model, "servers transport", model->transports, model->transport_count);
    layer4_unique(resolver);
    layer4_tables(resolver);
}
