/*
 * test_providers.c - documents in, model out: the two providers as they are called by the master, against golden files.
 *
 * WEIR_GOLDEN=write writes the golden files anew; read the difference before you keep it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "tests/unit/provider_helper.h"

/* ---- file ---- */
static void files_of_a_directory_become_one_model(void **state)
{
    char *directory = directory_new();
    struct file_provider file = {.directory = slice_cstr(directory)};
    struct static_config config = {.providers.file = &file};

    (void)state;
    directory_write(
        directory, "a.yml",
        "http:\n  routers:\n    one: {rule: \"Host(`a.test`)\", service: app, middlewares: [strip]}\n"
        "    typo: {rule: \"Host(`b.test`)\", servce: app}\n"
        "  middlewares:\n    strip: {stripPrefix: {prefixes: [/api]}}\n    two: {addPrefix: {prefix: /a}, "
        "stripPrefix: {prefixes: [/b]}}\n");
    directory_write(directory, "b.toml",
                    "[http.services.app.loadBalancer]\n[[http.services.app.loadBalancer.servers]]\nurl = "
                    "\"http://127.0.0.1:1\"\n");
    directory_write(
        directory, "c.json",
        "{\"http\": {\"routers\": {\"one\": {\"rule\": \"Host(`c.test`)\", \"service\": \"app\"}}}}");
    directory_write(directory, "ignored.txt", "http: [");

    assert_loads(&provider_file, &config, directory, "provider_file.txt");
    directory_remove(directory);
}

static void half_written_file_keeps_what_it_gave(void **state)
{
    char *directory = directory_new();
    struct file_provider file = {.directory = slice_cstr(directory)};
    struct static_config config = {.providers.file = &file};
    struct provider_state *kept = NULL;

    (void)state;
    directory_write(directory, "a.yml",
                    "http:\n  routers:\n    one: {rule: \"Host(`a.test`)\", service: app}\n");

    struct model *before = provider_load(&provider_file, &config, &kept);

    directory_write(directory, "a.yml", "http:\n  routers:\n    one: {rule: \"Host(`a.t");

    struct model *after = provider_load(&provider_file, &config, &kept);
    struct text text;

    text_init(&text);
    model_dump(after, directory, &text);
    assert_contains(&text, "\"router\":\"one\"");
    assert_contains(&text, "a.yml:3");
    text_free(&text);
    model_free(before);
    model_free(after);
    provider_file.free_state(kept);
    directory_remove(directory);
}

/* Root reads everything, so it is nobody for that time. */
static struct model *load_as_nobody(const struct static_config *config, struct provider_state **kept)
{
    bool root = geteuid() == 0;

    assert_int_equal(root ? seteuid(65534) : 0, 0);
    struct model *model = provider_load(&provider_file, config, kept);

    assert_int_equal(root ? seteuid(0) : 0, 0);
    return model;
}

/* `mode`: no list of names, or names that lead nowhere. */
static void directory_that_cannot_be_read_keeps_what_it_gave(void **state)
{
    static const mode_t modes[] = {0, 0444, 0755};
    char *directory = directory_new(), below[256];
    struct file_provider file = {.directory = slice_cstr(directory)};
    struct static_config config = {.providers.file = &file};
    struct provider_state *kept = NULL;

    (void)state;
    assert_int_equal(chmod(directory, 0755), 0);
    directory_write(directory, "a.yml",
                    "http:\n  routers:\n    one: {rule: \"Host(`a.test`)\", service: app}\n");
    directory_write(directory, "sub/b.yml",
                    "http:\n  routers:\n    two: {rule: \"Host(`b.test`)\", service: app}\n");
    (void)snprintf(below, sizeof(below), "%s/sub", directory);
    model_free(provider_load(&provider_file, &config, &kept));
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct text text;

        assert_int_equal(chmod(below, modes[i]), 0);
        struct model *model = load_as_nobody(&config, &kept);

        text_init(&text);
        model_dump(model, directory, &text);
        assert_contains(&text, "\"router\":\"one\"");
        assert_contains(&text, "\"router\":\"two\"");
        assert_int_equal(model->unread, modes[i] != 0755);
        text_free(&text);
        model_free(model);
    }
    directory_delete(directory, "sub/b.yml");
    struct model *model = provider_load(&provider_file, &config, &kept);

    assert_int_equal(model->router_count, 1); /* what is gone is gone */
    model_free(model);
    provider_file.free_state(kept);
    directory_remove(directory);
}

/* ---- custom resources ---- */
#define CRD "apiVersion: traefik.io/v1alpha1\n"

