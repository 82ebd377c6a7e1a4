/*
 * kubernetes_server.c - the servers behind a Kubernetes Service.
 *
 * In this order: the external name, the cluster address (nativeLB), the nodes (nodePortLB), EndpointSlices, Endpoints,
 * our annotation weir.dev/addresses. All as Traefik does it but for the last two, which it does not read.
 */
#include "master/provider/kubernetes.h"

#include <stdio.h>

struct port { /* of the Service */
    struct slice name;
    int64_t number, node_port;
};

struct target {
    struct k8s *k8s;
    struct pool *pool, *scratch; /* of the servers; of this call */
    const struct k8s_place *place;
    struct element *element;
    const struct kube_object *service;
    struct slice name; /* "default/whoami" */
    struct slice scheme;
    struct port port;
    struct server_config *servers;
    size_t count, capacity;
};

/* Most of a load is this and what calls it: no printf. */
static struct slice joined(struct pool *pool, const struct slice *parts, size_t count)
{
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        len += parts[i].len;
    }
    char *text = pool_alloc(pool, len + 1), *end = text;

    for (size_t i = 0; i < count; i++) {
        if (parts[i].len) {
            memcpy(end, parts[i].ptr, parts[i].len);
            end += parts[i].len;
        }
    }
    return slice_of(text, len);
}

static struct slice url_of(struct pool *pool, struct slice scheme, struct slice host, int64_t port)
{
    bool v6 = slice_find(host, ':') >= 0;
    char digits[24];
    int length = snprintf(digits, sizeof(digits), "%lld", (long long)port);
    const struct slice parts[] = {scheme,
                                  SLICE("://"),
                                  v6 ? SLICE("[") : SLICE(""),
                                  host,
                                  v6 ? SLICE("]:") : SLICE(":"),
                                  slice_of(digits, (size_t)length)};

    return joined(pool, parts, ARRAY_LEN(parts));
}

static void add_server(struct target *target, struct slice host, int64_t port, bool fenced)
{
    struct pool *pool = target->pool;
    struct server_config *server;

    target->servers =
        pool_grow(pool, target->servers, target->count, &target->capacity, sizeof(*target->servers));
    server = &target->servers[target->count++];
    schema_defaults(&server_schema, pool, server);
    server->url = url_of(pool, target->scheme, host, port);
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
static bool endpoint_counts(const struct doc *endpoint, bool ready_only, bool manifests)
{
    bool serving = true, ready = manifests;

    doc_bool(doc_path(endpoint, "conditions", "serving", NULL), &serving);
    doc_bool(doc_path(endpoint, "conditions", "ready", NULL), &ready);
    return ready_only ? ready : serving;
}

static void servers_of_slices(struct target *target, bool ready_only, const struct k8s_slice *slices,
                              size_t count)
{
    bool manifests = target->k8s && target->k8s->options->manifests.len > 0;
    struct seen addresses;

    seen_init(&addresses, target->scratch);
    for (const struct k8s_slice *slice = slices; slice < slices + count; slice++) {
        const struct doc *ports = doc_get(slice->object->doc, "ports");
        const struct doc *endpoints = doc_get(slice->object->doc, "endpoints");
        int64_t port = 0;

        for (size_t i = 0; ports && ports->kind == DOC_LIST && i < ports->list.count && port == 0; i++) {
            if (slice_eq(doc_text(doc_get(ports->list.items[i], "name"), SLICE("")), target->port.name)) {
                doc_int(doc_get(ports->list.items[i], "port"), &port);
            }
        }
        for (size_t i = 0;
             port_valid(port) && endpoints && endpoints->kind == DOC_LIST && i < endpoints->list.count; i++) {
            const struct doc *endpoint = endpoints->list.items[i], *list = doc_get(endpoint, "addresses");
            bool counts = endpoint_counts(endpoint, ready_only, manifests), terminating = false;

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

struct list k8s_servers_of_slices(struct pool *pool, struct pool *scratch, const struct k8s_use *use,
                                  const struct k8s_slice *slices, size_t count)
{
    struct target target = {
        .pool = pool, .scratch = scratch, .scheme = use->scheme, .port = {.name = use->port}};

    servers_of_slices(&target, false, slices, count); /* only HTTP takes the short way */
    return (struct list){target.servers, target.count};
}

static bool servers_of_pods(struct target *target, const struct k8s_backend *backend)
{
    struct k8s *k8s = target->k8s;
    const struct kube_object *service = target->service;
    size_t slice_count;
    const struct k8s_slice *slices = k8s_slices(k8s, service->namespace, service->name, &slice_count);
    const struct kube_object *endpoints =
        slice_count ? NULL : kube_get(k8s->store, "", "Endpoints", service->namespace, service->name);
    bool offline = k8s->options->manifests.len > 0;
    const struct doc *annotation =
        offline ? doc_path(service->doc, "metadata", "annotations", K8S_ANNOTATION_ADDRESSES, NULL) : NULL;

    if (slice_count) {
        servers_of_slices(target, backend->ready_only, slices, slice_count);
    } else if (endpoints) {
        servers_of_endpoints(target, endpoints->doc);
    } else if (annotation && !servers_of_annotation(target, annotation)) {
        return false;
    }
    k8s_note_use(k8s, &(struct k8s_use){
                          .namespace = service->namespace,
                          .service = service->name,
                          .scheme = target->scheme,
                          .port = target->port.name,
                          .balancer = slice_count ? backend->balancer : NULL,
                          .object = target->place->object,
                          .empty = target->count == 0,
                          .empty_fine = empty_allowed(target, backend->empty, true),
                      });
    if (target->count == 0 && !empty_allowed(target, backend->empty, slice_count || endpoints)) {
        k8s_error(k8s, target->place, target->element, true,
                  "the Service %.*s has no servers: %s (--%s.allowEmptyServices=true takes it as it is)",
                  SLICE_ARG(target->name),
                  slice_count ? "no ready endpoint of its EndpointSlices has this port"
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
        .pool = k8s->model->pool,
        .scratch = k8s->scratch,
        .place = place,
        .element = element,
        .service = kube_get(k8s->store, "", "Service", namespace, backend->name),
        .name = joined(k8s->scratch, (const struct slice[]){namespace, SLICE("/"), backend->name}, 3),
    };

    k8s_note_asked(k8s, namespace, backend->name, place->object);
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
