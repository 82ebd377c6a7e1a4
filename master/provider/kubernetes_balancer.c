/*
 * kubernetes_balancer.c - the addresses that the status of Ingresses is to show: options ingressEndpoint and
 * reportNodeInternalIPs.
 *
 * As upstream: addresses of the nodes; else a fixed address and name; else what a published Service has, by its type.
 */
#include <errno.h>

#include "master/provider/kubernetes_ingress.h"

static struct doc *add_item(struct pool *pool, struct doc *list, const char *key, struct slice value)
{
    struct doc *item = doc_new(pool, DOC_MAP);

    doc_map_set(pool, item, slice_cstr(key), doc_new_string(pool, value));
    doc_list_add(pool, list, item);
    return item;
}

static void add_node_addresses(struct pool *pool, const struct kube_store *store, const char *type,
                               const struct doc *ports, struct doc *out)
{
    const struct kube_object **nodes;
    size_t count = kube_list(store, "Node", &nodes);

    for (size_t i = 0; i < count; i++) {
        const struct doc *addresses = doc_path(nodes[i]->doc, "status", "addresses", NULL);

        for (size_t j = 0; addresses && addresses->kind == DOC_LIST && j < addresses->list.count; j++) {
            const struct doc *address = addresses->list.items[j];
            struct slice text = doc_text(doc_get(address, "address"), SLICE(""));

            if (text.len && slice_eq(doc_text(doc_get(address, "type"), SLICE("")), slice_cstr(type))) {
                struct doc *item = add_item(pool, out, "ip", text);

                if (ports) {
                    doc_map_set(pool, item, SLICE("ports"), doc_clone(pool, ports));
                }
            }
        }
    }
}

static void copy_member(struct pool *pool, const struct doc *from, const char *key, struct doc *to,
                        const char *name)
{
    const struct doc *value = doc_get(from, key);

    if (value && value->kind != DOC_NULL) {
        doc_map_set(pool, to, slice_cstr(name), doc_clone(pool, value));
    }
}

/* The ports of a Service, as a status has them; NULL when it has none. */
static struct doc *ports_of(struct pool *pool, const struct kube_object *service, const char *key)
{
    const struct doc *ports = doc_path(service->doc, "spec", "ports", NULL);
    struct doc *out = doc_new(pool, DOC_LIST);

    for (size_t i = 0; ports && ports->kind == DOC_LIST && i < ports->list.count; i++) {
        struct doc *port = doc_new(pool, DOC_MAP);

        copy_member(pool, ports->list.items[i], key, port, "port");
        copy_member(pool, ports->list.items[i], "protocol", port, "protocol");
        if (doc_get(port, "protocol") == NULL) {
            doc_map_set(pool, port, SLICE("protocol"), doc_new_string(pool, SLICE("TCP")));
        }
        doc_list_add(pool, out, port);
    }
    return out->list.count ? out : NULL;
}

/* What a Service's own status says, with what an Ingress' status knows of it. */
static void copy_balancer(struct pool *pool, const struct doc *from, struct doc *out)
{
    static const char *const members[] = {"ip", "hostname", "ports"};

    for (size_t i = 0; i < from->list.count; i++) {
        struct doc *item = doc_new(pool, DOC_MAP);

        for (size_t j = 0; j < ARRAY_LEN(members); j++) {
            copy_member(pool, from->list.items[i], members[j], item, members[j]);
        }
        doc_list_add(pool, out, item);
    }
}

static void add_external_addresses(struct pool *pool, const struct kube_object *service, struct doc *out)
{
    const struct doc *addresses = doc_path(service->doc, "spec", "externalIPs", NULL);
    const struct doc *ports = ports_of(pool, service, "port");

    for (size_t i = 0; addresses && addresses->kind == DOC_LIST && i < addresses->list.count; i++) {
        struct doc *item = add_item(pool, out, "ip", doc_text(addresses->list.items[i], SLICE("")));

        if (ports) {
            doc_map_set(pool, item, SLICE("ports"), doc_clone(pool, ports));
        }
    }
}

static int by_service(const struct kubernetes_provider *options, const struct kube_store *store,
                      struct pool *pool, const struct kube_object *service, struct doc *list,
                      struct error *why)
{
    struct slice type = doc_text(doc_path(service->doc, "spec", "type", NULL), SLICE("ClusterIP"));

