/*
 * kubernetes_server.c - the servers behind a Kubernetes Service.
 *
 * In this order: the external name, the cluster address (nativeLB), the nodes (nodePortLB), EndpointSlices, Endpoints,
 * our annotation weir.dev/addresses. All as Traefik does it but for the last two, which it does not read.
 */
#include "master/provider/kubernetes.h"

#include <stdlib.h>

#define SERVICE_NAME_LABEL "kubernetes.io/service-name"

struct port { /* of the Service */
    struct slice name;
    int64_t number, node_port;
};

struct target {
    struct k8s *k8s;
    const struct k8s_place *place;
    struct element *element;
    const struct kube_object *service;
    struct slice name; /* "default/whoami" */
    struct slice scheme;
    struct port port;
    struct server_config *servers;
    size_t count, capacity;
};

static int slice_order(const void *a, const void *b)
{
    const struct k8s_slice *left = a, *right = b;
    int order = slice_cmp(left->namespace, right->namespace);

    if (order == 0) {
        order = slice_cmp(left->service, right->service);
    }
    if (order == 0) {
        order = slice_cmp(left->created, right->created);
    }
    return order ? order : slice_cmp(left->name, right->name);
}

void k8s_index_slices(struct k8s *k8s)
{
    const struct kube_object **objects;
    size_t count = kube_list(k8s->store, "EndpointSlice", &objects);

    k8s->slices = pool_alloc(k8s->scratch, (count + 1) * sizeof(*k8s->slices));
    for (size_t i = 0; i < count; i++) {
        const struct doc *metadata = doc_get(objects[i]->doc, "metadata");

        if (!slice_eq(objects[i]->group, SLICE("discovery.k8s.io"))) {
            continue;
        }
        k8s->slices[k8s->slice_count++] = (struct k8s_slice){
            .namespace = objects[i]->namespace,
            .service = doc_text(doc_path(metadata, "labels", SERVICE_NAME_LABEL, NULL), SLICE("")),
            .created = doc_text(doc_get(metadata, "creationTimestamp"), SLICE("")),
            .name = objects[i]->name,
            .doc = objects[i]->doc,
        };
    }
    qsort(k8s->slices, k8s->slice_count, sizeof(*k8s->slices), slice_order);
}

/* The slices of a Service lie side by side: the first of them, or NULL. */
static const struct k8s_slice *first_slice(const struct k8s *k8s, struct slice namespace,
                                           struct slice service)
{
    struct k8s_slice key = {.namespace = namespace, .service = service};
    size_t low = 0, high = k8s->slice_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_order(&k8s->slices[middle], &key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == k8s->slice_count || !slice_eq(k8s->slices[low].namespace, namespace) ||
        !slice_eq(k8s->slices[low].service, service)) {
        return NULL;
    }
    return &k8s->slices[low];
}

static void add_server(struct target *target, struct slice host, int64_t port, bool fenced)
{
    struct pool *pool = target->k8s->model->pool;
    bool v6 = slice_find(host, ':') >= 0;
    struct server_config *server;

    target->servers =
        pool_grow(pool, target->servers, target->count, &target->capacity, sizeof(*target->servers));
    server = &target->servers[target->count++];
    schema_defaults(&server_schema, pool, server);
    server->url = pool_printf(pool, "%.*s://%s%.*s%s:%lld", SLICE_ARG(target->scheme), v6 ? "[" : "",
                              SLICE_ARG(host), v6 ? "]" : "", (long long)port);
    server->fenced = fenced;
}

static bool port_valid(int64_t port)
{
    return port >= 1 && port <= 65535;
}

