/* test_services.c - the smooth weighted order, the services pages and what their checks refuse; transports; middlewares,
 * static page. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "shm/middlewares.h"
#include "shm/services.h"
#include "shm/static_page.h"
#include "shm/transports.h"
#include "tests/unit/sealed_page.h"

/* ---- smooth order ---- */

/* nginx's method, step by step as it stands in its source: the measure of what smooth_sequence() makes. */
static void order_of_nginx(const uint32_t *weights, size_t count, uint16_t *out, size_t steps)
{
    int64_t current[64] = {0}, total = 0;

    for (size_t i = 0; i < count; i++) {
        total += weights[i];
    }
    for (size_t step = 0; step < steps; step++) {
        size_t best = SIZE_MAX;

        for (size_t i = 0; i < count; i++) {
            if (weights[i] == 0) {
                continue;
            }
            current[i] += weights[i];
            if (best == SIZE_MAX || current[i] > current[best]) {
                best = i;
            }
        }
        current[best] -= total;
        out[step] = (uint16_t)best;
    }
}

static void the_order_is_that_of_nginx(void **state)
{
    static const struct {
        const char *want;
        uint32_t weights[4];
        size_t count;
    } cases[] = {
        {"aabacaa", {5, 1, 1}, 3}, {"aba", {2, 1}, 2}, {"abc", {3, 3, 3}, 3},
        {"aaba", {3, 1}, 2},       {"a", {7}, 1},      {"b", {0, 5}, 2},
        {"", {0, 0}, 2},           {"", {0}, 0},       {"bab", {1, 2, 0}, 3},
        {"abacaba", {4, 2, 1}, 3},
    };
    struct pool *pool = pool_new(4096, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint16_t *order;
        size_t length = smooth_sequence(pool, cases[i].weights, cases[i].count, &order);

        print_message("case %zu: %s\n", i, cases[i].want);
        assert_int_equal(length, strlen(cases[i].want));
        for (size_t k = 0; k < length; k++) {
            assert_int_equal('a' + order[k], cases[i].want[k]);
        }
    }
    pool_free(pool);
}

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void any_weights_give_the_order_of_nginx(void **state)
{
    struct pool *pool = pool_new(4096, 0);
    uint64_t seed = 88172645463325252ULL;
    static uint16_t want[65536];

    (void)state;
    for (int round = 0; round < 300; round++) {
        size_t count = 1 + random_next(&seed) % 20;
        uint32_t weights[20], range = 1 + (uint32_t)(random_next(&seed) % (round % 2 ? 4 : 100));
        uint16_t *order;
        size_t length;

        for (size_t i = 0; i < count; i++) {
            weights[i] = (uint32_t)(random_next(&seed) % range);
        }
        length = smooth_sequence(pool, weights, count, &order);
        order_of_nginx(weights, count, want, length);
        assert_memory_equal(order, want, length * sizeof(*want));
        pool_reset(pool);
    }
    pool_free(pool);
}

static void shares_hold_in_every_round(void **state)
{
    static const struct {
        uint32_t weights[3];
        size_t length;
    } cases[] = {
        {{3, 1, 0}, 4},         {{1000000, 500000, 0}, 3}, {{UINT32_MAX, UINT32_MAX, UINT32_MAX}, 3},
        {{1, 65535, 0}, 65536}, {{65521, 1, 1}, 65523},
    };
    struct pool *pool = pool_new(4096, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t seen[3] = {0};
        uint64_t sum = (uint64_t)cases[i].weights[0] + cases[i].weights[1] + cases[i].weights[2];
        uint16_t *order;
        size_t length = smooth_sequence(pool, cases[i].weights, 3, &order);

        print_message("case %zu\n", i);
        assert_int_equal(length, cases[i].length);
        for (size_t k = 0; k < length; k++) {
            seen[order[k]]++;
        }
        for (size_t k = 0; k < 3; k++) {
            assert_int_equal(seen[k], cases[i].weights[k] * length / sum);
        }
    }
    pool_free(pool);
}

