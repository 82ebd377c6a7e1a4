/*
 * routers.c - which routers are served: entry points, priority, service, middlewares, rule; and who uses what.
 *
 * A router with any critical error is disabled, all others serve (I1). Error texts that Traefik has too are worded as
 * there. Everything wrong with a router is told, not only the first thing.
 */
#include <inttypes.h>

#include "common/rule/rule.h"
#include "master/resolve/resolver.h"

static bool is_internal(const struct http_router *router)
{
    return slice_eq(router->element.provider, SLICE("internal"));
}

/* The entry points that exist, in order, each once. */
static void points_check(struct resolver *resolver, struct http_router *router)
{
    const struct slice *names = router->config.entry_points.items;
    struct list *out = &router->entry_points;
    bool all = true, ordered = true;
    size_t capacity = 0;

    for (size_t i = 0; i < router->config.entry_points.count; i++) {
        const struct entry_point_model *point = point_find(resolver, names[i]);

        if (point == NULL || !point->tcp) {
            point_missing(resolver, &router->element, names[i], true);
            all = false;
        }
        ordered = ordered && (i == 0 || slice_cmp(names[i - 1], names[i]) < 0);
    }
    if (all && ordered) { /* the usual case: the list is shared */
        *out = router->config.entry_points;
    }
    for (size_t i = 0; i < resolver->point_count && !(all && ordered); i++) {
        for (size_t k = 0; k < router->config.entry_points.count; k++) {
            if (resolver->points[i].tcp && slice_eq(resolver->points[i].name, names[k])) {
                list_add_slice(resolver->model->pool, out, &capacity, names[k]);
                break;
            }
        }
    }
    if (out->count == 0 && !router->child) {
        element_error(resolver->model, &router->element, true, "no valid entryPoint for this router");
    }
}

static void priority_check(struct resolver *resolver, struct http_router *router)
{
    if (router->config.priority == 0) {
        router->config.priority = (int64_t)router->config.rule.len;
    }
    router->priority = router->config.priority;
    if (router->priority > PRIORITY_USER_MAX && !is_internal(router)) {
        element_error(resolver->model, &router->element, true,
                      "the router priority %" PRId64 " exceeds the max user-defined priority %" PRId64,
                      router->priority, (int64_t)PRIORITY_USER_MAX);
    }
}

static void service_check(struct resolver *resolver, struct http_router *router)
{
    struct pool *pool = resolver->model->pool;
    struct slice text;

    if (router->children.count) {
        (void)layers_children_check(resolver, router);
        return;
    }
    if (router->config.service.len == 0 && router->element.status == ELEMENT_DISABLED) {
        return; /* the provider has said why there is none */
    }
    if (router->config.service.len == 0) {
        element_error(resolver->model, &router->element, true, "router has no service and no child routers");
        element_error(resolver->model, &router->element, true,
                      "router must have either a service or child routers");
        return;
    }
    text = service_use(resolver, router->config.service, router->element.provider, NULL);
    if (text.len) {
        uint32_t position =
            name_table_find(pool, &resolver->services, router->config.service, router->element.provider);

        text = position == NOWHERE
                   ? text
                   : blamed(pool, &router->element, &resolver->model->services[position]->element, text);
        element_error(resolver->model, &router->element, true, "%.*s", SLICE_ARG(text));
    }
}

/* The names are full ones, and all of them are good. */
static void chain_make(struct resolver *resolver, struct http_router *router, bool flat)
{
    const struct list names = router->config.middlewares;
    size_t capacity = 0;

    router->chain = flat ? names : (struct list){NULL, 0}; /* the usual case: one list for both */
    for (size_t i = 0; !flat && i < names.count; i++) {
        uint32_t position = name_table_find(resolver->model->pool, &resolver->middlewares,
                                            ((const struct slice *)names.items)[i], (struct slice){NULL, 0});

        middleware_append(resolver, position, &router->chain, &capacity);
    }
}

