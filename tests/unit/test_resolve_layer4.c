/*
 * test_resolve_layer4.c - TCP, UDP and TLS resolved: names, entry points, references, rules; what is wrong stays on its object.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/rule/rule.h"
#include "tests/unit/provider_helper.h"
#include "tests/unit/resolve_helper.h"

#define POINTS                                                                                               \
    "--entryPoints.db.address=:9001 --entryPoints.web.address=:9000 --entryPoints.dns.address=:9053/udp"

/* Two providers' models resolved; the second may be NULL. */
struct fixture {
    struct static_loaded loaded;
    char *directories[2];
    struct provider_state *states[2];
    struct model *models[2], *model;
};

static void begin(struct fixture *f, const char *flags, const char *file, const char *objects)
{
    struct file_provider options = {0};
    struct kubernetes_provider crd = {0};
    struct static_config config = {.providers.file = &options, .providers.kubernetes_crd = &crd};

    *f = (struct fixture){0};
    resolve_static(&f->loaded, flags);
    f->directories[0] = directory_new();
    f->directories[1] = directory_new();
    directory_write(f->directories[0], "a.yml", file);
    directory_write(f->directories[1], "a.yaml", objects);
    options.directory = slice_cstr(f->directories[0]);
    crd.manifests = slice_cstr(f->directories[1]);
    f->models[0] = provider_load(&provider_file, &config, &f->states[0]);
    f->models[1] = provider_load(&provider_kubernetes_crd, &config, &f->states[1]);
    f->model = resolve(&f->loaded.config, f->models, 2);
}

static void end(struct fixture *f)
{
    model_free(f->model);
    for (size_t i = 0; i < 2; i++) {
        model_free(f->models[i]);
        directory_remove(f->directories[i]);
    }
    provider_file.free_state(f->states[0]);
    provider_kubernetes_crd.free_state(f->states[1]);
    static_unload(&f->loaded);
}

struct expected {
    enum layer4_kind kind;
    const char *name;
    enum element_status status;
    const char *errors;
};

static void assert_errors(const struct fixture *f, const struct expected *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct element *element = layer4_find(f->model, rows[i].kind, slice_cstr(rows[i].name));

        if (element == NULL) {
            fail_msg("there is no %s %s", layer4_types[rows[i].kind].name, rows[i].name);
        }
        if (strcmp(resolve_errors(element), rows[i].errors) != 0 || element->status != rows[i].status) {
            fail_msg("%s %s: status %d, %s", layer4_types[rows[i].kind].name, rows[i].name, element->status,
                     resolve_errors(element));
        }
    }
}