static void long_rounds_are_scaled_and_nobody_is_lost(void **state)
{
    struct pool *pool = pool_new(4096, 0);
    uint32_t *weights = calloc(70000, sizeof(*weights));
    size_t *seen = calloc(65536, sizeof(*seen));
    uint16_t *order;
    size_t length;

    (void)state;
    assert_non_null(weights);
    assert_non_null(seen);
    for (size_t i = 0; i < 70000; i++) {
        weights[i] = 1;
    }
    length = smooth_sequence(pool, weights, 70000, &order); /* more servers than positions */
    assert_int_equal(length, 65536);
    for (size_t i = 0; i < length; i++) {
        assert_int_equal(order[i], i);
    }
    for (size_t i = 0; i < 1000; i++) {
        weights[i] = i == 0 ? 4000000000u : (uint32_t)(1 + i * i);
    }
    length = smooth_sequence(pool, weights, 1000, &order);
    assert_true(length <= 65536);
    for (size_t i = 0; i < length; i++) {
        seen[order[i]]++;
    }
    for (size_t i = 0; i < 1000; i++) {
        assert_true(seen[i] > 0);
    }
    assert_true(seen[0] > length * 9 / 10);
    free(weights);
    free(seen);
    pool_free(pool);
}

/* ---- services page ---- */

static struct server_address addresses[] = {{{.bytes = {10, 0, 0, 1}, .family = 4, .port = 80}, 7},
                                            {{.bytes = {[15] = 1}, .family = 6, .port = 8080}, 8}};
static struct server servers[] = {
    {.url = SLICE_INIT("http://10.0.0.1"),
     .scheme = SLICE_INIT("http"),
     .host = SLICE_INIT("10.0.0.1"),
     .addresses = {addresses, 2},
     .identity = 99,
     .health = {5, 6}},
    {.url = SLICE_INIT("http://b:8080/p"),
     .scheme = SLICE_INIT("http"),
     .host = SLICE_INIT("b:8080"),
     .path = SLICE_INIT("/p"),
     .preserve_path = true},
};
static uint16_t order[] = {0, 1, 0};
static struct service_child children[] = {
    {.name = SLICE_INIT("a"), .service = 0, .weight = 3},
    {.name = SLICE_INIT("noop"), .service = 2, .weight = 1},
};
static uint16_t child_order[] = {0, 0, 1, 0};
static const struct transport transports[] = {
    {.name = SLICE_INIT("default@internal"), .dial_timeout = 1, .max_idle_conns_per_host = 200},
    {.name = SLICE_INIT("slow@file"),
     .dial_timeout = 2,
     .response_header_timeout = 3,
     .idle_conn_timeout = 4,
     .max_idle_conns_per_host = -1},
};

static struct page_builder *sample_services(void)
{
    static struct slice cookies[] = {SLICE_INIT("c=x"), SLICE_INIT("c=y")};
    struct sticky_value sticky = {sticky_hash(SLICE("y")), 1, 0};
    const struct service services[] = {
        {.name = SLICE("a@file"),
         .servers = {servers, 2},
         .sequence = {order, 3},
         .ticket = {1, 2},
         .cookie = SLICE("c"),
         .cookies = {cookies, 2},
         .sticky_values = {&sticky, 1},
         .pass_host_header = true,
         .transport = 1},
        {.name = SLICE("b@file"),
         .kind = SERVICE_WEIGHTED,
         .children = {children, 2},
         .sequence = {child_order, 4}},
        {.name = SLICE("noop@internal"), .kind = SERVICE_INTERNAL, .internal = INTERNAL_NOOP},
    };
    struct page_builder *builder = builder_new(PAGE_SERVICES);

    services_build(builder, 0, services_shift(0, 0), 1, services, ARRAY_LEN(services));
    return builder;
}

/* One page, checked alone and as a whole. */
static int check_whole(struct page *const *pages, size_t count, struct services *services, struct error *why)
{
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = services_check(pages[i], why);
    }
    return rc < 0 ? rc : services_link(pages, count, ARRAY_LEN(transports), NULL, services, why);
}

