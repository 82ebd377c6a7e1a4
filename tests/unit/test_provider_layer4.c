/*
 * test_provider_layer4.c - TCP, UDP and TLS: documents of both providers in, model out, against golden files.
 *
 * WEIR_GOLDEN=write writes the golden files anew; read the difference before you keep it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/provider_helper.h"

static void files_hold_tcp_udp_and_tls(void **state)
{
    char *directory = directory_new();
    struct file_provider file = {.directory = slice_cstr(directory)};
    struct static_config config = {.providers.file = &file};

    (void)state;
    directory_write(
        directory, "a.yml",
        "tcp:\n  routers:\n"
        "    all: {rule: \"HostSNI(`*`)\", service: db, entryPoints: [tcp], middlewares: [inside]}\n"
        "    tls: {rule: \"HostSNI(`a.test`)\", service: db, priority: 7, tls: {}}\n"
        "    typo: {rule: \"HostSNI(`*`)\", servce: db}\n"
        "  services:\n"
        "    db: {loadBalancer: {servers: [{address: \"127.0.0.1:1\"}, {address: \"[::1]:2\", tls: true}], "
        "healthCheck: {interval: 5s}}}\n"
        "    old: {loadBalancer: {proxyProtocol: {version: 3}, terminationDelay: 100}}\n"
        "  middlewares: {inside: {ipAllowList: {sourceRange: [10.0.0.0/8]}}}\n"
        "  serversTransports: {slow: {dialTimeout: 3s, tls: {certificates: [{certFile: a, keyFile: "
        "hidden}]}}}\n"
        "  router: {}\n"
        "udp:\n  routers: {dns: {service: dns, rule: x}}\n"
        "  services: {dns: {weighted: {services: [{name: one, weight: 3}]}}}\n"
        "  middlewares: {}\n"
        "tls:\n  certificates: [{certFile: a.pem, keyFile: hidden.pem, stores: [default]}, {certfile: "
        "b.pem}]\n"
        "  options: {default: {minVersion: VersionTLS12}, odd: {clientAuth: {clientAuthType: Maybe}}}\n"
        "  stores: {default: {defaultGeneratedCert: {resolver: le, domain: {main: a.test}}}}\n"
        "tcpp: {}\n");
    directory_write(directory, "b.toml",
                    "[[tls.certificates]]\ncertFile = \"c.pem\"\nkeyFile = \"hidden.pem\"\n"
                    "[tcp.routers.all]\nservice = \"second\"\n[udp.services]\n");
    directory_write(directory, "c.json", "{\"tls\": {\"certificates\": {}}, \"udp\": [], \"tcp\": null}");

    assert_loads(&provider_file, &config, directory, "layer4_file.txt");
    directory_remove(directory);
}

static void assert_crd(const char *directory, struct kubernetes_provider options, const char *golden)
{
    struct static_config config = {.providers.kubernetes_crd = &options};

    assert_loads(&provider_kubernetes_crd, &config, directory, golden);
}

/* ---- the manifests of the scenarios, as they are ---- */
static void copy_scenario(const char *directory, const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "tests/integration/scenarios/%s", name);
    char *text = file_text(path);

    directory_write(directory, name, text);
    free(text);
}

static const char scenario_endpoints[] =
    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
    "metadata: {name: mongo-1, labels: {kubernetes.io/service-name: mongo-traefik}}\n"
    "ports: [{port: 27017}]\nendpoints: [{addresses: [10.1.0.1]}, {addresses: [10.1.0.2]}]\n---\n"
    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
    "metadata: {name: udp-1, labels: {kubernetes.io/service-name: whoamiudp}}\n"
    "ports: [{name: udp, port: 8080, protocol: UDP}]\nendpoints: [{addresses: [10.1.0.3]}, {addresses: "
    "[\"fd00::3\"]}]\n---\n"
    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
    "metadata: {name: whoami-1, labels: {kubernetes.io/service-name: whoami}}\n"
    "ports: [{name: web, port: 80}]\nendpoints: [{addresses: [10.1.0.5]}]\n---\n"
    "apiVersion: v1\nkind: Secret\nmetadata: {name: traefik-mongo-certs}\n"
    "stringData: {tls.crt: CERTIFICATE, tls.key: PRIVATE}\n";

static const char mongo_service[] = "apiVersion: v1\nkind: Service\nmetadata: {name: mongo-traefik}\n"
                                    "spec: {ports: [{port: 27017}]}\n";

