/*
 * internal.c - the objects of the provider "internal": redirections of entry points, ping, ready, noop and the names of
 * internal services that this build does not serve yet. Names, rules and priorities as in Traefik.
 */
#include "common/net/addr.h"
#include "master/resolve/resolver.h"
#include "master/static/load.h"

#define INTERNAL SLICE("internal")

static void service_add(struct resolver *resolver, struct slice name)
{
    model_add_service(resolver->model, qualified(resolver->model->pool, name, INTERNAL), INTERNAL);
}

static void internal_router(struct resolver *resolver, struct slice name, struct slice point,
                            struct slice rule, struct slice service, struct list middlewares,
                            int64_t priority)
{
    struct http_router router = {0};
    struct slice *points = pool_alloc(resolver->model->pool, sizeof(*points));

    *points = point;
    router.config.entry_points = (struct list){points, 1};
    router.config.rule = rule;
    router.config.rule_syntax = SLICE("default"); /* Traefik's word for v3, whatever the default syntax is */
    router.config.service = service;
    router.config.middlewares = middlewares;
    router.config.priority = priority;
    router_add(resolver, &router, name, INTERNAL);
}

static void simple_router(struct resolver *resolver, struct slice name, struct slice point, struct slice rule,
                          int64_t priority)
{
    internal_router(resolver, name, point, rule, qualified(resolver->model->pool, name, INTERNAL),
                    (struct list){0}, priority);
}

/* ---- redirections ---- */

/* Runs of letters and digits joined by '-'. */
static struct slice normalized(struct pool *pool, struct slice text)
{
    char *out = pool_alloc(pool, text.len + 1);
    size_t len = 0;
    bool gap = false;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i], lower = ascii_lower(c);
        bool keep = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c >= 0x80;

        if (keep && gap && len) {
            out[len++] = '-';
        }
        if (keep) {
            out[len++] = (char)c;
        }
        gap = !keep;
    }
    return slice_of(out, len);
}

/* The port that clients are sent to; false (and a notice) when there is none. */
static bool redirect_port(struct resolver *resolver, struct slice from, struct slice to, struct slice *port)
{
    const struct entry_point_model *target;
    struct slice digits = slice_from(to, 1);
    struct address address;
    struct error why;
    uint64_t number;
    bool udp;

    if (to.ptr[0] == ':' && slice_to_u64(digits, &number)) {
        *port = digits;
        return true;
    }
    target = point_find(resolver, to);
    if (target == NULL) {
        model_notice(
            resolver->model, true, NULL,
            "entryPoints.%.*s.http.redirections.entryPoint.to: there is no entry point %.*s, nothing is "
            "redirected",
            SLICE_ARG(from), SLICE_ARG(to));
        return false;
    }
    if (entry_point_address(target->config, &address, &udp, &why) < 0) {
        model_notice(resolver->model, true, NULL, "entryPoints.%.*s.address: %s", SLICE_ARG(to), why.text);
        return false;
    }
    *port = pool_printf(resolver->model->pool, "%u", address.port);
    return true;
}

static void redirection_add(struct resolver *resolver, const struct entry_point_model *point)
{
    const struct redirections *redirections = point->config->http.redirections;
    const struct redirect_entry_point *redirect = redirections ? redirections->entry_point : NULL;
    struct pool *pool = resolver->model->pool;
    struct redirect_scheme *params;
    struct slice *names, port, name;

    if (redirections == NULL) {
        return;
    }
    if (redirect == NULL || redirect->to.len == 0) {
        model_notice(resolver->model, true, NULL,
                     "entryPoints.%.*s.http.redirections.entryPoint.to: is missing, nothing is redirected",
                     SLICE_ARG(point->name));
        return;
    }
    if (!redirect_port(resolver, point->name, redirect->to, &port)) {
        return;
    }
    name =
        normalized(pool, pool_printf(pool, "%.*s-to-%.*s", SLICE_ARG(point->name), SLICE_ARG(redirect->to)));
    names = pool_alloc(pool, sizeof(*names));
    *names = pool_printf(pool, "redirect-%.*s", SLICE_ARG(name));
    params = pool_zalloc(pool, sizeof(*params));
    *params =
        (struct redirect_scheme){.scheme = redirect->scheme, .port = port, .permanent = redirect->permanent};
    model_add_middleware(resolver->model, qualified(pool, *names, INTERNAL), INTERNAL)
        ->config.redirect_scheme = params;
    internal_router(resolver, name, point->name,
                    point->config->allow_acme_by_pass
                        ? SLICE("HostRegexp(`^.+$`) && !PathPrefix(`/.well-known/acme-challenge/`)")
                        : SLICE("HostRegexp(`^.+$`)"),
                    SLICE("noop@internal"), (struct list){names, 1}, redirect->priority);
}

/* ---- the others ---- */

static void ping_add(struct resolver *resolver)
{
    const struct ping_config *ping = resolver->config->ping;

    if (ping == NULL) {
        return;
    }
    service_add(resolver, SLICE("ping"));
    service_add(resolver, SLICE("ready"));
    if (ping->manual_routing) {
        return;
    }
    simple_router(resolver, SLICE("ping"), ping->entry_point, SLICE("PathPrefix(`/ping`)"), INT64_MAX);
    if (slice_eq(ping->entry_point,
                 SLICE("traefik"))) { /* ours: never on an entry point where users' /ready may be */
        simple_router(resolver, SLICE("ready"), ping->entry_point, SLICE("Path(`/ready`)"), INT64_MAX);
    }
}

static void transport_add(struct resolver *resolver)
{
    const struct servers_transport_config *from = &resolver->config->servers_transport;

    model_add_transport(resolver->model, SLICE("default@internal"), INTERNAL)->config = *from;
}

void gather_internal(struct resolver *resolver)
{
    const struct static_config *config = resolver->config;

    for (size_t i = 0; i < resolver->point_count; i++) {
        redirection_add(resolver, &resolver->points[i]);
    }
    ping_add(resolver);
    transport_add(resolver);
    service_add(resolver, SLICE("noop"));
    /* not served yet: who routes to one of these is told so (services.c); their own routers come with them */
    if (config->api) {
        service_add(resolver, SLICE("api"));
    }
    if (config->api && config->api->dashboard) {
        service_add(resolver, SLICE("dashboard"));
    }
    if (config->metrics && config->metrics->prometheus) {
        service_add(resolver, SLICE("prometheus"));
    }
    if (config->providers.rest) {
        service_add(resolver, SLICE("rest"));
    }
}
