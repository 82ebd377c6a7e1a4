/*
 * test_resolve_layers.c - the tree of routers that parentRefs make: who is in it, who is not and why.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/resolve_helper.h"

#define OBJECTS                                                                                              \
    "services: {s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}]}}}\n"                              \
    "middlewares: {m: {addPrefix: {prefix: /m}}}\n"

struct wanted {
    const char *name, *errors, *children;
};

static const char *children_of(const struct model *model, const struct http_router *router)
{
    static char text[512];
    const uint32_t *children = router->children.items;

    text[0] = 0;
    for (size_t i = 0; i < router->children.count; i++) {
        struct slice name = model->routers[children[i]]->element.name;
        size_t used = strlen(text);

        (void)snprintf(text + used, sizeof(text) - used, "%s%.*s", i ? "," : "", SLICE_ARG(name));
    }
    return text;
}

static void check(const char *flags, const char *routers, const struct wanted *wanted, size_t count)
{
    struct static_loaded loaded;
    char yaml[4096];

    resolve_static(&loaded, flags);
    (void)snprintf(yaml, sizeof(yaml), OBJECTS "routers:\n%s", routers);

    struct model *model = resolve_model(yaml), *resolved = resolve(&loaded.config, &model, 1);

    for (size_t i = 0; i < count; i++) {
        struct http_router *router = model_find_router(resolved, slice_cstr(wanted[i].name));

        print_message("%s\n", wanted[i].name);
        assert_non_null(router);
        assert_string_equal(resolve_errors(&router->element), wanted[i].errors);
        assert_string_equal(children_of(resolved, router), wanted[i].children);
    }
    model_free(resolved);
    model_free(model);
    pool_free(loaded.pool);
}

static void a_tree(void **state)
{
    static const struct wanted wanted[] = {
        {"root@file", "", "leaf@file,mid@file"},
        {"mid@file", "", "deep@file"},
        {"deep@file", "", ""},
        {"leaf@file", "", ""},
    };

    (void)state;
    check("--entryPoints.web.address=:80",
          "  root: {rule: 'Host(`a`)', middlewares: [m]}\n"
          "  mid: {rule: 'Path(`/b`)', parentRefs: [root], middlewares: [m]}\n"
          "  deep: {rule: 'Path(`/b`)', parentRefs: [mid@file, mid], service: s}\n"
          "  leaf: {rule: 'Path(`/c`)', parentRefs: [root], service: s}\n",
          wanted, ARRAY_LEN(wanted));
}

static void what_is_left_out(void **state)
{
    static const struct wanted wanted[] = {
        {"root@file", "", "dead@file,leaf@file,observed@file,pointed@file,secure@file,unruly@file"},
        {"dead@file", "router has no service and no child routers", ""},
        {"tls@file", "non-root router cannot have TLS configuration", ""},
        {"secure@file", "non-root router cannot have TLS configuration", ""},
        {"oftls@file", "parent router \"tls@file\" does not exist | router is not reachable", ""},
        {"server@file", "", ""},
        {"ofserver@file", "non-root router cannot have TLS configuration", ""},
        {"observed@file", "non-root router cannot have Observability configuration", ""},
        {"pointed@file", "non-root router cannot have Entrypoints configuration", ""},
        {"lost@file", "parent router \"gone@file\" does not exist | router is not reachable", ""},
        {"one@file", "router is not reachable", "two@file"},
        {"two@file", "router is not reachable", "one@file"},
        {"both@file", "router has both a service and is referenced as a parent by other routers",
         "ofboth@file"},
        {"alone@file", "building child routers muxer: no child routers could be added to muxer (1 skipped)",
         "ofalone@file"},
        {"ofalone@file", "the service \"gone@file\" does not exist", ""},
    };

    (void)state;
    check("--entryPoints.web.address=:80",
          "  root: {rule: 'Host(`a`)'}\n"
          "  leaf: {rule: 'Path(`/c`)', parentRefs: [root], service: s}\n"
          "  unruly: {rule: 'Gone(`/c`)', parentRefs: [root], service: s}\n"
          "  dead: {rule: 'Path(`/c`)', parentRefs: [root]}\n"
          "  tls: {rule: 'Path(`/c`)', parentRefs: [root], service: s, tls: {}}\n"
          "  secure: {rule: 'Path(`/c`)', parentRefs: [root], service: s, tls: {}, entryPoints: [web]}\n"
          "  oftls: {rule: 'Path(`/c`)', parentRefs: [tls], service: s}\n"
          "  server: {rule: 'Path(`/c`)', service: s}\n"
          "  ofserver: {rule: 'Path(`/c`)', parentRefs: [server], service: s, tls: {}}\n"
          "  observed: {rule: 'Path(`/c`)', parentRefs: [root], service: s, observability: {metrics: true}}\n"
          "  pointed: {rule: 'Path(`/c`)', parentRefs: [root], service: s, entryPoints: [web]}\n"
          "  lost: {rule: 'Path(`/c`)', parentRefs: [gone], service: s}\n"
          "  one: {rule: 'Path(`/c`)', parentRefs: [two]}\n"
          "  two: {rule: 'Path(`/c`)', parentRefs: [one]}\n"
          "  both: {rule: 'Path(`/c`)', service: s}\n"
          "  ofboth: {rule: 'Path(`/c`)', parentRefs: [both], service: s}\n"
          "  alone: {rule: 'Path(`/c`)'}\n"
          "  ofalone: {rule: 'Path(`/c`)', parentRefs: [alone], service: gone}\n",
          wanted, ARRAY_LEN(wanted));
}

/* What is wrong with it takes nothing from its parent, which has a service of its own. */
static void a_child_that_its_provider_left_out(void **state)
{
    struct static_loaded loaded;
    struct model *model = resolve_model(OBJECTS
                                        "routers:\n"
                                        "  root: {rule: 'Host(`a`)', service: s}\n"
                                        "  broken: {rule: 'Path(`/c`)', parentRefs: [root], service: s}\n"),
                 *resolved;

    (void)state;
    resolve_static(&loaded, "--entryPoints.web.address=:80");
    for (size_t i = 0; i < model->router_count; i++) {
        if (model->routers[i]->config.parent_refs.count) {
            element_error(model, &model->routers[i]->element, true, "its Service does not exist");
        }
    }
    resolved = resolve(&loaded.config, &model, 1);
    assert_string_equal(resolve_errors(&model_find_router(resolved, SLICE("root@file"))->element), "");
    assert_string_equal(resolve_errors(&model_find_router(resolved, SLICE("broken@file"))->element),
                        "its Service does not exist");
    model_free(resolved);
    model_free(model);
    pool_free(loaded.pool);
}