static void middlewares_check(struct resolver *resolver, struct http_router *router)
{
    struct pool *pool = resolver->model->pool;
    const struct list from = router->config.middlewares;
    bool good = true, flat = true;
    struct slice *names;

    if (from.count == 0) {
        return;
    }
    names = pool_alloc(pool, from.count * sizeof(*names));
    for (size_t i = from.count; i-- > 0;) { /* from the last to the first, as Traefik builds them */
        uint32_t position;
        struct slice text;

        names[i] = qualified(pool, ((const struct slice *)from.items)[i], router->element.provider);
        text = middleware_use(resolver, names[i], router->element.provider, NULL, &position);
        if (text.len && position != NOWHERE) {
            text = blamed(pool, &router->element, &resolver->model->middlewares[position]->element, text);
        }
        if (text.len) {
            element_error(resolver->model, &router->element, true, "%.*s", SLICE_ARG(text));
            good = false;
        } else {
            names[i] = resolver->model->middlewares[position]->element.name;
            flat = flat && resolver->model->middlewares[position]->config.chain == NULL;
        }
    }
    router->config.middlewares = (struct list){names, from.count};
    if (good) {
        chain_make(resolver, router, flat);
    }
}

bool router_lay_flat(struct resolver *resolver, struct http_router *router)
{
    const struct slice *names = router->config.middlewares.items;
    bool good = router->entry_points.count > 0, flat = true;

    for (size_t i = 0; i < router->config.middlewares.count && good; i++) {
        uint32_t position;

        good = middleware_use(resolver, names[i], router->element.provider, NULL, &position).len == 0;
        flat = flat && good && resolver->model->middlewares[position]->config.chain == NULL;
    }
    if (good) {
        chain_make(resolver, router, flat);
    }
    return good;
}

static struct slice text_kept(struct pool *pool, struct slice text, struct slice whole)
{
    bool inside = text.ptr >= whole.ptr && text.ptr + text.len <= whole.ptr + whole.len;

    return text.len == 0 || inside ? text : pool_copy(pool, text);
}

/* The tree without what parsing needed besides: a third of the memory. The regexes move along. */
static struct rule *rule_kept(struct pool *pool, const struct rule *from, struct slice whole)
{
    struct rule *rule = from ? pool_alloc(pool, sizeof(*rule)) : NULL;

    if (rule == NULL) {
        return NULL;
    }
    *rule = *from;
    rule->name = text_kept(pool, from->name, whole);
    rule->value = text_kept(pool, from->value, whole);
    rule->left = rule_kept(pool, from->left, whole);
    rule->right = rule_kept(pool, from->right, whole);
    return rule;
}

static void rule_check(struct resolver *resolver, struct http_router *router)
{
    struct error why = {0};
    struct rule *rule = NULL;

    router->v2 = slice_eq(router->config.rule_syntax, SLICE("v2"));
    if (slice_trim(router->config.rule).len == 0) {
        element_error(resolver->model, &router->element, true,
                      "error while parsing rule %.*s: it is empty: write one, as Host(`example.com`)",
                      SLICE_ARG(router->config.rule));
    } else if (rule_parse(resolver->scratch, router->config.rule, router->v2 ? RULE_V2 : RULE_V3, &rule,
                          &why) < 0) {
        element_error(resolver->model, &router->element, true, "error while parsing rule %.*s: %s",
                      SLICE_ARG(router->config.rule), why.text);
    } else {
        router->rule = rule_kept(resolver->model->pool, rule, router->config.rule);
        rule_hint(resolver, router);
    }
    pool_reset(resolver->scratch);
}

/* What the API shows of every router. */
static void observability_fill(struct http_router *router, struct pool *pool,
                               struct router_observability **standard)
{
    const struct opt_bool on = {.set = true, .value = true};
    struct router_observability *filled = *standard;

    if (router->config.observability) {
        filled = pool_alloc(pool, sizeof(*filled));
        *filled = *router->config.observability;
    } else if (filled == NULL) {
        filled = *standard = pool_zalloc(pool, sizeof(*filled));
    }
    filled->access_logs = filled->access_logs.set ? filled->access_logs : on;
    filled->metrics = filled->metrics.set ? filled->metrics : on;
    filled->tracing = filled->tracing.set ? filled->tracing : on;
    filled->trace_verbosity = filled->trace_verbosity.len ? filled->trace_verbosity : SLICE("minimal");
    router->config.observability = filled;
}