static void services_come_out_as_they_went_in(void **state)
{
    struct page *own = sealed_page(sample_services(), PAGE_SERVICES);
    struct services services;
    struct error why = {""};
    const struct page *page;

    (void)state;
    assert_int_equal(check_whole(&own, 1, &services, &why), 0);
    assert_int_equal(services.count, 3);
    assert_null(services_at(&services, 3, &page));
    const struct service *a = services_at(&services, 0, &page), *b = services_at(&services, 1, &page),
                         *noop = services_at(&services, 2, &page);
    const struct server *rows = page_at(page, a->servers.items);

    assert_ptr_equal(page, own);
    assert_true(slice_eq(page_text(page, a->name), SLICE("a@file")));
    assert_int_equal(a->kind, SERVICE_LOAD_BALANCER);
    assert_int_equal(a->servers.count, 2);
    assert_true(a->pass_host_header && a->transport == 1);
    assert_true(a->ticket.slot == 1 && a->ticket.epoch == 2);
    assert_true(slice_eq(page_text(page, rows[0].url), SLICE("http://10.0.0.1")));
    assert_true(rows[0].health.slot == 5 && rows[0].health.epoch == 6 && rows[0].identity == 99);
    assert_int_equal(rows[0].addresses.count, 2);
    assert_memory_equal(page_at(page, rows[0].addresses.items), addresses, sizeof(addresses));
    assert_true(slice_eq(page_text(page, rows[1].host), SLICE("b:8080")));
    assert_true(slice_eq(page_text(page, rows[1].path), SLICE("/p")));
    assert_true(rows[1].preserve_path && rows[1].addresses.count == 0);
    assert_memory_equal(page_at(page, a->sequence.items), order, sizeof(order));
    const struct service_child *kids = page_at(page, b->children.items);

    assert_int_equal(b->children.count, 2);
    assert_true(kids[0].service == 0 && kids[0].weight == 3 && kids[1].service == 2 && kids[1].weight == 1);
    assert_true(slice_eq(page_text(page, kids[1].name), SLICE("noop")));
    assert_true(slice_eq(page_text(page, a->cookie), SLICE("c")) && a->cookies.count == 2);
    assert_int_equal(services_sticky(page, a, SLICE("y"))->position, 1);
    assert_null(services_sticky(page, a, SLICE("z")));
    assert_memory_equal(page_at(page, b->sequence.items), child_order, sizeof(child_order));
    assert_int_equal(noop->internal, INTERNAL_NOOP);
    page_unref(own);
}

/* A page whose services are changed by `change` after they were checked to be good. */
static int check_changed(void (*change)(struct service *services, struct server *rows, uint16_t *sequence,
                                        struct service_child *kids),
                         struct error *why)
{
    struct page_builder *builder = sample_services();
    uint64_t at, rows, sequence, kids;
    struct services services;
    const struct page *where;
    struct page *page;
    int rc, fd;

    assert_int_equal(page_seal(builder, 1, &fd, why), 0);
    assert_int_equal(page_adopt(fd, PAGE_SERVICES, &page, why), 0);
    close(fd);
    assert_int_equal(check_whole(&page, 1, &services, why), 0);
    at = page_offset(page, services_at(&services, 0, &where));
    rows = (uintptr_t)services_at(&services, 0, &where)->servers.items;
    sequence = (uintptr_t)services_at(&services, 0, &where)->sequence.items;
    kids = (uintptr_t)services_at(&services, 1, &where)->children.items;
    page_unref(page);
    change(builder_at(builder, at), builder_at(builder, rows), builder_at(builder, sequence),
           builder_at(builder, kids));
    page = sealed_page(builder, PAGE_SERVICES);
    rc = check_whole(&page, 1, &services, why);
    page_unref(page);
    return rc;
}

#define CHANGE(name, statement)                                                                              \
    static void name(struct service *s, struct server *r, uint16_t *q, struct service_child *k)              \
    {                                                                                                        \
        (void)s, (void)r, (void)q, (void)k;                                                                  \
        statement;                                                                                           \
    }

