/*
 * test_routes_match.c - which router wins: priority, ties, entry points, TLS, hosts and paths side by side,
 * long lists.
 */
#include "common/base/text.h"
#include "tests/unit/routes_sample.h"

#define MAX_ROUTERS 200

struct table { /* routers being collected, then their page */
    struct pool *pool;
    struct route_input inputs[MAX_ROUTERS];
    size_t count;
    struct page *page;
    struct pool *scratch;
};

static void table_open(struct table *table)
{
    *table = (struct table){.pool = pool_new(4096, 0), .scratch = pool_new(1024, 65536)};
}

static struct route_input *add(struct table *table, const char *name, const char *rule_text)
{
    static const uint32_t first[] = {0};
    struct route_input *input = &table->inputs[table->count++];
    struct rule *rule = NULL;
    struct error why = {{0}};

    assert_true(table->count <= MAX_ROUTERS);
    *input = (struct route_input){.name = pool_copy(table->pool, slice_cstr(name)),
                                  .rule_text = pool_copy(table->pool, slice_cstr(rule_text)),
                                  .entry_points = first,
                                  .entry_point_count = 1};
    if (rule_text[0] && rule_parse(table->pool, input->rule_text, RULE_V3, &rule, &why) < 0) {
        fail_msg("%s: %s", rule_text, why.text);
    }
    input->rule = rule;
    input->priority = (int64_t)input->rule_text.len;
    return input;
}

static void build(struct table *table)
{
    table->page = sample_page(table->inputs, table->count);
}

static void table_close(struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        rule_free((struct rule *)(uintptr_t)table->inputs[i].rule);
    }
    page_unref(table->page);
    pool_free(table->pool);
    pool_free(table->scratch);
}

static const char *winner_on(struct table *table, uint32_t entry_point, bool tls,
                             struct sample_request *sample)
{
    static char name[64];
    uint32_t number = routes_match(table->page, entry_point, tls, &sample->request);

    pool_reset(table->scratch);
    if (number == ROUTE_NONE) {
        return "none";
    }
    assert_true(routes_try(table->page, number, entry_point, tls, &sample->request));
    assert_true(
        slice_to_cstr(page_text(table->page, routes_at(table->page, number)->name), name, sizeof(name)));
    return name;
}

static const char *winner(struct table *table, const char *line)
{
    struct sample_request sample;

    sample_init(&sample, table->scratch, line);
    return winner_on(table, 0, false, &sample);
}

static void longest_rule_wins_over_all_lists(void **state)
{
    static const struct {
        const char *request, *want;
    } cases[] = {
        {"GET a.test/", "host"},
        {"GET a.test./", "host"},
        {"GET a.test/api", "host-prefix"},
        {"GET a.test/api/x", "host-prefix-long"},
        {"GET a.test/api/exact", "host-exact"},
        {"GET b.a.test/", "wildcard"},
        {"GET c.b.a.test/", "prefix-any"},
        {"GET c.test/only", "prefix-only"},
        {"GET c.test/", "prefix-any"},
        {"GET /", "prefix-any"},
        {"GET c.test*", "none"},
    };
    struct table t;

    (void)state;
    table_open(&t);
    add(&t, "host", "Host(`a.test`)");
    add(&t, "host-prefix", "Host(`a.test`) && PathPrefix(`/api`)");
    add(&t, "host-prefix-long", "Host(`a.test`) && PathPrefix(`/api/`)");
    add(&t, "host-exact", "Host(`a.test`) && Path(`/api/exact`)")->priority = 1000;
    add(&t, "wildcard", "Host(`*.a.test`)");
    add(&t, "prefix-any", "PathPrefix(`/`)")->priority = 1;
    add(&t, "prefix-only", "PathPrefix(`/only`)");
    build(&t);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("%s\n", cases[i].request);
        assert_string_equal(cases[i].want, winner(&t, cases[i].request));
    }
    table_close(&t);
}