static void errors_stay_on_their_objects(void **state)
{
    static const char file[] =
        "tcp:\n  routers:\n"
        "    good: {rule: \"HostSNI(`*`)\", service: db, middlewares: [inside]}\n"
        "    points: {rule: \"HostSNI(`*`)\", service: db, entryPoints: [web, dns, none]}\n"
        "    lost: {rule: \"HostSNI(`*`)\", service: db, entryPoints: [none]}\n"
        "    empty: {}\n"
        "    plain: {rule: \"HostSNI(`a.test`)\", service: db}\n"
        "    rule: {rule: \"Host(`a.test`)\", service: db}\n"
        "    refs: {rule: \"HostSNI(`a.test`)\", service: gone, middlewares: [outside, gone], tls: {options: "
        "gone}}\n"
        "    far: {rule: \"ClientIP(`10.0.0.1`)\", service: db@other, priority: 9223372036854775800}\n"
        "    odd: {rule: \"HostSNI(`a.test`)\", service: db, tls: {options: odd}}\n"
        "    pass: {rule: \"HostSNI(`a.test`)\", service: db, tls: {passthrough: true, options: odd}}\n"
        "    v2: {rule: \"HostSNI(`a.test`, `b.test`)\", ruleSyntax: v2, service: share, tls: {}}\n"
        "  services:\n"
        "    db: {loadBalancer: {servers: [{address: \"127.0.0.1:1\"}], serversTransport: slow}}\n"
        "    half: {loadBalancer: {servers: [{address: \"127.0.0.1\"}, {address: \"::1:2\"}, {address: "
        "\"[::1]:2\"}]}}\n"
        "    share: {weighted: {services: [{name: db, weight: 3}, {name: db}]}}\n"
        "    circle: {weighted: {services: [{name: circle}]}}\n"
        "    none: {}\n"
        "    both: {loadBalancer: {servers: [{address: \"a:1\"}]}, weighted: {services: [{name: db}]}}\n"
        "    transport: {loadBalancer: {servers: [{address: \"a:1\"}], serversTransport: gone}}\n"
        "    asked: {loadBalancer: {servers: [{address: \"a:1\"}], healthCheck: {send: x}}}\n"
        "    times: {loadBalancer: {servers: [{address: \"a:1\"}], healthCheck: {interval: 0s, timeout: -1s, "
        "unhealthyInterval: -1s}}}\n"
        "    told: {weighted: {services: [{name: asked}, {name: tells}], healthCheck: {}}}\n"
        "    tells: {weighted: {services: [{name: times}], healthCheck: {}}}\n"
        "    untold: {weighted: {services: [{name: asked}, {name: db}], healthCheck: {}}}\n"
        "    deaf: {weighted: {services: [{name: share}], healthCheck: {}}}\n"
        "  middlewares:\n"
        "    inside: {ipAllowList: {sourceRange: [10.0.0.0/8]}}\n"
        "    outside: {ipAllowList: {sourceRange: [10.0.0.0/99]}}\n"
        "    nobody: {ipWhiteList: {sourceRange: []}}\n"
        "    nothing: {}\n"
        "    two: {inFlightConn: {amount: 3}, ipAllowList: {sourceRange: [\"::1\"]}}\n"
        "  serversTransports: {slow: {dialTimeout: 3s}}\n"
        "udp:\n  routers:\n"
        "    first: {service: dns}\n"
        "    second: {service: dns, entryPoints: [dns]}\n"
        "    tcp: {service: dns, entryPoints: [web]}\n"
        "    gone: {service: gone}\n"
        "    none: {}\n"
        "  services: {dns: {loadBalancer: {servers: [{address: \"127.0.0.1:53\"}]}}, empty: {}}\n"
        "tls:\n  certificates: [{certFile: a, keyFile: b}, {certFile: a}, {keyFile: b}]\n"
        "  options:\n    odd: {cipherSuites: [X]}\n    curve: {curvePreferences: [X]}\n"
        "    who: {clientAuth: {clientAuthType: RequireAndVerifyClientCert}}\n    old: {minVersion: TLS12}\n"
        "  stores: {default: {defaultCertificate: {certFile: a}}}\n";
    static const struct expected rows[] = {
        {TCP_ROUTER, "good@file", ELEMENT_ENABLED, ""},
        {TCP_ROUTER, "points@file", ELEMENT_WARNING,
         "entryPoint \"dns\" doesn't exist here: it is one of UDP | entryPoint \"none\" doesn't exist (there "
         "are "
         "db, web)"},
        {TCP_ROUTER, "lost@file", ELEMENT_DISABLED,
         "entryPoint \"none\" doesn't exist (there are db, web) | no valid entryPoint for this router"},
        {TCP_ROUTER, "empty@file", ELEMENT_DISABLED,
         "the service is missing on the router | router has no rule"},
        {TCP_ROUTER, "plain@file", ELEMENT_DISABLED,
         "invalid rule: \"HostSNI(`a.test`)\" , has HostSNI matcher, but no TLS on router: write "
         "tls: {}, or HostSNI(`*`)"},
        {TCP_ROUTER, "rule@file", ELEMENT_DISABLED,
         "invalid rule: \"Host(`a.test`)\" , column 1: unsupported function: Host, did you mean HostSNI? (it "
         "is for "
         "HTTP routers)"},
        {TCP_ROUTER, "refs@file", ELEMENT_DISABLED,
         "the service \"gone@file\" does not exist | middleware \"gone@file\" does not exist | cannot parse "
         "CIDRs: "
         "\"10.0.0.0/99\": the length of the prefix must be from 0 to 32 | unknown TLS options: gone@file"},
        {TCP_ROUTER, "far@file", ELEMENT_DISABLED,
         "the service \"db@other\" does not exist | the router priority 9223372036854775800 exceeds the max "
         "user-defined priority 9223372036854774807"},
        {TCP_ROUTER, "odd@file", ELEMENT_DISABLED, "building TLS config: invalid CipherSuite: X"},
        {TCP_ROUTER, "pass@file", ELEMENT_ENABLED, ""},
        {TCP_ROUTER, "v2@file", ELEMENT_ENABLED, ""},
        {TCP_SERVICE, "db@file", ELEMENT_ENABLED, ""},
        {TCP_SERVICE, "half@file", ELEMENT_WARNING,
         "the server \"127.0.0.1\" is left out: it is no HOST:PORT | the server \"::1:2\" is left out: it is "
         "no "
         "HOST:PORT"},
        {TCP_SERVICE, "circle@file", ELEMENT_DISABLED,
         "could not instantiate service circle@file: recursion detected in "
         "service:circle@file->service:circle@file"},
        {TCP_SERVICE, "none@file", ELEMENT_DISABLED,
         "the service \"none@file\" does not have any type defined"},
        {TCP_SERVICE, "both@file", ELEMENT_DISABLED,
         "cannot create service: multi-types service not supported, consider declaring two different pieces "
         "of "
         "service instead"},
        {TCP_SERVICE, "transport@file", ELEMENT_DISABLED,
         "no transport configuration found for \"gone@file\""},
        {TCP_SERVICE, "asked@file", ELEMENT_ENABLED, ""},
        {TCP_SERVICE, "times@file", ELEMENT_WARNING,
         "healthCheck.interval is not greater than zero: 30s is taken instead | healthCheck.timeout is not "
         "greater than zero: 5s is taken instead | healthCheck.unhealthyInterval is not greater than zero: "
         "30s is taken instead"},
        {TCP_SERVICE, "told@file", ELEMENT_ENABLED, ""},
        {TCP_SERVICE, "untold@file", ELEMENT_DISABLED,
         "cannot register db as updater for untold@file: healthCheck not enabled in config for this weighted "
         "service"},
        {TCP_SERVICE, "deaf@file", ELEMENT_DISABLED,
         "cannot register share as updater for deaf@file: healthCheck not enabled in config for this "
         "weighted "
         "service"},
        {TCP_MIDDLEWARE, "inside@file", ELEMENT_ENABLED, ""},
        {TCP_MIDDLEWARE, "nobody@file", ELEMENT_DISABLED, "sourceRange is empty, IPWhiteLister not created"},
        {TCP_MIDDLEWARE, "nothing@file", ELEMENT_DISABLED,
         "invalid middleware \"nothing@file\" configuration: invalid middleware type or middleware does not "
         "exist"},
        {TCP_MIDDLEWARE, "two@file", ELEMENT_WARNING,
         "there is more than one kind of middleware in it: ipAllowList is used"},
        {TCP_TRANSPORT, "slow@file", ELEMENT_ENABLED, ""},
        {UDP_ROUTER, "first@file", ELEMENT_WARNING,
         "the entryPoint \"dns\" has the UDP router second@file already: it gets no datagrams there"},
        {UDP_ROUTER, "second@file", ELEMENT_ENABLED, ""},
        {UDP_ROUTER, "tcp@file", ELEMENT_DISABLED,
         "entryPoint \"web\" doesn't exist here: it is one of TCP | no valid entryPoint for this router"},
        {UDP_ROUTER, "gone@file", ELEMENT_DISABLED, "the UDP service \"gone@file\" does not exist"},
        {UDP_ROUTER, "none@file", ELEMENT_DISABLED, "the service is missing on the udp router"},
        {UDP_SERVICE, "dns@file", ELEMENT_ENABLED, ""},
        {UDP_SERVICE, "empty@file", ELEMENT_DISABLED,
         "the UDP service \"empty@file\" does not have any type defined"},
        {TLS_CERTIFICATE, "certificates[0]@file", ELEMENT_ENABLED, ""},
        {TLS_CERTIFICATE, "certificates[1]@file", ELEMENT_DISABLED, "keyFile is missing"},
        {TLS_CERTIFICATE, "certificates[2]@file", ELEMENT_DISABLED, "certFile is missing"},
        {TLS_OPTIONS, "curve@file", ELEMENT_DISABLED,
         "building TLS config: invalid CurveID in curvePreferences: X"},
        {TLS_OPTIONS, "who@file", ELEMENT_DISABLED,
         "building TLS config: invalid clientAuthType: RequireAndVerifyClientCert, CAFiles is required"},
        {TLS_OPTIONS, "old@file", ELEMENT_WARNING,
         "minVersion \"TLS12\" is passed over: VersionTLS10, VersionTLS11, VersionTLS12 and VersionTLS13 are "
         "known"},
        {TLS_STORE, "default", ELEMENT_DISABLED, "defaultCertificate.keyFile is missing"},
    };
    struct fixture f;

    (void)state;
    begin(&f, POINTS, file, "");
    assert_errors(&f, rows, ARRAY_LEN(rows));
    end(&f);
}