CHANGE(nothing, )
CHANGE(bad_kind, *(uint32_t *)(void *)&s[0].kind = 77)
CHANGE(no_fallback, (s[1].kind = SERVICE_FAILOVER, s[1].children.count = 1))
CHANGE(bad_checked, *(unsigned char *)(void *)&s[0].checked = 2)
CHANGE(bad_failures, r[0].failures = ((struct list){(void *)(uintptr_t)(1 << 20), 2}))
CHANGE(nobody_to_mirror, (s[2].kind = SERVICE_MIRRORING))
CHANGE(bad_statuses, s[1].statuses.len = 1 << 20)
CHANGE(bad_internal, *(uint32_t *)(void *)&s[2].internal = 77)
CHANGE(bad_transport, s[1].transport = 2)
CHANGE(bad_name, s[0].name.len = 1 << 20)
CHANGE(bad_bool, *(unsigned char *)(void *)&s[0].pass_host_header = 2)
CHANGE(bad_servers, s[0].servers.count = UINT64_MAX / 64)
CHANGE(bad_server_text, r[1].path.ptr = (const char *)(uintptr_t)(1 << 20))
CHANGE(bad_server_bool, *(unsigned char *)(void *)&r[1].preserve_path = 9)
CHANGE(bad_addresses, r[0].addresses.items = (void *)(uintptr_t)3)
CHANGE(bad_address, r[0].addresses.items = (char *)r[0].addresses.items + 8)
CHANGE(bad_sequence, q[2] = 2)
CHANGE(long_sequence, s[0].sequence.count = 65537)
CHANGE(far_sequence, s[0].sequence.items = (void *)(uintptr_t)(1 << 20))
CHANGE(sequence_of_nothing, s[0].servers.count = 0)
CHANGE(bad_child, k[1].service = 3)
CHANGE(bad_child_name, k[1].name.len = 1 << 20)
CHANGE(bad_strategy, *(uint32_t *)(void *)&s[0].strategy = 77)
CHANGE(bad_cookie, s[0].cookie.len = 1 << 20)
CHANGE(few_cookies, s[0].cookies.count = 1)
CHANGE(bad_cookies, s[0].cookies.items = (char *)s[0].cookies.items + (1 << 20))
CHANGE(far_values, s[0].sticky_values.count = UINT64_MAX / 16)
CHANGE(bad_value, s[0].sticky_values.items = s[0].servers.items)
CHANGE(itself, k[1].service = 1)
CHANGE(circle, (s[2].kind = SERVICE_WEIGHTED, k[1].service = 2, s[2].children = s[1].children))

static void what_is_damaged_is_refused(void **state)
{
    static const struct {
        const char *want;
        void (*change)(struct service *, struct server *, uint16_t *, struct service_child *);
    } cases[] = {
        {"service 0: bad name or kind", bad_kind},        {"service 2: bad name or kind", bad_internal},
        {"service 1: bad transport", bad_transport},      {"service 0: bad name or kind", bad_name},
        {"service 0: bad name or kind", bad_bool},        {"service 0: bad servers", bad_servers},
        {"service 0: bad servers", bad_server_text},      {"service 0: bad servers", bad_server_bool},
        {"service 0: bad servers", bad_addresses},        {"service 0: bad servers", bad_address},
        {"service 0: bad sequence", bad_sequence},        {"service 0: bad sequence", long_sequence},
        {"service 0: bad sequence", far_sequence},        {"service 0: bad sequence", sequence_of_nothing},
        {"service 1: bad children", bad_child},           {"services name each other in a circle", itself},
        {"services name each other in a circle", circle}, {"service 1: bad children", bad_child_name},
        {"service 0: bad name or kind", bad_strategy},    {"service 0: bad cookies", bad_cookie},
        {"service 0: bad cookies", few_cookies},          {"service 0: bad cookies", bad_cookies},
        {"service 0: bad cookies", far_values},           {"service 0: bad cookies", bad_value},
        {"service 0: bad name or kind", bad_checked},     {"service 0: bad servers", bad_failures},
        {"service 1: no fallback", no_fallback},          {"service 2: nobody to mirror", nobody_to_mirror},
        {"service 1: bad name or kind", bad_statuses},
    };
    struct error why = {""};

    (void)state;
    assert_int_equal(check_changed(nothing, &why), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char want[128];

        (void)snprintf(want, sizeof(want), "services page: %s", cases[i].want);
        assert_int_equal(check_changed(cases[i].change, &why), -EBADMSG);
        assert_string_equal(why.text, want);
    }
}

static void pages_without_a_root_are_refused(void **state)
{
    static const struct {
        enum page_kind kind;
        int (*check)(const struct page *, struct error *);
    } cases[] = {
        {PAGE_SERVICES, services_check},
        {PAGE_TRANSPORTS, transports_check},
        {PAGE_MIDDLEWARES, middlewares_check},
        {PAGE_STATIC, static_page_check},
    };
    struct error why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct page_builder *builder = builder_new(cases[i].kind);
        struct page *page = sealed_page(builder, cases[i].kind);

        assert_int_equal(cases[i].check(page, &why), -EBADMSG);
        page_unref(page);
        builder = builder_new(cases[i].kind); /* a root that is cut off by the end of the page */
        builder_set_root(builder, builder_alloc(builder, 8, 8));
        page = sealed_page(builder, cases[i].kind);
        assert_int_equal(cases[i].check(page, &why), -EBADMSG);
        page_unref(page);
    }
}

