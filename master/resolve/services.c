/*
 * services.c - which services can answer: kinds, servers, transports, their middlewares.
 *
 * Not here: services that are made of others (service_parents.c). Error texts that Traefik has too are worded as there: they
 * are seen in the API.
 */
#include "common/http/cookie.h"
#include "common/model/strategies.h"
#include "master/compile/url.h"
#include "master/resolve/resolver.h"

#define NOTHING ((struct slice){NULL, 0})

/* User and password of a URL are nobody's business. */
static struct slice shown(struct pool *pool, struct slice url)
{
    ptrdiff_t at = slice_rfind(url, '@');

    return at < 0 ? url : pool_printf(pool, "(user hidden)%.*s", SLICE_ARG(slice_from(url, (size_t)at)));
}

static size_t kinds(const struct service_config *config)
{
    return (size_t)(config->load_balancer != NULL) + (config->highest_random_weight != NULL) +
           (config->weighted != NULL) + (config->mirroring != NULL) + (config->failover != NULL);
}

/* What is understood, without effect yet, and harmless to do without: a warning on the service. */
void service_note_unserved(struct resolver *resolver, struct http_service *service,
                           const struct schema *schema, const void *object)
{
    const struct schema_field *field;
    size_t row = 0;

    while ((field = schema_unserved(schema, object, &row)) != NULL) {
        element_error(resolver->model, &service->element, false,
                      "%s.%s is understood, but not yet served by this build: requests are spread without it",
                      schema->name, field->name);
    }
}

/* A cookie's options that cannot be said are left out, as in Traefik: but not in silence. */
void service_note_sticky(struct resolver *resolver, struct http_service *service, const struct sticky *sticky,
                         const char *where)
{
    struct slice domain = sticky && sticky->cookie ? sticky->cookie->domain : NOTHING;

    if (domain.len && !cookie_domain_valid(domain)) {
        element_error(resolver->model, &service->element, false,
                      "%s.sticky.cookie.domain \"%.*s\" is not a host name: the cookie is set without it",
                      where, SLICE_ARG(domain));
    }
}

static struct slice load_balancer_wrong(struct resolver *resolver, struct http_service *service)
{
    struct load_balancer *balancer = service->config.load_balancer;
    struct pool *pool = resolver->model->pool;
    const struct server_config *servers = balancer->servers.items;
    enum service_strategy strategy;

    if (balancer->servers_transport.len) { /* the result's own copy, with the full name */
        struct load_balancer *copy = pool_alloc(pool, sizeof(*copy));

        *copy = *balancer;
        copy->servers_transport = qualified(pool, balancer->servers_transport, service->element.provider);
        service->config.load_balancer = balancer = copy;
    }
    if (!strategy_find(balancer->strategy, &strategy)) {
        return pool_printf(pool, "unsupported load-balancer strategy \"%.*s\"",
                           SLICE_ARG(balancer->strategy));
    }
    if (strategy == STRATEGY_HRW && balancer->sticky && balancer->sticky->cookie) {
        element_error(
            resolver->model, &service->element, false,
            "loadBalancer.sticky has no effect with the strategy hrw: the client's address decides");
    }
    service_note_unserved(resolver, service, &load_balancer_schema, balancer);
    service_note_sticky(resolver, service, balancer->sticky, "loadBalancer");
    if (balancer->health_check) {
        health_note(resolver, service, balancer->health_check);
    }
    if (balancer->slow_start < 0 ||
        (balancer->slow_start > 0 && slice_eq(balancer->strategy, SLICE("hrw")))) {
        element_error(resolver->model, &service->element, false, "loadBalancer.slowStart has no effect %s",
                      balancer->slow_start < 0 ? "below zero"
                                               : "with the strategy hrw: the client's address decides");
    }
    if (balancer->passive_health_check &&
        balancer->passive_health_check->max_failed_attempts > FAILURES_MOST) {
        element_error(resolver->model, &service->element, false,
                      "passiveHealthCheck.maxFailedAttempts is more than %d: so many take a server out",
                      FAILURES_MOST);
    }
    for (size_t i = 0; i < balancer->servers.count; i++) {
        struct server_url url;
        struct error why = {0};

        if (server_url_parse(servers[i].url, &url, &why) < 0 && server_url_is_malformed(servers[i].url)) {
            return pool_printf(pool, "error parsing server URL %.*s: %s",
                               SLICE_ARG(shown(pool, servers[i].url)), why.text);
        }
        if (balancer->servers_transport.len &&
            name_table_find(pool, &resolver->transports, balancer->servers_transport, NOTHING) == NOWHERE) {
            return pool_printf(pool,
                               "error building proxy for server URL %.*s: getting RoundTripper: servers "
                               "transport not found %.*s",
                               SLICE_ARG(shown(pool, servers[i].url)),
                               SLICE_ARG(balancer->servers_transport));
        }
    }
    return NOTHING;
}

