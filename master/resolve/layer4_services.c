/*
 * layer4_services.c - which services of TCP and UDP can answer: kinds, servers, transports, services in services.
 *
 * Error texts that Traefik has too are worded as there: they are seen in the API.
 */
#include "master/resolve/resolver.h"

#define NOTHING ((struct slice){NULL, 0})

struct service { /* of either kind, as far as both are the same */
    enum layer4_kind kind;
    struct element *element;
    bool balancer, weighted;
    bool told;            /* its children tell it of their health */
    struct list children; /* struct weighted_service */
};

static struct service service_at(struct resolver *resolver, enum layer4_kind kind, uint32_t position)
{
    struct element *element = resolver->model->layer4[kind].items[position];
    struct service service = {.kind = kind, .element = element};

    if (kind == TCP_SERVICE) {
        const struct tcp_service_config *config = layer4_config(kind, element);

        service.balancer = config->load_balancer != NULL;
        service.weighted = config->weighted != NULL;
        service.told = config->weighted && config->weighted->health_check;
        service.children = config->weighted ? config->weighted->services : (struct list){NULL, 0};
    } else {
        const struct udp_service_config *config = layer4_config(kind, element);

        service.balancer = config->load_balancer != NULL;
        service.weighted = config->weighted != NULL;
        service.children = config->weighted ? config->weighted->services : (struct list){NULL, 0};
    }
    return service;
}

/* What messages call it. */
static const char *label(enum layer4_kind kind)
{
    return kind == TCP_SERVICE ? "service" : "UDP service";
}

bool layer4_address_fit(struct slice address)
{
    ptrdiff_t colon = slice_rfind(address, ':');
    struct slice host = slice_head(address, colon < 0 ? 0 : (size_t)colon);

    if (colon < 0) {
        return false;
    }
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        return true;
    }
    return slice_find(host, ':') < 0 && slice_find(address, '[') < 0 && slice_find(address, ']') < 0;
}

/* Such a server is left out; the others serve. */
static void server_check(struct resolver *resolver, struct element *element, struct slice address)
{
    if (!layer4_address_fit(address)) {
        element_error(resolver->model, element, false, "the server \"%.*s\" is left out: it is no HOST:PORT",
                      SLICE_ARG(address));
    }
}

static struct slice tcp_balancer_wrong(struct resolver *resolver, struct element *element)
{
    struct tcp_service_config *config = layer4_config(TCP_SERVICE, element);
    struct tcp_load_balancer *balancer = config->load_balancer;
    const struct tcp_server *servers = balancer->servers.items;
    struct pool *pool = resolver->model->pool;

    for (size_t i = 0; i < balancer->servers.count; i++) {
        server_check(resolver, element, servers[i].address);
    }
    if (balancer->health_check) {
        health_note_tcp(resolver, element, balancer->health_check);
    }
    if (balancer->servers_transport.len == 0) {
        return NOTHING;
    }
    struct tcp_load_balancer *copy =
        pool_alloc(pool, sizeof(*copy)); /* the result's own, with the full name */

    *copy = *balancer;
    copy->servers_transport = qualified(pool, balancer->servers_transport, element->provider);
    config->load_balancer = copy;

    uint32_t position =
        name_table_find(pool, &resolver->layer4[TCP_TRANSPORT], copy->servers_transport, NOTHING);

    if (copy->servers.count && position == NOWHERE) {
        return pool_printf(pool, "no transport configuration found for \"%.*s\"",
                           SLICE_ARG(copy->servers_transport));
    }
    if (copy->servers.count &&
        resolver->model->layer4[TCP_TRANSPORT].items[position]->status == ELEMENT_DISABLED) {
        return pool_printf(pool, "serversTransport %.*s has errors", SLICE_ARG(copy->servers_transport));
    }
    return NOTHING;
}