static void routers_know_points_priority_and_users(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, POINTS " --entryPoints.db.asDefault=true",
          "tcp:\n  routers:\n    all: {rule: \"HostSNI(`*`)\", service: db}\n"
          "    some: {rule: \"HostSNI(`*`) || ClientIP(`::1`)\", service: db@file, entryPoints: [web, db]}\n"
          "  services: {db: {loadBalancer: {servers: [{address: \"127.0.0.1:1\"}]}}}\n"
          "udp:\n  routers: {any: {service: dns}}\n  services: {dns: {loadBalancer: {servers: [{address: "
          "\"a:1\"}]}}}\n",
          "");
    const struct tcp_router *all = layer4_find(f.model, TCP_ROUTER, SLICE("all@file"));
    const struct tcp_router *some = layer4_find(f.model, TCP_ROUTER, SLICE("some@file"));
    const struct udp_router *any = layer4_find(f.model, UDP_ROUTER, SLICE("any@file"));
    const struct element *db = layer4_find(f.model, TCP_SERVICE, SLICE("db@file"));

    assert_string_equal(resolve_list(&all->entry_points), "db");
    assert_string_equal(resolve_list(&some->entry_points), "db,web");
    assert_string_equal(resolve_list(&any->entry_points), "dns");
    assert_int_equal(all->priority, -1);
    assert_int_equal(some->priority, 31);
    assert_int_equal(some->rule->op, RULE_OR);
    assert_string_equal(resolve_list(&db->used_by), "all@file,some@file");
    end(&f);
}

