/*
 * test_provider_servers.c - the servers that an IngressRoute gets of a Service: slices, addresses, nodes, names.
 *
 * Those of Ingresses: test_provider_ingress.c; of TCP and UDP: test_provider_layer4.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/log.h"
#include "tests/unit/provider_helper.h"

#define SERVICE "{apiVersion: v1, kind: Service, metadata: {name: app}, spec: "
#define SLICE_OF                                                                                             \
    "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {labels: "                             \
    "{kubernetes.io/service-name: app}, name: "
#define PORT "[{name: web, port: 80, targetPort: 8080}]"
#define PODS SERVICE "{clusterIP: 10.9.0.1, ports: " PORT "}}\n---\n"

struct asked {
    const char *what;
    const char *objects;
    const char *service; /* as the route names it */
    const char *
        servers; /* of its load balancer, in order; a fenced one in brackets. NULL: there is no router that works */
    const char *error; /* part of what is said then */
};

static const struct asked rows[] = {
    {.what = "several slices, an address in two of them, IPv6, a name",
     .objects =
         PODS SLICE_OF "a}, addressType: IPv4, ports: [{name: web, port: 8080}],\n"
                       " endpoints: [{addresses: [10.0.0.2]}, {addresses: [10.0.0.1]}]}\n---\n" SLICE_OF
                       "b}, addressType: IPv4, ports: [{name: web, port: 8080}],\n"
                       " endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.3]}]}\n---\n" SLICE_OF
                       "c}, addressType: IPv6, ports: [{name: web, port: 8080}],\n"
                       " endpoints: [{addresses: [\"fd00::1\"]}]}\n---\n" SLICE_OF
                       "d}, addressType: FQDN, ports: [{name: web, port: 8080}],\n"
                       " endpoints: [{addresses: [pod.test]}]}\n",
     .service = "port: 80",
     .servers = "http://10.0.0.2:8080 http://10.0.0.1:8080 http://10.0.0.3:8080 http://[fd00::1]:8080 "
                "http://pod.test:8080"},
    {.what = "who ends serves whom it knows, who is not ready nobody",
     .objects = PODS SLICE_OF
     "a}, addressType: IPv4, ports: [{name: web, port: 8080}], endpoints: [\n"
     " {addresses: [10.0.0.1], conditions: {ready: true, serving: true, terminating: false}},\n"
     " {addresses: [10.0.0.2], conditions: {ready: false, serving: true, terminating: true}},\n"
     " {addresses: [10.0.0.3], conditions: {ready: false, serving: false, terminating: true}},\n"
     " {addresses: [10.0.0.4], conditions: {ready: false, serving: false}}]}\n",
     .service = "port: web",
     .servers = "http://10.0.0.1:8080 (http://10.0.0.2:8080)"},
    {.what = "a slice without the port that is meant gives nothing",
     .objects =
         PODS SLICE_OF "a}, addressType: IPv4, ports: [{name: other, port: 9}], endpoints: [{addresses: "
                       "[10.0.0.1]}]}\n---\n" SLICE_OF
                       "b}, addressType: IPv4, ports: [{name: other, port: 9}, {name: web, port: 8081}],\n"
                       " endpoints: [{addresses: [10.0.0.2]}]}\n",
     .service = "port: 80",
     .servers = "http://10.0.0.2:8081"},
    {.what = "https by the name of the port",
     .objects = SERVICE
     "{clusterIP: 10.9.0.1, ports: [{name: https-x, port: 80}, {name: web, port: 443}]}}\n---\n" SLICE_OF
     "a}, addressType: IPv4, ports: [{name: https-x, port: 8443}], endpoints: [{addresses: [10.0.0.1]}]}\n",
     .service = "port: https-x",
     .servers = "https://10.0.0.1:8443"},
    {.what = "the address of the Service",
     .objects = PODS,
     .service = "port: web, nativeLB: true",
     .servers = "http://10.9.0.1:80"},
    {.what = "the nodes, by their inner addresses",
     .objects = SERVICE
     "{type: NodePort, clusterIP: 10.9.0.1, ports: [{name: web, port: 80, nodePort: 30080}]}}\n---\n"
     "{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: "
     "10.8.0.1}, {type: ExternalIP, address: 192.0.2.1}]}}\n---\n"
     "{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: "
     "10.8.0.2}]}}\n",
     .service = "port: 80, nodePortLB: true",
     .servers = "http://10.8.0.1:30080 http://10.8.0.2:30080"},
    {.what = "a name outside of the cluster",
     .objects = SERVICE "{type: ExternalName, externalName: far.test, ports: [{port: 443}]}}\n",
     .service = "port: 443",
     .servers = "https://far.test:443"},
    {.what = "no pod", .objects = PODS, .service = "port: 80", .error = "has no servers"},
    {.what = "no such port",
     .objects = PODS,
     .service = "port: nope",
     .error = "has no port named \\\"nope\\\""},
};