static void udp_balancer_check(struct resolver *resolver, struct element *element)
{
    const struct udp_service_config *config = layer4_config(UDP_SERVICE, element);
    const struct udp_server *servers = config->load_balancer->servers.items;

    for (size_t i = 0; i < config->load_balancer->servers.count; i++) {
        server_check(resolver, element, servers[i].address);
    }
}

/* What keeps a child from telling its parent, which has a health check, of its health. It was visited. */
static struct slice untold(struct resolver *resolver, const struct service *service, struct slice name)
{
    struct pool *pool = resolver->model->pool;
    uint32_t position =
        name_table_find(pool, &resolver->layer4[TCP_SERVICE], name, service->element->provider);
    const struct tcp_service_config *child =
        layer4_config(TCP_SERVICE, resolver->model->layer4[TCP_SERVICE].items[position]);

    if (child->load_balancer ? child->load_balancer->health_check != NULL
                             : child->weighted->health_check != NULL) {
        return NOTHING;
    }
    return pool_printf(pool,
                       "cannot register %.*s as updater for %.*s: healthCheck not enabled in config for this "
                       "weighted service",
                       SLICE_ARG(name), SLICE_ARG(service->element->name));
}

static struct slice wrong(struct resolver *resolver, const struct service *service, const struct frame *above)
{
    struct frame here = {
        .above = above, .name = service->element->name, .depth = above ? above->depth + 1 : 0};
    const struct weighted_service *children = service->children.items;

    if (service->balancer && service->weighted) {
        return SLICE(
            "cannot create service: multi-types service not supported, consider declaring two different "
            "pieces of service instead");
    }
    if (!service->balancer && !service->weighted) {
        return pool_printf(resolver->model->pool, "the %s \"%.*s\" does not have any type defined",
                           label(service->kind), SLICE_ARG(service->element->name));
    }
    if (service->balancer && service->kind == TCP_SERVICE) {
        return tcp_balancer_wrong(resolver, service->element);
    }
    if (service->balancer) {
        udp_balancer_check(resolver, service->element);
    }
    for (size_t i = 0; i < service->children.count; i++) {
        struct slice text =
            layer4_service_use(resolver, service->kind, children[i].name, service->element->provider, &here);

        if (text.len == 0 && service->told) {
            text = untold(resolver, service, children[i].name);
        }
        if (text.len) {
            return text;
        }
    }
    return NOTHING;
}

static struct slice visit(struct resolver *resolver, enum layer4_kind kind, uint32_t position,
                          const struct frame *above)
{
    struct service service = service_at(resolver, kind, position);
    uint8_t *state = &resolver->layer4_visits[kind][position];
    struct slice text;

    if (*state == VISIT_GOOD) {
        return NOTHING;
    }
    if (service.element->status == ELEMENT_DISABLED) {
        return errors_joined(resolver->model->pool, service.element);
    }
    text = recursion(resolver->model->pool, label(kind), service.element->name, above);
    if (text.len == 0) {
        text = wrong(resolver, &service, above);
    }
    if (text.len) {
        element_error(resolver->model, service.element, true, "%.*s", SLICE_ARG(text));
    }
    *state = text.len ? VISIT_BAD : VISIT_GOOD;
    return text;
}

struct slice layer4_service_use(struct resolver *resolver, enum layer4_kind kind, struct slice name,
                                struct slice provider, const struct frame *above)
{
    struct pool *pool = resolver->model->pool;
    uint32_t position = name_table_find(pool, &resolver->layer4[kind], name, provider);

    if (position == NOWHERE) {
        return pool_printf(pool, "the %s \"%.*s\" does not exist", label(kind),
                           SLICE_ARG(qualified(pool, name, provider)));
    }
    return visit(resolver, kind, position, above);
}

void layer4_services_check(struct resolver *resolver, enum layer4_kind kind)
{
    for (size_t i = 0; i < resolver->model->layer4[kind].count; i++) {
        visit(resolver, kind, (uint32_t)i, NULL);
    }
}