/* One of two: its children are told, and have no router that works above them. */
static void a_parent_that_its_provider_left_out(void **state)
{
    struct static_loaded loaded;
    struct model *model = resolve_model(
                     OBJECTS "routers:\n"
                             "  broken: {rule: 'Host(`a`)'}\n"
                             "  good: {rule: 'Host(`b`)'}\n"
                             "  pointed: {rule: 'Path(`/d`)', parentRefs: [good], entryPoints: [gone]}\n"
                             "  other: {rule: 'Path(`/d`)', parentRefs: [good], service: s}\n"
                             "  child: {rule: 'Path(`/c`)', parentRefs: [broken, good], service: s}\n"),
                 *resolved;

    (void)state;
    resolve_static(&loaded, "--entryPoints.web.address=:80");
    element_error(model, &model_find_router(model, SLICE("broken"))->element, true,
                  "its Service does not exist");
    resolved = resolve(&loaded.config, &model, 1);
    assert_string_equal(resolve_errors(&model_find_router(resolved, SLICE("broken@file"))->element),
                        "its Service does not exist");
    assert_string_equal(resolve_errors(&model_find_router(resolved, SLICE("good@file"))->element), "");
    assert_string_equal(resolve_errors(&model_find_router(resolved, SLICE("child@file"))->element),
                        "parent router \"broken@file\" does not exist");
    assert_int_equal(model_find_router(resolved, SLICE("child@file"))->config.priority, 0);
    assert_int_equal(model_find_router(resolved, SLICE("pointed@file"))->config.priority, 0);
    assert_int_equal(model_find_router(resolved, SLICE("other@file"))->config.priority, 10);
    model_free(resolved);
    model_free(model);
    pool_free(loaded.pool);
}

/* The one that closes the circle is told, and is no child any more. */
static void a_circle_below_a_root(void **state)
{
    static const struct wanted wanted[] = {
        {"root@file", "", "a@file,leaf@file"},
        {"a@file", "building child routers muxer: no child routers could be added to muxer (1 skipped)",
         "b@file"},
        {"b@file", "cyclic reference detected in router tree: a@file -> b@file -> a@file", "leaf@file"},
        {"leaf@file", "", ""},
    };

    (void)state;
    check("--entryPoints.web.address=:80",
          "  root: {rule: 'Host(`a`)'}\n"
          "  a: {rule: 'Path(`/c`)', parentRefs: [root, b]}\n"
          "  b: {rule: 'Path(`/c`)', parentRefs: [a]}\n"
          "  leaf: {rule: 'Path(`/c`)', parentRefs: [b, root], service: s}\n",
          wanted, ARRAY_LEN(wanted));
}

/* What an entry point adds makes a router of its own for it: all of them are parents. */
static void a_parent_on_several_entry_points(void **state)
{
    static const struct wanted wanted[] = {
        {"root@file", "", "leaf@file"},
        {"other-root@file", "", "leaf@file"},
        {"leaf@file", "", ""},
        {"lost@file", "no valid entryPoint for this router", ""},
    };

    (void)state;
    check("--entryPoints.web.address=:80 --entryPoints.other.address=:81 "
          "--entryPoints.other.http.middlewares=m@file",
          "  root: {rule: 'Host(`a`)', entryPoints: [web, other]}\n"
          "  leaf: {rule: 'Path(`/c`)', parentRefs: [root], service: s}\n"
          "  lost: {rule: 'Path(`/c`)', parentRefs: [gone], service: s}\n",
          wanted, ARRAY_LEN(wanted));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree),
        cmocka_unit_test(what_is_left_out),
        cmocka_unit_test(a_child_that_its_provider_left_out),
        cmocka_unit_test(a_parent_that_its_provider_left_out),
        cmocka_unit_test(a_circle_below_a_root),
        cmocka_unit_test(a_parent_on_several_entry_points),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
