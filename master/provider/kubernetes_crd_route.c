/*
 * kubernetes_crd_route.c - IngressRoute objects become routers, one for each route.
 *
 * A route that is wrong is a router that is disabled and says why; the other routes of its object serve. Not here: what a
 * rule means, which entry points exist (master/resolve), services (kubernetes_crd_service.c).
 */
#include "master/provider/kubernetes_crd.h"

#define PARENTS_MOST 256u /* routers: each of the object's own is known to each of them */

struct object { /* one IngressRoute while its routes are read */
    struct k8s_place place, spec_place;
    struct crd_ingress_route spec;
    struct element spec_errors; /* what is wrong with all of it: copied to each router */
    struct list parents;        /* struct slice: names of parent routers */
    struct crd_parent *meant;   /* of each of them */
    size_t capacity, meant_capacity;
};

static const struct kube_object *find_ingress_route(struct k8s *crd, struct slice namespace,
                                                    struct slice name)
{
    const struct kube_object *found = kube_get(crd->store, CRD_GROUP, "IngressRoute", namespace, name);

    return found ? found : kube_get(crd->store, CRD_GROUP_OLD, "IngressRoute", namespace, name);
}

/* The object that is named; NULL: errors were added. */
static const struct kube_object *parent_of(struct k8s *crd, struct object *object, const struct k8s_place *at,
                                           const struct crd_reference *reference)
{
    struct slice own = object->place.object->namespace;
    struct slice namespace = reference->namespace.len ? reference->namespace : own;
    const struct kube_object *parent = NULL;

    if (!crd->options->allow_cross_namespace && !slice_eq(namespace, own)) {
        k8s_error(crd, at, &object->spec_errors, true,
                  "%.*s/%.*s is not in the namespace %.*s: another namespace needs "
                  "--providers.kubernetesCRD.allowCrossNamespace=true",
                  SLICE_ARG(namespace), SLICE_ARG(reference->name), SLICE_ARG(own));
    } else if ((parent = find_ingress_route(crd, namespace, reference->name)) == NULL) {
        k8s_error(crd, at, &object->spec_errors, true, "IngressRoute %.*s/%.*s does not exist",
                  SLICE_ARG(namespace), SLICE_ARG(reference->name));
    }
    return parent;
}

/* Adds the names that its routes have. False: there are too many. */
static bool add_parents(struct k8s *crd, struct object *object, const struct k8s_place *at,
                        const struct kube_object *parent)
{
    const struct doc *routes = doc_path(parent->doc, "spec", "routes", NULL);
    struct slice *names = (struct slice *)(uintptr_t)object->parents.items;
    size_t count = object->parents.count;

    for (size_t j = 0; routes && routes->kind == DOC_LIST && j < routes->list.count; j++) {
        struct slice match = doc_text(doc_get(routes->list.items[j], "match"), SLICE(""));

        if (count == PARENTS_MOST) {
            k8s_error(crd, at, &object->spec_errors, true, "more than %u routes would be parents",
                      PARENTS_MOST);
            return false;
        }
        names = pool_grow(crd->model->pool, names, count, &object->capacity, sizeof(*names));
        object->meant =
            pool_grow(crd->scratch, object->meant, count, &object->meant_capacity, sizeof(*object->meant));
        object->meant[count] = (struct crd_parent){*at, parent};
        names[count++] = crd_route_name(crd->model->pool, parent->namespace, parent->name, match);
        object->parents = (struct list){names, count};
    }
    return true;
}

/* The routers of the parents, by the names that their routes have. */
static void resolve_parents(struct k8s *crd, struct object *object)
{
    const struct crd_reference *references = object->spec.parent_refs.items;
    bool room = true;

    for (size_t i = 0; i < object->spec.parent_refs.count && room; i++) {
        struct k8s_place at = k8s_step(crd, &object->spec_place, NULL, "parentRefs[%zu]", i);
        const struct kube_object *parent = parent_of(crd, object, &at, &references[i]);

        room = parent == NULL || add_parents(crd, object, &at, parent);
    }
}

static void router_tls(struct k8s *crd, const struct object *object, struct http_router *router)
{
    const struct crd_tls *from = object->spec.tls;
    struct router_tls *tls;

    if (from == NULL) {
        return;
    }
    tls = pool_zalloc(crd->model->pool, sizeof(*tls));
    tls->cert_resolver = from->cert_resolver;
    tls->domains = from->domains;
    crd_load_tls_references(crd, &object->spec_place, &router->element, from->options, from->secret_name,
                            &tls->options);
    router->config.tls = tls;
}

/* Routes of one name may be of two objects in a namespace: theirs is one service. */
static bool takes_name(struct k8s *crd, const struct k8s_place *place, struct http_router *router)
{
    const struct kube_object *object = place->object;
    struct slice whom =
        pool_printf(crd->scratch, "%.*s %.*s/%.*s", SLICE_ARG(object->kind), SLICE_ARG(object->namespace),
                    SLICE_ARG(k8s_normalize(crd->scratch, object->name)));

    return crd_takes_service(crd, place, &router->element, router->element.name, object->namespace, whom);
}

