/*
 * test_model_tables.c - the tables of options: complete, readable, without twins, and silent about secrets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/text.h"
#include "common/model/static.h"

static const struct schema *const roots[] = {&static_schema, &http_schema};

/* Calls visit for every row below a schema with its dotted, lower-case name; maps are _name_, lists [0]. */
typedef void visitor(void *context, const struct schema_field *field, const char *name);

static void walk(const struct schema *schema, const char *above, visitor *visit, void *context)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];
        char name[512];
        const char *step = field->kind == SCHEMA_MAP ? "._name_" : field->kind == SCHEMA_LIST ? "[0]" : "";

        assert_true(snprintf(name, sizeof(name), "%s%s%s", above, above[0] ? "." : "", field->name) <
                    (int)sizeof(name));
        for (char *c = name; *c; c++) {
            *c = (char)ascii_lower((unsigned char)*c);
        }
        visit(context, field, name);
        if (field->sub) {
            assert_true(strlen(name) + strlen(step) < sizeof(name));
            memcpy(name + strlen(name), step, strlen(step) + 1);
            visit(context, field, name);
            walk(field->sub, name, visit, context);
        }
    }
}

static void check_row(void *context, const struct schema_field *field, const char *name)
{
    (void)context;
    if (field->text == NULL || field->text[0] == '\0' || field->text[strlen(field->text) - 1] != '.') {
        fail_msg("%s: the text of the reference is missing or no sentence", name);
    }
    if (field->kind == SCHEMA_ENUM && (field->choices == NULL || field->choices[0] == NULL)) {
        fail_msg("%s: no choices", name);
    }
    if ((field->kind == SCHEMA_STRUCT || field->kind == SCHEMA_OPTIONAL || field->kind == SCHEMA_LIST ||
         field->kind == SCHEMA_MAP) != (field->sub != NULL)) {
        fail_msg("%s: kind and sub table do not fit", name);
    }
}

static void twins(const struct schema *schema, unsigned depth)
{
    assert_true(depth < 20);
    for (size_t i = 0; i < schema->count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (slice_eq_nocase(slice_cstr(schema->fields[i].name), slice_cstr(schema->fields[k].name))) {
                fail_msg("%s.%s is there twice", schema->name, schema->fields[i].name);
            }
        }
        if (schema->fields[i].sub) {
            twins(schema->fields[i].sub, depth + 1);
        }
    }
}

static void every_row_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        walk(roots[i], "", check_row, NULL);
        twins(roots[i], 0);
    }
}

static void defaults_below(const struct schema *schema, struct pool *pool)
{
    schema_defaults(schema, pool, pool_alloc(pool, schema->size + 1)); /* dies when one cannot be read */
    for (size_t i = 0; i < schema->count; i++) {
        if (schema->fields[i].sub) {
            defaults_below(schema->fields[i].sub, pool);
        }
    }
}

static void every_default_reads(void **state)
{
    struct pool *pool = pool_new(4096, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        defaults_below(roots[i], pool);
    }
    pool_free(pool);
}

/* ---- every option of Traefik 3.7 is known ---- */

struct search {
    const char *name;
    bool found;
};

static void search_row(void *context, const struct schema_field *field, const char *name)
{
    struct search *search = context;
    size_t len = strlen(name);

    if (strcmp(name, search->name) == 0 ||
        (field->kind == SCHEMA_STRING_MAP && strncmp(name, search->name, len) == 0 &&
         strcmp(search->name + len, "._name_") == 0) ||
        (field->kind == SCHEMA_DOC && strncmp(name, search->name, len) == 0 && search->name[len] == '.')) {
        search->found = true;
    }
}

static void every_static_option_of_traefik_is_known(void **state)
{
    FILE *file = fopen(UNIT_DIR "/golden/static_options.txt", "r");
    char line[512];
    size_t count = 0;

    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        struct search search = {.name = line};
        walk(&static_schema, "", search_row, &search);
        if (!search.found && strcmp(line, "providers.plugin._name_") != 0) {
            fail_msg("%s is not known", line);
        }
        count++;
    }
    fclose(file);
    assert_int_equal(count, 540);
}

/* ---- middlewares ---- */

