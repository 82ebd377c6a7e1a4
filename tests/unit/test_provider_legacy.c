/*
 * test_provider_legacy.c - Ingresses with annotations of Traefik 1 in, model out: the manifests of the scenarios and every
 * annotation, against golden files.
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

#include "common/base/log.h"
#include "tests/unit/provider_helper.h"

#define SCENARIOS "tests/integration/scenarios/"

static char *directory;
static struct kubernetes_provider options;
static struct static_config config;
static struct provider_state *kept;

static int set_up(void **state)
{
    static struct entry_point points[2];
    static struct slice names[] = {{"http", 4}, {"https", 5}};
    static struct router_tls tls;

    (void)state;
    directory = directory_new();
    options = (struct kubernetes_provider){.manifests = slice_cstr(directory)};
    points[0] = (struct entry_point){.address = SLICE(":80")};
    points[1] = (struct entry_point){.address = SLICE(":8443"), .http.tls = &tls};
    config = (struct static_config){.providers.kubernetes_ingress = &options,
                                    .entry_points = {.keys = names, .values = points, .count = 2}};
    kept = NULL;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    provider_kubernetes_ingress.free_state(kept);
    directory_remove(directory);
    return 0;
}

static void assert_loaded(const char *golden)
{
    struct model *model = provider_load(&provider_kubernetes_ingress, &config, &kept);

    assert_model(model, directory, golden);
    model_free(model);
}

/* A Service with that many pods. */
static void write_service(const char *name, const char *port, unsigned pods, const char *annotations)
{
    struct text text;
    char file[64];

    text_init(&text);
    text_printf(&text,
                "apiVersion: v1\nkind: Service\nmetadata: {name: %s, annotations: {%s}}\n"
                "spec: {ports: [{name: '%s', port: 80}]}\n---\n"
                "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
                "metadata: {name: %s-1, labels: {kubernetes.io/service-name: %s}}\n"
                "ports: [{name: '%s', port: 8080}]\nendpoints:\n",
                name, annotations, port, name, name, port);
    for (unsigned i = 0; i < pods; i++) {
        text_printf(&text, "- {addresses: ['%s-%u']}\n", name, i);
    }
    text_add_cstr(&text, pods ? "" : "  []\n");
    snprintf(file, sizeof(file), "service-%s.yaml", name);
    directory_write(directory, file, text.ptr);
    text_free(&text);
}

static void copy_scenario(const char *name, const char *as)
{
    char path[256];
    char *text;

    snprintf(path, sizeof(path), SCENARIOS "%s", name);
    text = file_text(path);
    directory_write(directory, as, text);
    free(text);
}

