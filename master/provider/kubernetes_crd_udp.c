/*
 * kubernetes_crd_udp.c - IngressRouteUDP objects: each route becomes a router and a service.
 */
#include "master/provider/kubernetes_crd_layer4.h"

static void load_route(struct k8s *crd, const struct crd_layer4_object *object, const struct k8s_place *place,
                       size_t number)
{
    const struct kube_object *from = object->place.object;
    struct slice name = pool_printf(crd->model->pool, "%.*s-%.*s-%zu", SLICE_ARG(from->namespace),
                                    SLICE_ARG(from->name), number);
    struct udp_router *router = seen_get(&crd->layer4[UDP_ROUTER], name);
    struct crd_udp_route route;

    if (crd_router_taken(crd, place, router ? &router->element : NULL)) {
        return;
    }
    router = k8s_add_layer4(crd, place, UDP_ROUTER, name);
    k8s_copy_errors(crd, &object->spec_errors, &router->element);
    router->config.entry_points = object->spec.entry_points;
    if (k8s_decode(crd, place, &crd_udp_route_schema, 0, &route, &router->element)) {
        router->config.service = name;
        crd_layer4_services(crd, UDP_SERVICE, place, &router->element, &route.services, name);
    }
}

void crd_load_udp(struct k8s *crd)
{
    crd_layer4_routes(crd, "IngressRouteUDP", &crd_ingress_route_udp_schema, load_route);
}