static void kinds_of_middlewares(void **state)
{
    static const struct {
        const char *yaml, *want; /* the kind's name, or what the error holds */
        bool good;
    } cases[] = {
        {"stripPrefix: {prefixes: [/a]}", "stripPrefix", true},
        {"headers: {customRequestHeaders: {X-A: b}}", "headers", true},
        {"chain: {middlewares: [a]}", "chain", true},
        {"redirectRegex: {regex: '^a$', replacement: b}", "redirectRegex", true},
        {"{}", "no kind", false},
        {"{addPrefix: {prefix: /a}, stripPrefix: {prefixes: [/a]}}", "multi-types", false},
        {"{addPrefix: {prefix: /a}, basicAuth: {users: [a]}}", "multi-types", false},
        {"basicAuth: {users: ['a:b']}", "basicAuth", true},
        {"plugin: {mine: {x: 1}}", "plugin", true},
        {"rateLimit: {average: 10}", "rateLimit", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pool *pool = pool_new(4096, 0);
        struct middleware_config config;
        struct schema_report report;
        struct error why = {0};
        enum middleware_kind kind;
        const void *params;
        struct doc *doc;

        print_message("case %zu\n", i);
        schema_report_init(&report, pool);
        assert_int_equal(doc_read_yaml(pool, SLICE("t"), slice_cstr(cases[i].yaml), &doc, &why), 0);
        schema_defaults(&middleware_schema, pool, &config);
        assert_int_equal(schema_decode(&middleware_schema, pool, doc, 0, &config, &report), 0);
        assert_int_equal(middleware_config_kind(&config, &kind, &params, &why), cases[i].good);
        if (cases[i].good) {
            assert_string_equal(middleware_kind_name(kind), cases[i].want);
            assert_non_null(params);
        } else {
            assert_non_null(strstr(why.text, cases[i].want));
        }
        pool_free(pool);
    }
}

static void unserved_options_are_found(void **state)
{
    static const struct {
        const struct schema *schema;
        const char *yaml;
        const char *want; /* names, separated by blanks */
    } cases[] = {
        {&load_balancer_schema, "servers: [{url: 'http://a'}]", ""},
        {&load_balancer_schema, "{passHostHeader: false, healthCheck: {path: /}, strategy: p2c}", ""},
        {&router_schema, "{rule: 'Path(`/`)', service: s}", ""},
        {&router_schema, "{rule: 'Path(`/`)', service: s, observability: {metrics: false}}",
         "observability "},
    };
    union {
        struct router_config router;
    } object;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pool *pool = pool_new(4096, 0);
        struct schema_report report;
        const struct schema_field *field;
        struct error why;
        struct text names;
        struct doc *doc;
        size_t row = 0;

        print_message("case %zu\n", i);
        schema_report_init(&report, pool);
        text_init(&names);
        assert_int_equal(doc_read_yaml(pool, SLICE("t"), slice_cstr(cases[i].yaml), &doc, &why), 0);
        schema_defaults(cases[i].schema, pool, &object);
        assert_int_equal(schema_decode(cases[i].schema, pool, doc, 0, &object, &report), 0);
        while ((field = schema_unserved(cases[i].schema, &object, &row)) != NULL) {
            text_printf(&names, "%s ", field->name);
        }
        assert_string_equal(names.ptr ? names.ptr : "", cases[i].want);
        text_free(&names);
        pool_free(pool);
    }
}

static void options_that_make_no_request(void **state)
{
    static const struct {
        const struct schema *schema;
        const char *yaml, *want; /* part of the error; NULL: it is good */
    } cases[] = {
        {&set_headers_schema, "customRequestHeaders: {X-A_b.c: 'v\\twith tab'}", NULL},
        {&set_headers_schema, "customRequestHeaders: {X-A: ''}", NULL},
        {&set_headers_schema, "customRequestHeaders: {'X A': v}",
         "customRequestHeaders: \"X A\" is no header name"},
        {&set_headers_schema, "customResponseHeaders: {'': v}", "is no header name"},
        {&set_headers_schema, "customResponseHeaders: {'X:': v}", "is no header name"},
        {&set_headers_schema, "customResponseHeaders: {X-A: \"v\\r\\nX-B: w\"}", "customResponseHeaders.X-A"},
        {&redirect_regex_schema, "{regex: a, replacement: b}", NULL},
        {&redirect_regex_schema, "{regex: '', replacement: b}", "regex is missing"},
        {&replace_path_regex_schema, "{regex: ' ', replacement: b}", "regex is missing"},
        {&health_check_schema, "{path: /, method: PROPFIND, hostname: a.test, headers: {X-A: ' b\tc'}}",
         NULL},
        {&health_check_schema, "{path: /, method: 'A B'}", "method \"A B\" is none"},
        {&health_check_schema, "{path: \"/\\r\"}", "path holds a line end"},
        {&health_check_schema, "{hostname: \"a\\nX: y\"}", "hostname holds a line end"},
        {&health_check_schema, "{headers: {'X A': b}}", "headers.X A"},
        {&health_check_schema, "{headers: {X-A: \"b\\r\\nX-B: c\"}}", "headers.X-A"},
        {&rate_limit_schema, "burst: 9223372036854775807", NULL},
        {&rate_limit_schema, "burst: -1", "must be at least 0"},
        {&compress_schema, "minResponseBodyBytes: 9223372036854775807", NULL},
        {&buffering_schema, "maxRequestBodyBytes: 9223372036854775807", NULL},
    };
    union {
        struct set_headers headers;
        struct redirect_regex redirect;
        struct replace_path_regex replace;
        struct health_check check;
        struct rate_limit rate;
        struct compress compress;
        struct buffering buffering;
    } object;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pool *pool = pool_new(4096, 0);
        struct schema_report report;
        struct error why;
        struct doc *doc;

        print_message("case %zu\n", i);
        schema_report_init(&report, pool);
        assert_int_equal(doc_read_yaml(pool, SLICE("t"), slice_cstr(cases[i].yaml), &doc, &why), 0);
        schema_defaults(cases[i].schema, pool, &object);
        assert_int_equal(schema_decode(cases[i].schema, pool, doc, 0, &object, &report) == 0,
                         cases[i].want == NULL);
        if (cases[i].want) {
            assert_true(slice_find_slice(report.issues[0].text, slice_cstr(cases[i].want)) >= 0);
        }
        pool_free(pool);
    }
}