/* ---- the scenarios ---- */
static void scenarios_make_what_traefik_1_made(void **state)
{
    static const struct {
        const char *files[3], *golden;
    } cases[] = {
        {{"v1-cheeses.yaml"}, "legacy_cheeses.txt"},
        {{"modern/v1-cheeses.yaml"}, "legacy_cheeses_v1.txt"},
        {{"v1-rule-types.yaml"}, "legacy_rule_types.txt"},
        {{"v1-regex-path.yaml"}, "legacy_regex_path.txt"},
        {{"v1-priority-step1.yaml"}, "legacy_priority_step1.txt"},
        {{"v1-priority-step2.yaml"}, "legacy_priority_step2.txt"},
        {{"v1-weights.yaml"}, "legacy_weights.txt"},
        {{"modern/v1-weights.yaml"}, "legacy_weights.txt"},
        {{"v1-weights-omitted.yaml"}, "legacy_weights_omitted.txt"},
        {{"v1-gm-step1.yaml"}, "legacy_gm_step1.txt"},
        {{"v1-gm-step1.yaml", "v1-gm-step2.yaml"}, "legacy_gm_step2.txt"},
        {{"modern/v1-gm-step1.yaml", "modern/v1-gm-step2.yaml"}, "legacy_gm_step2.txt"},
        {{"v1-precise-step1.yaml"}, "legacy_precise_step1.txt"},
        {{"v1-precise-step2.yaml"}, "legacy_precise_step2.txt"},
        {{"v1-precise-step3.yaml"}, "legacy_precise_step3.txt"},
        {{"v1-whitelist.yaml"}, "legacy_whitelist.txt"},
        {{"v1-whitelist-ranges.yaml"}, "legacy_whitelist_ranges.txt"},
        {{"v1-whitelist-xff.yaml"}, "legacy_whitelist_xff.txt"},
        {{"v1-request-headers.yaml"}, "legacy_request_headers.txt"},
        {{"v1-headers-more.yaml"}, "legacy_headers_more.txt"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        set_up(state);
        write_service("stilton", "http", 1, "");
        write_service("cheddar", "http", 2, "");
        write_service("wensleydale", "http", 3, "");
        write_service("gm-v1", "http", 2, "");
        write_service("gm-v2", "http", 4, "");
        for (size_t j = 0; j < ARRAY_LEN(cases[i].files) && cases[i].files[j]; j++) {
            char name[16];

            snprintf(name, sizeof(name), "%zu.yaml", j);
            copy_scenario(cases[i].files[j], name);
        }
        assert_loaded(cases[i].golden);
        tear_down(state);
    }
}

/* ---- annotations one by one ---- */
#define T "traefik.ingress.kubernetes.io/"
#define P "ingress.kubernetes.io/"

static void every_annotation_has_its_place(void **state)
{
    static const struct {
        const char *name, *host, *path, *annotations, *service;
    } cases[] = {
        {"app-root", "", "/", T "app-root: /start/$x", ""},
        {"auth-basic", "", "/", T "auth-type: basic, " P "auth-secret: users, " P "auth-realm: here", ""},
        {"auth-digest", "", "/",
         T "auth-type: digest, " P "auth-secret: users, " P "auth-remove-header: 'true'", ""},
        {"auth-forward", "", "/",
         T "auth-type: forward, " T "auth-url: 'http://auth.test/', " T "auth-response-headers: 'X-A, X-B'",
         ""},
        {"auth-missing", "", "/", T "auth-type: basic, " T "auth-secret: nowhere", ""},
        {"auth-none", "", "/", T "auth-type: basic", ""},
        {"auth-other", "", "/", T "auth-type: kerberos", ""},
        {"modifier-add", "", "/x", T "request-modifier: 'AddPrefix: /a'", ""},
        {"modifier-bad", "", "/x", T "request-modifier: 'CutPrefix: /a'", ""},
        {"modifier-regex", "", "/x", T "request-modifier: 'ReplacePathRegex: ^/x/(.*) /y/$1'", ""},
        {"modifier-replace", "", "/x", T "request-modifier: 'ReplacePath: /a'", ""},
        {"rewrite", "", "/a.b", T "rewrite-target: /c/", ""},
        {"replace-path", "", "/new", T "rule-type: ReplacePath", ""},
        {"rule-type", "", "/x", T "rule-type: AddPrefix", ""},
        {"redirect-point", "", "/", T "redirect-entry-point: https, " T "redirect-permanent: 'true'", ""},
        {"redirect-nowhere", "", "/", T "redirect-entry-point: other", ""},
        {"redirect-regex", "", "/",
         T "redirect-regex: '^http://a/(.*)', " T "redirect-replacement: 'http://b/$1'", ""},
        {"redirect-half", "", "/", T "redirect-regex: '^http://a/(.*)'", ""},
        {"ssl-redirect", "", "/", P "ssl-redirect: 'true', " P "ssl-temporary-redirect: 'true'", ""},
        {"security", "", "/",
         P "frame-deny: 'true', " P "hsts-max-age: '60', " P "browser-xss-filter: 'false', " P
           "allowed-hosts: 'a, b', " P "referrer-policy: same-origin, " P
           "ssl-proxy-headers: 'X-Proto: https'",
         ""},
        {"headers-bad", "", "/", P "custom-request-headers: 'X-Secret value'", ""},
        {"allow-bad", "", "/", T "whitelist-source-range: '10.0.0.0/8, 300.1.1.1'", ""},
        {"entry-points", "", "/",
         T "frontend-entry-points: 'http, https', traefik.frontend.passHostHeader: 'false'", ""},
        {"protocol", "", "/", T "protocol: h2c", ""},
        {"protocol-bad", "", "/", T "protocol: ftp", ""},
        {"errors", "", "/",
         T "error-pages: \"a:\\n  status: ['500-599']\\n  backend: err.test/x\\n  query: /{status}\"", ""},
        {"rates", "", "/",
         T
         "rate-limit: \"extractorfunc: request.host\\nrateset:\\n  one: {period: 3s, average: 6, burst: 9}\"",
         ""},
        {"rates-bad", "", "/", T "rate-limit: 'extractorfunc: client.ip'", ""},
        {"client-cert", "", "/",
         T "pass-client-tls-cert: \"pem: true\\ninfos:\\n  notafter: true\\n  subject: {country: true}\"",
         ""},
        {"tls-cert", "", "/", T "pass-tls-cert: 'true'", ""},
        {"wildcard", "*.", "/", T "rule-type: PathPrefix", ""},
        {"no-path", "", "", T "rule-type: PathPrefixStrip", ""},
        {"number", "", "/", T "priority: high", ""},
        {"unknown", "", "/", T "rule-typ: Path, " P "affinity: 'true', " P "ssl-host: a.test, " P "other: x",
         ""},
        {"both", "", "/", T "rule-type: Path, " T "router.entrypoints: http", ""},
        {"service", "", "/", T "rule-type: PathPrefix",
         T "affinity: 'true', " T "session-cookie-name: c, " T "load-balancer-method: drr, " P
           "circuit-breaker-expression: 'NetworkErrorRatio() > 0.5', " P "max-conn-amount: '5', " P
           "max-conn-extractor-func: client.ip, " P "buffering: 'maxrequestbodybytes: 100', " P
           "responseforwarding-flushinterval: 10ms"},
    };
    struct text text;

    (void)state;
    directory_write(directory, "users.yaml",
                    "apiVersion: v1\nkind: Secret\nmetadata: {name: users}\n"
                    "stringData: {auth: \"a:one\\n# nobody\\nb:two\\n\"}\n");
    text_init(&text);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        write_service(cases[i].name, "web", 1, cases[i].service);
        text_printf(
            &text,
            "---\napiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: %s, annotations: {%s}}\n"
            "spec: {rules: [{host: '%s%s.test', http: {paths: [{path: '%s', backend: {serviceName: %s, "
            "servicePort: web}}]}}]}\n",
            cases[i].name, cases[i].annotations, cases[i].host, cases[i].name, cases[i].path, cases[i].name);
    }
    directory_write(directory, "all.yaml", text.ptr);
    text_free(&text);
    assert_loaded("legacy_annotations.txt");
}

