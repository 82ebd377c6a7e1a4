/*
 * rawdata.c - the resolved model as JSON, in the shape of Traefik's /api/rawdata.
 *
 * Each object is its options, then error, status and who uses it (a router: which entry points it uses).
 */
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "master/resolve/resolver.h"

static const char *status_name(enum element_status status)
{
    switch (status) {
    case ELEMENT_ENABLED:
        return "enabled";
    case ELEMENT_WARNING:
        return "warning";
    case ELEMENT_DISABLED:
        break;
    }
    return "disabled";
}

/* `"key":["a","b"],` or nothing when the list is empty. */
static void add_strings(struct text *out, const char *key, const struct list *list)
{
    const struct slice *items = list->items;

    if (list->count == 0) {
        return;
    }
    text_printf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < list->count; i++) {
        if (i) {
            text_add_char(out, ',');
        }
        text_add_json(out, items[i]);
    }
    text_add_char(out, ']');
}

/* `"name":{options` without the closing brace; what follows begins with a comma. */
static void begin(struct text *out, size_t number, const struct element *element, const struct schema *schema,
                  const void *config)
{
    struct text options;

    if (number) {
        text_add_char(out, ',');
    }
    text_add_json(out, element->name);
    text_add_cstr(out, ":{");
    text_init(&options);
    schema_encode(schema, config, &options);
    if (options.len > 2) {
        text_add(out, slice_of(options.ptr + 1, options.len - 2));
        text_add_char(out, ',');
    }
    text_free(&options);
}

static void add_state(struct text *out, const struct element *element)
{
    if (element->errors.count) {
        struct text errors;

        text_init(&errors);
        add_strings(&errors, "error", &element->errors);
        text_add(out, slice_from(text_slice(&errors), 1)); /* begin() wrote the comma */
        text_add_char(out, ',');
        text_free(&errors);
    }
    text_printf(out, "\"status\":\"%s\"", status_name(element->status));
}

static int by_text(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* Sorts them; each server once, as Go writes a map. Health comes later: servers count as up until it is asked for. */
static void add_up(struct text *out, struct slice *servers, size_t count)
{
    if (count == 0) {
        return;
    }
    qsort(servers, count, sizeof(*servers), by_text);
    text_add_cstr(out, ",\"serverStatus\":{");
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !slice_eq(servers[i], servers[i - 1])) {
            text_add_cstr(out, i ? "," : "");
            text_add_json(out, servers[i]);
            text_add_cstr(out, ":\"UP\"");
        }
    }
    text_add_char(out, '}');
}

static void add_server_status(struct text *out, const struct http_service *service)
{
    const struct load_balancer *balancer = service->config.load_balancer;
    size_t count = balancer ? balancer->servers.count : 0;
    struct slice *urls = xmalloc((count + 1) * sizeof(*urls));

    for (size_t i = 0; i < count; i++) {
        urls[i] = ((const struct server_config *)balancer->servers.items)[i].url;
    }
    if (service->reached && service->element.status != ELEMENT_DISABLED) {
        add_up(out, urls, count);
    }
    free(urls);
}

static void add_tcp_server_status(struct text *out, const struct tcp_service *service)
{
    const struct tcp_load_balancer *balancer = service->config.load_balancer;
    size_t count = balancer ? balancer->servers.count : 0, fit = 0;
    struct slice *addresses = xmalloc((count + 1) * sizeof(*addresses));

    for (size_t i = 0; i < count; i++) {
        struct slice address = ((const struct tcp_server *)balancer->servers.items)[i].address;

        if (layer4_address_fit(address)) { /* else it is left out */
            addresses[fit++] = address;
        }
    }
    add_up(out, addresses, fit);
    free(addresses);
}

static void add_routers(const struct model *model, struct text *out)
{
    text_add_cstr(out, "\"routers\":{");
    for (size_t i = 0; i < model->router_count; i++) {
        const struct http_router *router = model->routers[i];

        begin(out, i, &router->element, &router_schema, &router->config);
        add_state(out, &router->element);
        add_strings(out, "using", &router->entry_points);
        text_add_char(out, '}');
    }
    text_add_char(out, '}');
}

static void add_middlewares(const struct model *model, struct text *out)
{
    text_add_cstr(out, "\"middlewares\":{");
    for (size_t i = 0; i < model->middleware_count; i++) {
        const struct http_middleware *middleware = model->middlewares[i];

        begin(out, i, &middleware->element, &middleware_schema, &middleware->config);
        add_state(out, &middleware->element);
        add_strings(out, "usedBy", &middleware->element.used_by);
        text_add_char(out, '}');
    }
    text_add_char(out, '}');
}