static void scenarios(void **state)
{
    static const struct {
        const char *files[4], *golden;
        bool service; /* of step 1, whose route is replaced */
    } rows[] = {
        {{"tcp-mongo-step1-plain.yaml", "tcp-http-same-entrypoint.yaml", "whoami-app.yaml"},
         "scenario_tcp_plain.txt",
         false},
        {{"tcp-mongo-step2-tls.yaml"}, "scenario_tcp_tls.txt", true},
        {{"tcp-mongo-step3-acme.yaml"}, "scenario_tcp_acme.txt", true},
        {{"tcp-udp-shared-port.yaml", "udp-whoami.yaml", "whoami-app.yaml"}, "scenario_udp.txt", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *directory = directory_new();

        directory_write(directory, "endpoints.yaml", scenario_endpoints);
        if (rows[i].service) {
            directory_write(directory, "service.yaml", mongo_service);
        }
        for (size_t k = 0; k < ARRAY_LEN(rows[i].files) && rows[i].files[k]; k++) {
            copy_scenario(directory, rows[i].files[k]);
        }
        assert_crd(directory, (struct kubernetes_provider){.manifests = slice_cstr(directory)},
                   rows[i].golden);
        directory_remove(directory);
    }
}

/* ---- every field, and every way to be wrong ---- */
#define NEW "apiVersion: traefik.io/v1alpha1\n"
#define OLD "apiVersion: traefik.containo.us/v1alpha1\n"

static const char services[] =
    "apiVersion: v1\nkind: Service\nmetadata: {name: db, annotations: {weir.dev/addresses: "
    "\"127.0.0.1:1,[::1]:2\"}}\nspec: {clusterIP: 10.0.0.9, ports: [{name: sql, port: 5432}]}\n---\n"
    "apiVersion: v1\nkind: Service\nmetadata: {name: leaving}\nspec: {ports: [{port: 53}]}\n---\n"
    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
    "metadata: {name: leaving-1, labels: {kubernetes.io/service-name: leaving}}\nports: [{port: 5353}]\n"
    "endpoints:\n- {addresses: [10.1.0.1]}\n"
    "- {addresses: [10.1.0.2], conditions: {ready: false, serving: true, terminating: true}}\n---\n"
    "apiVersion: v1\nkind: Service\nmetadata: {name: outside}\n"
    "spec: {type: ExternalName, externalName: db.test, ports: [{port: 1}]}\n---\n"
    "apiVersion: v1\nkind: Service\nmetadata: {name: nodes}\n"
    "spec: {type: NodePort, clusterIP: 10.0.0.8, ports: [{port: 1, nodePort: 30001}]}\n---\n"
    "apiVersion: v1\nkind: Node\nmetadata: {name: n}\n"
    "status: {addresses: [{type: InternalIP, address: 10.9.0.1}]}\n---\n"
    "apiVersion: v1\nkind: Secret\nmetadata: {name: pair}\nstringData: {tls.crt: CERTIFICATE, tls.key: "
    "PRIVATE, ca.crt: AUTHORITY}\n---\n"
    "apiVersion: v1\nkind: Secret\nmetadata: {name: half}\nstringData: {tls.crt: CERTIFICATE}\n";

static const char tcp_objects[] = NEW
    "kind: IngressRouteTCP\nmetadata: {name: with.dots}\nspec:\n  entryPoints: [tcp]\n  routes:\n"
    "  - {match: HostSNI(`a.test`), priority: 3, syntax: v2, middlewares: [{name: inside}], services: "
    "[{name: "
    "db, port: sql, tls: true, serversTransport: slow, terminationDelay: 100}]}\n"
    "  - {match: HostSNI(`b.test`), services: [{name: db, port: 5432, weight: 3}, {name: db, port: sql, "
    "nativeLB: true}, {name: nowhere, port: 1}]}\n"
    "  - {match: HostSNI(`c.test`), services: [{name: db, port: 1}]}\n"
    "  - {match: HostSNI(`d.test`), services: [{name: outside, port: 99}]}\n"
    "  - {match: HostSNI(`e.test`), services: [{name: nodes, port: 1, nodePortLB: true, nativeLB: true}]}\n"
    "  - {match: HostSNI(`f.test`), services: [{name: db, namespace: far, port: 1}]}\n"
    "  - {match: HostSNI(`g.test`), middlewares: [{name: inside, namespace: far}], services: []}\n"
    "  - {match: HostSNI(`h.test`), services: [{name: db, port: sql, serversTransport: "
    "slow@kubernetescrd}]}\n"
    "  - {match: HostSNI(`i.test`), kind: Rule}\n"
    "  - {services: [{name: db, port: sql}]}\n"
    "  - {match: HostSNI(`a.test`), services: [{name: db, port: sql, proxyProtocol: {}}]}\n"
    "  tls: {secretName: pair, options: {name: strict}, certResolver: le, domains: [{main: a.test}]}\n"
    "---\n" OLD
    "kind: IngressRouteTCP\nmetadata: {name: old}\nspec:\n  routes: [{match: HostSNI(`*`), services: "
    "[{name: db, port: sql}]}]\n  tls: {passthrough: true, secretName: nowhere}\n"
    "---\n" NEW "kind: IngressRouteTCP\nmetadata: {name: half}\nspec:\n  routes: [{match: HostSNI(`z.test`), "
    "services: [{name: db, port: sql}]}]\n  tls: {secretName: half, option: {}}\n"
    "---\n" NEW
    "kind: IngressRouteTCP\nmetadata: {name: other}\nspec: {ingressClassName: other, routes: [{match: "
    "HostSNI(`*`)}]}\n"
    "---\n" NEW "kind: IngressRouteTCP\nmetadata: {name: none}\nspec: {routes: []}\n"
    "---\n" NEW "kind: IngressRouteTCP\nmetadata: {name: nothing}\n"
    "---\n" NEW
    "kind: MiddlewareTCP\nmetadata: {name: inside}\nspec: {ipAllowList: {sourceRange: [10.0.0.0/8]}}\n"
    "---\n" NEW "kind: MiddlewareTCP\nmetadata: {name: few}\nspec: {inFlightConn: {amount: 3}}\n"
    "---\n" NEW "kind: MiddlewareTCP\nmetadata: {name: typo}\nspec: {ipAlowList: {}}\n"
    "---\n" NEW "kind: MiddlewareTCP\nmetadata: {name: nothing}\n"
    "---\n" NEW
    "kind: ServersTransportTCP\nmetadata: {name: slow}\nspec: {dialTimeout: 3, dialKeepAlive: 1m, "
    "proxyProtocol: {version: 1}, terminationDelay: 1s, tls: {serverName: x.test, insecureSkipVerify: true, "
    "rootCAs: [{secret: pair}], certificatesSecrets: [pair], peerCertURI: y, spiffe: {ids: [z]}}}\n"
    "---\n" NEW
    "kind: ServersTransportTCP\nmetadata: {name: bad}\nspec: {dialTimeout: soon, tls: {rootCAs: [{}]}}\n"
    "---\n" NEW
    "kind: ServersTransportTCP\nmetadata: {name: lost}\nspec: {tls: {certificatesSecrets: [gone]}}\n";

static const char udp_and_tls_objects[] = NEW
    "kind: IngressRouteUDP\nmetadata: {name: dns}\nspec:\n  entryPoints: [udp]\n  routes:\n"
    "  - {services: [{name: leaving, port: 53}]}\n"
    "  - {services: [{name: leaving, port: 53, weight: 2}, {name: leaving, port: 54}]}\n"
    "  - {services: [{name: leaving, port: 53, tls: true}]}\n  - {}\n"
    "---\n" NEW "kind: TLSOption\nmetadata: {name: strict}\nspec: {minVersion: VersionTLS13, maxVersion: "
    "VersionTLS13, cipherSuites: [TLS_AES_128_GCM_SHA256], curvePreferences: [X25519], clientAuth: "
    "{secretNames: "
    "[pair, half, gone], clientAuthType: VerifyClientCertIfGiven}, sniStrict: true, alpnProtocols: [h2], "
    "disableSessionTickets: true, preferServerCipherSuites: true}\n"
    "---\n" NEW "kind: TLSOption\nmetadata: {name: default, namespace: a}\nspec: {}\n"
    "---\n" NEW "kind: TLSOption\nmetadata: {name: default, namespace: b}\n"
    "---\n" NEW
    "kind: TLSOption\nmetadata: {name: open}\nspec: {clientAuth: {secretNames: [gone]}}\n---\n" NEW
    "kind: TLSOption\nmetadata: {name: odd}\nspec: {clientAuth: {clientAuthType: Maybe}}\n"
    "---\n" NEW "kind: TLSStore\nmetadata: {name: default}\nspec: {defaultCertificate: {secretName: pair}, "
    "certificates: [{secretName: pair}, {secretName: half}]}\n"
    "---\n" NEW "kind: TLSStore\nmetadata: {name: lost}\nspec: {defaultCertificate: {secretName: gone}}\n"
    "---\n" NEW
    "kind: TLSStore\nmetadata: {name: made}\nspec: {defaultGeneratedCert: {resolver: le, domain: {main: "
    "a.test, sans: [b.test]}}}\n"
    "---\n" NEW
    "kind: IngressRoute\nmetadata: {name: web}\nspec: {routes: [{match: Host(`a.test`), kind: Rule, "
    "services: [{name: db, port: sql}]}], tls: {secretName: pair}}\n"
    "---\n" NEW "kind: TLSOptions\nmetadata: {name: misspelt}\n";

static void custom_resources(void **state)
{
    char *directory = directory_new();
    struct kubernetes_provider options = {.manifests = slice_cstr(directory)};

    (void)state;
    directory_write(directory, "services.yaml", services);
    directory_write(directory, "tcp.yaml", tcp_objects);
    directory_write(directory, "rest.yaml", udp_and_tls_objects);
    assert_crd(directory, options, "layer4_crd.txt");
    options.allow_external_name_services = true;
    options.allow_cross_namespace = true;
    directory_delete(directory, "rest.yaml");
    assert_crd(directory, options, "layer4_crd_allowed.txt");
    directory_remove(directory);
}

static void object_of_both_groups_is_read_once(void **state)
{
    static const char both[] =
        OLD "kind: IngressRouteTCP\nmetadata: {name: r}\nspec:\n  routes: [{match: HostSNI(`*`), "
            "services: [{name: db, port: sql}]}]\n---\n" NEW
            "kind: IngressRouteTCP\nmetadata: {name: r}\nspec:\n  routes: [{match: "
            "ClientIP(`::1`), services: [{name: db, port: sql}]}]\n";
    char *directory = directory_new();
    struct kubernetes_provider options = {.manifests = slice_cstr(directory)};
    struct static_config config = {.providers.kubernetes_crd = &options};
    struct provider_state *kept = NULL;
    struct text text;

    (void)state;
    directory_write(directory, "services.yaml", services);
    directory_write(directory, "both.yaml", both);

    struct model *model = provider_load(&provider_kubernetes_crd, &config, &kept);

    text_init(&text);
    model_dump(model, directory, &text);
    assert_int_equal(model->layer4[TCP_ROUTER].count, 1);
    assert_contains(&text, "ClientIP(`::1`)");
    assert_contains(&text, "\"notice\":\"warning\"");
    text_free(&text);
    model_free(model);
    provider_kubernetes_crd.free_state(kept);
    directory_remove(directory);
}

static void ingress_names_a_certificate(void **state)
{
    static const char ingress[] =
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i}\nspec:\n"
        "  defaultBackend: {service: {name: db, port: {name: sql}}}\n"
        "  tls: [{secretName: pair}, {secretName: pair}, {hosts: [a.test]}]\n";
    char *directory = directory_new();
    struct kubernetes_provider options = {.manifests = slice_cstr(directory)};
    struct static_config config = {.providers.kubernetes_ingress = &options};
    struct provider_state *kept = NULL;

    (void)state;
    directory_write(directory, "services.yaml", services);
    directory_write(directory, "ingress.yaml", ingress);

    struct model *model = provider_load(&provider_kubernetes_ingress, &config, &kept);
    const struct layer4_objects *certificates = &model->layer4[TLS_CERTIFICATE];

    assert_int_equal(certificates->count, 1);
    const struct tls_keypair *pair = (const struct tls_keypair *)certificates->items[0];

    assert_true(slice_eq(pair->element.name, SLICE("default/pair")));
    assert_true(slice_eq(pair->config.key_file, SLICE("PRIVATE")));
    model_free(model);
    provider_kubernetes_ingress.free_state(kept);
    directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_hold_tcp_udp_and_tls),
        cmocka_unit_test(scenarios),
        cmocka_unit_test(custom_resources),
        cmocka_unit_test(object_of_both_groups_is_read_once),
        cmocka_unit_test(ingress_names_a_certificate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