/* The port of the Service that the reference means, by number or by name. */
static bool find_port(struct target *target, const struct k8s_backend *backend)
{
    const struct doc *wanted = backend->port, *ports = doc_path(target->service->doc, "spec", "ports", NULL);
    bool external = slice_eq(doc_text(doc_path(target->service->doc, "spec", "type", NULL), SLICE("")),
                             SLICE("ExternalName"));
    struct k8s_place at = k8s_step(target->k8s, target->place, wanted, "port");
    int64_t number = 0;
    bool by_number = wanted && wanted->kind == DOC_INT && doc_int(wanted, &number);

    if (wanted == NULL || wanted->kind == DOC_NULL || (by_number && number == 0) ||
        doc_text(wanted, SLICE("")).len == 0) {
        k8s_error(target->k8s, &at, target->element, true, "is missing: name a port of the Service %.*s",
                  SLICE_ARG(target->name));
        return false;
    }
    if ((by_number && !port_valid(number)) || (!by_number && wanted->kind != DOC_STRING)) {
        k8s_error(target->k8s, &at, target->element, true,
                  "%.*s is no port: a number from 1 to 65535 or a name is expected",
                  SLICE_ARG(doc_text(wanted, SLICE("?"))));
        return false;
    }
    for (size_t i = 0; ports && ports->kind == DOC_LIST && i < ports->list.count; i++) {
        const struct doc *port = ports->list.items[i];
        struct slice name = doc_text(doc_get(port, "name"), SLICE(""));
        int64_t value = 0;

        doc_int(doc_get(port, "port"), &value);
        if (by_number ? value == number : slice_eq(name, wanted->text)) {
            target->port = (struct port){.name = name, .number = value};
            doc_int(doc_get(port, "nodePort"), &target->port.node_port);
            if (!port_valid(value)) {
                k8s_error(target->k8s, &at, target->element, true,
                          "Service %.*s: its port is none from 1 to 65535", SLICE_ARG(target->name));
                return false;
            }
            return true;
        }
    }
    if (external && by_number && backend->external_port_free) {
        target->port = (struct port){.number = number};
        return true;
    }
    k8s_error(target->k8s, &at, target->element, true, "the Service %.*s has no port %s%.*s%s",
              SLICE_ARG(target->name), by_number ? "" : "named \"", SLICE_ARG(wanted->text),
              by_number ? "" : "\" (a number is written without quotes)");
    return false;
}

static struct slice scheme_of(const struct k8s_backend *backend, const struct port *port)
{
    if (backend->scheme.len) {
        return backend->scheme;
    }
    return port->number == 443 || slice_has_prefix(port->name, SLICE("https")) ? SLICE("https")
                                                                               : SLICE("http");
}

/* Conditions that are not there count as Traefik takes them; in manifests, which people write, "ready" may be left out. */
static bool endpoint_counts(const struct target *target, const struct doc *endpoint, bool ready_only)
{
    bool serving = true, ready = target->k8s->options->manifests.len > 0;

    doc_bool(doc_path(endpoint, "conditions", "serving", NULL), &serving);
    doc_bool(doc_path(endpoint, "conditions", "ready", NULL), &ready);
    return ready_only ? ready : serving;
}

static void servers_of_slices(struct target *target, bool ready_only, const struct k8s_slice *slice,
                              const struct k8s_slice *end)
{
    struct seen addresses;

    seen_init(&addresses, target->k8s->scratch);
    for (const struct k8s_slice *first = slice; slice < end && slice_eq(slice->namespace, first->namespace) &&
                                                slice_eq(slice->service, first->service);
         slice++) {
        const struct doc *ports = doc_get(slice->doc, "ports"), *endpoints = doc_get(slice->doc, "endpoints");
        int64_t port = 0;

        for (size_t i = 0; ports && ports->kind == DOC_LIST && i < ports->list.count && port == 0; i++) {
            if (slice_eq(doc_text(doc_get(ports->list.items[i], "name"), SLICE("")), target->port.name)) {
                doc_int(doc_get(ports->list.items[i], "port"), &port);
            }
        }
        for (size_t i = 0;
             port_valid(port) && endpoints && endpoints->kind == DOC_LIST && i < endpoints->list.count; i++) {
            const struct doc *endpoint = endpoints->list.items[i], *list = doc_get(endpoint, "addresses");
            bool counts = endpoint_counts(target, endpoint, ready_only), terminating = false;

            doc_bool(doc_path(endpoint, "conditions", "terminating", NULL), &terminating);
            for (size_t j = 0; counts && list && list->kind == DOC_LIST && j < list->list.count; j++) {
                struct slice address = doc_text(list->list.items[j], SLICE(""));

                if (address.len && seen_get(&addresses, address) == NULL) {
                    seen_set(&addresses, address, target);
                    add_server(target, address, port, terminating);
                }
            }
        }
    }
}

