/*
 * kubernetes_crd_tcp.c - IngressRouteTCP, MiddlewareTCP and ServersTransportTCP objects.
 *
 * Not here: what a rule means, which entry points exist (master/resolve), services (kubernetes_crd_layer4_service.c).
 */
#include "master/provider/kubernetes_crd_layer4.h"

/* ---- routes ---- */

static void router_tls(struct k8s *crd, const struct crd_layer4_object *object, struct tcp_router *router)
{
    const struct crd_tcp_tls *from = object->spec.tls;
    struct tcp_router_tls *tls;

    if (from == NULL) {
        return;
    }
    tls = pool_zalloc(crd->model->pool, sizeof(*tls));
    tls->passthrough = from->passthrough;
    tls->cert_resolver = from->cert_resolver;
    tls->domains = from->domains;
    crd_load_tls_references(crd, &object->spec_place, &router->element, from->options,
                            from->passthrough ? SLICE("") : from->secret_name, &tls->options);
    router->config.tls = tls;
}

static void load_route(struct k8s *crd, const struct crd_layer4_object *object, const struct k8s_place *place,
                       size_t number)
{
    const struct kube_object *from = object->place.object;
    struct slice match = doc_text(doc_get(place->node, "match"), SLICE(""));
    struct crd_tcp_route route;

    (void)number;
    if (place->node->kind != DOC_MAP || match.len == 0) {
        k8s_decode(crd, place, &crd_tcp_route_schema, 0, &route,
                   NULL); /* says what is wrong; without a match there is no name */
        return;
    }
    struct slice base =
        pool_printf(crd->scratch, "%.*s-%.*s", SLICE_ARG(from->namespace), SLICE_ARG(from->name));
    struct slice name = k8s_hashed_name(crd->scratch, base, match);
    const struct tcp_router *there = seen_get(&crd->layer4[TCP_ROUTER], name);

    if (crd_router_taken(crd, place, there ? &there->element : NULL)) {
        return;
    }
    struct tcp_router before = there ? *there : (struct tcp_router){0};
    struct tcp_router *router = k8s_add_layer4(crd, place, TCP_ROUTER, name);
    struct element *element = &router->element;

    k8s_copy_errors(crd, &object->spec_errors, element);
    bool whole = k8s_decode(crd, place, &crd_tcp_route_schema, 0, &route, element);

    router->config = (struct tcp_router_config){
        .entry_points = object->spec.entry_points,
        .rule = match,
        .rule_syntax = route.syntax,
        .priority = route.priority,
    };
    if (route.syntax.len == 0 && slice_eq(from->group, SLICE(CRD_GROUP_OLD))) {
        router->config.rule_syntax = SLICE("v2");
    }
    whole &= crd_reference_names(crd, place, element, CRD_MIDDLEWARE_TCP, from->namespace, &route.middlewares,
                                 &router->config.middlewares);
    router_tls(crd, object, router);
    if (whole) { /* else nobody would use them, as upstream */
        router->config.service = element->name;
        crd_layer4_services(crd, TCP_SERVICE, place, element, &route.services, element->name);
    }
    if (there && !k8s_twin_wins(crd, place, &before.element, element)) {
        struct element wrong = *element;

        *router = before;
        wrong.status = ELEMENT_WARNING;
        k8s_copy_errors(crd, &wrong, element);
    }
}

/* ---- middlewares, transports ---- */

static void load_middleware(struct k8s *crd, const struct kube_object *object)
{
    struct k8s_place root = {.object = object};
    struct k8s_place place = k8s_step(crd, &root, doc_get(object->doc, "spec"), "spec");
    struct slice name = k8s_object_name(crd->scratch, object->namespace, object->name);
    struct tcp_middleware *middleware;

    if (!crd_owns(crd, CRD_MIDDLEWARE_TCP, object, name)) {
        return;
    }
    middleware = k8s_add_layer4(crd, &root, TCP_MIDDLEWARE, name);
    if (place.node == NULL) {
        k8s_error(crd, &place, &middleware->element, true, "is missing");
        return;
    }
    k8s_decode(crd, &place, &tcp_middleware_schema, 0, &middleware->config, &middleware->element);
}

static void transport_tls(struct k8s *crd, const struct k8s_place *spec, struct tcp_transport *transport,
                          const struct crd_tcp_transport_tls *from)
{
    struct k8s_place place = k8s_step(crd, spec, doc_get(spec->node, "tls"), "tls");
    struct tcp_client_tls *tls = pool_zalloc(crd->model->pool, sizeof(*tls));
    struct element *element = &transport->element;

    tls->server_name = from->server_name;
    tls->insecure_skip_verify = from->insecure_skip_verify;
    tls->peer_cert_uri = from->peer_cert_uri;
    tls->peer_cert_sans = from->peer_cert_sans;
    tls->spiffe = from->spiffe;
    tls->root_cas = crd_authorities(crd, &place, element, &from->root_cas_secrets, &from->root_cas);
    tls->certificates = crd_client_certificates(crd, &place, element, &from->certificates_secrets);
    transport->config.tls = tls;
}

static void load_transport(struct k8s *crd, const struct kube_object *object)
{
    struct k8s_place root = {.object = object};
    const struct doc *doc = doc_get(object->doc, "spec");
    struct k8s_place place = k8s_step(crd, &root, doc, "spec");
    struct slice name = k8s_object_name(crd->scratch, object->namespace, object->name);
    struct tcp_transport *transport;
    struct crd_tcp_transport spec;

    if (!crd_owns(crd, CRD_TRANSPORT_TCP, object, name)) {
        return;
    }
    transport = k8s_add_layer4(crd, &root, TCP_TRANSPORT, name);
    place.node = doc; /* NULL: all defaults */
    if (!k8s_decode(crd, &place, &crd_tcp_transport_schema, 0, &spec, &transport->element)) {
        return;
    }
    transport->config.dial_timeout = spec.dial_timeout;
    transport->config.dial_keep_alive = spec.dial_keep_alive;
    transport->config.termination_delay = spec.termination_delay;
    transport->config.proxy_protocol = spec.proxy_protocol;
    if (spec.tls) {
        transport_tls(crd, &place, transport, spec.tls);
    }
}

static void each(struct k8s *crd, const char *kind,
                 void (*load)(struct k8s *crd, const struct kube_object *object))
{
    const struct kube_object **objects;
    size_t count = crd_objects(crd, kind, &objects);

    for (size_t i = 0; i < count; i++) {
        load(crd, objects[i]);
    }
}

void crd_load_tcp(struct k8s *crd)
{
    crd_layer4_routes(crd, "IngressRouteTCP", &crd_ingress_route_tcp_schema, load_route);
    each(crd, "MiddlewareTCP", load_middleware);
    each(crd, "ServersTransportTCP", load_transport);
}
