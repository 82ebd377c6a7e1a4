/*
 * kubernetes_crd_service.c - references to services become load balancers; TraefikService objects become services.
 *
 * Not here: the servers of a Service (kubernetes_server.c), what refers to what (master/resolve).
 */
#include "master/provider/kubernetes_crd.h"

static bool transport_name(struct k8s *crd, const struct k8s_place *place, struct element *element,
                           struct slice name, struct slice namespace, struct slice *out)
{
    struct k8s_place at = k8s_step(crd, place, doc_get(place->node, "serversTransport"), "serversTransport");

    *out = SLICE("");
    if (name.len == 0) {
        return true;
    }
    if (slice_find(name, '@') < 0) { /* beside the Service, wherever that is */
        struct slice full = k8s_object_name(crd->model->pool, namespace, name);
        bool good = crd_means(crd, &at, element, CRD_TRANSPORT, namespace, name, full);

        *out = good ? full : *out;
        return good;
    }
    return crd_reference_name(crd, &at, element, CRD_TRANSPORT, namespace, SLICE(""), name, out);
}

/* Without a cookie there is nothing to stick by. */
static struct sticky *sticky_of(struct sticky *sticky)
{
    return sticky && sticky->cookie ? sticky : NULL;
}

static bool load_balancer(struct k8s *crd, const struct k8s_place *place, struct element *element,
                          const struct crd_service *from, struct slice namespace, struct service_config **out)
{
    struct pool *pool = crd->model->pool;
    struct load_balancer *lb = pool_zalloc(pool, sizeof(*lb));
    struct service_config *config = pool_zalloc(pool, sizeof(*config));
    struct k8s_backend backend = {
        .name = from->name,
        .port = from->port,
        .scheme = from->scheme,
        .native_lb = from->native_lb,
        .native_never_default = !slice_eq(place->object->kind, SLICE("IngressRoute")), /* as upstream */
        .node_port_lb = from->node_port_lb,
        .external_port_free = true,
        .external_only = from->health_check ? "healthCheck" : NULL,
        .balancer = lb,
    };
    bool good;

    schema_defaults(&load_balancer_schema, pool, lb);
    if (slice_eq(from->strategy, SLICE("RoundRobin"))) {
        k8s_warn(crd, place, "strategy: RoundRobin is the old name of wrr");
    } else if (from->strategy.len) {
        lb->strategy = from->strategy;
    }
    if (from->pass_host_header.set) {
        lb->pass_host_header = from->pass_host_header;
    }
    if (from->response_forwarding) {
        lb->response_forwarding = from->response_forwarding;
    }
    lb->sticky = sticky_of(from->sticky);
    lb->passive_health_check = from->passive_health_check;
    lb->slow_start = from->slow_start;
    lb->health_check = from->health_check;
    if (lb->health_check && lb->health_check->unhealthy_interval == 0) {
        lb->health_check->unhealthy_interval = lb->health_check->interval;
    }
    good = k8s_load_servers(crd, place, element, &backend, namespace, &lb->servers);
    good &= transport_name(crd, place, element, from->servers_transport, namespace, &lb->servers_transport);
    good &= crd_reference_names(crd, place, element, CRD_MIDDLEWARE, namespace, &from->middlewares,
                                &config->middlewares);
    config->load_balancer = lb;
    *out = config;
    return good;
}

/* <namespace>-<service>-<port>, <namespace>-<traefikservice>, or a name of another provider as it is. */
static struct slice full_name(struct k8s *crd, const struct k8s_place *place,
                              const struct crd_service *reference, struct slice namespace, bool with_port)
{
    struct pool *pool = crd->model->pool;
    struct slice port = with_port ? doc_text(reference->port, SLICE("")) : SLICE(""), name = reference->name;
    ptrdiff_t at = slice_rfind(name, '@');

    if (port.len && !slice_eq(port, SLICE("0"))) {
        return k8s_normalize(pool, pool_printf(pool, "%.*s-%.*s-%.*s", SLICE_ARG(namespace), SLICE_ARG(name),
                                               SLICE_ARG(port)));
    }
    if (at < 0) {
        return k8s_normalize(pool, pool_printf(pool, "%.*s-%.*s", SLICE_ARG(namespace), SLICE_ARG(name)));
    }
    struct slice before = slice_of(name.ptr, (size_t)at),
                 provider = slice_of(name.ptr + at + 1, name.len - (size_t)at - 1);

    if (slice_eq(provider, SLICE(CRD_PROVIDER))) {
        return k8s_normalize(pool, pool_printf(pool, "%.*s-%.*s", SLICE_ARG(namespace), SLICE_ARG(before)));
    }
    if (namespace.len) {
        k8s_warn(crd, place, "namespace %.*s is ignored: \"%.*s\" belongs to another provider",
                 SLICE_ARG(namespace), SLICE_ARG(name));
    }
    struct slice normal = k8s_normalize(pool, before);

    return pool_printf(pool, "%.*s@%.*s", SLICE_ARG(normal), SLICE_ARG(provider));
}