static void tls_options_check(struct resolver *resolver, struct http_router *router)
{
    struct slice text = tls_options_use(resolver, router->config.tls->options, router->element.provider);

    if (text.len) {
        element_error(resolver->model, &router->element, true, "building router handler: %.*s",
                      SLICE_ARG(text));
    }
}

/* Options that it names and does not get: see tls_conflicts.c. */
static void tls_options_note(struct resolver *resolver, struct http_router *router)
{
    struct slice wanted =
        tls_options_name(resolver->model->pool, router->config.tls->options, router->element.provider);

    if (router->rule == NULL || slice_eq(wanted, router->tls_options)) {
        return;
    }
    if (tls_rule_has_host(router->rule)) {
        element_error(resolver->model, &router->element, false,
                      "router's TLSOptions configuration is conflicting with other routers on the same "
                      "entrypoint and host, default TLS options will be used instead");
    } else {
        element_error(resolver->model, &router->element, false,
                      "no domain found in rule %.*s, the TLS option %.*s cannot be applied",
                      SLICE_ARG(router->config.rule), SLICE_ARG(wanted));
    }
}

/* Below others: no entry points, no TLS. Its own children come first. */
static void child_check(struct resolver *resolver, struct http_router *router)
{
    const uint32_t *children = router->children.items;

    if (router->checked) {
        return;
    }
    router->checked = true;
    for (size_t i = 0; i < router->children.count; i++) {
        child_check(resolver, resolver->model->routers[children[i]]);
    }
    if (router->config.entry_points.count) { /* it must have none, and is shown with them */
        points_check(resolver, router);
    }
    if (router->entry_points.count) {
        priority_check(resolver, router);
    }
    if (router->element.status != ELEMENT_DISABLED) {
        if (router->config.priority == 0) {
            router->config.priority = (int64_t)router->config.rule.len;
        }
        router->priority = router->config.priority;
        service_check(resolver, router);
        middlewares_check(resolver, router);
        rule_check(resolver, router);
    }
}

static void router_check(struct resolver *resolver, struct http_router *router)
{
    points_check(resolver, router);
    if (router->entry_points.count == 0) {
        return; /* Traefik looks no further either */
    }
    if (router->config.tls) {
        tls_options_check(resolver, router);
    }
    priority_check(resolver, router);
    service_check(resolver, router);
    middlewares_check(resolver, router);
    rule_check(resolver, router);
    if (router->config.tls) {
        tls_options_note(resolver, router);
    }
}

void router_check_one(struct resolver *resolver, struct http_router *router)
{
    struct router_observability *standard = NULL;

    router_check(resolver, router);
    observability_fill(router, resolver->model->pool, &standard);
}

void routers_check_all(struct resolver *resolver)
{
    struct model *model = resolver->model;
    struct router_observability *standard = NULL;

    for (size_t i = 0; i < model->router_count; i++) {
        if (model->routers[i]->child) {
            child_check(resolver, model->routers[i]);
        }
    }
    for (size_t i = 0; i < model->router_count; i++) {
        struct http_router *router = model->routers[i];

        if (!router->child) {
            router_check(resolver, router);
            observability_fill(router, model->pool, &standard);
        }
    }
}

/* ---- who uses what ---- */

struct usage {
    uint32_t *counts;
    struct element **elements;
};

static void usage_count(struct usage *usage, uint32_t position)
{
    if (position != NOWHERE) {
        usage->counts[position]++;
    }
}

static void usage_add(struct pool *pool, struct usage *usage, uint32_t position, struct slice user)
{
    struct list *list;

    if (position == NOWHERE) {
        return;
    }
    list = &usage->elements[position]->used_by;
    if (list->items == NULL) {
        list->items = pool_alloc(pool, usage->counts[position] * sizeof(struct slice));
    }
    ((struct slice *)list->items)[list->count++] = user;
}

