/*
 * test_resolve_references.c - routers, services, middlewares that refer to each other: what is served, what is disabled,
 * and in which words (those of Traefik's API, where it has them). The valid router `ok` serves in every case (I1).
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

#define OBJECTS                                                                                              \
    "services:\n"                                                                                            \
    "  s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}]}}\n"                                        \
    "  s@other: {loadBalancer: {servers: [{url: 'http://127.0.0.1:2'}]}}\n"                                  \
    "  none: {loadBalancer: {servers: []}}\n"                                                                \
    "  w: {weighted: {services: [{name: s, weight: 3}, {name: s@other}]}}\n"                                 \
    "  nested: {weighted: {services: [{name: w}, {name: none, weight: 0}]}}\n"                               \
    "  wbad: {weighted: {services: [{name: s}, {name: gone}]}}\n"                                            \
    "  wbad2: {weighted: {services: [{name: wbad}]}}\n"                                                      \
    "  circle: {weighted: {services: [{name: circlex}]}}\n"                                                  \
    "  circlex: {weighted: {services: [{name: circle}]}}\n"                                                  \
    "  self: {weighted: {services: [{name: self}]}}\n"                                                       \
    "  two: {loadBalancer: {servers: []}, weighted: {services: [{name: s}]}}\n"                              \
    "  empty: {}\n"                                                                                          \
    "  badurl: {loadBalancer: {servers: [{url: '127.0.0.1:1'}]}}\n"                                          \
    "  secreturl: {loadBalancer: {servers: [{url: 'http://user:hush@a b/'}]}}\n"                             \
    "  badtransport: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}], serversTransport: gone}}\n"     \
    "  transport: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}], serversTransport: t}}\n"           \
    "  default: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}], serversTransport: "                  \
    "default@internal}}\n"                                                                                   \
    "  strategy: {loadBalancer: {servers: [], strategy: hrw, sticky: {cookie: {}}}}\n"                       \
    "  badstrategy: {loadBalancer: {servers: [], strategy: best}}\n"                                         \
    "  sticky: {loadBalancer: {servers: [], sticky: {cookie: {domain: a_b}}}}\n"                             \
    "  mirror: {mirroring: {service: s, mirrors: [{name: w, percent: 5}]}}\n"                                \
    "  mirror2: {mirroring: {service: s, healthCheck: {}}}\n"                                                \
    "  badmirror: {mirroring: {service: s, mirrors: [{name: gone}]}}\n"                                      \
    "  fail: {failover: {service: checked, fallback: s}}\n"                                                  \
    "  failmirror: {failover: {service: mirror2, fallback: s}}\n"                                            \
    "  failping: {failover: {service: noop@internal, fallback: s}}\n"                                        \
    "  failboth: {failover: {service: checked, fallback: s, healthCheck: {}}}\n"                             \
    "  health: {highestRandomWeight: {services: [{name: checked}, {name: fail}], healthCheck: {}}}\n"        \
    "  checked: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}], healthCheck: {path: /}}}\n"          \
    "  guarded: {middlewares: [strip, chain], loadBalancer: {servers: []}}\n"                                \
    "  badguard: {middlewares: [strip, gone], loadBalancer: {servers: []}}\n"                                \
    "  wguard: {weighted: {services: [{name: guarded}]}}\n"                                                  \
    "serversTransports:\n"                                                                                   \
    "  t: {maxIdleConnsPerHost: 1}\n"                                                                        \
    "middlewares:\n"                                                                                         \
    "  strip: {stripPrefix: {prefixes: [/a]}}\n"                                                             \
    "  strip@other: {stripPrefix: {prefixes: [/b]}}\n"                                                       \
    "  add: {addPrefix: {prefix: /b}}\n"                                                                     \
    "  chain: {chain: {middlewares: [strip, add]}}\n"                                                        \
    "  chains: {chain: {middlewares: [chain, strip@other, chain]}}\n"                                        \
    "  nochain: {chain: {middlewares: []}}\n"                                                                \
    "  badchain: {chain: {middlewares: [strip, gone]}}\n"                                                    \
    "  loop: {chain: {middlewares: [loopx]}}\n"                                                              \
    "  loopx: {chain: {middlewares: [strip, loop]}}\n"                                                       \
    "  two: {addPrefix: {prefix: /b}, stripPrefix: {prefixes: [/a]}}\n"                                      \
    "  none: {}\n"                                                                                           \
    "  noprefix: {addPrefix: {prefix: ''}}\n"                                                                \
    "  noscheme: {redirectScheme: {port: '1'}}\n"                                                            \
    "  noheaders: {headers: {}}\n"                                                                           \
    "  headers: {headers: {customRequestHeaders: {X-A: b}}}\n"                                               \
    "  cors: {headers: {customRequestHeaders: {X-A: b}, accessControlAllowMethods: [GET]}}\n"                \
    "  framing: {headers: {customResponseHeaders: {content-length: '1'}}}\n"                                 \
    "  auth: {passTLSClientCert: {pem: true}}\n"                                                             \
    "routers:\n"                                                                                             \
    "  ok: {rule: 'Host(`ok`)', service: s}\n"

static const struct {
    const char *router; /* options */
    enum element_status status;
    const char *errors, *chain;
} cases[] = {
    {"service: s", ELEMENT_ENABLED, "", ""},
    {"service: s@file", ELEMENT_ENABLED, "", ""},
    {"service: s@other", ELEMENT_ENABLED, "", ""},
    {"service: none", ELEMENT_ENABLED, "", ""},
    {"service: w", ELEMENT_ENABLED, "", ""},
    {"service: nested", ELEMENT_ENABLED, "", ""},
    {"service: transport", ELEMENT_ENABLED, "", ""},
    {"service: default", ELEMENT_ENABLED, "", ""},
    {"service: strategy", ELEMENT_ENABLED, "", ""},
    {"service: sticky", ELEMENT_ENABLED, "", ""},
    {"service: noop@internal", ELEMENT_ENABLED, "", ""},
    {"service: gone", ELEMENT_DISABLED, "the service \"gone@file\" does not exist", ""},
    {"service: s@docker", ELEMENT_DISABLED, "the service \"s@docker\" does not exist", ""},
    {"service: api@internal", ELEMENT_DISABLED, "the service \"api@internal\" does not exist", ""},
    {"service: wbad", ELEMENT_DISABLED,
     "building HTTP service \"gone\": the service \"gone@file\" does not exist", ""},
    {"service: wbad2", ELEMENT_DISABLED,
     "building HTTP service \"wbad\": building HTTP service \"gone\": the service \"gone@file\" does not "
     "exist",
     ""},
    {"service: self", ELEMENT_DISABLED,
     "could not instantiate service self@file: recursion detected in service:self@file->service:self@file, "
     "building "
     "HTTP service \"self\": could not instantiate service self@file: recursion detected in "
     "service:self@file->service:self@file",
     ""},
    {"service: two", ELEMENT_DISABLED,
     "cannot create service: multi-types service not supported, consider declaring two different pieces of "
     "service "
     "instead",
     ""},
    {"service: empty", ELEMENT_DISABLED, "the service \"empty@file\" does not have any type defined", ""},
    {"service: badtransport", ELEMENT_DISABLED,
     "error building proxy for server URL http://127.0.0.1:1: getting RoundTripper: servers transport not "
     "found "
     "gone@file",
     ""},
    {"service: badstrategy", ELEMENT_DISABLED, "unsupported load-balancer strategy \"best\"", ""},
    {"service: mirror", ELEMENT_ENABLED, "", ""},
    {"service: badmirror", ELEMENT_DISABLED, "the service \"gone@file\" does not exist", ""},
    {"service: fail", ELEMENT_ENABLED, "", ""},
    {"service: failmirror", ELEMENT_DISABLED,
     "cannot register mirror2 as updater for failmirror@file: cannot register s as updater for mirror2@file: "
     "healthCheck not enabled in config for this WRR service",
     ""},
    {"service: failping", ELEMENT_DISABLED,
     "child service noop@internal of failping@file not a healthcheck.StatusUpdater", ""},
    {"service: failboth", ELEMENT_DISABLED,
     "cannot register s as updater for failboth@file: healthCheck not enabled in config for this WRR service",
     ""},
    {"service: health", ELEMENT_DISABLED,
     "cannot register fail as updater for health@file: healthCheck not enabled in config for this failover "
     "service",
     ""},
    {"service: guarded", ELEMENT_ENABLED, "", ""},
    {"service: badguard", ELEMENT_DISABLED, "middleware \"gone@file\" does not exist", ""},
    {"service: wguard", ELEMENT_ENABLED, "", ""},
    {"service: ''", ELEMENT_DISABLED,
     "router has no service and no child routers | router must have either a service or child routers", ""},
    {"service: s, middlewares: [strip]", ELEMENT_ENABLED, "", "strip@file"},
    {"service: s, middlewares: [strip@other, strip]", ELEMENT_ENABLED, "", "strip@other,strip@file"},
    {"service: s, middlewares: [chains, add]", ELEMENT_ENABLED, "",
     "strip@file,add@file,strip@other,strip@file,add@file,add@file"},
    {"service: s, middlewares: [nochain]", ELEMENT_ENABLED, "", ""},
    {"service: s, middlewares: [headers]", ELEMENT_ENABLED, "", "headers@file"},
    {"service: s, middlewares: [strip, gone]", ELEMENT_DISABLED, "middleware \"gone@file\" does not exist",
     ""},
    {"service: s, middlewares: [gone, gone2]", ELEMENT_DISABLED,
     "middleware \"gone2@file\" does not exist | middleware \"gone@file\" does not exist", ""},
    {"service: gone, middlewares: [gone], rule: 'Hst(`a`)'", ELEMENT_DISABLED,
     "the service \"gone@file\" does not exist | middleware \"gone@file\" does not exist | error while "
     "parsing rule "
     "Hst(`a`): *",
     ""},
    {"service: s, middlewares: [badchain]", ELEMENT_DISABLED, "middleware \"gone@file\" does not exist", ""},
    {"service: s, middlewares: [loop]", ELEMENT_DISABLED,
     "could not instantiate middleware loop@file: recursion detected in "
     "middleware:loop@file->middleware:loopx@file->middleware:loop@file",
     ""},
    {"service: s, middlewares: [two]", ELEMENT_DISABLED,
     "cannot create middleware: multi-types middleware not supported, consider declaring two different "
     "pieces of "
     "middleware instead",
     ""},
    {"service: s, middlewares: [none]", ELEMENT_DISABLED, "the middleware has no kind*", ""},
    {"service: s, middlewares: [noprefix]", ELEMENT_DISABLED, "prefix cannot be empty", ""},
    {"service: s, middlewares: [noscheme]", ELEMENT_DISABLED, "you must provide a target scheme", ""},
    {"service: s, middlewares: [noheaders]", ELEMENT_DISABLED, "headers configuration not valid", ""},
    {"service: s, middlewares: [cors]", ELEMENT_ENABLED, "", "cors@file"},
    {"service: s, middlewares: [auth]", ELEMENT_ENABLED, "", "auth@file"},
    {"service: s, rule: ''", ELEMENT_DISABLED, "error while parsing rule : it is empty*", ""},
    {"service: s, entryPoints: [gone]", ELEMENT_DISABLED,
     "entryPoint \"gone\" doesn't exist (there are web) | no valid entryPoint for this router", ""},
    {"service: s, entryPoints: [udp]", ELEMENT_DISABLED,
     "entryPoint \"udp\" doesn't exist here: it is one of UDP | no valid entryPoint for this router", ""},
    {"service: s, entryPoints: [gone, web]", ELEMENT_WARNING,
     "entryPoint \"gone\" doesn't exist (there are web)", ""},
    {"service: s, priority: 9223372036854774807", ELEMENT_ENABLED, "", ""},
    {"service: s, priority: 9223372036854774808", ELEMENT_DISABLED,
     "the router priority 9223372036854774808 exceeds the max user-defined priority 9223372036854774807", ""},
    {"service: s, parentRefs: [gone]", ELEMENT_DISABLED,
     "parent router \"gone@file\" does not exist | router is not reachable", ""},
};