static const char objects[] =
    "apiVersion: v1\nkind: Service\nmetadata: {name: app, annotations: {weir.dev/addresses: "
    "\"127.0.0.1:1,127.0.0.1:2\"}}\n"
    "spec: {ports: [{name: web, port: 80}]}\n"
    "---\n" CRD "kind: Middleware\nmetadata: {name: strip}\nspec: {stripPrefix: {prefixes: [/api]}}\n"
    "---\n" CRD "kind: Middleware\nmetadata: {name: both}\nspec: {chain: {middlewares: [{name: strip}]}}\n"
    "---\n" CRD "kind: IngressRoute\nmetadata: {name: good}\nspec:\n  entryPoints: [web]\n  routes:\n"
    "    - {kind: Rule, match: \"Host(`a.test`)\", middlewares: [{name: both}], services: [{name: app, port: "
    "web}]}\n"
    "    - {kind: Rule, match: \"Host(`b.test`)\", priority: 7, services: [{name: app, port: 80, weight: 3}, "
    "{name: app, "
    "port: 80}]}\n"
    "    - {kind: Rule, match: \"Host(`c.test`)\", services: [{name: nowhere, port: 80}]}\n"
    "    - {kind: Rule, match: \"Host(`d.test`)\", services: [{name: app, port: 81}]}\n"
    "---\n" CRD "kind: IngressRoute\nmetadata: {name: other, namespace: far}\nspec:\n  routes:\n"
    "    - {kind: Rule, match: \"Host(`e.test`)\", services: [{name: app, namespace: default, port: 80}]}\n"
    "---\n" CRD
    "kind: TraefikService\nmetadata: {name: canary}\nspec: {weighted: {services: [{name: app, port: 80, "
    "weight: 3}]}}\n"
    "---\n" CRD "kind: IngresRoute\nmetadata: {name: misspelt}\n";

static void custom_resources_become_one_model(void **state)
{
    char *directory = directory_new();
    struct kubernetes_provider crd = {.manifests = slice_cstr(directory)};
    struct static_config config = {.providers.kubernetes_crd = &crd};

    (void)state;
    directory_write(directory, "all.yaml", objects);

    assert_loads(&provider_kubernetes_crd, &config, directory, "provider_kubernetes_crd.txt");
    directory_remove(directory);
}

/* Those of Traefik that name Secrets and Services; contents of Secrets are not to be seen. */
static void middlewares_that_refer_to_other_objects(void **state)
{
    static const char text[] =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: users}\nstringData:\n  u: |\n    a:b\n\n    "
        "c:d\n---\n"
        "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/basic-auth\nmetadata: {name: one}\n"
        "data: {username: dXNlcg==, password: cGFzc3dvcmQ=}\n---\n"
        "apiVersion: v1\nkind: Secret\nmetadata: {name: empty}\nstringData: {u: \"\"}\n---\n"
        "apiVersion: v1\nkind: Secret\nmetadata: {name: tls}\n"
        "stringData: {tls.crt: CERT, tls.key: KEY, tls.ca: CA}\n---\n"
        "apiVersion: v1\nkind: Service\nmetadata: {name: pages, annotations: {weir.dev/addresses: "
        "\"127.0.0.1:1\"}}\n"
        "spec: {ports: [{port: 80}]}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: lines}, spec: {basicAuth: "
        "{secret: "
        "users, realm: r}}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: single}, spec: {basicAuth: "
        "{secret: "
        "one}}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: two-keys}, spec: {digestAuth: "
        "{secret: one}}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: key}, spec: {apiKey: "
        "{keySource: {query: k}, secretValues: [\"urn:k8s:secret:one:password\", plain]}}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: key-bad}, spec: {apiKey: "
        "{secretValues: [\"urn:k8s:secret:one:gone\", \"urn:k8s:secret:gone:a\", "
        "\"urn:k8s:secret:one\"]}}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: token}, spec: {jwt: "
        "{signingSecret: \"urn:k8s:secret:one:password\", claims: \"Equals(`a`, `b`)\"}}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: token-hub}, spec: {plugin: "
        "{jwt: "
        "{jwksUrl: \"https://a.test/\", clientConfig: {tls: {ca: \"urn:k8s:secret:one:password\", cert: x, "
        "key: \"urn:k8s:secret:gone:a\"}, maxRetries: 1}}}}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: key-hub}, spec: {plugin: "
        "{apiKey: "
        "{keySource: {query: k}, secretValues: [\"urn:k8s:secret:one:password\"]}}}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: nobody}, spec: {basicAuth: "
        "{secret: "
        "empty}}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: missing}, spec: {basicAuth: "
        "{secret: "
        "nothing}}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: no-secret}, spec: {basicAuth: "
        "{}}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: ask}, spec: {forwardAuth: "
        "{address: "
        "\"http://auth\", tls: {caSecret: tls, certSecret: tls}}}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: ask-bad}, spec: {forwardAuth: "
        "{address: \"http://auth\", tls: {caSecret: users, certSecret: gone, cert: x}}}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: page}, spec: {errors: {status: "
        "[\"500-599\"], query: /x, service: {name: pages, port: 80}}}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: page-bad}, spec: {errors: "
        "{status: "
        "[\"500-599\"], service: {name: gone, port: 80}}}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: rate}, spec: {rateLimit: "
        "{average: 5, "
        "period: 10, redis: {endpoints: [\"r:1\"], secret: one}}}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: row}, spec: {chain: "
        "{middlewares: "
        "[{name: lines}, {name: single}]}}}\n";
    char *directory = directory_new();
    struct kubernetes_provider options = {.manifests = slice_cstr(directory)};
    struct static_config config = {.providers.kubernetes_crd = &options};

    (void)state;
    directory_write(directory, "m.yaml", text);
    assert_loads(&provider_kubernetes_crd, &config, directory, "crd_middlewares.txt");
    directory_remove(directory);
}