static void servers_of_endpoints(struct target *target, const struct doc *endpoints)
{
    const struct doc *subsets = doc_get(endpoints, "subsets");

    for (size_t i = 0; subsets && subsets->kind == DOC_LIST && i < subsets->list.count; i++) {
        const struct doc *ports = doc_get(subsets->list.items[i], "ports");
        const struct doc *addresses = doc_get(subsets->list.items[i], "addresses");
        int64_t port = 0;

        for (size_t j = 0; ports && ports->kind == DOC_LIST && j < ports->list.count && port == 0; j++) {
            if (slice_eq(doc_text(doc_get(ports->list.items[j], "name"), SLICE("")), target->port.name)) {
                doc_int(doc_get(ports->list.items[j], "port"), &port);
            }
        }
        for (size_t j = 0;
             port_valid(port) && addresses && addresses->kind == DOC_LIST && j < addresses->list.count; j++) {
            struct slice address = doc_text(doc_get(addresses->list.items[j], "ip"), SLICE(""));

            if (address.len) {
                add_server(target, address, port, false);
            }
        }
    }
}

static bool host_fit(struct slice host)
{
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];

        if (!((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && !(c >= '0' && c <= '9') &&
            strchr("-_.:", c) == NULL) {
            return false;
        }
    }
    return host.len > 0;
}

/* "127.0.0.1:18081, [::1]:18082, name:80" */
static bool servers_of_annotation(struct target *target, const struct doc *annotation)
{
    struct slice rest = doc_text(annotation, SLICE(""));
    bool good = true;

    while (rest.ptr) {
        struct slice item = slice_trim(slice_split(&rest, ',')), host;
        ptrdiff_t colon = slice_rfind(item, ':');
        uint64_t port = 0;

        if (item.len == 0) {
            continue;
        }
        host = slice_of(item.ptr, colon < 0 ? 0 : (size_t)colon);
        if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
            host = slice_of(host.ptr + 1, host.len - 2);
        } else if (slice_find(host, ':') >= 0) {
            host = SLICE(""); /* an IPv6 address without brackets: where does the port begin? */
        }
        if (!host_fit(host) ||
            !slice_to_u64(slice_of(item.ptr + colon + 1, item.len - (size_t)colon - 1), &port) ||
            !port_valid((int64_t)port)) {
            k8s_error(target->k8s, target->place, target->element, true,
                      "Service %.*s (%.*s:%u): annotation " K8S_ANNOTATION_ADDRESSES
                      ": \"%.*s\" is no HOST:PORT",
                      SLICE_ARG(target->name), SLICE_ARG(target->service->origin.file), annotation->line,
                      SLICE_ARG(item));
            good = false;
            continue;
        }
        add_server(target, host, (int64_t)port, false);
    }
    return good;
}

static bool servers_of_nodes(struct target *target)
{
    const struct kube_object **nodes;
    size_t count = kube_list(target->k8s->store, "Node", &nodes);

    if (target->k8s->options->disable_cluster_scope_resources) {
        k8s_error(target->k8s, target->place, target->element, true,
                  "nodePortLB needs the nodes, and disableClusterScopeResources is set");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct doc *addresses = doc_path(nodes[i]->doc, "status", "addresses", NULL);

        for (size_t j = 0; addresses && addresses->kind == DOC_LIST && j < addresses->list.count; j++) {
            const struct doc *address = addresses->list.items[j];

            if (slice_eq(doc_text(doc_get(address, "type"), SLICE("")), SLICE("InternalIP"))) {
                add_server(target, doc_text(doc_get(address, "address"), SLICE("")), target->port.node_port,
                           false);
            }
        }
    }
    if (target->count == 0) {
        k8s_error(target->k8s, target->place, target->element, true,
                  "nodePortLB: no Node with an InternalIP was found");
        return false;
    }
    return true;
}

static bool empty_allowed(const struct target *target, enum k8s_empty empty, bool there)
{
    return target->k8s->options->allow_empty_services || (empty == K8S_EMPTY_KEPT && there);
}

