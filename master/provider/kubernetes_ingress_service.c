/*
 * kubernetes_ingress_service.c - the Services that Ingresses send to become load balancers.
 *
 * What a Service's annotations say holds for every Ingress that uses it, so a service is made once. Not here: its servers
 * (kubernetes_server.c).
 */
#include "master/provider/kubernetes_ingress.h"

/* A Service has annotations; what is wrong with them is told at the Service's own place. */
static bool read_annotations(struct k8s *k8s, const struct ingress_target *target, struct slice namespace,
                             struct element *element, struct service_annotations *out)
{
    const struct kube_object *service = kube_get(k8s->store, "", "Service", namespace, target->service);
    struct k8s_place place = {.object = service};

    if (service == NULL) { /* k8s_load_servers() says so */
        schema_defaults(&service_annotations_schema, k8s->model->pool, out);
        return true;
    }
    return ingress_annotations(k8s, &place, doc_path(service->doc, "metadata", "annotations", NULL),
                               "service", &service_annotations_schema, out, element);
}

bool ingress_load_balancer(struct k8s *k8s, const struct k8s_place *place,
                           const struct ingress_target *target, struct element *element,
                           struct service_config *config)
{
    struct slice namespace = place->object->namespace;
    struct load_balancer *lb = pool_zalloc(k8s->model->pool, sizeof(*lb));
    struct service_annotations options;

    schema_defaults(&load_balancer_schema, k8s->model->pool, lb);
    k8s_note_asked(k8s, namespace, target->service, place->object);
    if (!read_annotations(k8s, target, namespace, element, &options)) {
        return false;
    }
    struct k8s_backend backend = {
        .name = target->service,
        .port = target->port,
        .scheme = options.servers_scheme,
        .native_lb = options.native_lb,
        .node_port_lb = options.node_port_lb,
        .node_port_first = true,
        .balancer = lb,
    };

    if (options.pass_host_header.set) {
        lb->pass_host_header = options.pass_host_header;
    }
    if (options.servers_transport.len && !k8s_cross_provider_allowed(k8s, namespace)) {
        k8s_error(k8s, place, element, true,
                  "the Service %.*s/%.*s names a servers transport, and its namespace is not in "
                  "crossProviderNamespaces",
                  SLICE_ARG(namespace), SLICE_ARG(target->service));
        return false;
    }
    lb->servers_transport = options.servers_transport;
    lb->sticky = options.sticky;
    *config = (struct service_config){.load_balancer = lb, .middlewares = options.middlewares};
    return k8s_load_servers(k8s, place, element, &backend, namespace, &lb->servers);
}

/* a/b-c and a-b/c come to the same name: nobody gets the pods of another namespace by that. */
static bool from_namespace(struct k8s *k8s, const struct element *element, struct slice namespace)
{
    return slice_has_prefix(element->origin.object,
                            pool_printf(k8s->scratch, "Ingress %.*s/", SLICE_ARG(namespace)));
}

bool ingress_use_service(struct k8s *k8s, const struct k8s_place *place, const struct ingress_target *target,
                         struct element *element, struct slice *name)
{
    struct pool *pool = k8s->model->pool;
    struct slice namespace = place->object->namespace, port = doc_text(target->port, SLICE(""));
    bool refused = element->status == ELEMENT_DISABLED;
    struct service_config config;

    *name = k8s_normalize(pool, pool_printf(k8s->scratch, "%.*s-%.*s-%.*s", SLICE_ARG(namespace),
                                            SLICE_ARG(target->service), SLICE_ARG(port)));
    struct http_service *there = seen_get(&k8s->services, *name);

    if (there) { /* it has a part in it, also in what becomes of it without the other */
        k8s_note_asked(k8s, namespace, target->service, place->object);
        k8s_note_made(k8s, MADE_SERVICE, &there->element, place->object);
    }
    if (there && !from_namespace(k8s, &there->element, namespace)) {
        k8s_error(
            k8s, place, element, true,
            "its service would be called %.*s, as one of another namespace (%.*s): rename one of the two",
            SLICE_ARG(*name), SLICE_ARG(there->element.origin.object));
        return false;
    }
    if (there) {
        return true;
    }
    if (!ingress_load_balancer(k8s, place, target, element, &config)) {
        return false;
    }
    if (!refused) { /* else it was looked at for its errors only */
        k8s_add_service(k8s, place, *name)->config = config;
    }
    return !refused;
}