/* NAME@kubernetescrd where other namespaces are closed: what stands in it is an object of its own, by whichever spelling. */
static bool own_by_full_name(struct k8s *crd, const struct k8s_place *place, struct element *element,
                             const struct crd_service *reference, struct slice full)
{
    struct slice parent = place->object->namespace;
    struct slice object = slice_of(reference->name.ptr, reference->name.len - SLICE("@" CRD_PROVIDER).len);
    struct slice prefix = pool_printf(crd->scratch, "%.*s-", SLICE_ARG(parent));
    bool own = slice_eq(reference->namespace, parent);

    if (reference->namespace.len == 0 && slice_has_prefix(object, prefix)) {
        object = slice_from(object, prefix.len);
        own = true;
    }
    if (!own) {
        k8s_error(crd, place, element, true,
                  "service \"%.*s\" is not in the namespace %.*s: another namespace needs "
                  "--providers.kubernetesCRD.allowCrossNamespace=true",
                  SLICE_ARG(reference->name), SLICE_ARG(parent));
        return false;
    }
    return crd_means(crd, place, element, CRD_SERVICE, parent, object, full);
}

bool crd_service_reference(struct k8s *crd, const struct k8s_place *place, struct element *element,
                           const struct crd_service *reference, struct slice *name,
                           struct service_config **config)
{
    struct slice parent = place->object->namespace, namespace = reference->namespace;
    bool other_provider = slice_find(reference->name, '@') >= 0;

    *config = NULL;
    if (!other_provider) {
        namespace = namespace.len ? namespace : parent;
        if (!crd->options->allow_cross_namespace && !slice_eq(namespace, parent)) {
            k8s_error(crd, place, element, true,
                      "service %.*s/%.*s is not in the namespace %.*s: another namespace needs "
                      "--providers.kubernetesCRD.allowCrossNamespace=true",
                      SLICE_ARG(namespace), SLICE_ARG(reference->name), SLICE_ARG(parent));
            return false;
        }
    } else if (!k8s_cross_provider_allowed(crd, parent)) {
        k8s_error(crd, place, element, true,
                  "service \"%.*s\": namespace %.*s is not in crossProviderNamespaces",
                  SLICE_ARG(reference->name), SLICE_ARG(parent));
        return false;
    }
    if (slice_eq(reference->kind, SLICE("TraefikService"))) {
        *name = full_name(crd, place, reference, namespace, false);
        if (!other_provider) {
            return crd_means(crd, place, element, CRD_SERVICE, namespace, reference->name, *name);
        }
        return crd->options->allow_cross_namespace ||
               !slice_has_suffix(reference->name, SLICE("@" CRD_PROVIDER)) ||
               own_by_full_name(crd, place, element, reference, *name);
    }
    if (other_provider) {
        k8s_error(crd, place, element, true,
                  "service \"%.*s\" of another provider needs kind: TraefikService",
                  SLICE_ARG(reference->name));
        return false;
    }
    *name = full_name(crd, place, reference, namespace, true);
    return load_balancer(crd, place, element, reference, namespace, config);
}

static bool takes_name(struct k8s *crd, const struct k8s_place *place, struct element *element,
                       const struct crd_service *reference, struct slice name)
{
    struct slice namespace = reference->namespace.len ? reference->namespace : place->object->namespace;

    return crd_takes_service(crd, place, element, name, namespace,
                             crd_whom(crd, namespace, reference->name, reference->port));
}

/* The child of a service that is made of others: adds its load balancer, gives its name. keep: so far nothing is wrong; else
 * it is only looked at. */
static bool child(struct k8s *crd, const struct k8s_place *place, struct element *element, bool keep,
                  const struct crd_service *reference, struct slice *name)
{
    struct service_config *config;

    if (!crd_service_reference(crd, place, element, reference, name, &config)) {
        return false;
    }
    if (config && keep) {
        if (!takes_name(crd, place, element, reference, *name)) {
            return false;
        }
        k8s_add_service(crd, place, *name)->config = *config;
    }
    return keep;
}

static const struct doc *item(const struct doc *list, size_t i)
{
    return list && list->kind == DOC_LIST && i < list->list.count ? list->list.items[i] : NULL;
}

bool crd_weighted_config(struct k8s *crd, const struct k8s_place *place, struct element *element,
                         const struct list *references, struct sticky *sticky, struct weighted **out)
{
    const struct crd_service *from = references->items;
    struct weighted *weighted = pool_zalloc(crd->model->pool, sizeof(*weighted));
    struct weighted_service *children =
        pool_zalloc(crd->model->pool, (references->count + 1) * sizeof(*children));
    const struct doc *nodes = doc_get(place->node, "services");
    bool good = true;

    for (size_t i = 0; i < references->count; i++) {
        struct k8s_place at = k8s_step(crd, place, item(nodes, i), "services[%zu]", i);

        good = child(crd, &at, element, good, &from[i], &children[i].name);
        children[i].weight = from[i].weight.set ? from[i].weight : (struct opt_int){.set = true, .value = 1};
    }
    weighted->services = (struct list){children, references->count};
    weighted->sticky = sticky_of(sticky);
    *out = weighted;
    return good;
}

