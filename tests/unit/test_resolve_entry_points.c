/*
 * test_resolve_entry_points.c - what entry points do to routers: defaults, copies with middlewares and TLS, rule syntax,
 * redirections, the internal provider's objects, priorities, duplicates, and the JSON of it all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/text.h"
#include "tests/unit/resolve_helper.h"

#define EP "--entryPoints."
#define SERVICE "services: {s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}]}}}\n"
#define ROUTERS                                                                                              \
    SERVICE "middlewares: {a: {addPrefix: {prefix: /a}}, b: {addPrefix: {prefix: /b}}}\nrouters:\n"

/* Every router as `NAME points priority [tls] [v2] chain;`, in order. */
static void dump(const struct model *model, struct text *out)
{
    text_init(out);
    text_add_cstr(out, "");
    for (size_t i = 0; i < model->router_count; i++) {
        const struct http_router *router = model->routers[i];

        text_printf(out, "%.*s %s %lld%s%s %s%s;", SLICE_ARG(router->element.name),
                    resolve_list(&router->entry_points), (long long)router->priority,
                    router->config.tls ? " tls" : "", router->v2 ? " v2" : "", resolve_list(&router->chain),
                    router->element.status == ELEMENT_DISABLED ? " disabled" : "");
    }
}

static void routers_as_entry_points_make_them(void **state)
{
    static const struct {
        const char *args, *routers, *want;
    } cases[] = {
        /* default entry points */
        {EP "web.address=:80 " EP "api.address=:81", "  r: {rule: 'Path(`/`)', service: s}\n",
         "r@file api,web 9 ;"},
        {EP "web.address=:80 " EP "traefik.address=:81 " EP "u.address=:82/udp",
         "  r: {rule: 'Path(`/`)', service: s}\n", "r@file web 9 ;"},
        {EP "web.address=:80 " EP "api.address=:81 " EP "api.asDefault",
         "  r: {rule: 'Path(`/`)', service: s}\n", "r@file api 9 ;"},
        {EP "web.address=:80 " EP "traefik.address=:81 " EP "traefik.asDefault",
         "  r: {rule: 'Path(`/`)', service: s}\n", "r@file  0  disabled;"},
        {"", "  r: {rule: 'Path(`/`)', service: s}\n", "r@file http 9 ;"},
        /* explicit ones, in any order, doubled */
        {EP "web.address=:80 " EP "api.address=:81",
         "  r: {rule: 'Path(`/`)', service: s, entryPoints: [web, api, web]}\n", "r@file api,web 9 ;"},
        {EP "web.address=:80 " EP "traefik.address=:81",
         "  r: {rule: 'Path(`/`)', service: s, entryPoints: [traefik]}\n", "r@file traefik 9 ;"},
        /* priorities */
        {"", "  r: {rule: 'Path(`/`)', service: s, priority: -5}\n", "r@file http -5 ;"},
        {"", "  r: {rule: 'Path(`/`)', service: s, priority: 7}\n", "r@file http 7 ;"},
        /* middlewares of entry points come first; one entry point: the name stays */
        {EP "web.address=:80 " EP "web.http.middlewares=b@file",
         "  r: {rule: 'Path(`/`)', service: s, middlewares: [a]}\n", "r@file web 9 b@file,a@file;"},
        {EP "web.address=:80 " EP "api.address=:81 " EP "web.http.middlewares=b@file,a@file",
         "  r: {rule: 'Path(`/`)', service: s, middlewares: [a]}\n",
         "r@file api 9 a@file;web-r@file web 9 b@file,a@file,a@file;"},
        {EP "web.address=:80 " EP "api.address=:81 " EP "web.http.middlewares=b " EP
            "api.http.middlewares=a@file",
         "  r: {rule: 'Path(`/`)', service: s}\n", "api-r@file api 9 a@file;web-r@file web 9 b@file;"},
        {EP "web.address=:80 " EP "web.http.middlewares=gone@file", "  r: {rule: 'Path(`/`)', service: s}\n",
         "r@file web 9  disabled;"},
        /* TLS of entry points and of routers */
        {EP "web.address=:80 " EP "s.address=:443 " EP "s.http.tls=true",
         "  r: {rule: 'Path(`/`)', service: s}\n", "r@file web 9 ;s-r@file s 9 tls ;"},
        {EP "web.address=:80", "  r: {rule: 'Path(`/`)', service: s, tls: {}}\n", "r@file web 9 tls ;"},
        /* rule syntax */
        {"--core.defaultRuleSyntax=v2", "  r: {rule: 'Path(`/a`, `/b`)', service: s}\n",
         "r@file http 16 v2 ;"},
        {"--core.defaultRuleSyntax=v2", "  r: {rule: 'Path(`/`)', service: s, ruleSyntax: v3}\n",
         "r@file http 9 ;"},
        {"", "  r: {rule: 'Path(`/a`, `/b`)', service: s, ruleSyntax: v2}\n", "r@file http 16 v2 ;"},
        {"", "  r: {rule: 'Path(`/a`, `/b`)', service: s}\n", "r@file http 16  disabled;"},
        {"--core.defaultRuleSyntax=v3 " EP "a.address=:1 " EP "b.address=:2",
         "  r: {rule: 'Path(`/`)', service: s}\n", "a-r@file a 9 ;b-r@file b 9 ;"},
        /* refused characters and observability make copies too, as in Traefik */
        {EP "a.address=:1 " EP "b.address=:2 " EP "b.http.encodedCharacters.allowEncodedSlash=false",
         "  r: {rule: 'Path(`/`)', service: s}\n", "b-r@file b 9 ;r@file a 9 ;"},
        {EP "a.address=:1 " EP "b.address=:2 " EP "b.observability.accessLogs=false",
         "  r: {rule: 'Path(`/`)', service: s}\n", "b-r@file b 9 ;r@file a 9 ;"},
        /* redirections */
        {EP "web.address=:80 " EP "s.address=:443 " EP "web.http.redirections.entryPoint.to=s", "  {}\n",
         "web-to-s@internal web 9223372036854775806 redirect-web-to-s@internal;"},
        {EP "web.address=:80 " EP "web.http.redirections.entryPoint.to=:8443 " EP
            "web.http.redirections.entryPoint.priority=5 " EP "web.allowACMEByPass",
         "  {}\n", "web-to-8443@internal web 5 redirect-web-to-8443@internal;"},
        {EP "web.address=:80 " EP "web.http.redirections.entryPoint.to=gone", "  {}\n", ""},
        /* ping and ready */
        {"--ping", "  {}\n",
         "ping@internal traefik 9223372036854775807 ;ready@internal traefik 9223372036854775807 ;"},
        {"--ping.entryPoint=web " EP "web.address=:80", "  {}\n", "ping@internal web 9223372036854775807 ;"},
        {"--ping.manualRouting " EP "web.address=:80", "  r: {rule: 'Path(`/x`)', service: ping@internal}\n",
         "r@file web 10 ;"},
        {"--ping.entryPoint=gone " EP "web.address=:80", "  {}\n", "ping@internal  0  disabled;"},
        {"--ping --core.defaultRuleSyntax=v2", "  {}\n",
         "ping@internal traefik 9223372036854775807 ;ready@internal traefik 9223372036854775807 ;"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct static_loaded loaded;
        struct model *model, *resolved;
        struct text yaml, got;

        print_message("case %zu\n", i);
        text_init(&yaml);
        text_printf(&yaml, "%s%s", ROUTERS, cases[i].routers);
        resolve_static(&loaded, cases[i].args);
        model = resolve_model(yaml.ptr);
        resolved = resolve(&loaded.config, &model, 1);
        dump(resolved, &got);
        assert_string_equal(got.ptr, cases[i].want);
        text_free(&got);
        text_free(&yaml);
        model_free(resolved);
        model_free(model);
        static_unload(&loaded);
    }
}

static bool has_notice(const struct model *model, const char *part)
{
    for (size_t i = 0; i < model->notice_count; i++) {
        if (slice_find_slice(model->notices[i].text, slice_cstr(part)) >= 0) {
            return true;
        }
    }
    return false;
}

static void redirections(void **state)
{
    struct static_loaded loaded;
    struct model *resolved;
    const struct redirect_scheme *params;

    (void)state;
    resolve_static(&loaded, EP "web.address=:80 " EP "secure.address=127.0.0.1:8443/tcp " EP
                               "web.http.redirections.entryPoint.to=secure " EP
                               "web.http.redirections.entryPoint.permanent=false " EP "other.address=:81 " EP
                               "other.http.redirections.entryPoint.to=gone");
    resolved = resolve(&loaded.config, NULL, 0);
    params =
        model_find_middleware(resolved, SLICE("redirect-web-to-secure@internal"))->config.redirect_scheme;
    assert_true(slice_eq(params->scheme, SLICE("https")));
    assert_true(slice_eq(params->port, SLICE("8443")));
    assert_false(params->permanent);
    assert_true(slice_eq(model_find_router(resolved, SLICE("web-to-secure@internal"))->config.rule,
                         SLICE("HostRegexp(`^.+$`)")));
    assert_true(has_notice(resolved, "there is no entry point gone"));
    model_free(resolved);
    static_unload(&loaded);
}

static void models_of_several_providers(void **state)
{
    struct static_loaded loaded;
    struct model *models[3] = {
        resolve_model(ROUTERS "  r: {rule: 'Path(`/`)', service: s, middlewares: [a]}\n"),
        NULL,
        resolve_model(
            "services: {s@kubernetescrd: {loadBalancer: {servers: []}}}\n"
            "routers: {r@kubernetescrd: {rule: 'Path(`/`)', service: s, middlewares: ['a@file']}}\n"),
    };
    struct model *resolved;
    const struct http_router *file, *crd;

    (void)state;
    resolve_static(&loaded, EP "web.address=:80 --ping.manualRouting");
    resolved = resolve(&loaded.config, models, 3);
    file = model_find_router(resolved, SLICE("r@file"));
    crd = model_find_router(resolved, SLICE("r@kubernetescrd"));
    assert_int_equal(file->element.status, ELEMENT_ENABLED);
    assert_int_equal(crd->element.status, ELEMENT_ENABLED);
    assert_true(crd->precedence < file->precedence); /* Traefik's order */
    assert_string_equal(resolve_list(&crd->chain), "a@file");
    assert_string_equal(
        resolve_list(&model_find_service(resolved, SLICE("s@kubernetescrd"))->element.used_by),
        "r@kubernetescrd");
    assert_string_equal(resolve_list(&model_find_middleware(resolved, SLICE("a@file"))->element.used_by),
                        "r@file,r@kubernetescrd");
    assert_non_null(model_find_service(resolved, SLICE("ping@internal")));
    assert_non_null(model_find_service(resolved, SLICE("noop@internal")));
    assert_non_null(model_find_transport(resolved, SLICE("default@internal")));
    model_free(resolved);
    model_free(models[0]);
    model_free(models[2]);
    static_unload(&loaded);
}

static void duplicates_are_named(void **state)
{
    struct static_loaded loaded;
    struct model *model = resolve_model(ROUTERS "  r: {rule: 'Path(`/`)', service: s}\n"), *resolved;
    struct http_router *again = model_add_router(model, SLICE("r"), SLICE("file"));

    (void)state;
    again->config.rule = SLICE("Path(`/again`)");
    again->element.origin = (struct origin){.file = SLICE("b.yml"), .line = 9};
    resolve_static(&loaded, EP "web.address=:80");
    resolved = resolve(&loaded.config, &model, 1);
    assert_int_equal(resolved->router_count, 1);
    assert_true(slice_eq(resolved->routers[0]->config.rule, SLICE("Path(`/`)")));
    assert_int_equal(resolved->notice_count, 1);
    assert_true(resolved->notices[0].is_error);
    assert_int_equal(resolved->notices[0].origin.line, 9);
    assert_true(has_notice(resolved, "router r@file is defined twice"));
    model_free(resolved);
    model_free(model);
    static_unload(&loaded);
}

static void templates_of_v2_are_noticed(void **state)
{
    static const struct {
        const char *rule, *notice; /* "": none */
    } cases[] = {
        {"HostRegexp(`{sub:[a-z]+}.a.test`)",
         "router r@file: rule: {sub:[a-z]+} is a template of the v2 syntax"},
        {"Host(`a.test`) && !PathPrefix(`/x/{id}`)", "rule: {id} is a template"},
        {"Host(`a.test`) || Path(`/x-{id:[0-9]{2}}`)", "rule: {id:[0-9]{2} is a template"},
        {"HostRegexp(`^[a-z]{1,3}.a.test$`)", ""},
        {"PathRegexp(`^/{x}`)", ""},
        {"PathRegexp(`^\\p{Greek}`)", ""},
        {"Path(`/{}`)", ""},
        {"Path(`/{a`)", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int v2 = 0; v2 <= 1; v2++) {
            struct static_loaded loaded;
            char text[400];

            snprintf(text, sizeof(text), ROUTERS "  r: {rule: '%s', service: s%s}\n", cases[i].rule,
                     v2 ? ", ruleSyntax: v2" : "");
            struct model *model = resolve_model(text), *resolved;

            resolve_static(&loaded, EP "web.address=:80");
            resolved = resolve(&loaded.config, &model, 1);
            assert_int_equal(resolved->notice_count, cases[i].notice[0] && !v2);
            assert_true(!resolved->notice_count || has_notice(resolved, cases[i].notice));
            assert_true(v2 || resolved->routers[0]->element.status == ELEMENT_ENABLED);
            model_free(resolved);
            model_free(model);
            static_unload(&loaded);
        }
    }
}

/* ---- JSON ---- */

static void json_is_that_of_rawdata(void **state)
{
    static const char want[] =
        "{\"routers\":{"
        "\"bad@file\":{\"entryPoints\":[\"web\"],\"service\":\"gone\",\"rule\":\"Path(`/"
        "\\\"`)\",\"priority\":10,"
        "\"observability\":{\"accessLogs\":true,\"metrics\":true,\"tracing\":true,\"traceVerbosity\":"
        "\"minimal\"},"
        "\"error\":[\"the service \\\"gone@file\\\" does not "
        "exist\"],\"status\":\"disabled\",\"using\":[\"web\"]},"
        "\"r@file\":{\"entryPoints\":[\"web\"],\"middlewares\":[\"a@file\"],\"service\":\"w\",\"rule\":"
        "\"Path(`/`)\","
        "\"priority\":9,\"tls\":{},\"observability\":{\"accessLogs\":true,\"metrics\":true,\"tracing\":true,"
        "\"traceVerbosity\":\"minimal\"},\"status\":\"enabled\",\"using\":[\"web\"]}},"
        "\"middlewares\":{\"a@file\":{\"addPrefix\":{\"prefix\":\"/"
        "a\"},\"status\":\"enabled\",\"usedBy\":[\"r@file\"]},"
        "\"b@file\":{\"addPrefix\":{\"prefix\":\"/b\"},\"status\":\"enabled\"}},"
        "\"services\":{\"noop@internal\":{\"status\":\"enabled\"},"
        "\"s@file\":{\"loadBalancer\":{\"servers\":[{\"url\":\"http://127.0.0.1:2\",\"weight\":3},"
        "{\"url\":\"http://127.0.0.1:1\"},{\"url\":\"http://"
        "127.0.0.1:1\"}],\"strategy\":\"wrr\",\"passHostHeader\":true,"
        "\"responseForwarding\":{\"flushInterval\":\"100ms\"}},\"status\":\"enabled\","
        "\"serverStatus\":{\"http://127.0.0.1:1\":\"UP\",\"http://127.0.0.1:2\":\"UP\"}},"
        "\"unused@file\":{\"loadBalancer\":{\"servers\":[{\"url\":\"http://"
        "127.0.0.1:1\"}],\"strategy\":\"wrr\","
        "\"passHostHeader\":true,\"responseForwarding\":{\"flushInterval\":\"100ms\"}},\"status\":"
        "\"enabled\"},"
        "\"w@file\":{\"weighted\":{\"services\":[{\"name\":\"s\",\"weight\":1}]},\"status\":\"enabled\","
        "\"usedBy\":[\"r@file\"]}}}";
    struct static_loaded loaded;
    struct model *model = resolve_model(
        "services:\n"
        "  s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:2', weight: 3}, {url: 'http://127.0.0.1:1'}, "
        "{url: 'http://127.0.0.1:1'}]}}\n"
        "  unused: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}]}}\n"
        "  w: {weighted: {services: [{name: s}]}}\n"
        "middlewares: {a: {addPrefix: {prefix: /a}}, b: {addPrefix: {prefix: /b}}}\n"
        "routers:\n  r: {rule: 'Path(`/`)', service: w, middlewares: [a], tls: {}}\n"
        "  bad: {rule: 'Path(`/\"`)', service: gone}\n");
    struct model *resolved;
    struct text json;

    (void)state;
    resolve_static(&loaded, EP "web.address=:80");
    resolved = resolve(&loaded.config, &model, 1);
    text_init(&json);
    model_to_json(resolved, &json);
    assert_string_equal(json.ptr, want);
    text_free(&json);
    model_free(resolved);
    model_free(model);
    static_unload(&loaded);
}

/* The API is known by name: no error as long as nobody routes to it. */
static void internal_services_to_come(void **state)
{
    struct static_loaded loaded;
    struct model *model = resolve_model("routers: {r: {rule: 'Path(`/`)', service: api@internal}}\n"),
                 *resolved;

    (void)state;
    resolve_static(&loaded, "--api.insecure --metrics.prometheus");
    resolved = resolve(&loaded.config, &model, 1);
    assert_int_equal(model_find_service(resolved, SLICE("api@internal"))->element.status, ELEMENT_ENABLED);
    assert_int_equal(model_find_service(resolved, SLICE("dashboard@internal"))->element.status,
                     ELEMENT_ENABLED);
    assert_int_equal(model_find_service(resolved, SLICE("prometheus@internal"))->element.status,
                     ELEMENT_ENABLED);
    assert_string_equal(resolve_errors(&model_find_router(resolved, SLICE("r@file"))->element),
                        "the service \"api@internal\" is not yet served by this build");
    model_free(resolved);
    model_free(model);
    static_unload(&loaded);
}

static void nothing_at_all(void **state)
{
    struct static_loaded loaded;
    struct model *resolved;
    struct text json;

    (void)state;
    resolve_static(&loaded, "");
    resolved = resolve(&loaded.config, NULL, 0);
    text_init(&json);
    model_to_json(resolved, &json);
    assert_string_equal(json.ptr, "{\"services\":{\"noop@internal\":{\"status\":\"enabled\"}}}");
    text_free(&json);
    model_free(resolved);
    static_unload(&loaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routers_as_entry_points_make_them),
        cmocka_unit_test(redirections),
        cmocka_unit_test(models_of_several_providers),
        cmocka_unit_test(duplicates_are_named),
        cmocka_unit_test(templates_of_v2_are_noticed),
        cmocka_unit_test(json_is_that_of_rawdata),
        cmocka_unit_test(nothing_at_all),
        cmocka_unit_test(internal_services_to_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