/* '*' at the end of want stands for anything. */
static bool fits(const char *want, const char *got)
{
    size_t len = strlen(want);

    return len && want[len - 1] == '*' ? strncmp(want, got, len - 1) == 0 : strcmp(want, got) == 0;
}

static void each_router_gets_its_verdict(void **state)
{
    struct static_loaded loaded;

    (void)state;
    resolve_static(&loaded, "--entryPoints.web.address=:80 --entryPoints.udp.address=:53/udp");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char yaml[8192];
        struct model *model, *resolved;
        struct http_router *router;

        print_message("case %zu\n", i);
        bool ruled = strstr(cases[i].router, "rule:") != NULL;
        snprintf(yaml, sizeof(yaml), OBJECTS "  r: {%s%s}\n", ruled ? "" : "rule: 'Host(`r`)', ",
                 cases[i].router);
        model = resolve_model(yaml);
        resolved = resolve(&loaded.config, &model, 1);
        router = model_find_router(resolved, SLICE("r@file"));
        assert_non_null(router);
        if (!fits(cases[i].errors, resolve_errors(&router->element))) {
            fail_msg("\"%s\" instead of \"%s\"", resolve_errors(&router->element), cases[i].errors);
        }
        assert_int_equal(router->element.status, cases[i].status);
        assert_string_equal(resolve_list(&router->chain), cases[i].chain);
        router = model_find_router(resolved, SLICE("ok@file"));
        assert_int_equal(router->element.status, ELEMENT_ENABLED);
        assert_non_null(router->rule);
        model_free(resolved);
        model_free(model);
    }
    static_unload(&loaded);
}

