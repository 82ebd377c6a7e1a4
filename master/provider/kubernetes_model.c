/*
 * kubernetes_model.c - routers and services by name: each is made once, with the place where it was written.
 */
#include "master/provider/kubernetes.h"

struct http_router *k8s_add_router(struct k8s *k8s, const struct k8s_place *place, struct slice name)
{
    struct http_router *router = seen_get(&k8s->routers, name);

    if (router) { /* as upstream: the last one wins */
        k8s_warn(k8s, place, "has the same match as the route at line %u: this one is used",
                 router->element.origin.line);
        struct element element = {.name = router->element.name, .provider = router->element.provider};

        *router = (struct http_router){.element = element};
    } else {
        router = model_add_router(k8s->model, name, slice_cstr(k8s->provider));
        seen_set(&k8s->routers, router->element.name, router);
    }
    router->element.origin = place->object->origin;
    if (place->node && place->node->line) {
        router->element.origin.line = place->node->line;
    }
    return router;
}

struct http_service *k8s_add_service(struct k8s *k8s, const struct k8s_place *place, struct slice name)
{
    struct http_service *service = seen_get(&k8s->services, name);

    if (service) { /* several references make the same load balancer: the last one wins, as upstream */
        struct element element = {.name = service->element.name, .provider = service->element.provider};

        *service = (struct http_service){.element = element};
    } else {
        service = model_add_service(k8s->model, name, slice_cstr(k8s->provider));
        seen_set(&k8s->services, service->element.name, service);
    }
    service->element.origin = place->object->origin;
    if (place->node && place->node->line) {
        service->element.origin.line = place->node->line;
    }
    return service;
}
