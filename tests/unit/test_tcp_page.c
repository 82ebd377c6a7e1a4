/*
 * test_tcp_page.c - the TCP page: what is built is read again, and what is damaged is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/net/ranges.h"
#include "shm/page_inner.h"
#include "shm/tcp_page.h"
#include "tests/unit/sealed_page.h"

static struct page_builder *sample(struct pool *pool, uint32_t kind, uint32_t proxy)
{
    struct page_builder *builder = builder_new(PAGE_TCP);
    struct cidr range = {.family = 4, .bits = 8, .bytes = {10}};
    const uint8_t points[] = {0, TCP_PLAIN | TCP_HTTPS};
    const struct tcp_way ways[] = {{.dial_timeout = 5, .termination_delay = -1}, {.proxy_protocol = proxy}};
    struct tcp_middleware_row rows[] = {
        {.name = SLICE("near@file"), .kind = TCP_IP_LIST, .allowed = ranges_make(pool, &range, 1)},
        {.name = SLICE("few@file"), .kind = kind, .amount = 7, .table = {.slot = 3, .identity = 9}},
    };

    tcp_page_build(builder, &(struct tcp_page_input){.points = points,
                                                     .point_count = 2,
                                                     .ways = ways,
                                                     .way_count = 2,
                                                     .first_service = 10,
                                                     .middlewares = rows,
                                                     .middleware_count = 2});
    return builder;
}

static void reads_what_was_built(void **state)
{
    struct pool *pool = pool_new(4096, 0);
    struct page *page = sealed_page(sample(pool, TCP_IN_FLIGHT_CONN, 2), PAGE_TCP);
    struct address in = {.family = 4, .bytes = {10, 1, 2, 3}}, out = {.family = 4, .bytes = {11}};
    struct error why;

    (void)state;
    assert_int_equal(tcp_page_check(page, &why), 0);
    assert_int_equal(tcp_point_flags(page, 0), 0);
    assert_int_equal(tcp_point_flags(page, 1), TCP_PLAIN | TCP_HTTPS);
    assert_int_equal(tcp_point_flags(page, 2), 0);
    assert_null(tcp_way_of(page, 9));
    assert_int_equal(tcp_way_of(page, 10)->termination_delay, -1);
    assert_int_equal(tcp_way_of(page, 11)->proxy_protocol, 2);
    assert_null(tcp_way_of(page, 12));
    assert_null(tcp_way_of(page, 0));
    assert_int_equal(tcp_middlewares_count(page), 2);
    assert_true(ranges_hold(page_text(page, tcp_middleware_at(page, 0)->allowed), &in));
    assert_false(ranges_hold(page_text(page, tcp_middleware_at(page, 0)->allowed), &out));
    assert_int_equal(tcp_middleware_at(page, 1)->amount, 7);
    assert_int_equal(tcp_middleware_at(page, 1)->table.slot, 3);
    assert_null(tcp_middleware_at(page, 2));
    page_unref(page);
    pool_free(pool);
}

static void equal_content_gives_an_equal_page(void **state)
{
    struct pool *pool = pool_new(4096, 0);
    struct page_builder *a = sample(pool, TCP_IN_FLIGHT_CONN, 1), *b = sample(pool, TCP_IN_FLIGHT_CONN, 1);

    (void)state;
    assert_int_equal(builder_hash(a), builder_hash(b));
    builder_free(a);
    builder_free(b);
    pool_free(pool);
}

static void damage_is_refused(void **state)
{
    static const struct {
        uint32_t kind, proxy;
        const char *why;
    } cases[] = {
        {TCP_MIDDLEWARE_KINDS, 0, "TCP page: middleware 1 is damaged"},
        {TCP_IN_FLIGHT_CONN, 3, "TCP page: way 1 is damaged"},
    };
    struct pool *pool = pool_new(4096, 0);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct page *page = sealed_page(sample(pool, cases[i].kind, cases[i].proxy), PAGE_TCP);
        struct error why;

        assert_true(tcp_page_check(page, &why) < 0);
        assert_string_equal(why.text, cases[i].why);
        page_unref(page);
    }
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_was_built),
        cmocka_unit_test(equal_content_gives_an_equal_page),
        cmocka_unit_test(damage_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