static void circles_end_and_name_the_way(void **state)
{
    struct static_loaded loaded;
    struct model *model = resolve_model(OBJECTS), *resolved;

    (void)state;
    resolve_static(&loaded, "--entryPoints.web.address=:80");
    resolved = resolve(&loaded.config, &model, 1);
    assert_string_equal(
        resolve_errors(&model_find_service(resolved, SLICE("circle@file"))->element),
        "could not instantiate service circle@file: recursion detected in "
        "service:circle@file->service:circlex@file->service:circle@file | building HTTP service \"circlex\": "
        "building "
        "HTTP service \"circle\": could not instantiate service circle@file: recursion detected in "
        "service:circle@file->service:circlex@file->service:circle@file");
    assert_int_equal(model_find_service(resolved, SLICE("circlex@file"))->element.status, ELEMENT_DISABLED);
    assert_int_equal(model_find_middleware(resolved, SLICE("loopx@file"))->element.status, ELEMENT_DISABLED);
    model_free(resolved);
    model_free(model);
    static_unload(&loaded);
}

/* What is not served yet and harmless to do without is a warning on the service, not on its routers. */
static void warnings_stay_on_the_service(void **state)
{
    static const struct {
        const char *name, *want;
    } services[] = {
        {"strategy@file", "loadBalancer.sticky has no effect with the strategy hrw"},
        {"sticky@file", "loadBalancer.sticky.cookie.domain \"a_b\" is not a host name"},
    };
    struct static_loaded loaded;
    struct model *model = resolve_model(OBJECTS), *resolved;

    (void)state;
    resolve_static(&loaded, "--entryPoints.web.address=:80");
    resolved = resolve(&loaded.config, &model, 1);
    for (size_t i = 0; i < ARRAY_LEN(services); i++) {
        struct http_service *service = model_find_service(resolved, slice_cstr(services[i].name));
        assert_int_equal(service->element.status, ELEMENT_WARNING);
        assert_non_null(strstr(resolve_errors(&service->element), services[i].want));
    }
    assert_null(
        strstr(resolve_errors(&model_find_service(resolved, SLICE("secreturl@file"))->element), "hush"));
    assert_int_equal(model_find_service(resolved, SLICE("badurl@file"))->element.status, ELEMENT_DISABLED);
    model_free(resolved);
    model_free(model);
    static_unload(&loaded);
}