static void explicit_and_negative_priorities(void **state)
{
    struct table t;

    (void)state;
    table_open(&t);
    add(&t, "low", "Host(`a.test`) && PathPrefix(`/a`)")->priority = -5;
    add(&t, "lower", "Host(`a.test`)")->priority = -10;
    build(&t);
    assert_string_equal("low", winner(&t, "GET a.test/a"));
    assert_string_equal("lower", winner(&t, "GET a.test/b"));
    table_close(&t);
    table_open(&t);
    add(&t, "long", "Host(`a.test`) && PathPrefix(`/a`)");
    add(&t, "first", "PathPrefix(`/a`)")->priority = INT64_MAX;
    build(&t);
    assert_string_equal("first", winner(&t, "GET a.test/a"));
    table_close(&t);
}

static void ties_go_by_precedence_then_name(void **state)
{
    struct table t;

    (void)state;
    table_open(&t);
    add(&t, "c", "Path(`/a`)");
    add(&t, "b", "Path(`/a`)");
    add(&t, "d", "Path(`/b`)");
    add(&t, "e", "Path(`/b`)")->precedence = 1;
    build(&t);
    assert_string_equal("b", winner(&t, "GET a.test/a"));
    assert_string_equal("e", winner(&t, "GET a.test/b"));
    table_close(&t);
}

static void entry_points_and_tls_are_kept_apart(void **state)
{
    static const uint32_t both[] = {0, 100}, second[] = {100};
    struct table t;
    struct sample_request sample;

    (void)state;
    table_open(&t);
    add(&t, "plain", "Path(`/a`)");
    add(&t, "tls", "Path(`/a`)")->tls = true;

    struct route_input *far = add(&t, "far", "PathPrefix(`/a`)");

    far->entry_points = both;
    far->entry_point_count = 2;
    far = add(&t, "far-only", "PathPrefix(`/a`) && Method(`PUT`)");
    far->entry_points = second;
    far->entry_point_count = 1;
    build(&t);
    sample_init(&sample, t.scratch, "PUT a.test/a");
    assert_string_equal("far", winner_on(&t, 0, false, &sample));
    assert_string_equal("tls", winner_on(&t, 0, true, &sample));
    assert_string_equal("far-only", winner_on(&t, 100, false, &sample));
    assert_string_equal("none", winner_on(&t, 100, true, &sample));
    assert_string_equal("none", winner_on(&t, 1, false, &sample));
    assert_string_equal("none", winner_on(&t, 5000, false, &sample));
    table_close(&t);
}

static void no_rule_matches_all_and_no_router_none(void **state)
{
    struct table t;

    (void)state;
    table_open(&t);
    build(&t);
    assert_int_equal(routes_count(t.page), 0);
    assert_null(routes_at(t.page, 0));
    assert_string_equal("none", winner(&t, "GET a.test/"));
    table_close(&t);
    table_open(&t);
    add(&t, "all", "");
    build(&t);
    assert_string_equal("all", winner(&t, "GET /"));
    assert_string_equal("all", winner(&t, "GET a.test/x?y"));
    table_close(&t);
}

/* Many routers under one host, told apart by one thing each: the right one must be found, at the list's
 * edges too. */
