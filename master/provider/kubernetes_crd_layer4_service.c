/*
 * kubernetes_crd_layer4_service.c - the services of a route of TCP or UDP.
 *
 * Not here: the servers of a Service (kubernetes_server.c).
 */
#include "master/provider/kubernetes_crd_layer4.h"

#define SCHEME "l4" /* servers come as URLs: what stands behind it is HOST:PORT */

static void addresses(const struct list *servers, struct slice *out)
{
    const struct server_config *from = servers->items;

    for (size_t i = 0; i < servers->count; i++) {
        out[i] = slice_from(from[i].url, sizeof(SCHEME "://") - 1);
    }
}

static bool transport_name(struct k8s *crd, const struct k8s_place *place, struct element *element,
                           struct slice name, struct slice *out)
{
    struct k8s_place at = k8s_step(crd, place, doc_get(place->node, "serversTransport"), "serversTransport");

    return name.len == 0 || crd_reference_name(crd, &at, element, CRD_TRANSPORT_TCP, place->object->namespace,
                                               SLICE(""), name, out);
}

static bool tcp_balancer(struct k8s *crd, const struct k8s_place *place, struct element *element,
                         const struct crd_layer4_service *from, const struct slice *hosts, size_t count,
                         struct tcp_service_config *config)
{
    struct pool *pool = crd->model->pool;
    struct tcp_load_balancer *balancer = pool_zalloc(pool, sizeof(*balancer));
    struct tcp_server *servers = pool_zalloc(pool, (count + 1) * sizeof(*servers));

    for (size_t i = 0; i < count; i++) {
        servers[i] = (struct tcp_server){.address = hosts[i], .tls = from->tls};
    }
    balancer->servers = (struct list){servers, count};
    balancer->proxy_protocol = from->proxy_protocol;
    if (from->servers_transport.len == 0) {
        balancer->termination_delay = from->termination_delay;
    }
    config->load_balancer = balancer;
    return transport_name(crd, place, element, from->servers_transport, &balancer->servers_transport);
}

static void udp_balancer(struct k8s *crd, const struct slice *hosts, size_t count,
                         struct udp_service_config *config)
{
    struct pool *pool = crd->model->pool;
    struct udp_server *servers = pool_zalloc(pool, (count + 1) * sizeof(*servers));

    for (size_t i = 0; i < count; i++) {
        servers[i].address = hosts[i];
    }
    config->load_balancer = pool_zalloc(pool, sizeof(*config->load_balancer));
    config->load_balancer->servers = (struct list){servers, count};
}

/* A load balancer called `name`; single: as its route is, whose name is taken already. False: nothing was made, errors were
 * added to the element. */
static bool add_balancer(struct k8s *crd, enum layer4_kind kind, const struct k8s_place *place,
                         struct element *element, const struct crd_layer4_service *from, struct slice name,
                         bool single)
{
    struct slice parent = place->object->namespace;
    struct slice namespace = from->namespace.len ? from->namespace : parent;
    struct k8s_backend backend = {
        .name = from->name,
        .port = from->port,
        .scheme = SLICE(SCHEME),
        .native_lb = from->native_lb,
        .node_port_lb = from->node_port_lb,
        .node_port_first = true,
        .ready_only = true,
        .external_port_free = true,
    };
    struct tcp_service_config tcp = {0};
    struct udp_service_config udp = {0};
    struct list servers;

    if (!crd->options->allow_cross_namespace && !slice_eq(namespace, parent)) {
        k8s_error(crd, place, element, true,
                  "service %.*s/%.*s is not in the namespace %.*s: another namespace needs "
                  "--providers.kubernetesCRD.allowCrossNamespace=true",
                  SLICE_ARG(namespace), SLICE_ARG(from->name), SLICE_ARG(parent));
        return false;
    }
    if (!k8s_load_servers(crd, place, element, &backend, namespace, &servers)) {
        return false;
    }
    struct slice *hosts = pool_alloc(crd->scratch, (servers.count + 1) * sizeof(*hosts));

    addresses(&servers, hosts);
    if (kind == UDP_SERVICE) {
        udp_balancer(crd, hosts, servers.count, &udp);
    } else if (!tcp_balancer(crd, place, element, from, hosts, servers.count, &tcp)) {
        return false;
    }
    if (!single && !crd_takes_layer4(crd, place, element, kind, name,
                                     crd_whom(crd, namespace, from->name, from->port))) {
        return false;
    }
    struct element *service = k8s_add_layer4(crd, place, kind, name);

    if (kind == UDP_SERVICE) {
        *(struct udp_service_config *)layer4_config(kind, service) = udp;
    } else {
        *(struct tcp_service_config *)layer4_config(kind, service) = tcp;
    }
    return true;
}

static void add_weighted(struct k8s *crd, enum layer4_kind kind, const struct k8s_place *place,
                         struct list children, struct slice name)
{
    struct pool *pool = crd->model->pool;
    struct element *service = k8s_add_layer4(crd, place, kind, name);

    if (kind == UDP_SERVICE) {
        struct udp_service_config *config = layer4_config(kind, service);

        config->weighted = pool_zalloc(pool, sizeof(*config->weighted));
        config->weighted->services = children;
    } else {
        struct tcp_service_config *config = layer4_config(kind, service);

        config->weighted = pool_zalloc(pool, sizeof(*config->weighted));
        config->weighted->services = children;
    }
}

/* With several services those that are fine serve: what is wrong with one is a warning. */
static void copy_errors(struct k8s *crd, const struct element *from, bool critical, struct element *router)
{
    const struct slice *errors = from->errors.items;

    for (size_t i = 0; i < from->errors.count; i++) {
        element_error(crd->model, router, critical && from->status == ELEMENT_DISABLED, "%.*s",
                      SLICE_ARG(errors[i]));
    }
}

void crd_layer4_services(struct k8s *crd, enum layer4_kind kind, const struct k8s_place *place,
                         struct element *router, const struct list *services, struct slice name)
{
    const struct crd_layer4_service *from = services->items;
    const struct doc *nodes = doc_get(place->node, "services");
    struct weighted_service *children =
        pool_zalloc(crd->model->pool, (services->count + 1) * sizeof(*children));
    size_t count = 0;
    bool single = services->count == 1;

    if (!crd_takes_layer4(crd, place, router, kind, name, place->object->origin.object)) {
        return; /* also where nothing will be made: what is called so then is another's */
    }
    for (size_t i = 0; i < services->count; i++) {
        const struct doc *node =
            nodes && nodes->kind == DOC_LIST && i < nodes->list.count ? nodes->list.items[i] : NULL;
        struct k8s_place at = k8s_step(crd, place, node, "services[%zu]", i);
        struct element found = {0};
        struct slice own = name;

        if (!single) {
            own = pool_printf(crd->model->pool, "%.*s-%.*s-%.*s", SLICE_ARG(name), SLICE_ARG(from[i].name),
                              SLICE_ARG(doc_text(from[i].port, SLICE(""))));
        }
        if (add_balancer(crd, kind, &at, &found, &from[i], own, single)) {
            children[count++] = (struct weighted_service){
                .name = own,
                .weight = from[i].weight.set ? from[i].weight : (struct opt_int){.set = true, .value = 1}};
        }
        copy_errors(crd, &found, single, router);
    }
    if (!single && count) {
        add_weighted(crd, kind, place, (struct list){children, count}, name);
    }
}