/* Errors that a provider found stay, and disable who uses the object. */
static void errors_of_providers_count(void **state)
{
    struct static_loaded loaded;
    struct model *model = resolve_model(OBJECTS "  r: {rule: 'Host(`r`)', service: s, middlewares: [add]}\n"
                                                "  r2: {rule: 'Host(`r`)', service: w}\n");
    struct model *resolved;

    (void)state;
    model_sort(model);
    element_error(model, &model_find_middleware(model, SLICE("add"))->element, true, "test.yml:1: broken");
    element_error(model, &model_find_router(model, SLICE("ok"))->element, true, "test.yml:2: broken too");
    element_error(model, &model_find_service(model, SLICE("w"))->element, true, "test.yml:3: broken as well");
    resolve_static(&loaded, "--entryPoints.web.address=:80");
    resolved = resolve(&loaded.config, &model, 1);
    assert_string_equal(resolve_errors(&model_find_router(resolved, SLICE("r@file"))->element),
                        "test.yml:1: broken");
    assert_string_equal(resolve_errors(&model_find_router(resolved, SLICE("ok@file"))->element),
                        "test.yml:2: broken too");
    assert_int_equal(model_find_router(resolved, SLICE("ok@file"))->element.status, ELEMENT_DISABLED);
    assert_string_equal(resolve_errors(&model_find_router(resolved, SLICE("r2@file"))->element),
                        "test.yml:3: broken as well");
    model_free(resolved);
    model_free(model);
    static_unload(&loaded);
}

