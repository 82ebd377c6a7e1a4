/*
 * test_provider_names.c - objects of several namespaces whose names come to one: who has it, and what the others are told.
 *
 * WEIR_GOLDEN=write writes the golden files anew; read the difference before you keep it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/log.h"
#include "tests/unit/provider_helper.h"

#define OURS(kind, namespace, name, spec)                                                                    \
    "{apiVersion: traefik.io/v1alpha1, kind: " kind                                                          \
    ", metadata: {namespace: " namespace ", name: " name "}, spec: {" spec "}}\n---\n"
#define SERVICE(namespace, name, address)                                                                    \
    "{apiVersion: v1, kind: Service, metadata: {namespace: " namespace ", name: " name                       \
                                                                       "}, spec: {clusterIP: " address       \
                                                                       ", ports: [{port: 80}]}}\n---\n"
#define ROUTE(namespace, name, match, rest)                                                                  \
    OURS("IngressRoute", namespace, name, "routes: [{match: \"" match "\", " rest "}]")
#define APP "services: [{name: app, port: 80, nativeLB: true}]"

static const char services[] = SERVICE("a", "app", "10.1.0.1") SERVICE("a", "b-c", "10.1.0.2")
    SERVICE("a-b", "app", "10.2.0.1") SERVICE("a-b", "c", "10.2.0.2");

static void assert_crd(const char *text, bool cross, const char *golden)
{
    char *directory = directory_new();
    struct kubernetes_provider options = {.manifests = slice_cstr(directory), .allow_cross_namespace = cross};
    struct static_config config = {.providers.kubernetes_crd = &options};

    directory_write(directory, "all.yaml", text);
    directory_write(directory, "services.yaml", services);
    assert_loads(&provider_kubernetes_crd, &config, directory, golden);
    directory_remove(directory);
}

/* The first by namespace has the name; who means the other, or one that is not there, has neither. */
static void middlewares_and_transports(void **state)
{
    (void)state;
    assert_crd(
        OURS("Middleware", "a", "b-m", "addPrefix: {prefix: /a}") OURS(
            "Middleware", "a-b", "m", "addPrefix: {prefix: /a-b}") OURS("Middleware", "a", "b-n",
                                                                        "addPrefix: {prefix: /a}")
            OURS("Middleware", "a-b", "chain", "chain: {middlewares: [{name: m}]}") OURS(
                "ServersTransport", "a", "b-t",
                "serverName: a") OURS("ServersTransport", "a-b", "t",
                                      "serverName: a-b") OURS("TLSOption", "a", "b-o",
                                                              "sniStrict: true") OURS("TLSOption", "a-b", "o",
                                                                                      "")
                OURS("TLSOption", "a-b", "default", "minVersion: VersionTLS12") OURS(
                    "TLSStore",
                    "a",
                    "b-s",
                    "") OURS("TLSStore", "a-b", "s", "")
                    ROUTE("a", "its-own", "Path(`/1`)", APP ", middlewares: [{name: b-m}]") ROUTE(
                        "a-b",
                        "of-another",
                        "Path(`/2`)",
                        APP
                        ", middlewares: [{name: m}]")
                        ROUTE("a-b", "of-nobody", "Path(`/3`)", APP ", middlewares: [{name: n}]") ROUTE(
                            "a-b", "over", "Path(`/4`)",
                            "services: [{name: app, port: 80, nativeLB: true, serversTransport: t}]")
                            ROUTE("a-b", "fine", "Path(`/5`)", APP) ROUTE(
                                "a-b", "behind",
                                "Path(`/6`)",
                                "services: [{name: app, port: 80, nativeLB: true, middlewares: [{name: m}]}]")
                                OURS("IngressRoute", "a-b", "tls",
                                     "tls: {options: {name: o}}, routes: [{match: Path(`/7`), " APP "}]"),
        false, "crd_names.txt");
}

