/*
 * kubernetes_crd_layer4.c - going through the routes of IngressRouteTCP and IngressRouteUDP objects.
 *
 * A route that is wrong is a router that is disabled and says why; the other routes of its object serve.
 */
#include "master/provider/kubernetes_crd_layer4.h"

static void say_errors(struct k8s *crd, const struct crd_layer4_object *object, const struct origin *origin)
{
    const struct slice *errors = object->spec_errors.errors.items;

    for (size_t i = 0; i < object->spec_errors.errors.count; i++) {
        model_notice(crd->model, true, origin, "%.*s", SLICE_ARG(errors[i]));
    }
}

void crd_layer4_routes(struct k8s *crd, const char *kind, const struct schema *schema,
                       void (*visit)(struct k8s *crd, const struct crd_layer4_object *object,
                                     const struct k8s_place *place, size_t number))
{
    const struct kube_object **objects;
    size_t count = crd_objects(crd, kind, &objects);

    for (size_t i = 0; i < count; i++) {
        struct crd_layer4_object object = {.place = {.object = objects[i]}};
        const struct doc *spec = doc_get(objects[i]->doc, "spec"), *routes;
        struct origin origin = objects[i]->origin;

        if (!crd_class_wanted(crd, &object.place)) {
            continue;
        }
        if (spec == NULL || spec->kind != DOC_MAP) {
            model_notice(crd->model, true, &origin, "spec: is missing");
            continue;
        }
        object.spec_place = k8s_step(crd, &object.place, spec, "spec");
        k8s_decode(crd, &object.spec_place, schema, 0, &object.spec, &object.spec_errors);
        routes = object.spec.routes;
        if (routes == NULL || routes->kind != DOC_LIST || routes->list.count == 0) {
            origin.line = routes && routes->line ? routes->line : spec->line;
            model_notice(crd->model, true, &origin, "spec.routes: a list of routes is missing");
            say_errors(crd, &object, &origin);
            continue;
        }
        for (size_t k = 0; k < routes->list.count; k++) {
            struct k8s_place at = k8s_step(crd, &object.spec_place, routes->list.items[k], "routes[%zu]", k);

            visit(crd, &object, &at, k);
        }
    }
}