/* A thousand chains in each other, and chains of chains that double each time, end without eating the machine. */
static void deep_and_wide_chains_are_refused(void **state)
{
    struct static_loaded loaded;
    struct text yaml;
    struct model *model, *resolved;

    (void)state;
    text_init(&yaml);
    text_add_cstr(&yaml, "middlewares:\n  d0: {addPrefix: {prefix: /a}}\n  w0: {addPrefix: {prefix: /a}}\n");
    for (int i = 1; i < 300; i++) {
        text_printf(&yaml, "  d%d: {chain: {middlewares: [d%d]}}\n", i, i - 1);
    }
    for (int i = 1; i < 40; i++) {
        text_printf(&yaml, "  w%d: {chain: {middlewares: [w%d, w%d]}}\n", i, i - 1, i - 1);
    }
    text_add_cstr(&yaml, "services: {s: {loadBalancer: {servers: []}}}\nrouters:\n"
                         "  shallow: {rule: 'Host(`a`)', service: s, middlewares: [d5, w5]}\n"
                         "  wide: {rule: 'Host(`a`)', service: s, middlewares: [w39]}\n");
    model = resolve_model(yaml.ptr);
    resolve_static(&loaded, "--entryPoints.web.address=:80");
    resolved = resolve(&loaded.config, &model, 1);
    assert_int_equal(model_find_router(resolved, SLICE("shallow@file"))->chain.count, 33);
    assert_int_equal(model_find_router(resolved, SLICE("wide@file"))->element.status, ELEMENT_DISABLED);
    model_free(resolved);
    model_free(model);
    static_unload(&loaded);
    text_free(&yaml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_router_gets_its_verdict),     cmocka_unit_test(circles_end_and_name_the_way),
        cmocka_unit_test(warnings_stay_on_the_service),     cmocka_unit_test(errors_of_providers_count),
        cmocka_unit_test(deep_and_wide_chains_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