static struct slice middlewares_wrong(struct resolver *resolver, const struct http_service *service)
{
    const struct slice *names = service->config.middlewares.items;

    for (size_t i = service->config.middlewares.count; i-- > 0;) {
        uint32_t position;
        struct slice text = middleware_use(resolver, names[i], service->element.provider, NULL, &position);

        if (text.len) {
            return text;
        }
    }
    return NOTHING;
}

static struct slice wrong(struct resolver *resolver, struct http_service *service, const struct frame *above)
{
    struct frame here = {
        .above = above, .name = service->element.name, .depth = above ? above->depth + 1 : 0};
    const struct service_config *config = &service->config;
    struct slice text = NOTHING;

    if (slice_eq(service->element.provider, SLICE("internal"))) {
        return NOTHING;
    }
    if (kinds(config) > 1) {
        return SLICE(
            "cannot create service: multi-types service not supported, consider declaring two different "
            "pieces of service instead");
    }
    if (config->load_balancer) {
        text = load_balancer_wrong(resolver, service);
    } else if (config->weighted) {
        text = weighted_wrong(resolver, service, &here);
    } else if (config->highest_random_weight) {
        text = hashed_wrong(resolver, service, &here);
    } else if (config->mirroring) {
        text = mirroring_wrong(resolver, service, &here);
    } else if (config->failover) {
        text = failover_wrong(resolver, service, &here);
    } else {
        return pool_printf(resolver->model->pool, "the service \"%.*s\" does not have any type defined",
                           SLICE_ARG(service->element.name));
    }
    return text.len ? text : middlewares_wrong(resolver, service);
}

static struct slice visit(struct resolver *resolver, uint32_t position, const struct frame *above)
{
    struct http_service *service = resolver->model->services[position];
    struct slice text;

    if (resolver->service_visits[position] == VISIT_GOOD) {
        return NOTHING;
    }
    if (service->element.status == ELEMENT_DISABLED) {
        return errors_joined(resolver->model->pool, &service->element);
    }
    text = recursion(resolver->model->pool, "service", service->element.name, above);
    if (text.len == 0) {
        text = wrong(resolver, service, above);
    }
    if (text.len) {
        element_error(resolver->model, &service->element, true, "%.*s", SLICE_ARG(text));
        resolver->service_visits[position] = VISIT_BAD;
    } else {
        resolver->service_visits[position] = VISIT_GOOD;
    }
    return text;
}

/* Internal services that workers answer. The others are there by name only, and no error as long as nobody uses them. */
static bool internal_served(struct slice name)
{
    return slice_eq(name, SLICE("ping@internal")) || slice_eq(name, SLICE("ready@internal")) ||
           slice_eq(name, SLICE("noop@internal"));
}

struct slice service_use(struct resolver *resolver, struct slice name, struct slice provider,
                         const struct frame *above)
{
    struct pool *pool = resolver->model->pool;
    uint32_t position = name_table_find(pool, &resolver->services, name, provider);

    if (position == NOWHERE) {
        return pool_printf(pool, "the service \"%.*s\" does not exist",
                           SLICE_ARG(qualified(pool, name, provider)));
    }
    const struct element *element = &resolver->model->services[position]->element;

    if (slice_eq(element->provider, SLICE("internal")) && !internal_served(element->name)) {
        return pool_printf(pool, "the service \"%.*s\" is not yet served by this build",
                           SLICE_ARG(element->name));
    }
    return visit(resolver, position, above);
}

void services_check_all(struct resolver *resolver)
{
    struct model *model = resolver->model;

    model_objects_sort(model->services, model->service_count); /* middlewares have brought some */
    name_table_make(model->pool, &resolver->services, model->services, model->service_count);
    model_objects_sort(model->transports, model->transport_count);
    name_table_make(model->pool, &resolver->transports, model->transports, model->transport_count);
    resolver->service_visits = pool_zalloc(model->pool, model->service_count + 1);
    for (size_t i = 0; i < model->service_count; i++) {
        visit(resolver, (uint32_t)i, NULL);
    }
}