/* ---- weights ---- */
static void weights_are_exact_or_refused(void **state)
{
    static const struct {
        const char *host, *weights, *first, *second;
    } cases[] = {
        {"exact", "seven: 50%, three: 50%", "seven", "three"},
        {"thousandths", "seven: 99.999%, three: 0.001%", "seven", "three"},
        {"fractions", "seven: 0.25, three: 0.75", "seven", "three"},
        {"rest", "seven: 10%", "seven", "three"},
        {"too-much", "seven: 60%, three: 60%", "seven", "three"},
        {"too-little", "seven: 60%, three: 30%", "seven", "three"},
        {"no-share", "seven: many, three: 30%", "seven", "three"},
        {"no-map", "just text", "seven", "three"},
        {"empty", "empty: 50%, three: 50%", "empty", "three"},
        {"missing", "gone: 50%, three: 50%", "gone", "three"},
        {"stranger", "seven: 50%, three: 50%, other: 10%", "seven", "three"},
    };
    struct text text;

    (void)state;
    write_service("seven", "web", 7, "");
    write_service("three", "web", 3, "");
    write_service("empty", "web", 0, "");
    text_init(&text);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *open = strchr(cases[i].weights, ':') ? "{" : "", *close = *open ? "}" : "";

        text_printf(
            &text,
            "---\napiVersion: extensions/v1beta1\nkind: Ingress\n"
            "metadata: {name: %s, annotations: {" T "service-weights: '%s%s%s'}}\n"
            "spec: {rules: [{host: %s.test, http: {paths: [{backend: {serviceName: %s, servicePort: web}}, "
            "{backend: {serviceName: %s, servicePort: web}}]}}]}\n",
            cases[i].host, open, cases[i].weights, close, cases[i].host, cases[i].first, cases[i].second);
    }
    directory_write(directory, "all.yaml", text.ptr);
    text_free(&text);
    assert_loaded("legacy_weights_cases.txt");
}