static bool mirroring(struct k8s *crd, const struct k8s_place *place, struct element *element,
                      const struct crd_mirroring *from, struct mirroring **out)
{
    const struct crd_mirror *mirrors = from->mirrors.items;
    struct mirroring *to = pool_zalloc(crd->model->pool, sizeof(*to));
    struct mirror_service *copies =
        pool_zalloc(crd->model->pool, (from->mirrors.count + 1) * sizeof(*copies));
    const struct doc *nodes = doc_get(place->node, "mirrors");
    bool good = child(crd, place, element, true, &from->service, &to->service);

    for (size_t i = 0; i < from->mirrors.count; i++) {
        struct k8s_place at = k8s_step(crd, place, item(nodes, i), "mirrors[%zu]", i);

        good = child(crd, &at, element, good, &mirrors[i].service, &copies[i].name);
        copies[i].percent = mirrors[i].percent;
    }
    to->mirrors = (struct list){copies, from->mirrors.count};
    to->mirror_body = from->mirror_body;
    to->max_body_size = from->max_body_size;
    *out = to;
    return good;
}

/* Unlike the others: when one part of it is wrong, nothing is made of the other. */
static bool failover(struct k8s *crd, const struct k8s_place *place, struct element *element,
                     const struct crd_failover *from, struct failover **out)
{
    struct failover *to = pool_zalloc(crd->model->pool, sizeof(*to));
    struct k8s_place main = k8s_step(crd, place, doc_get(place->node, "service"), "service");
    struct k8s_place second = k8s_step(crd, place, doc_get(place->node, "fallback"), "fallback");
    struct service_config *service = NULL, *fallback = NULL;
    bool good = crd_service_reference(crd, &main, element, &from->service, &to->service, &service);

    good &= crd_service_reference(crd, &second, element, &from->fallback, &to->fallback, &fallback);
    good = good && (!service || takes_name(crd, &main, element, &from->service, to->service)) &&
           (!fallback || takes_name(crd, &second, element, &from->fallback, to->fallback));
    if (good && service) {
        k8s_add_service(crd, &main, to->service)->config = *service;
    }
    if (good && fallback) {
        k8s_add_service(crd, &second, to->fallback)->config = *fallback;
    }
    to->errors = pool_zalloc(crd->model->pool, sizeof(*to->errors));
    to->errors->status = from->errors.status;
    to->errors->max_request_body_bytes = from->errors.max_request_body_bytes;
    *out = to;
    return good;
}

/* NULL: another one is called so. */
static struct http_service *own_service(struct k8s *crd, const struct k8s_place *root)
{
    struct slice name = k8s_object_name(crd->scratch, root->object->namespace, root->object->name);

    return crd_owns(crd, CRD_SERVICE, root->object, name) ? k8s_add_service(crd, root, name) : NULL;
}

void crd_read_service(struct k8s *crd, const struct kube_object *object)
{
    struct k8s_place root = {.object = object};
    const struct doc *doc = doc_get(object->doc, "spec");
    struct k8s_place place = k8s_step(crd, &root, doc, "spec");
    struct http_service *service = own_service(crd, &root);
    struct service_config config = {0};
    struct crd_traefik_service spec;
    struct element *element;

    if (service == NULL) {
        return;
    }
    element = &service->element;
    if (doc == NULL) {
        k8s_error(crd, &place, element, true, "is missing");
        return;
    }
    if (!k8s_decode(crd, &place, &crd_traefik_service_schema, 0, &spec, element)) {
        return;
    }
    if (spec.weighted) {
        place = k8s_step(crd, &place, doc_get(doc, "weighted"), "weighted");
        crd_weighted_config(crd, &place, element, &spec.weighted->services, spec.weighted->sticky,
                            &config.weighted);
    } else if (spec.mirroring) {
        place = k8s_step(crd, &place, doc_get(doc, "mirroring"), "mirroring");
        mirroring(crd, &place, element, spec.mirroring, &config.mirroring);
    } else if (spec.highest_random_weight) {
        place = k8s_step(crd, &place, doc_get(doc, "highestRandomWeight"), "highestRandomWeight");
        crd_weighted_config(crd, &place, element, &spec.highest_random_weight->services, NULL,
                            &config.highest_random_weight);
    } else if (spec.failover) {
        place = k8s_step(crd, &place, doc_get(doc, "failover"), "failover");
        failover(crd, &place, element, spec.failover, &config.failover);
    } else {
        k8s_error(crd, &place, element, true,
                  "one of weighted, mirroring, highestRandomWeight, failover is missing");
    }
    service->config = config;
}

void crd_load_services(struct k8s *crd)
{
    const struct kube_object **objects;
    size_t count = crd_objects(crd, "TraefikService", &objects);

    for (size_t i = 0; i < count; i++) {
        crd_read_service(crd, objects[i]);
    }
}