static void no_services_at_all(void **state)
{
    struct page_builder *builder = builder_new(PAGE_SERVICES);
    struct services services;
    const struct page *where;
    struct error why;
    struct page *page;

    (void)state;
    services_build(builder, 0, services_shift(0, 0), 1, NULL, 0);
    page = sealed_page(builder, PAGE_SERVICES);
    assert_int_equal(check_whole(&page, 1, &services, &why), 0);
    assert_int_equal(services.count, 0);
    assert_null(services_at(&services, 0, &where));
    page_unref(page);
}

static struct page *page_at_first(uint32_t first, unsigned shift, size_t count, uint32_t child)
{
    struct service_child one = {.name = SLICE("child"), .service = child, .weight = 1};
    uint16_t sequence = 0;
    struct service rows[4];
    struct page_builder *builder = builder_new(PAGE_SERVICES);

    for (size_t i = 0; i < 4; i++) {
        rows[i] = (struct service){.name = SLICE("s@file")};
    }
    if (child != UINT32_MAX) {
        rows[0].kind = SERVICE_WEIGHTED;
        rows[0].children = (struct list){&one, 1};
        rows[0].sequence = (struct list){&sequence, 1};
    }
    services_build(builder, first, shift, 2, rows, count);
    return sealed_page(builder, PAGE_SERVICES);
}

static void pages_that_are_no_whole_are_refused(void **state)
{
    static const struct {
        const char *want; /* NULL: they are one */
        struct {
            uint32_t first;
            unsigned shift;
            size_t count;
            uint32_t child; /* of the first service */
        } pages[2];
    } cases[] = {
        {NULL, {{0, 1, 2, 2}, {2, 1, 1, UINT32_MAX}}},
        {NULL, {{0, 1, 1, 2}, {2, 1, 1, UINT32_MAX}}}, /* not all numbers are there */
        {"services page: service 0: bad children", {{0, 1, 1, 3}, {2, 1, 1, UINT32_MAX}}},
        {"services page: service 2: bad children", {{0, 1, 1, UINT32_MAX}, {2, 1, 1, 1}}},
        {"services pages that do not belong together", {{0, 10, 1, UINT32_MAX}, {1024, 10, 1, UINT32_MAX}}},
        {"services pages that do not belong together", {{0, 1, 2, UINT32_MAX}, {0, 1, 1, UINT32_MAX}}},
        {"services pages that do not belong together", {{0, 2, 4, UINT32_MAX}, {2, 1, 1, UINT32_MAX}}},
        {"services page: bad numbers", {{0, 1, 3, UINT32_MAX}, {2, 1, 1, UINT32_MAX}}},
        {"services page: service 2: bad children", {{0, 1, 2, UINT32_MAX}, {2, 1, 1, 3}}},
        {"services page: services name each other in a circle", {{0, 1, 2, 2}, {2, 1, 1, 0}}},
    };
    struct services services;
    struct error why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct page *pages[2];

        for (size_t k = 0; k < 2; k++) {
            pages[k] = page_at_first(cases[i].pages[k].first, cases[i].pages[k].shift,
                                     cases[i].pages[k].count, cases[i].pages[k].child);
        }
        assert_int_equal(check_whole(pages, 2, &services, &why), cases[i].want ? -EBADMSG : 0);
        if (cases[i].want) {
            assert_string_equal(why.text, cases[i].want);
        }
        page_unref(pages[0]);
        page_unref(pages[1]);
    }
}

/* Of a whole that follows another one, only what is new is looked at, and that is enough. */
static void what_follows_is_checked_too(void **state)
{
    struct page *first = page_at_first(0, 1, 2, 2), *good = page_at_first(2, 1, 1, UINT32_MAX);
    struct page *circle = page_at_first(2, 1, 1, 0), *short_one = page_at_first(2, 1, 0, UINT32_MAX);
    struct page *pages[2] = {first, good}, *after[2] = {first, circle};
    struct services before, services;
    struct error why;

    (void)state;
    assert_int_equal(check_whole(pages, 2, &before, &why), 0);
    assert_int_equal(services_link(after, 2, 1, &before, &services, &why), -EBADMSG);
    assert_string_equal(why.text, "services page: services name each other in a circle");
    after[1] = short_one; /* what the first page names is gone */
    assert_int_equal(services_link(after, 2, 1, &before, &services, &why), -EBADMSG);
    assert_string_equal(why.text, "services page: service 0: bad children");
    after[1] = good;
    assert_int_equal(services_link(after, 2, 1, &before, &services, &why), 0);
    page_unref(first);
    page_unref(good);
    page_unref(circle);
    page_unref(short_one);
}