    if (slice_eq(type, SLICE("LoadBalancer"))) {
        const struct doc *from = doc_path(service->doc, "status", "loadBalancer", "ingress", NULL);

        if (from == NULL || from->kind != DOC_LIST) {
            return 0; /* it has no address yet: what stands there stays */
        }
        copy_balancer(pool, from, list);
    } else if (slice_eq(type, SLICE("ClusterIP"))) {
        add_external_addresses(pool, service, list);
    } else if (slice_eq(type, SLICE("NodePort"))) {
        if (options->disable_cluster_scope_resources) {
            return error_set(
                why, -EINVAL,
                "is of type NodePort, which needs the nodes, and disableClusterScopeResources is set");
        }
        add_node_addresses(pool, store, "ExternalIP", ports_of(pool, service, "nodePort"), list);
    } else if (slice_eq(type, SLICE("ExternalName"))) {
        (void)add_item(pool, list, "hostname",
                       doc_text(doc_path(service->doc, "spec", "externalName", NULL), SLICE("")));
    } else {
        return error_set(why, -EINVAL, "is of the type \"%.*s\", which has no addresses", SLICE_ARG(type));
    }
    return 1;
}

static int by_published(const struct kubernetes_provider *options, const struct kube_store *store,
                        struct pool *pool, struct doc *list, struct error *why)
{
    struct slice text = options->ingress_endpoint->published_service;
    ptrdiff_t slash = slice_find(text, '/');
    const struct kube_object *service;
    int rc;

    if (slash <= 0 || slice_find(slice_from(text, (size_t)slash + 1), '/') >= 0) {
        return error_set(why, -EINVAL, "ingressEndpoint.publishedService: \"%.*s\" is no NAMESPACE/NAME",
                         SLICE_ARG(text));
    }
    service =
        kube_get(store, "", "Service", slice_head(text, (size_t)slash), slice_from(text, (size_t)slash + 1));
    if (service == NULL) {
        return error_set(
            why, -ENOENT,
            "ingressEndpoint.publishedService: the Service %.*s does not exist in the namespaces that "
            "are read: the status of Ingresses is left as it is",
            SLICE_ARG(text));
    }
    rc = by_service(options, store, pool, service, list, why);
    if (rc < 0) {
        error_prefix(why, "ingressEndpoint.publishedService: the Service %.*s", SLICE_ARG(text));
    }
    return rc;
}

static int by_options(const struct kubernetes_provider *options, const struct kube_store *store,
                      struct pool *pool, struct doc *list, struct error *why)
{
    const struct ingress_endpoint *endpoint = options->ingress_endpoint;

    if (options->report_node_internal_ips) {
        add_node_addresses(pool, store, "InternalIP", NULL, list);
        return list->list.count
                   ? 1
                   : error_set(why, -ENOENT,
                               "reportNodeInternalIPs: no node with an internal address is known");
    }
    if (endpoint == NULL) {
        return 0;
    }
    if (endpoint->published_service.len) {
        return by_published(options, store, pool, list, why);
    }
    if (endpoint->ip.len == 0 && endpoint->hostname.len == 0) {
        return error_set(why, -EINVAL, "ingressEndpoint: write publishedService, or ip, or hostname");
    }
    struct doc *item = doc_new(pool, DOC_MAP);

    if (endpoint->ip.len) {
        doc_map_set(pool, item, SLICE("ip"), doc_new_string(pool, endpoint->ip));
    }
    if (endpoint->hostname.len) {
        doc_map_set(pool, item, SLICE("hostname"), doc_new_string(pool, endpoint->hostname));
    }
    doc_list_add(pool, list, item);
    return 1;
}

int ingress_balancer(const struct static_config *config, const struct kube_store *store, struct pool *pool,
                     const struct doc **out, struct error *why)
{
    struct doc *list = doc_new(pool, DOC_LIST);
    int rc = by_options(config->providers.kubernetes_ingress, store, pool, list, why);

    if (rc < 0) {
        error_prefix(why, "providers.kubernetesIngress");
        return rc;
    }
    *out = rc ? list : NULL;
    return 0;
}