/* ---- secrets ---- */

#define CANARY "canary-7f3a"

static struct doc *filled(const struct schema *schema, struct pool *pool, size_t *secrets);

static struct doc *filled_field(const struct schema_field *field, struct pool *pool, size_t *secrets)
{
    struct doc *doc, *inner;

    if (field->sub && field->kind != SCHEMA_MAP && field->kind != SCHEMA_LIST) {
        return filled(field->sub, pool, secrets);
    }
    if (field->kind == SCHEMA_MAP || field->kind == SCHEMA_LIST) {
        inner = filled(field->sub, pool, secrets);
        doc = doc_new(pool, field->kind == SCHEMA_MAP ? DOC_MAP : DOC_LIST);
        if (field->kind == SCHEMA_MAP) {
            doc_map_set(pool, doc, SLICE("name"), inner);
        } else {
            doc_list_add(pool, doc, inner);
        }
        return doc;
    }
    if (!(field->flags & (SCHEMA_SECRET | SCHEMA_SECRET_HEADERS))) {
        return NULL;
    }
    ++*secrets;
    if (field->kind == SCHEMA_STRING) {
        return doc_new_string(pool, SLICE(CANARY));
    }
    doc = doc_new(pool, DOC_MAP);
    doc_map_set(pool, doc, SLICE("Authorization"), doc_new_string(pool, SLICE(CANARY)));
    return doc;
}

static struct doc *filled(const struct schema *schema, struct pool *pool, size_t *secrets)
{
    struct doc *map = doc_new(pool, DOC_MAP);

    for (size_t i = 0; i < schema->count; i++) {
        struct doc *value = filled_field(&schema->fields[i], pool, secrets);

        if (value) {
            doc_map_set(pool, map, slice_cstr(schema->fields[i].name), value);
        }
    }
    return map;
}

static void secrets_are_never_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        struct pool *pool = pool_new(4096, 0);
        void *object = pool_alloc(pool, roots[i]->size);
        size_t secrets = 0;
        struct doc *doc = filled(roots[i], pool, &secrets);
        struct schema_report report;
        struct text json;

        schema_report_init(&report, pool);
        text_init(&json);
        schema_defaults(roots[i], pool, object);
        schema_decode(roots[i], pool, doc, SCHEMA_ANY_CASE | SCHEMA_LENIENT_TYPES, object, &report);
        schema_encode(roots[i], object, &json);
        assert_true(secrets >= 3);
        assert_true(json.len > 100);
        assert_null(strstr(json.ptr, CANARY));
        for (size_t k = 0; k < report.count; k++) {
            assert_int_equal(slice_find_slice(report.issues[k].text, SLICE(CANARY)), -1);
        }
        text_free(&json);
        pool_free(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_whole),
        cmocka_unit_test(every_default_reads),
        cmocka_unit_test(every_static_option_of_traefik_is_known),
        cmocka_unit_test(kinds_of_middlewares),
        cmocka_unit_test(unserved_options_are_found),
        cmocka_unit_test(options_that_make_no_request),
        cmocka_unit_test(secrets_are_never_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