static void pages_are_few_and_small(void **state)
{
    static const struct {
        size_t services;
        size_t pages;
    } cases[] = {{0, 1}, {1, 1}, {128, 1}, {129, 2}, {256, 2}, {257, 4}, {10000, 128}, {1000000, 128}};
    static const struct {
        size_t fullest, in_order;
        unsigned shift;
    } shifts[] = {{0, 0, 9},      {512, 65536, 9},  {513, 0, 10},          {8192, 0, 13},
                  {0, 65537, 10}, {1, 1000000, 13}, {1000000, 1000000, 20}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(services_pages(cases[i].services), cases[i].pages);
    }
    for (size_t i = 0; i < ARRAY_LEN(shifts); i++) {
        assert_int_equal(services_shift(shifts[i].fullest, shifts[i].in_order), shifts[i].shift);
    }
}

/* As those of a cluster are called: they differ in a few letters. */
static void names_are_dealt_out_evenly(void **state)
{
    unsigned counts[SERVICES_DEALT_MOST] = {0};

    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "default-app%u-80@kubernetescrd", i);
        uint32_t page = services_page_of(slice_cstr(name), SERVICES_DEALT_MOST);

        assert_in_range(page, 0, SERVICES_DEALT_MOST - 1);
        counts[page]++;
        assert_int_equal(services_page_of(slice_cstr(name), 1), 0);
    }
    for (size_t i = 0; i < SERVICES_DEALT_MOST; i++) {
        assert_in_range(counts[i], 30, 160);
    }
}

/* ---- transports ---- */

static void transports_come_out_as_they_went_in(void **state)
{
    struct page_builder *builder = builder_new(PAGE_TRANSPORTS);
    struct error why = {""};
    struct page *page;

    (void)state;
    transports_build(builder, transports, ARRAY_LEN(transports), NULL);
    page = sealed_page(builder, PAGE_TRANSPORTS);
    assert_int_equal(transports_check(page, &why), 0);
    assert_int_equal(transports_count(page), 2);
    assert_null(transports_at(page, 2));
    assert_true(slice_eq(page_text(page, transports_at(page, 1)->name), SLICE("slow@file")));
    assert_int_equal(transports_at(page, 1)->response_header_timeout, 3);
    assert_int_equal(transports_at(page, 1)->max_idle_conns_per_host, -1);
    page_unref(page);
}

static void a_damaged_transport_is_refused(void **state)
{
    struct page_builder *builder = builder_new(PAGE_TRANSPORTS);
    struct transport rows[] = {{.name = SLICE("a")}};
    struct error why = {""};
    struct page *page;
    uint64_t at;
    int fd;

    (void)state;
    transports_build(builder, rows, 1, NULL);
    assert_int_equal(page_seal(builder, 1, &fd, &why), 0);
    assert_int_equal(page_adopt(fd, PAGE_TRANSPORTS, &page, &why), 0);
    close(fd);
    at = page_offset(page, transports_at(page, 0));
    page_unref(page);
    ((struct transport *)builder_at(builder, at))->name.len = 1 << 20;
    page = sealed_page(builder, PAGE_TRANSPORTS);
    assert_int_equal(transports_check(page, &why), -EBADMSG);
    assert_string_equal(why.text, "transports page: transport 0 is damaged");
    page_unref(page);
}

/* ---- middlewares, static page ---- */