/* Corners in which only Traefik's own way keeps what it serves: found by tests/compare/compare_kube.py. */
static void corners_are_as_upstream(void **state)
{
    static const char text[] =
        "{apiVersion: v1, kind: Service, metadata: {name: app}, spec: {clusterIP: 10.9.0.1, ports: [{name: "
        "web, port: 80}]}}\n---\n"
        "{apiVersion: v1, kind: Service, metadata: {name: app, namespace: far}, spec: {clusterIP: 10.9.0.2, "
        "ports: [{name: web, "
        "port: 80}]}}\n---\n"
        /* conditions: "serving" decides, also when "ready" says no */
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: app-1, labels: "
        "{kubernetes.io/service-name: app}},\n"
        " addressType: IPv4, ports: [{name: web, port: 8080}], endpoints: [{addresses: [10.0.0.1], "
        "conditions: {ready: false}},\n"
        " {addresses: [10.0.0.2], conditions: {serving: false}}, {addresses: [10.0.0.3], conditions: "
        "{serving: true, terminating: "
        "true}}]}\n---\n"
        /* one match twice: the second cannot be used, the first stays */
        "{apiVersion: traefik.io/v1alpha1, kind: IngressRoute, metadata: {name: twins}, spec: {routes: [\n"
        " {match: Path(`/t`), priority: 1, services: [{name: app, port: 80, nativeLB: false}]},\n"
        " {match: Path(`/t`), priority: 2, services: [{name: gone, port: 80}]}]}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: IngressRoute, metadata: {name: last}, spec: {routes: [\n"
        " {match: Path(`/l`), priority: 1, services: [{name: gone, port: 80}]},\n"
        " {match: Path(`/l`), priority: 2, services: [{name: app, port: 80}]}]}}\n---\n"
        /* what a Service names is looked for beside the Service */
        "{apiVersion: traefik.io/v1alpha1, kind: IngressRoute, metadata: {name: far}, spec: {routes: "
        "[{match: Path(`/f`),\n"
        " services: [{name: app, namespace: far, port: 80, serversTransport: t, middlewares: [{name: "
        "m}]}]}]}}\n---\n"
        /* nativeLBByDefault counts for routes only; nothing behind an error overwrites what others made */
        "{apiVersion: traefik.io/v1alpha1, kind: IngressRoute, metadata: {name: two}, spec: {routes: "
        "[{match: Path(`/2`),\n"
        " services: [{name: app, port: web}, {name: ts, kind: TraefikService}]}]}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: TraefikService, metadata: {name: ts}, spec: {weighted: "
        "{services: [{name: app, port: "
        "80}]}}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: TraefikService, metadata: {name: wrong}, spec: {weighted: "
        "{services: [{name: gone, "
        "port: 80}, {name: app, port: web}]}}}\n---\n"
        /* authorities: the only thing that a Secret holds will do; one that is missing does not matter beside one that is not */
        "{apiVersion: v1, kind: Secret, metadata: {name: alone}, stringData: {anything: CA}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: ServersTransport, metadata: {name: some}, spec: {rootCAs: "
        "[{secret: gone}, {secret: "
        "alone}], certificatesSecrets: [gone]}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: ServersTransport, metadata: {name: none}, spec: {rootCAs: "
        "[{secret: gone}]}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: small}, spec: {compress: "
        "{encodings: []}}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: zero}, spec: {circuitBreaker: "
        "{expression: NetworkErrorRatio() > 0.5, responseCode: 0}}}\n";
    char *directory = directory_new();
    struct kubernetes_provider options = {
        .manifests = slice_cstr(directory), .allow_cross_namespace = true, .native_lb_by_default = true};
    struct static_config config = {.providers.kubernetes_crd = &options};

    (void)state;
    directory_write(directory, "m.yaml", text);

    assert_loads(&provider_kubernetes_crd, &config, directory, "crd_corners.txt");
    directory_remove(directory);
}