/* The oldest has the name, wherever it stands in the order of namespaces. */
static void the_oldest_has_the_name(void **state)
{
    (void)state;
    assert_crd(
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {namespace: a, name: b-m, "
        "creationTimestamp: \"2026-01-02T00:00:00Z\"}, spec: {addPrefix: {prefix: /a}}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {namespace: a-b, name: m, "
        "creationTimestamp: \"2026-01-01T23:59:59Z\"}, spec: {addPrefix: {prefix: /a-b}}}\n---\n" ROUTE(
            "a", "its", "Path(`/1`)", APP ", middlewares: [{name: b-m}]")
            ROUTE("a-b", "its", "Path(`/2`)", APP ", middlewares: [{name: m}]"),
        false, "crd_names_age.txt");
}

/* Services of two namespaces as parts of others; TraefikServices that are called as such a part is, or as the service
 * of a route; references to TraefikServices that are not there, where something made for others is. */
static void services_and_what_is_made_of_them(void **state)
{
#define PART(name) "{name: " name ", port: 80, nativeLB: true}"
#define WEIGHTED(parts) "weighted: {services: [" parts "]}"
#define OF(name) "services: [{kind: TraefikService, name: " name "}]"
    (void)state;
    assert_crd(
        OURS("TraefikService", "a", "one", WEIGHTED(PART("b-c") ", " PART("app")))
            OURS("TraefikService", "a-b", "one", WEIGHTED(PART("app") ", " PART("c")))
                OURS("TraefikService", "a-b", "mirrored",
                     "mirroring: {name: app, port: 80, nativeLB: true, "
                     "mirrors: [" PART("c") "]}")
                    OURS("TraefikService", "a-b", "second",
                         "failover: {service: " PART("c") ", fallback: " PART("app") ", errors: {}}")
                        OURS("TraefikService", "a", "b-x",
                             WEIGHTED(PART("app"))) OURS("TraefikService", "a-b", "x", WEIGHTED(PART("app")))
                            OURS("TraefikService", "a", "b-app-80", WEIGHTED(PART("app")))
                                OURS("Middleware", "a-b", "e",
                                     "errors: {status: [\"500\"], query: /, service: " PART("c") "}")
                                    OURS("TraefikService", "a", "b-e-errorpage-service",
                                         WEIGHTED(PART("app"))) ROUTE("a", "first", "Path(`/1`)", OF("one"))
                                        ROUTE("a-b", "first", "Path(`/2`)", OF("one"))
                                            ROUTE("a", "ours", "Path(`/3`)", OF("b-x"))
                                                ROUTE("a-b", "theirs", "Path(`/4`)", OF("x"))
                                                    ROUTE("a", "gone", "Path(`/5`)", OF("b-c-80"))
                                                        ROUTE("a-b", "two", "Path(`/6`)",
                                                              "services: [" PART("c") ", " PART("app") "]")
                                                            ROUTE("a", "b-twin", "Path(`/7`)", APP)
                                                                OURS("IngressRoute", "a-b", "twin",
                                                                     "routes: [{match: Path(`/7`), " APP
                                                                     "}, {match: Path(`/8`), " APP "}]"),
        false, "crd_names_services.txt");
}

/* A part whose Service is of another namespace than one of the same name; parents of another namespace. */
static void references_over_namespaces(void **state)
{
    (void)state;
    assert_crd(ROUTE("a", "b-up", "Path(`/1`)", "middlewares: []")
                   ROUTE("a-b", "up", "Path(`/1`)", "middlewares: []")
                       OURS("IngressRoute", "a", "child",
                            "parentRefs: [{name: b-up}], routes: [{match: Path(`/2`), " APP "}]")
                           OURS("IngressRoute", "a-b", "child",
                                "parentRefs: [{name: up}], routes: [{match: Path(`/3`), " APP "}]")
                               ROUTE("x", "both", "Path(`/4`)",
                                     "services: [{name: b-c, namespace: a, port: 80, nativeLB: true}, "
                                     "{name: c, namespace: a-b, port: 80, nativeLB: true}]")
                                   OURS("IngressRouteTCP", "x", "both",
                                        "entryPoints: [tcp], routes: [{match: HostSNI(`*`), services: ["
                                        "{name: app, namespace: a, port: 80, nativeLB: true}, "
                                        "{name: app, namespace: a-b, port: 80, nativeLB: true}]}]")
                                       OURS("IngressRouteUDP", "x", "both",
                                            "entryPoints: [udp], routes: [{services: ["
                                            "{name: app, namespace: a, port: 80, nativeLB: true}, "
                                            "{name: app, namespace: a-b, port: 80, nativeLB: true}]}]"),
               true, "crd_names_cross.txt");
}

/* NAMESPACE-NAME@kubernetescrd is as good as the name, for an object of the own namespace only. */
static void full_names_where_namespaces_are_closed(void **state)
{
#define FULL(name, match, rest) ROUTE("a-b", name, match, "services: [{kind: TraefikService, " rest "}]")
    (void)state;
    assert_crd(OURS("TraefikService", "a", "w", WEIGHTED(PART("app")))
                   OURS("TraefikService", "a", "b-x", WEIGHTED(PART("app"))) OURS("TraefikService", "a-b",
                                                                                  "w", WEIGHTED(PART("app")))
                       FULL("own", "Path(`/1`)", "name: a-b-w@kubernetescrd")
                           FULL("own-in-two", "Path(`/2`)", "name: w@kubernetescrd, namespace: a-b")
                               FULL("foreign", "Path(`/3`)", "name: a-w@kubernetescrd")
                                   FULL("foreign-in-two", "Path(`/4`)", "name: w@kubernetescrd, namespace: a")
                                       FULL("of-another", "Path(`/5`)", "name: a-b-x@kubernetescrd")
                                           FULL("of-a-file", "Path(`/6`)", "name: a-w@file"),
               false, "crd_names_full.txt");
}

static void tcp_and_udp(void **state)
{
#define TCP(namespace, name, match, rest)                                                                    \
    OURS("IngressRouteTCP", namespace, name, "entryPoints: [tcp], routes: [{match: " match ", " rest "}]")
#define UDP(namespace, name)                                                                                 \
    OURS("IngressRouteUDP", namespace, name, "entryPoints: [udp], routes: [{" APP "}]")
    (void)state;
    assert_crd(
        OURS("MiddlewareTCP", "a", "b-m", "inFlightConn: {amount: 1}")
            OURS("MiddlewareTCP", "a-b", "m", "inFlightConn: {amount: 2}")
                OURS("ServersTransportTCP", "a", "b-t", "dialTimeout: 1s") OURS("ServersTransportTCP", "a-b",
                                                                                "t", "dialTimeout: 2s")
                    TCP("a", "its", "HostSNI(`*`)", APP ", middlewares: [{name: b-m}]")
                        TCP("a-b", "theirs", "HostSNI(`*`)", APP ", middlewares: [{name: m}]")
                            TCP("a-b", "over", "HostSNI(`*`)",
                                "services: [{name: app, port: 80, nativeLB: true, serversTransport: t}]")
                                TCP("a", "b-twin", "HostSNI(`x`)", APP)
                                    TCP("a-b", "twin", "HostSNI(`x`)", APP) UDP("a", "b-u") UDP("a-b", "u"),
        false, "crd_names_layer4.txt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(middlewares_and_transports),
        cmocka_unit_test(the_oldest_has_the_name),
        cmocka_unit_test(services_and_what_is_made_of_them),
        cmocka_unit_test(references_over_namespaces),
        cmocka_unit_test(full_names_where_namespaces_are_closed),
        cmocka_unit_test(tcp_and_udp),
    };

    log_setup(LOG_LEVEL_NONE, LOG_FORMAT_COMMON, "test");
    return cmocka_run_group_tests_name("names of providers", tests, NULL, NULL);
}