static void middlewares_and_their_parameters(void **state)
{
    struct add_prefix prefix = {.prefix = SLICE("/api")};
    struct slice prefixes[] = {SLICE("/a"), SLICE("/b")};
    struct strip_prefix strip = {.prefixes = {prefixes, 2}};
    const struct middleware_input rows[] = {
        {.name = SLICE("p@file"), .kind = MIDDLEWARE_add_prefix, .params = &prefix},
        {.name = SLICE("s@file"), .kind = MIDDLEWARE_strip_prefix, .params = &strip},
    };
    struct page_builder *builder = builder_new(PAGE_MIDDLEWARES);
    struct error why = {""};
    struct page *page;

    (void)state;
    middlewares_build(builder, rows, 2);
    page = sealed_page(builder, PAGE_MIDDLEWARES);
    assert_int_equal(middlewares_check(page, &why), 0);
    assert_int_equal(middlewares_count(page), 2);
    assert_null(middlewares_at(page, 2));
    const struct middleware_row *row = middlewares_at(page, 1);
    const struct strip_prefix *got = page_at(page, row->params);
    const struct slice *items = page_at(page, got->prefixes.items);

    assert_true(slice_eq(page_text(page, row->name), SLICE("s@file")));
    assert_int_equal(row->kind, MIDDLEWARE_strip_prefix);
    assert_int_equal(got->prefixes.count, 2);
    assert_true(slice_eq(page_text(page, items[1]), SLICE("/b")));
    page_unref(page);
}

static void entry_points(void **state)
{
    static const struct static_root edge_root = {
        .host_name = SLICE_INIT("edge-1"), .log_level = 2, .log_format = 1, .stopping_status = 503};
    struct cidr trusted[2];
    struct entry_point web = {.address = SLICE("127.0.0.1:8000"), .as_default = true};
    struct entry_point_input rows[] = {
        {.name = SLICE("web"), .config = &web, .trusted = trusted, .trusted_count = 2, .port = 8000}};
    struct page_builder *builder = builder_new(PAGE_STATIC);
    struct error why = {""};
    struct page *page;

    (void)state;
    assert_true(cidr_parse(SLICE("10.0.0.0/8"), &trusted[0], &why));
    assert_true(cidr_parse(SLICE("2001:db8::/32"), &trusted[1], &why));
    web.transport.responding_timeouts.read_timeout = 60;
    static_page_build(builder, rows, 1, &edge_root);
    page = sealed_page(builder, PAGE_STATIC);
    assert_int_equal(static_page_check(page, &why), 0);
    assert_int_equal(entry_points_count(page), 1);
    assert_null(entry_points_at(page, 1));
    const struct entry_point_row *row = entry_points_at(page, 0);
    const struct static_root *root = page_root(page);

    assert_true(slice_eq(page_text(page, row->name), SLICE("web")));
    assert_true(slice_eq(page_text(page, row->config.address), SLICE("127.0.0.1:8000")));
    assert_true(row->config.as_default);
    assert_int_equal(row->config.transport.responding_timeouts.read_timeout, 60);
    assert_int_equal(row->port, 8000);
    assert_int_equal(row->trusted.count, 2);
    assert_memory_equal(page_at(page, row->trusted.items), trusted, sizeof(trusted));
    assert_true(slice_eq(page_text(page, root->host_name), SLICE("edge-1")));
    assert_int_equal(root->log_level, 2);
    page_unref(page);
    trusted[0].bits = 33;
    builder = builder_new(PAGE_STATIC);
    static_page_build(builder, rows, 1, &edge_root);
    page = sealed_page(builder, PAGE_STATIC);
    assert_int_equal(static_page_check(page, &why), -EBADMSG);
    page_unref(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_is_that_of_nginx),
        cmocka_unit_test(any_weights_give_the_order_of_nginx),
        cmocka_unit_test(shares_hold_in_every_round),
        cmocka_unit_test(long_rounds_are_scaled_and_nobody_is_lost),
        cmocka_unit_test(services_come_out_as_they_went_in),
        cmocka_unit_test(what_is_damaged_is_refused),
        cmocka_unit_test(pages_without_a_root_are_refused),
        cmocka_unit_test(no_services_at_all),
        cmocka_unit_test(pages_that_are_no_whole_are_refused),
        cmocka_unit_test(what_follows_is_checked_too),
        cmocka_unit_test(pages_are_few_and_small),
        cmocka_unit_test(names_are_dealt_out_evenly),
        cmocka_unit_test(transports_come_out_as_they_went_in),
        cmocka_unit_test(a_damaged_transport_is_refused),
        cmocka_unit_test(middlewares_and_their_parameters),
        cmocka_unit_test(entry_points),
    };

    return cmocka_run_group_tests_name("services", tests, NULL, NULL);
}
