/* test_ranges.c - sets of addresses: the same answers as asking each range, whatever the order and overlap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/net/ranges.h"

static struct address address_of(const char *text)
{
    struct address address;

    assert_true(address_parse(slice_cstr(text), &address));
    return address;
}

static void test_edges(void **state)
{
    static const char *const texts[] = {"10.0.0.0/8",  "11.0.0.0/8",        "192.168.1.7", "0.0.0.0/32",
                                        "::/128",      "2001:db8::/32",     "fe80::/10",   "255.255.255.255",
                                        "10.1.0.0/16", "::ffff:1.2.3.0/120"};
    static const struct {
        const char *address;
        bool held;
    } cases[] = {{"10.0.0.0", true},       {"11.255.255.255", true}, {"12.0.0.0", false},
                 {"9.255.255.255", false}, {"192.168.1.7", true},    {"192.168.1.8", false},
                 {"0.0.0.0", true},        {"0.0.0.1", false},       {"::", true},
                 {"::1", false},           {"2001:db8::1", true},    {"2001:db9::", false},
                 {"febf::1", true},        {"fec0::", false},        {"255.255.255.255", true},
                 {"1.2.3.255", true},      {"1.2.4.0", false}};
    struct pool *pool = pool_new(4096, 0);
    struct cidr cidrs[ARRAY_LEN(texts)];
    struct error why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_true(cidr_parse(slice_cstr(texts[i]), &cidrs[i], &why));
    }

    struct slice set = ranges_make(pool, cidrs, ARRAY_LEN(cidrs));

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct address address = address_of(cases[i].address);

        if (ranges_hold(set, &address) != cases[i].held) {
            fail_msg("%s", cases[i].address);
        }
    }

    struct address none = {.family = 0}, some = address_of("1.2.3.4");

    assert_false(ranges_hold(set, &none));
    assert_false(ranges_hold(ranges_make(pool, cidrs, 0), &some));
    pool_free(pool);
}

/* Small numbers, so that ranges touch, overlap and repeat. */
static void test_any(void **state)
{
    (void)state;
    srandom(7);
    for (int round = 0; round < 2000; round++) {
        struct pool *pool = pool_new(4096, 0);
        struct cidr cidrs[12];
        size_t count = (size_t)random() % (ARRAY_LEN(cidrs) + 1);

        for (size_t i = 0; i < count; i++) {
            unsigned bits = 24 + (unsigned)random() % 9;
            unsigned low = (unsigned)random() % 64 & (0xff00u >> (bits - 24));

            cidrs[i] = (struct cidr){.bytes = {10, 0, 0, (uint8_t)low}, .family = 4, .bits = (uint8_t)bits};
        }

        struct slice set = ranges_make(pool, cidrs, count);

        for (unsigned last = 0; last < 256; last++) {
            struct address address = {.bytes = {10, 0, 0, (uint8_t)last}, .family = 4};
            bool held = false;

            for (size_t i = 0; i < count; i++) {
                held = held || cidr_contains(&cidrs[i], &address);
            }
            assert_int_equal(ranges_hold(set, &address), held);
        }
        pool_free(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_edges), cmocka_unit_test(test_any)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