static bool servers_of_pods(struct target *target, const struct k8s_backend *backend)
{
    struct k8s *k8s = target->k8s;
    const struct kube_object *service = target->service;
    const struct k8s_slice *slice = first_slice(k8s, service->namespace, service->name);
    const struct kube_object *endpoints =
        kube_get(k8s->store, "", "Endpoints", service->namespace, service->name);
    bool offline = k8s->options->manifests.len > 0;
    const struct doc *annotation =
        offline ? doc_path(service->doc, "metadata", "annotations", K8S_ANNOTATION_ADDRESSES, NULL) : NULL;

    if (slice) {
        servers_of_slices(target, backend->ready_only, slice, k8s->slices + k8s->slice_count);
    } else if (endpoints) {
        servers_of_endpoints(target, endpoints->doc);
    } else if (annotation && !servers_of_annotation(target, annotation)) {
        return false;
    }
    if (target->count == 0 && !empty_allowed(target, backend->empty, slice || endpoints)) {
        k8s_error(k8s, target->place, target->element, true,
                  "the Service %.*s has no servers: %s (--%s.allowEmptyServices=true takes it as it is)",
                  SLICE_ARG(target->name),
                  slice       ? "no ready endpoint of its EndpointSlices has this port"
                  : endpoints ? "no ready address of its Endpoints has this port"
                  : offline
                      ? "there is no EndpointSlice, no Endpoints and no annotation " K8S_ANNOTATION_ADDRESSES
                      : "there is no EndpointSlice",
                  k8s->option);
        return false;
    }
    return true;
}

static bool servers_of_type(struct target *target, const struct k8s_backend *backend, struct slice type)
{
    const struct doc *spec = doc_get(target->service->doc, "spec");
    bool native = backend->native_lb.set
                      ? backend->native_lb.value
                      : target->k8s->options->native_lb_by_default && !backend->native_never_default;
    bool nodes = slice_eq(type, SLICE("NodePort")) && backend->node_port_lb;

    if (nodes && backend->node_port_first) {
        return servers_of_nodes(target);
    }
    if (slice_eq(type, SLICE("ExternalName"))) {
        struct slice host = doc_text(doc_get(spec, "externalName"), SLICE(""));

        if (!target->k8s->options->allow_external_name_services) {
            k8s_error(
                target->k8s, target->place, target->element, true,
                "the Service %.*s is of type ExternalName: this needs --%s.allowExternalNameServices=true",
                SLICE_ARG(target->name), target->k8s->option);
            return false;
        }
        if (!host_fit(host)) {
            k8s_error(target->k8s, target->place, target->element, true,
                      "the Service %.*s has no usable spec.externalName", SLICE_ARG(target->name));
            return false;
        }
        add_server(target, host, target->port.number, false);
        return true;
    }
    if (native) {
        struct slice address = doc_text(doc_get(spec, "clusterIP"), SLICE(""));

        if (address.len == 0 || slice_eq(address, SLICE("None"))) {
            k8s_error(target->k8s, target->place, target->element, true,
                      "nativeLB: the Service %.*s has no clusterIP", SLICE_ARG(target->name));
            return false;
        }
        add_server(target, address, target->port.number, false);
        return true;
    }
    if (nodes) {
        return servers_of_nodes(target);
    }
    return servers_of_pods(target, backend);
}

bool k8s_load_servers(struct k8s *k8s, const struct k8s_place *place, struct element *element,
                      const struct k8s_backend *backend, struct slice namespace, struct list *servers)
{
    struct target target = {
        .k8s = k8s,
        .place = place,
        .element = element,
        .service = kube_get(k8s->store, "", "Service", namespace, backend->name),
        .name = pool_printf(k8s->scratch, "%.*s/%.*s", SLICE_ARG(namespace), SLICE_ARG(backend->name)),
    };

    if (!k8s_namespace_watched(k8s, namespace)) {
        k8s_error(k8s, place, element, true, "the Service %.*s is outside of --%s.namespaces",
                  SLICE_ARG(target.name), k8s->option);
        return false;
    }
    if (target.service == NULL) {
        k8s_error(k8s, place, element, true, "the Service %.*s does not exist", SLICE_ARG(target.name));
        return false;
    }
    if (!find_port(&target, backend)) {
        return false;
    }
    struct slice type = doc_text(doc_path(target.service->doc, "spec", "type", NULL), SLICE(""));

    if (backend->external_only && !slice_eq(type, SLICE("ExternalName"))) {
        k8s_error(k8s, place, element, true,
                  "%s: is for Services of type ExternalName only, and %.*s is none", backend->external_only,
                  SLICE_ARG(target.name));
        return false;
    }
    target.scheme = scheme_of(backend, &target.port);
    if (!servers_of_type(&target, backend, type)) {
        return false;
    }
    *servers = (struct list){target.servers, target.count};
    return true;
}