#define CRD "apiVersion: traefik.io/v1alpha1\n"

static void defaults_of_two_providers_are_none(void **state)
{
    static const struct expected rows[] = {
        {TLS_OPTIONS, "own@file", ELEMENT_ENABLED, ""},
        {TCP_ROUTER, "own@file", ELEMENT_ENABLED, ""},
    };
    struct fixture f;

    (void)state;
    begin(&f, POINTS,
          "tls:\n  options: {default: {}, own: {}}\n"
          "tcp:\n  routers:\n    default: {rule: \"HostSNI(`a.test`)\", service: db, tls: {}}\n"
          "    own: {rule: \"HostSNI(`b.test`)\", service: db, tls: {options: own}}\n"
          "  services: {db: {loadBalancer: {servers: [{address: \"a:1\"}]}}}\n"
          "http:\n  routers: {web: {rule: \"Host(`a.test`)\", service: noop@internal, tls: {}},"
          " lost: {rule: \"Host(`b.test`)\", service: noop@internal, tls: {options: gone}}}\n",
          CRD "kind: TLSOption\nmetadata: {name: default}\nspec: {}\n");
    assert_errors(&f, rows, ARRAY_LEN(rows));

    const struct element *options = layer4_find(f.model, TLS_OPTIONS, SLICE("default"));
    const struct element *router = layer4_find(f.model, TCP_ROUTER, SLICE("default@file"));
    const struct http_router *web = model_find_router(f.model, SLICE("web@file"));
    const struct http_router *lost = model_find_router(f.model, SLICE("lost@file"));

    assert_int_equal(options->status, ELEMENT_DISABLED);
    assert_int_equal(router->status, ELEMENT_DISABLED);
    assert_non_null(strstr(resolve_errors(router), "none of them is used"));
    assert_int_equal(web->element.status, ELEMENT_DISABLED);
    assert_non_null(strstr(resolve_errors(&web->element), "building router handler: the default is defined"));
    assert_string_equal(resolve_errors(&lost->element),
                        "building router handler: unknown TLS options: gone@file");
    end(&f);
}