/* Counts first, then writes: a service that a million routers use costs no more than a million services. */
static void usage_walk(struct resolver *resolver, struct usage *services, struct usage *middlewares,
                       bool write)
{
    struct model *model = resolver->model;

    for (size_t i = 0; i < model->router_count; i++) {
        const struct http_router *router = model->routers[i];
        struct slice provider = router->element.provider, user = router->element.name;
        const struct slice *names = router->config.middlewares.items;
        uint32_t position =
            name_table_find(model->pool, &resolver->services, router->config.service, provider);

        if (write) {
            usage_add(model->pool, services, position, user);
        } else {
            usage_count(services, position);
        }
        for (size_t k = 0; k < router->config.middlewares.count; k++) {
            position = name_table_find(model->pool, &resolver->middlewares, names[k], provider);
            if (write) {
                usage_add(model->pool, middlewares, position, user);
            } else {
                usage_count(middlewares, position);
            }
        }
    }
}

static void reach_name(struct resolver *resolver, const struct http_service *from, struct slice name,
                       unsigned depth);

static void reach(struct resolver *resolver, uint32_t position, unsigned depth)
{
    struct http_service *service = position == NOWHERE ? NULL : resolver->model->services[position];
    const struct service_config *config = service ? &service->config : NULL;

    if (service == NULL || service->reached || depth > DEPTH_MAX) {
        return;
    }
    service->reached = true;
    sticky_fill(resolver->model->pool, service);
    if (config->weighted || config->highest_random_weight) {
        const struct weighted *weighted = config->weighted ? config->weighted : config->highest_random_weight;
        const struct weighted_service *children = weighted->services.items;

        for (size_t i = 0; i < weighted->services.count; i++) {
            reach_name(resolver, service, children[i].name, depth);
        }
    } else if (config->mirroring) {
        const struct mirror_service *mirrors = config->mirroring->mirrors.items;

        reach_name(resolver, service, config->mirroring->service, depth);
        for (size_t i = 0; i < config->mirroring->mirrors.count; i++) {
            reach_name(resolver, service, mirrors[i].name, depth);
        }
    } else if (config->failover) {
        reach_name(resolver, service, config->failover->service, depth);
        reach_name(resolver, service, config->failover->fallback, depth);
    }
}

static void reach_name(struct resolver *resolver, const struct http_service *from, struct slice name,
                       unsigned depth)
{
    reach(resolver, name_table_find(resolver->model->pool, &resolver->services, name, from->element.provider),
          depth + 1);
}

void service_reach(struct resolver *resolver, struct slice name, struct slice provider)
{
    reach(resolver, name_table_find(resolver->model->pool, &resolver->services, name, provider), 0);
}

/* Services that middlewares in use ask. */
static void reach_asked(struct resolver *resolver, const struct usage *middlewares)
{
    struct model *model = resolver->model;

    for (size_t i = 0; i < model->middleware_count; i++) {
        const struct http_middleware *middleware = model->middlewares[i];
        const struct slice *names = middleware->services.items;

        for (size_t k = 0; middlewares->counts[i] && k < middleware->services.count; k++) {
            service_reach(resolver, names[k], middleware->element.provider);
        }
    }
}

void used_by_fill(struct resolver *resolver)
{
    struct model *model = resolver->model;
    struct usage services = {.elements = resolver->services.elements};
    struct usage middlewares = {.elements = resolver->middlewares.elements};

    services.counts = pool_zalloc(model->pool, (model->service_count + 1) * sizeof(uint32_t));
    middlewares.counts = pool_zalloc(model->pool, (model->middleware_count + 1) * sizeof(uint32_t));
    usage_walk(resolver, &services, &middlewares, false);
    usage_walk(resolver, &services, &middlewares, true);
    for (size_t i = 0; i < model->router_count; i++) {
        const struct http_router *router = model->routers[i];

        if (router->entry_points.count || router->child) {
            service_reach(resolver, router->config.service, router->element.provider);
        }
    }
    reach_asked(resolver, &middlewares);
}