static void add_services(const struct model *model, struct text *out)
{
    size_t shown = 0;

    text_add_cstr(out, "\"services\":{");
    for (size_t i = 0; i < model->service_count; i++) {
        const struct http_service *service = model->services[i];

        if (service->hidden) {
            continue;
        }
        begin(out, shown++, &service->element, &service_schema, &service->config);
        add_state(out, &service->element);
        add_strings(out, "usedBy", &service->element.used_by);
        add_server_status(out, service);
        text_add_char(out, '}');
    }
    text_add_char(out, '}');
}

/* ---- which services of TCP a router leads to, straight or through other services ---- */
static const struct tcp_service *tcp_named(const struct model *model, struct slice name,
                                           struct slice provider)
{
    const struct tcp_service *service = layer4_find(model, TCP_SERVICE, name);
    struct text whole;

    if (service == NULL) {
        text_init(&whole);
        text_printf(&whole, "%.*s@%.*s", SLICE_ARG(name), SLICE_ARG(provider));
        service = layer4_find(model, TCP_SERVICE, text_slice(&whole));
        text_free(&whole);
    }
    return service;
}

static size_t tcp_place(const struct model *model, const struct element *element)
{
    const struct layer4_objects *services = &model->layer4[TCP_SERVICE];
    size_t low = 0, high = services->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_cmp(services->items[middle]->name, element->name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void tcp_reach(const struct model *model, bool *reached, struct slice name, struct slice provider)
{
    const struct tcp_service *service = tcp_named(model, name, provider);
    const struct tcp_weighted *weighted = service ? service->config.weighted : NULL;
    size_t place = service ? tcp_place(model, &service->element) : 0;

    if (service == NULL ||
        reached[place]) { /* no circle is walked twice, nor deeper than there are services */
        return;
    }
    reached[place] = true;
    for (size_t i = 0; weighted && i < weighted->services.count; i++) {
        tcp_reach(model, reached, ((const struct weighted_service *)weighted->services.items)[i].name,
                  service->element.provider);
    }
}

/* By position, for free(). */
static bool *tcp_reached(const struct model *model)
{
    const struct layer4_objects *routers = &model->layer4[TCP_ROUTER];
    bool *reached = xcalloc(model->layer4[TCP_SERVICE].count + 1, sizeof(*reached));

    for (size_t i = 0; i < routers->count; i++) {
        const struct tcp_router *router = (const struct tcp_router *)routers->items[i];

        if (router->element.status != ELEMENT_DISABLED) {
            tcp_reach(model, reached, router->config.service, router->element.provider);
        }
    }
    return reached;
}

/* Traefik shows neither transports of TCP nor anything of TLS. */
static void add_layer4(const struct model *model, enum layer4_kind kind, const char *key, struct text *out)
{
    const struct layer4_objects *objects = &model->layer4[kind];
    bool *reached = kind == TCP_SERVICE ? tcp_reached(model) : NULL;

    text_printf(out, "\"%s\":{", key);
    for (size_t i = 0; i < objects->count; i++) {
        const struct element *element = objects->items[i];

        begin(out, i, element, layer4_types[kind].schema, layer4_config(kind, element));
        add_state(out, element);
        if (kind == TCP_ROUTER) {
            add_strings(out, "using", &((const struct tcp_router *)element)->entry_points);
        } else if (kind == UDP_ROUTER) {
            add_strings(out, "using", &((const struct udp_router *)element)->entry_points);
        } else {
            add_strings(out, "usedBy", &element->used_by);
        }
        if (reached && reached[i] && element->status != ELEMENT_DISABLED) {
            add_tcp_server_status(out, (const struct tcp_service *)element);
        }
        text_add_char(out, '}');
    }
    text_add_char(out, '}');
    free(reached);
}

void model_to_json(const struct model *model, struct text *out)
{
    static const struct {
        enum layer4_kind kind;
        const char *key;
    } shown[] = {{TCP_ROUTER, "tcpRouters"},
                 {TCP_MIDDLEWARE, "tcpMiddlewares"},
                 {TCP_SERVICE, "tcpServices"},
                 {UDP_ROUTER, "udpRouters"},
                 {UDP_SERVICE, "udpServices"}};
    size_t start;

    text_add_char(out, '{');
    start = out->len;
    if (model->router_count) {
        add_routers(model, out);
    }
    if (model->middleware_count) {
        text_add_cstr(out, out->len > start ? "," : "");
        add_middlewares(model, out);
    }
    if (model->service_count) {
        text_add_cstr(out, out->len > start ? "," : "");
        add_services(model, out);
    }
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        if (model->layer4[shown[i].kind].count) {
            text_add_cstr(out, out->len > start ? "," : "");
            add_layer4(model, shown[i].kind, shown[i].key, out);
        }
    }
    text_add_char(out, '}');
}