/* The names and errors are those that Traefik gives. */
static void a_host_has_one_set_of_tls_options(void **state)
{
#define CONFLICT                                                                                             \
    "router's TLSOptions configuration is conflicting with other routers on the same entrypoint and host, "  \
    "default TLS options will be used instead"
#define NO_HOST(rule) "no domain found in rule " rule ", the TLS option one@file cannot be applied"
    static const char file[] =
        "tls:\n  options: {one: {}, two: {}}\n"
        "http:\n  routers:\n"
        "    a: {rule: \"Host(`a`)\", service: noop@internal, tls: {options: one}}\n"
        "    b: {rule: \"Host(`A`) && PathPrefix(`/x`)\", service: noop@internal, tls: {options: two}, "
        "entryPoints: "
        "[web]}\n"
        "    c: {rule: \"PathPrefix(`/b`)\", service: noop@internal, tls: {options: one}, entryPoints: "
        "[web]}\n"
        "    d: {rule: \"!Host(`d`)\", service: noop@internal, tls: {}, entryPoints: [web]}\n"
        "    e: {rule: \"Host(`d`, `e`)\", ruleSyntax: v2, service: noop@internal, tls: {options: one}, "
        "entryPoints: [web]}\n"
        "    f: {rule: \"Host(`f`)\", service: noop@internal, tls: {options: one@file}}\n"
        "    g: {rule: \"Host(`f`)\", service: noop@internal}\n"
        "    h: {rule: \"Hst(`f`)\", service: noop@internal, tls: {options: two}, entryPoints: [web]}\n"
        "    i: {rule: \"HostRegexp(`i.`)\", service: noop@internal, tls: {options: one}, entryPoints: "
        "[web]}\n";
    static const struct {
        const char *name, *points, *options, *errors;
    } rows[] = {
        {"a@file", "db", "one@file", ""},
        {"web-conflicted-a@file", "web", "default", CONFLICT},
        {"web-conflicted-b@file", "web", "default", CONFLICT},
        {"web-conflicted-c@file", "web", "default", NO_HOST("PathPrefix(`/b`)")},
        {"web-conflicted-d@file", "web", "default", ""},
        {"web-conflicted-e@file", "web", "default", CONFLICT},
        {"f@file", "db,web", "one@file", ""},
        {"g@file", "db,web", "", ""},
        {"h@file", "web", "two@file",
         "error while parsing rule Hst(`f`): column 1: unsupported function: Hst, did you mean Host?"},
        {"web-conflicted-i@file", "web", "default", NO_HOST("HostRegexp(`i.`)")},
    };
    struct fixture f;

    (void)state;
    begin(&f, POINTS, file, "");
    assert_int_equal(f.model->router_count, ARRAY_LEN(rows));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct http_router *router = model_find_router(f.model, slice_cstr(rows[i].name));

        if (router == NULL) {
            fail_msg("there is no router %s", rows[i].name);
        }
        assert_string_equal(resolve_list(&router->entry_points), rows[i].points);
        assert_string_equal(resolve_errors(&router->element), rows[i].errors);
        assert_true(slice_eq(router->tls_options, slice_cstr(rows[i].options)));
    }
    end(&f);
}

static void api_shows_them_in_its_order(void **state)
{
    struct fixture f;
    struct text json;

    (void)state;
    begin(&f, POINTS,
          "udp:\n  routers: {dns: {service: dns}}\n  services: {dns: {loadBalancer: {servers: [{address: "
          "\"a:1\"}]}}}\n"
          "tcp:\n  services: {db: {loadBalancer: {servers: [{address: \"a:1\"}]}}}\n"
          "  middlewares: {few: {inFlightConn: {amount: 3}}}\n"
          "  routers: {all: {rule: \"HostSNI(`*`)\", service: db, middlewares: [few]}}\n"
          "  serversTransports: {slow: {tls: {certificates: [{certFile: a, keyFile: hidden}]}}}\n"
          "tls: {certificates: [{certFile: a, keyFile: hidden}]}\n",
          "");
    text_init(&json);
    model_to_json(f.model, &json);
    text_add_char(&json, '\n');
    assert_golden("layer4_rawdata.txt", &json);
    text_free(&json);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_stay_on_their_objects),
        cmocka_unit_test(routers_know_points_priority_and_users),
        cmocka_unit_test(defaults_of_two_providers_are_none),
        cmocka_unit_test(a_host_has_one_set_of_tls_options),
        cmocka_unit_test(api_shows_them_in_its_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