static void long_lists_find_the_right_one(void **state)
{
    static const struct {
        const char *rule, *request, *header; /* %u: the number */
    } kinds[] = {
        {"Host(`a.test`) && Header(`X-T`, `t%u`)", "GET a.test/", "t%u"},
        {"Host(`a.test`) && HeaderRegexp(`X-T`, `^t%u$`)", "GET a.test/", "t%u"},
        {"Host(`a.test`) && HeaderRegexp(`X-T`, `tenant-%u-[a-z]`)", "GET a.test/", "some tenant-%u-x"},
        {"Host(`a.test`) && Query(`t`, `t%u`)", "GET a.test/?t=t%u", ""},
        {"Host(`a.test`) && QueryRegexp(`t`, `ten%u[a-z]`)", "GET a.test/?t=%%74en%ux", ""},
        {"Host(`a.test`) && PathRegexp(`^/[a-z]+/item-%u/`)", "GET a.test/abc/item-%u/x", ""},
        {"Host(`a.test`) && PathRegexp(`/%u0$`)", "GET a.test/abc/%u0", ""},
        {"HostRegexp(`^[a-z]+\\.tenant%u\\.test$`)", "GET x.tenant%u.test/", ""},
        {"HostRegexp(`(?i)^[a-z]+\\.TENANT%u\\.test$`)", "GET x.tenant%u.test/", ""},
        {"Host(`a.test`) && Method(`M%u`)", "M%u a.test/", ""},
        {"Host(`a.test`) && (Header(`X-T`, `t%u`) || Header(`X-U`, `u`))", "GET a.test/", "t%u"},
        {"Host(`a.test`) && !Header(`X-T`, `none`) && Header(`X-T`, `t%u`)", "GET a.test/", "t%u"},
    };

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct table t;
        char text[128], name[16], header[64];

        table_open(&t);
        for (unsigned i = 0; i < 150; i++) {
            (void)snprintf(name, sizeof(name), "r%u", i);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            (void)snprintf(text, sizeof(text), kinds[k].rule, i);
#pragma GCC diagnostic pop
            add(&t, name, text)->priority = 10;
        }
        add(&t, "rest", "PathPrefix(`/`)")->priority = 1;
        build(&t);
        for (unsigned i = 0; i < 160; i++) {
            struct sample_request sample;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            (void)snprintf(text, sizeof(text), kinds[k].request, i);
            (void)snprintf(header, sizeof(header), kinds[k].header, i);
#pragma GCC diagnostic pop
            (void)snprintf(name, sizeof(name), i < 150 ? "r%u" : "rest", i);
            sample_init(&sample, t.scratch, text);
            sample_add_header(&sample, SLICE("x-t"), slice_cstr(header));
            if (strcmp(name, winner_on(&t, 0, false, &sample)) != 0) {
                print_message("%s %s\n", kinds[k].rule, text);
            }
            assert_string_equal(name, winner_on(&t, 0, false, &sample));
        }
        table_close(&t);
    }
}

/* More alternatives than places allowed: the rule still means the same. */
static void huge_rules_are_still_exact(void **state)
{
    struct table t;
    struct text text;

    (void)state;
    table_open(&t);
    text_init(&text);
    for (unsigned i = 0; i < 5000; i++) {
        text_printf(&text, "%sHost(`h%u.test`)", i ? " || " : "", i);
    }
    add(&t, "many-hosts", text.ptr);
    text_clear(&text);
    text_add_cstr(&text, "(");
    for (unsigned i = 0; i < 60; i++) {
        text_printf(&text, "%sHost(`k%u.test`)", i ? " || " : "", i);
    }
    text_add_cstr(&text, ") && (");
    for (unsigned i = 0; i < 60; i++) {
        text_printf(&text, "%s(PathPrefix(`/p%u/`) && !Method(`PUT`))", i ? " || " : "", i);
    }
    text_add_cstr(&text, ")");
    add(&t, "product", text.ptr);
    add(&t, "rest", "PathPrefix(`/`)");
    build(&t);
    assert_string_equal("many-hosts", winner(&t, "GET h0.test/"));
    assert_string_equal("many-hosts", winner(&t, "GET h4999.test/x"));
    assert_string_equal("rest", winner(&t, "GET h5000.test/"));
    assert_string_equal("product", winner(&t, "GET k59.test/p59/x"));
    assert_string_equal("rest", winner(&t, "PUT k59.test/p59/x"));
    assert_string_equal("rest", winner(&t, "GET k59.test/p60/"));
    text_free(&text);
    table_close(&t);
}

static void contradictions_never_match(void **state)
{
    struct table t;

    (void)state;
    table_open(&t);
    add(&t, "two-hosts", "Host(`a.test`) && Host(`b.test`)");
    add(&t, "two-paths", "Path(`/a`) && PathPrefix(`/b`)");
    add(&t, "never", "!Host(`*`)");
    add(&t, "wild", "Host(`*.a.test`) && Host(`x.b.test`)");
    add(&t, "both", "Host(`*.a.test`) && Host(`x.a.test`) && PathPrefix(`/`) && PathPrefix(`/a`)");
    build(&t);
    assert_string_equal("none", winner(&t, "GET a.test/a"));
    assert_string_equal("none", winner(&t, "GET b.test/b"));
    assert_string_equal("none", winner(&t, "GET x.b.test/"));
    assert_string_equal("both", winner(&t, "GET x.a.test/a"));
    table_close(&t);
}

