/*
 * udp.c - which UDP routers make sense: entry points, service, one router for an entry point.
 *
 * Error texts that Traefik has too are worded as there: they are seen in the API.
 */
#include "master/resolve/resolver.h"

/* None written: all UDP entry points, which the API does not show. */
static void points_check(struct resolver *resolver, struct udp_router *router)
{
    struct list wanted = router->config.entry_points;
    size_t capacity = 0;

    for (size_t i = 0; i < resolver->point_count && router->config.entry_points.count == 0; i++) {
        if (!resolver->points[i].tcp) {
            list_add_slice(resolver->model->pool, &wanted, &capacity, resolver->points[i].name);
        }
    }
    layer4_points(resolver, &router->element, &wanted, false, &router->entry_points);
}

static void router_check(struct resolver *resolver, struct udp_router *router)
{
    struct element *element = &router->element;

    points_check(resolver, router);
    if (router->entry_points.count == 0) {
        return;
    }
    if (router->config.service.len == 0) {
        element_error(resolver->model, element, true, "the service is missing on the udp router");
        return;
    }
    struct slice text =
        layer4_service_use(resolver, UDP_SERVICE, router->config.service, element->provider, NULL);

    if (text.len) {
        element_error(resolver->model, element, true, "%.*s", SLICE_ARG(text));
    }
}

/* An entry point has one router: the last by name, as in Traefik. */
static void one_each(struct resolver *resolver)
{
    const struct layer4_objects *routers = &resolver->model->layer4[UDP_ROUTER];
    const struct udp_router **owners =
        pool_zalloc(resolver->model->pool, (resolver->point_count + 1) * sizeof(struct udp_router *));

    for (size_t i = routers->count; i-- > 0;) {
        struct udp_router *router = (struct udp_router *)routers->items[i];
        const struct slice *names = router->entry_points.items;

        for (size_t k = 0; k < router->entry_points.count && router->element.status != ELEMENT_DISABLED;
             k++) {
            const struct udp_router **owner = &owners[point_find(resolver, names[k]) - resolver->points];

            if (*owner) {
                element_error(
                    resolver->model, &router->element, false,
                    "the entryPoint \"%.*s\" has the UDP router %.*s already: it gets no datagrams there",
                    SLICE_ARG(names[k]), SLICE_ARG((*owner)->element.name));
            } else {
                *owner = router;
            }
        }
    }
}

void udp_check_all(struct resolver *resolver)
{
    const struct layer4_objects *routers = &resolver->model->layer4[UDP_ROUTER];

    layer4_services_check(resolver, UDP_SERVICE);
    for (size_t i = 0; i < routers->count; i++) {
        struct udp_router *router = (struct udp_router *)routers->items[i];

        router_check(resolver, router);
        layer4_used(resolver, UDP_SERVICE, router->config.service, &router->element);
    }
    one_each(resolver);
}
