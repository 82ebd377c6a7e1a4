/*
 * test_routes_scale.c - the cost of a lookup does not grow with the number of routers, nor that of a build
 * beyond it.
 *
 * The bounds are wide, far from what is measured on a quiet machine, and still far below what walking all
 * the routers would cost: they tell an index from a loop, not a fast one from a slow one (that is the
 * benchmark's business).
 */
#include <time.h>

#include "tests/unit/routes_sample.h"

struct shape {
    const char *rule, *host, *path, *header, *query; /* %u: the router's number */
};

static const struct shape shapes[] = {
    {"Host(`h%u.example.com`) && PathPrefix(`/api`)", "h%u.example.com", "/api/users/12", "", ""},
    {"Host(`a.example.com`) && Path(`/p/%u`)", "a.example.com", "/p/%u", "", ""},
    {"PathPrefix(`/p%u/`)", "a.example.com", "/p%u/x", "", ""},
    {"Host(`*.h%u.example.com`)", "x.h%u.example.com", "/", "", ""},
};
static const struct shape hard_shapes[] = {
    {"Host(`a.example.com`) && PathRegexp(`^/[a-z]+/item-%u/[0-9]+$`)", "a.example.com", "/shop/item-%u/77",
     "", ""},
    {"HostRegexp(`^[a-z]+\\.tenant%u\\.example\\.com$`)", "abc.tenant%u.example.com", "/", "", ""},
    {"Host(`a.example.com`) && Header(`X-Tenant`, `t%u`)", "a.example.com", "/", "t%u", ""},
    {"Host(`a.example.com`) && HeaderRegexp(`X-Tenant`, `^[a-z]+-t%u$`)", "a.example.com", "/", "abc-t%u",
     ""},
    {"Host(`a.example.com`) && Query(`t`, `t%u`)", "a.example.com", "/", "", "a=1&t=t%u"},
    {"Host(`a.example.com`) && (Header(`X-Tenant`, `t%u`) || Query(`t`, `t`))", "a.example.com", "/", "t%u",
     ""},
};

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static struct slice fill(char *buf, size_t size, const char *format, unsigned number)
{
    return slice_of(buf, (size_t)snprintf(buf, size, format, number));
}
#pragma GCC diagnostic pop

static struct page *build_shape(const struct shape *shape, unsigned count, double *build_seconds)
{
    static const uint32_t entry_point[] = {0};
    struct pool *pool = pool_new(1 << 20, 0);
    struct route_input *inputs = calloc(count, sizeof(*inputs));
    struct rule **rules = calloc(count, sizeof(*rules));
    struct page *page;
    char text[128];

    assert_non_null(inputs);
    assert_non_null(rules);
    for (unsigned i = 0; i < count; i++) {
        struct slice rule = pool_copy(pool, fill(text, sizeof(text), shape->rule, i));

        assert_int_equal(rule_parse(pool, rule, RULE_V3, &rules[i], NULL), 0);
        inputs[i] = (struct route_input){.name = pool_copy(pool, fill(text, sizeof(text), "r%u@file", i)),
                                         .rule = rules[i],
                                         .rule_text = rule,
                                         .priority = (int64_t)rule.len,
                                         .entry_points = entry_point,
                                         .entry_point_count = 1,
                                         .service = i};
    }
    double start = seconds();

    page = sample_page(inputs, count);
    *build_seconds = seconds() - start;
    for (unsigned i = 0; i < count; i++) {
        rule_free(rules[i]);
    }
    free(inputs);
    free(rules);
    pool_free(pool);
    return page;
}

static uint32_t ask(const struct page *page, const struct shape *shape, unsigned number, struct pool *scratch)
{
    struct sample_request sample;
    char host[64], path[64], header[64], query[64];

    sample_init(&sample, scratch, "GET /");
    sample.request.host = fill(host, sizeof(host), shape->host, number);
    sample.request.path = fill(path, sizeof(path), shape->path, number);
    sample.request.query = fill(query, sizeof(query), shape->query, number);
    sample_add_header(&sample, SLICE("X-Tenant"), fill(header, sizeof(header), shape->header, number));
    return routes_match(page, 0, false, &sample.request);
}

/* Seconds of one lookup, the best of three series; each answer is checked. */
static double lookup_seconds(const struct page *page, const struct shape *shape, unsigned count,
                             unsigned lookups)
{
    struct pool *scratch = pool_new(1024, 65536);
    double best = 1e9;

    for (unsigned i = 0; i < 3; i++) {
        double start = seconds();

        for (unsigned j = 0; j < lookups; j++) {
            unsigned number = (j * 7919u) % count;
            uint32_t found = ask(page, shape, number, scratch);

            if (found == ROUTE_NONE || routes_at(page, found)->service != number) {
                fail_msg("%s: router %u is not found", shape->rule, number);
            }
        }
        double one = (seconds() - start) / lookups;

        best = one < best ? one : best;
    }
    pool_free(scratch);
    return best;
}

static void compare(const struct shape *shape, unsigned count, unsigned lookups, double times)
{
    double build_one, build_many;
    struct page *one = build_shape(shape, 1, &build_one), *many = build_shape(shape, count, &build_many);
    double small = lookup_seconds(one, shape, 1, 2000), large = lookup_seconds(many, shape, count, lookups);

    print_message("%-75s %.0f ns with 1, %.0f ns with %u, built in %.0f ms, %zu bytes a router\n",
                  shape->rule, small * 1e9, large * 1e9, count, build_many * 1e3, page_size(many) / count);
    assert_true(large < small * times);
    assert_true(build_many < 8e-5 * count); /* 8 s for 100,000: a quadratic build takes minutes */
    assert_true(page_size(many) / count < 1000);
    page_unref(one);
    page_unref(many);
}

/* A walk over 50,000 would cost some thousand times as much. */
static void hosts_and_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        compare(&shapes[i], 50000, 20000, 60);
    }
}

/* What no tree can hold: 10,000 of it, at most some times the cost of one (a walk: thousands). */
static void regexps_and_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hard_shapes); i++) {
        compare(&hard_shapes[i], 10000, 1000, 250);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(hosts_and_paths),
                                       cmocka_unit_test(regexps_and_values)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