static void what_is_stored_is_what_was_given(void **state)
{
    static const uint32_t chain[] = {7, 3};
    struct table t;

    (void)state;
    table_open(&t);

    struct route_input *input = add(&t, "one@file", "Host(`a.test`)");

    input->middlewares = chain;
    input->middleware_count = 2;
    input->service = 9;
    input->flags = ROUTE_INTERNAL | 5u << ROUTE_DENY_ENCODED_SHIFT;
    input->tls = true;
    build(&t);

    const struct route *route = routes_at(t.page, 0);
    const uint32_t *numbers = page_at(t.page, route->middlewares.items);

    assert_true(slice_eq(page_text(t.page, route->name), SLICE("one@file")));
    assert_true(slice_eq(page_text(t.page, route->rule), SLICE("Host(`a.test`)")));
    assert_int_equal(route->priority, 14);
    assert_int_equal(route->middlewares.count, 2);
    assert_int_equal(numbers[0], 7);
    assert_int_equal(numbers[1], 3);
    assert_int_equal(route->service, 9);
    assert_int_equal(route->flags, input->flags);
    assert_true(route->tls);
    table_close(&t);
}

static void equal_input_gives_an_equal_page(void **state)
{
    struct table t;
    uint64_t hashes[2];

    (void)state;
    table_open(&t);
    add(&t, "a", "Host(`a.test`) && HeaderRegexp(`X-A`, `b+`)");
    add(&t, "b", "PathPrefix(`/b`) && ClientIP(`10.0.0.0/8`)");
    for (size_t i = 0; i < 2; i++) {
        struct page_builder *builder = builder_new(PAGE_ROUTES);
        struct route_input swapped[] = {t.inputs[i], t.inputs[1 - i]};

        routes_build(builder, swapped, 2); /* the order of the input does not matter */
        hashes[i] = builder_hash(builder);
        builder_free(builder);
    }
    assert_true(hashes[0] == hashes[1]);
    build(&t);
    table_close(&t);
}

/* Children of one router are asked apart from those of entry points and of other layers; their place in all routers counts
 * among them alone. */
static void layers_are_apart(void **state)
{
    struct sample_request sample;
    struct table t;
    char name[64];

    (void)state;
    table_open(&t);
    add(&t, "parent", "Host(`a.test`)")->children = 1;
    add(&t, "plain", "Host(`b.test`)");
    add(&t, "child", "Host(`a.test`) && PathPrefix(`/api`)")->layer = 1;
    add(&t, "child-any", "PathPrefix(`/`)")->layer = 1;
    add(&t, "stranger", "Host(`a.test`) && PathPrefix(`/api`) && Method(`GET`)")->layer = 2;
    t.inputs[3].children = 2;
    build(&t);
    assert_string_equal(winner(&t, "GET a.test/api"), "parent");
    assert_string_equal(winner(&t, "GET c.test/api"), "none");
    static const struct {
        uint32_t layer;
        const char *line, *want;
    } cases[] = {{1, "GET a.test/api", "child"}, {1, "GET a.test/x", "child-any"},
                 {1, "GET /", "child-any"},      {2, "GET a.test/api", "stranger"},
                 {2, "GET a.test/x", "none"},    {3, "GET a.test/api", "none"}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        sample_init(&sample, t.scratch, cases[i].line);

        uint32_t number = routes_match_layer(t.page, cases[i].layer, &sample.request);

        name[0] = 0;
        assert_true(number == ROUTE_NONE ||
                    slice_to_cstr(page_text(t.page, routes_at(t.page, number)->name), name, sizeof(name)));
        assert_string_equal(number == ROUTE_NONE ? "none" : name, cases[i].want);
    }
    table_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_are_apart),
        cmocka_unit_test(longest_rule_wins_over_all_lists),
        cmocka_unit_test(explicit_and_negative_priorities),
        cmocka_unit_test(ties_go_by_precedence_then_name),
        cmocka_unit_test(entry_points_and_tls_are_kept_apart),
        cmocka_unit_test(no_rule_matches_all_and_no_router_none),
        cmocka_unit_test(long_lists_find_the_right_one),
        cmocka_unit_test(huge_rules_are_still_exact),
        cmocka_unit_test(contradictions_never_match),
        cmocka_unit_test(what_is_stored_is_what_was_given),
        cmocka_unit_test(equal_input_gives_an_equal_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