/* Of the one service that there is. */
static void add_servers(struct text *out, const struct model *model)
{
    const struct load_balancer *balancer = model->services[0]->config.load_balancer;
    const struct server_config *servers = balancer->servers.items;

    for (size_t i = 0; i < balancer->servers.count; i++) {
        text_printf(out, servers[i].fenced ? "%s(%.*s)" : "%s%.*s", i ? " " : "", SLICE_ARG(servers[i].url));
    }
}

static void check(const struct asked *row)
{
    char *directory = directory_new();
    struct kubernetes_provider options = {.manifests = slice_cstr(directory),
                                          .allow_external_name_services = true};
    struct static_config config = {.providers.kubernetes_crd = &options};
    struct provider_state *kept = NULL;
    struct text text;

    print_message("%s\n", row->what);
    text_init(&text);
    text_printf(
        &text,
        "%s---\n{apiVersion: traefik.io/v1alpha1, kind: IngressRoute, metadata: {name: r}, spec: {routes: "
        "[{match: Host(`a`), services: [{name: app, %s}]}]}}\n",
        row->objects, row->service);
    directory_write(directory, "m.yaml", text.ptr);

    struct model *model = provider_load(&provider_kubernetes_crd, &config, &kept);

    assert_int_equal(model->router_count, 1);
    text_clear(&text);
    if (row->servers) {
        assert_int_equal(model->routers[0]->element.status, ELEMENT_ENABLED);
        assert_int_equal(model->service_count, 1);
        add_servers(&text, model);
        assert_string_equal(text.ptr, row->servers);
    } else {
        assert_int_equal(model->routers[0]->element.status, ELEMENT_DISABLED);
        assert_int_equal(model->service_count, 0);
        model_dump(model, directory, &text);
        assert_contains(&text, row->error);
    }
    text_free(&text);
    model_free(model);
    provider_kubernetes_crd.free_state(kept);
    directory_remove(directory);
}

static void servers_of_a_service(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check(&rows[i]);
    }
}

/* The other is named once, and nothing of it counts. */
static void the_newer_of_two_api_groups_counts(void **state)
{
    static const char route[] =
        "{apiVersion: %s/v1alpha1, kind: IngressRoute, metadata: {name: r}, spec: {routes: [{match: "
        "'Host(`%s`)', services: [{name: app, port: 80, nativeLB: true}]}]}}\n---\n";
    char *directory = directory_new();
    struct kubernetes_provider options = {.manifests = slice_cstr(directory)};
    struct static_config config = {.providers.kubernetes_crd = &options};
    struct provider_state *kept = NULL;
    struct text text;

    (void)state;
    text_init(&text);
    text_printf(&text, route, "traefik.io", "new");
    text_printf(&text, route, "traefik.containo.us", "old");
    text_add_cstr(&text, PODS);
    directory_write(directory, "m.yaml", text.ptr);

    struct model *model = provider_load(&provider_kubernetes_crd, &config, &kept);

    assert_int_equal(model->router_count, 1);
    assert_true(slice_eq(model->routers[0]->config.rule, SLICE("Host(`new`)")));
    assert_int_equal(model->notice_count, 1);
    text_clear(&text);
    model_dump(model, directory, &text);
    assert_contains(&text, "is there in both API groups: the one of traefik.io");
    text_free(&text);
    model_free(model);
    provider_kubernetes_crd.free_state(kept);
    directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_of_a_service),
        cmocka_unit_test(the_newer_of_two_api_groups_counts),
    };

    log_setup(LOG_LEVEL_NONE, LOG_FORMAT_COMMON, "test");
    return cmocka_run_group_tests_name("provider servers", tests, NULL, NULL);
}
