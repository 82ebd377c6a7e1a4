/*
 * tcp.c - which TCP middlewares and routers make sense: entry points, rule, priority, TLS, service, middlewares.
 *
 * Error texts that Traefik has too are worded as there: they are seen in the API. Everything wrong with a router is told.
 */
#include <inttypes.h>

#include "common/net/addr.h"
#include "common/rule/rule.h"
#include "master/resolve/resolver.h"

/* ---- middlewares ---- */

static void ranges_check(struct resolver *resolver, struct tcp_middleware *middleware,
                         const struct tcp_ip_list *list, const char *lister)
{
    const struct slice *ranges = list->source_range.items;

    if (list->source_range.count == 0) {
        element_error(resolver->model, &middleware->element, true, "sourceRange is empty, %s not created",
                      lister);
    }
    for (size_t i = 0; i < list->source_range.count; i++) {
        struct cidr range;
        struct error why = {0};

        if (!cidr_parse(ranges[i], &range, &why)) {
            element_error(resolver->model, &middleware->element, true, "cannot parse CIDRs: %s", why.text);
        }
    }
}

static void middleware_check(struct resolver *resolver, struct tcp_middleware *middleware)
{
    const struct tcp_middleware_config *config = &middleware->config;
    size_t kinds = (size_t)(config->in_flight_conn != NULL) + (config->ip_white_list != NULL) +
                   (config->ip_allow_list != NULL);

    if (middleware->element.status == ELEMENT_DISABLED) {
        return;
    }
    if (kinds == 0) {
        element_error(resolver->model, &middleware->element, true,
                      "invalid middleware \"%.*s\" configuration: invalid middleware type or middleware does "
                      "not exist",
                      SLICE_ARG(middleware->element.name));
    }
    if (kinds > 1) {
        element_error(resolver->model, &middleware->element, false,
                      "there is more than one kind of middleware in it: %s is used",
                      config->ip_allow_list ? "ipAllowList" : "ipWhiteList");
    }
    if (config->ip_allow_list) {
        ranges_check(resolver, middleware, config->ip_allow_list, "IPAllowLister");
    } else if (config->ip_white_list) {
        ranges_check(resolver, middleware, config->ip_white_list, "IPWhiteLister");
    }
}

/* ---- routers ---- */

static void middlewares_check(struct resolver *resolver, struct tcp_router *router)
{
    struct pool *pool = resolver->model->pool;
    const struct list from = router->config.middlewares;
    struct slice *names;

    if (from.count == 0) {
        return;
    }
    names = pool_alloc(pool, from.count * sizeof(*names));
    for (size_t i = from.count; i-- > 0;) { /* from the last to the first, as Traefik builds them */
        names[i] = qualified(pool, ((const struct slice *)from.items)[i], router->element.provider);

        const struct element *middleware = layer4_find(resolver->model, TCP_MIDDLEWARE, names[i]);

        if (middleware == NULL) {
            element_error(resolver->model, &router->element, true, "middleware \"%.*s\" does not exist",
                          SLICE_ARG(names[i]));
        } else if (middleware->status == ELEMENT_DISABLED) {
            element_error(resolver->model, &router->element, true, "%.*s",
                          SLICE_ARG(errors_joined(pool, middleware)));
        }
    }
    router->config.middlewares = (struct list){names, from.count};
}

/* HostSNI(`*`) alone comes behind all others. */
static void priority_check(struct resolver *resolver, struct tcp_router *router)
{
    const struct rule *rule = router->rule;

    if (rule && rule->op == RULE_NOT) {
        rule = rule->left;
    }
    if (router->config.priority == 0) {
        bool all = rule && rule->op == RULE_PREDICATE && rule->predicate == RULE_ANY;

        router->config.priority = all ? -1 : (int64_t)router->config.rule.len;
    }
    router->priority = router->config.priority;
    if (router->priority > PRIORITY_USER_MAX) {
        element_error(resolver->model, &router->element, true,
                      "the router priority %" PRId64 " exceeds the max user-defined priority %" PRId64,
                      router->priority, (int64_t)PRIORITY_USER_MAX);
    }
}

static void rule_check(struct resolver *resolver, struct tcp_router *router)
{
    struct slice text = router->config.rule;
    struct error why = {0};

    router->v2 = slice_eq(router->config.rule_syntax, SLICE("v2"));
    if (text.len == 0) {
        element_error(resolver->model, &router->element, true, "router has no rule");
        return;
    }
    if (rule_parse(resolver->model->pool, text, router->v2 ? RULE_TCP_V2 : RULE_TCP_V3, &router->rule, &why) <
        0) {
        element_error(resolver->model, &router->element, true, "invalid rule: \"%.*s\" , %s", SLICE_ARG(text),
                      why.text);
        return;
    }
    const struct rule *name = rule_first_sni(router->rule);

    if (name && name->predicate != RULE_ANY && router->config.tls == NULL) {
        element_error(resolver->model, &router->element, true,
                      "invalid rule: \"%.*s\" , has HostSNI matcher, but no TLS on router: write tls: {}, or "
                      "HostSNI(`*`)",
                      SLICE_ARG(text));
    }
}

static void service_check(struct resolver *resolver, struct tcp_router *router)
{
    struct element *element = &router->element;

    if (router->config.service.len == 0) {
        element_error(resolver->model, element, true, "the service is missing on the router");
        return;
    }
    struct slice text =
        layer4_service_use(resolver, TCP_SERVICE, router->config.service, element->provider, NULL);

    if (text.len) {
        element_error(resolver->model, element, true, "%.*s", SLICE_ARG(text));
    }
}

static void router_check(struct resolver *resolver, struct tcp_router *router)
{
    struct element *element = &router->element;
    bool explained = element->status == ELEMENT_DISABLED; /* why something is missing */
    struct slice text;

    router->precedence = precedence_of(resolver, element->provider);
    if (router->config.rule_syntax.len == 0) {
        router->config.rule_syntax = resolver->default_syntax;
    }
    if (router->config.entry_points.count == 0) {
        router->config.entry_points = resolver->default_points;
    }
    layer4_points(resolver, element, &router->config.entry_points, true, &router->entry_points);
    if (router->entry_points.count == 0) {
        return; /* Traefik looks no further either */
    }
    if (router->config.service.len || !explained) {
        service_check(resolver, router);
    }
    if (router->config.rule.len || !explained) {
        rule_check(resolver, router);
    }
    priority_check(resolver, router);
    middlewares_check(resolver, router);
    if (router->config.tls && !router->config.tls->passthrough) {
        router->tls_options =
            tls_options_name(resolver->model->pool, router->config.tls->options, element->provider);
        text = tls_options_use(resolver, router->config.tls->options, element->provider);
        if (text.len) {
            router->tls_broken = element->status != ELEMENT_DISABLED;
            element_error(resolver->model, element, true, "%.*s", SLICE_ARG(text));
        }
    }
}

void tcp_check_all(struct resolver *resolver)
{
    const struct layer4_objects *all = resolver->model->layer4;

    for (size_t i = 0; i < all[TCP_MIDDLEWARE].count; i++) {
        middleware_check(resolver, (struct tcp_middleware *)all[TCP_MIDDLEWARE].items[i]);
    }
    layer4_services_check(resolver, TCP_SERVICE);
    for (size_t i = 0; i < all[TCP_ROUTER].count; i++) {
        struct tcp_router *router = (struct tcp_router *)all[TCP_ROUTER].items[i];

        router_check(resolver, router);
        layer4_used(resolver, TCP_SERVICE, router->config.service, &router->element);
    }
}
