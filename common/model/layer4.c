/*
 * layer4.c - keeping the objects of TCP, UDP and TLS: see layer4.h.
 */
#include "common/model/layer4.h"

#include "common/model/dynamic.h"
#include "common/rule/rule.h"

#define TYPE(type, label, labels, table)                                                                     \
    {                                                                                                        \
        .name = (label), .plural = (labels), .schema = &(table), .size = sizeof(struct type),                \
        .config = offsetof(struct type, config),                                                             \
    }

const struct layer4_type layer4_types[LAYER4_KINDS] = {
    [TCP_ROUTER] = TYPE(tcp_router, "TCP router", "TCP routers", tcp_router_schema),
    [TCP_MIDDLEWARE] = TYPE(tcp_middleware, "TCP middleware", "TCP middlewares", tcp_middleware_schema),
    [TCP_SERVICE] = TYPE(tcp_service, "TCP service", "TCP services", tcp_service_schema),
    [TCP_TRANSPORT] =
        TYPE(tcp_transport, "TCP serversTransport", "TCP serversTransports", tcp_servers_transport_schema),
    [UDP_ROUTER] = TYPE(udp_router, "UDP router", "UDP routers", udp_router_schema),
    [UDP_SERVICE] = TYPE(udp_service, "UDP service", "UDP services", udp_service_schema),
    [TLS_CERTIFICATE] = TYPE(tls_keypair, "TLS certificate", "TLS certificates", tls_certificate_schema),
    [TLS_OPTIONS] = TYPE(tls_options, "TLS option", "TLS options", tls_options_schema),
    [TLS_STORE] = TYPE(tls_store, "TLS store", "TLS stores", tls_store_schema),
};

void *layer4_add(struct model *model, enum layer4_kind kind, struct slice name, struct slice provider)
{
    struct layer4_objects *objects = &model->layer4[kind];
    struct element *element = model_object_new(model, layer4_types[kind].size, name, provider);

    objects->items =
        pool_grow(model->pool, objects->items, objects->count, &objects->capacity, sizeof(*objects->items));
    objects->items[objects->count++] = element;
    return element;
}

void *layer4_config(enum layer4_kind kind, const struct element *element)
{
    return (char *)(uintptr_t)element + layer4_types[kind].config;
}

void *layer4_find(const struct model *model, enum layer4_kind kind, struct slice name)
{
    return model_objects_find(model->layer4[kind].items, model->layer4[kind].count, name);
}

void layer4_sort(struct model *model)
{
    for (size_t kind = 0; kind < LAYER4_KINDS; kind++) {
        model_objects_sort(model->layer4[kind].items, model->layer4[kind].count);
    }
}

void layer4_free(struct model *model)
{
    const struct layer4_objects *routers = &model->layer4[TCP_ROUTER];

    for (size_t i = 0; i < routers->count; i++) {
        rule_free(((struct tcp_router *)routers->items[i])->rule);
    }
}