static bool router_service(struct k8s *crd, const struct k8s_place *place, struct http_router *router,
                           const struct crd_route *route)
{
    const struct crd_service *services = route->services.items;
    struct service_config *config = NULL, weighted = {0};
    const struct doc *nodes = doc_get(place->node, "services");
    struct slice name = SLICE("");

    if (route->services.count == 0) {
        return true; /* a router without a service: only a parent may be one, which resolve knows */
    }
    if (route->services.count > 1) {
        if (!crd_weighted_config(crd, place, &router->element, &route->services, NULL, &weighted.weighted)) {
            return false;
        }
        config = &weighted;
        name = router->element.name;
    } else {
        struct k8s_place at =
            k8s_step(crd, place, nodes && nodes->list.count ? nodes->list.items[0] : NULL, "services[0]");

        if (!crd_service_reference(crd, &at, &router->element, &services[0], &name, &config)) {
            return false;
        }
    }
    if (config) {
        if (!takes_name(crd, place, router)) {
            return false;
        }
        struct http_service *service = k8s_add_service(crd, place, router->element.name);

        service->config = *config;
        name = service->element.name;
    }
    router->config.service = name;
    return true;
}

static void load_route(struct k8s *crd, const struct object *object, const struct k8s_place *place)
{
    const struct kube_object *from = object->place.object;
    struct slice match = doc_text(doc_get(place->node, "match"), SLICE(""));
    struct crd_route route;

    if (place->node->kind != DOC_MAP || match.len == 0) {
        k8s_decode(crd, place, &crd_route_schema, 0, &route,
                   NULL); /* says what is wrong; without a match there is no name */
        return;
    }
    struct slice name = crd_route_name(crd->scratch, from->namespace, from->name, match);
    struct http_router *there = seen_get(&crd->routers, name);

    if (crd_router_taken(crd, place, there ? &there->element : NULL)) {
        k8s_note_made(crd, MADE_ROUTER, &there->element,
                      from); /* it has a part in what becomes of the name */
        return;
    }
    struct http_router before = there ? *there : (struct http_router){0};
    struct http_router *router = k8s_add_router(crd, place, name);

    k8s_copy_errors(crd, &object->spec_errors, &router->element);
    crd_means_parents(crd, &router->element, object->meant, object->parents);
    bool whole = k8s_decode(crd, place, &crd_route_schema, 0, &route, &router->element);

    router->config = (struct router_config){
        .entry_points = object->spec.entry_points,
        .rule = match,
        .rule_syntax = route.syntax,
        .priority = route.priority,
        .observability = route.observability,
        .parent_refs = object->parents,
    };
    if (route.syntax.len == 0 && slice_eq(from->group, SLICE(CRD_GROUP_OLD))) {
        router->config.rule_syntax = SLICE("v2");
    }
    crd_reference_names(crd, place, &router->element, CRD_MIDDLEWARE, from->namespace, &route.middlewares,
                        &router->config.middlewares);
    router_tls(crd, object, router);
    if (whole && !(there && router->element.status == ELEMENT_DISABLED)) { /* else its twin's service stays */
        router_service(crd, place, router, &route);
    }
    if (there && !k8s_twin_wins(crd, place, &before.element, &router->element)) {
        struct element wrong = router->element;

        *router = before;
        wrong.status = ELEMENT_WARNING;
        k8s_copy_errors(crd, &wrong, &router->element);
    }
}

void crd_read_route(struct k8s *crd, const struct kube_object *from)
{
    struct object object = {.place = {.object = from}};
    const struct doc *spec = doc_get(from->doc, "spec"), *routes;

    if (!crd_class_wanted(crd, &object.place)) {
        return;
    }
    if (spec == NULL || spec->kind != DOC_MAP) {
        model_notice(crd->model, true, &from->origin, "spec: is missing");
        return;
    }
    object.spec_place = k8s_step(crd, &object.place, spec, "spec");
    k8s_decode(crd, &object.spec_place, &crd_ingress_route_schema, 0, &object.spec, &object.spec_errors);
    crd->parents = crd->parents || object.spec.parent_refs.count > 0;
    resolve_parents(crd, &object);
    routes = object.spec.routes;
    if (routes == NULL || routes->kind != DOC_LIST || routes->list.count == 0) {
        struct origin origin = from->origin;

        origin.line = routes && routes->line ? routes->line : spec->line;
        model_notice(crd->model, true, &origin, "spec.routes: a list of routes is missing");
        const struct slice *errors = object.spec_errors.errors.items;

        for (size_t i = 0; i < object.spec_errors.errors.count; i++) {
            model_notice(crd->model, true, &origin, "%.*s", SLICE_ARG(errors[i]));
        }
    }
    for (size_t i = 0; routes && routes->kind == DOC_LIST && i < routes->list.count; i++) {
        struct k8s_place at = k8s_step(crd, &object.spec_place, routes->list.items[i], "routes[%zu]", i);

        load_route(crd, &object, &at);
    }
}

void crd_load_routes(struct k8s *crd)
{
    const struct kube_object **objects;
    size_t count = crd_objects(crd, "IngressRoute", &objects);

    for (size_t i = 0; i < count; i++) {
        crd_read_route(crd, objects[i]);
    }
}