/* ---- frontends ---- */
static void frontends_are_joined_by_host_and_path(void **state)
{
    (void)state;
    write_service("one", "web", 1, "");
    write_service("two", "web", 2, "");
    directory_write(
        directory, "all.yaml",
        "apiVersion: v1\nkind: List\nitems:\n"
        /* the second has other annotations, the third no Service */
        "- {apiVersion: extensions/v1beta1, kind: Ingress, metadata: {name: a, annotations: {" T
        "rule-type: Path}},\n"
        "   spec: {rules: [{host: j.test, http: {paths: [{path: /p, backend: {serviceName: one, servicePort: "
        "80}}]}}]}}\n"
        "- {apiVersion: extensions/v1beta1, kind: Ingress, metadata: {name: b, annotations: {" T
        "rule-type: PathStrip}},\n"
        "   spec: {rules: [{host: j.test, http: {paths: [{path: /p, backend: {serviceName: two, servicePort: "
        "80}}]}}]}}\n"
        "- {apiVersion: extensions/v1beta1, kind: Ingress, metadata: {name: c, annotations: {" T
        "rule-type: Path}},\n"
        "   spec: {rules: [{host: j.test, http: {paths: [{path: /p, backend: {serviceName: no, servicePort: "
        "80}}]}}]}}\n"
        /* names that come to the same */
        "- {apiVersion: extensions/v1beta1, kind: Ingress, metadata: {name: d, annotations: {" T
        "rule-type: Path}},\n"
        "   spec: {rules: [{host: n.test, http: {paths: [{path: /a-b, backend: {serviceName: one, "
        "servicePort: 80}},\n"
        "     {path: /a/b, backend: {serviceName: one, servicePort: 80}}]}}]}}\n"
        /* a pathType and no rule-type */
        "- {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: f, annotations: {" T
        "preserve-host: 'true'}},\n"
        "   spec: {rules: [{host: t.test, http: {paths: [{path: /p, pathType: Exact, backend: {service: "
        "{name: one, port: "
        "{number: 80}}}}]}}]}}\n"
        /* a default backend beside rules */
        "- {apiVersion: extensions/v1beta1, kind: Ingress, metadata: {name: e, annotations: {" T
        "rule-type: Path}},\n"
        "   spec: {backend: {serviceName: one, servicePort: web},\n"
        "     rules: [{http: {paths: [{path: /e, backend: {serviceName: one, servicePort: 80}}]}}]}}\n");
    assert_loaded("legacy_frontends.txt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scenarios_make_what_traefik_1_made),
        cmocka_unit_test_setup_teardown(every_annotation_has_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(weights_are_exact_or_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(frontends_are_joined_by_host_and_path, set_up, tear_down),
    };

    log_setup(LOG_LEVEL_NONE, LOG_FORMAT_COMMON, "test");
    return cmocka_run_group_tests_name("provider legacy", tests, NULL, NULL);
}