/* One match twice: the second, whose middleware may not be named from there, leaves the service of the first alone. */
static void a_twin_in_error_keeps_its_service_to_itself(void **state)
{
    static const char text[] =
        "{apiVersion: v1, kind: Service, metadata: {name: app}, spec: {clusterIP: 10.9.0.1, ports: [{port: "
        "80}]}}\n---\n"
        "{apiVersion: v1, kind: Service, metadata: {name: other}, spec: {clusterIP: 10.9.0.2, ports: [{port: "
        "80}]}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: IngressRoute, metadata: {name: twins}, spec: {routes: [\n"
        " {match: Path(`/t`), services: [{name: app, port: 80, nativeLB: true}]},\n"
        " {match: Path(`/t`), services: [{name: other, port: 80, nativeLB: true}], middlewares: [{name: m, "
        "namespace: far}]}]}}\n";
    char *directory = directory_new();
    struct kubernetes_provider options = {.manifests = slice_cstr(directory)};
    struct static_config config = {.providers.kubernetes_crd = &options};
    struct provider_state *kept = NULL;

    (void)state;
    directory_write(directory, "m.yaml", text);

    struct model *model = provider_load(&provider_kubernetes_crd, &config, &kept);

    assert_int_equal(model->router_count, 1);
    assert_int_equal(model->routers[0]->element.status, ELEMENT_WARNING);
    assert_int_equal(model->service_count, 1);

    const struct load_balancer *balancer = model->services[0]->config.load_balancer;

    assert_non_null(balancer);
    assert_int_equal(balancer->servers.count, 1);
    assert_true(slice_eq(((const struct server_config *)balancer->servers.items)[0].url,
                         SLICE("http://10.9.0.1:80")));
    model_free(model);
    provider_kubernetes_crd.free_state(kept);
    directory_remove(directory);
}

/* What it would have made of its first part is not there: another object's description of the same Service stands. */
static void a_failover_in_error_makes_nothing_of_its_parts(void **state)
{
    static const char text[] =
        "{apiVersion: v1, kind: Service, metadata: {name: app}, spec: {clusterIP: 10.9.0.1, ports: [{port: "
        "80}]}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: TraefikService, metadata: {name: half}, spec: {failover: {\n"
        " service: {name: app, port: 80, nativeLB: true}, fallback: {name: gone, port: 80}, errors: {}}}}\n";
    char *directory = directory_new();
    struct kubernetes_provider options = {.manifests = slice_cstr(directory)};
    struct static_config config = {.providers.kubernetes_crd = &options};
    struct provider_state *kept = NULL;

    (void)state;
    directory_write(directory, "m.yaml", text);

    struct model *model = provider_load(&provider_kubernetes_crd, &config, &kept);

    assert_int_equal(model->service_count, 1);
    assert_true(slice_eq(model->services[0]->element.name, SLICE("default-half")));
    assert_int_equal(model->services[0]->element.status, ELEMENT_DISABLED);
    model_free(model);
    provider_kubernetes_crd.free_state(kept);
    directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_a_directory_become_one_model),
        cmocka_unit_test(half_written_file_keeps_what_it_gave),
        cmocka_unit_test(directory_that_cannot_be_read_keeps_what_it_gave),
        cmocka_unit_test(custom_resources_become_one_model),
        cmocka_unit_test(middlewares_that_refer_to_other_objects),
        cmocka_unit_test(corners_are_as_upstream),
        cmocka_unit_test(a_twin_in_error_keeps_its_service_to_itself),
        cmocka_unit_test(a_failover_in_error_makes_nothing_of_its_parts),
    };

    log_setup(LOG_LEVEL_NONE, LOG_FORMAT_COMMON, "test");
    return cmocka_run_group_tests_name("providers", tests, NULL, NULL);
}
