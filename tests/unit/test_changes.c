/* test_changes.c - what is said about a new model: changes by name, errors once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/text.h"
#include "master/master/master.h"

static struct text logged;

static void collect(void *context, struct slice line)
{
    (void)context;
    text_add(&logged, line);
}

/* names: "a=1,b=2": routers with their service; a name with '!' in front is broken. */
static struct known *known_of(const char *names)
{
    struct model *model = model_new();
    struct slice rest = slice_cstr(names);

    while (rest.ptr && rest.len > 0) {
        struct slice value = slice_split(&rest, ','), name = slice_split(&value, '=');
        bool broken = name.len > 0 && name.ptr[0] == '!';
        struct http_router *router =
            model_add_router(model, broken ? slice_from(name, 1) : name, SLICE("file"));

        router->config.service = value;
        router->element.origin = (struct origin){.file = SLICE("routes.yml"), .line = 7};
        if (broken) {
            element_error(model, &router->element, true, "does not parse");
        }
    }
    model_sort(model);
    struct known *known = known_new(model);

    model_free(model);
    return known;
}

static void changes_are_named(void **state)
{
    static const struct {
        const char *before, *now, *want;
    } cases[] = {
        {"", "", ""},
        {"a=1", "a=1", ""},
        {"", "a=1", "routers: 1 added (a)"},
        {"a=1", "", "routers: 1 removed (a)"},
        {"a=1,b=1", "a=2,b=1", "routers: 1 changed (a)"},
        {"a=1,c=1", "b=1,c=2", "routers: 1 added (b), 1 removed (a), 1 changed (c)"},
        {"a=1", "!a=1", "routers: 1 changed (a)"},
        {"", "a,b,c,d,e,f,g", "routers: 7 added (a, b, c, d, e and 2 more)"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct known *before = known_of(cases[i].before), *now = known_of(cases[i].now);
        char *text = known_changes(before, now);

        print_message("case %zu\n", i);
        assert_string_equal(text, cases[i].want);
        free(text);
        known_free(before);
        known_free(now);
    }
}

static void errors_are_said_when_they_appear(void **state)
{
    struct known *first = known_of("a,!bad"), *second = known_of("a=2,!bad,!worse");

    (void)state;
    log_setup(LOG_LEVEL_WARN, LOG_FORMAT_COMMON, NULL);
    log_set_sink(collect, NULL);
    text_init(&logged);
    known_log_errors(NULL, first);
    assert_non_null(strstr(logged.ptr, "ERR routes.yml:7: router bad: does not parse"));
    text_clear(&logged);
    known_log_errors(first, second);
    assert_null(strstr(logged.ptr, "router bad"));
    assert_non_null(strstr(logged.ptr, "router worse: does not parse"));
    text_clear(&logged);
    known_log_errors(second, first); /* mended: nothing to say */
    assert_int_equal(logged.len, 0);
    known_log_errors(NULL, second); /* and again after they had gone */
    assert_non_null(strstr(logged.ptr, "router bad"));
    log_set_sink(NULL, NULL);
    text_free(&logged);
    known_free(first);
    known_free(second);
}

static void place_in_the_text_is_not_doubled(void **state)
{
    struct model *model = model_new();
    struct origin origin = {
        .file = SLICE("routes.yml"), .line = 7, .object = SLICE("IngressRoute default/x")};

    (void)state;
    model_notice(model, true, &origin, "routes.yml:9:3: unknown field");
    model_notice(model, false, &origin, "not served");
    struct known *known = known_new(model);

    log_setup(LOG_LEVEL_WARN, LOG_FORMAT_COMMON, NULL);
    log_set_sink(collect, NULL);
    text_init(&logged);
    known_log_errors(NULL, known);
    assert_non_null(strstr(logged.ptr, "ERR routes.yml:9:3: IngressRoute default/x: unknown field"));
    assert_non_null(strstr(logged.ptr, "WRN routes.yml:7: IngressRoute default/x: not served"));
    log_set_sink(NULL, NULL);
    text_free(&logged);
    known_free(known);
    model_free(model);
}

/* What is known afterwards is what would be known of the whole model. */
static void other_servers_are_a_change_of_their_service(void **state)
{
    struct server_config first[] = {{.url = SLICE("http://10.0.0.1:80")}};
    struct server_config other[] = {{.url = SLICE("http://10.0.0.1:80")},
                                    {.url = SLICE("http://10.0.0.2:80")}};
    struct load_balancer balancers[3] = {0};
    static const char *const names[] = {"a", "b", "c"};
    static const uint32_t positions[] = {0, 2};
    struct model *model = model_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        balancers[i].servers = (struct list){first, 1};
        model_add_service(model, slice_cstr(names[i]), SLICE("file"))->config.load_balancer = &balancers[i];
    }
    model_sort(model);
    struct known *known = known_new(model);

    balancers[2].servers = (struct list){other, 2};
    char *text = known_refresh(known, model, positions, ARRAY_LEN(positions)); /* a: as it was */

    assert_string_equal(text, "services: 1 changed (c)");
    free(text);
    struct known *whole = known_new(model);

    text = known_changes(known, whole);
    assert_string_equal(text, "");
    free(text);
    known_free(known);
    known_free(whole);
    model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_named),
        cmocka_unit_test(other_servers_are_a_change_of_their_service),
        cmocka_unit_test(errors_are_said_when_they_appear),
        cmocka_unit_test(place_in_the_text_is_not_doubled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
