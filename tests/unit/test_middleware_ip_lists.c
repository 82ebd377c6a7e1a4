/* test_middleware_ip_lists.c - ipAllowList: whose address counts and who may pass. Expected values are Traefik's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/model/prepared.h"
#include "common/net/ranges.h"
#include "tests/unit/fake_exchange.h"

static struct slice set_of(struct pool *pool, const char *const *texts)
{
    struct cidr cidrs[8];
    struct error why;
    size_t count = 0;

    for (; texts[count]; count++) {
        assert_true(cidr_parse(slice_cstr(texts[count]), &cidrs[count], &why));
    }
    return ranges_make(pool, cidrs, count);
}

static const char *const office[] = {"10.0.0.0/8", "2001:db8:1::/48", NULL};
static const char *const proxies[] = {"192.168.0.0/16", NULL};

static const struct {
    const char *peer, *forwarded;
    int64_t depth;
    bool exclude;
    int64_t bits;
    bool pass;
} cases[] = {
    {"10.1.2.3", NULL, 0, false, 0, true},
    {"11.1.2.3", NULL, 0, false, 0, false},
    {"2001:db8:1:2::3", NULL, 0, false, 0, true},
    {"2001:db8:2::3", NULL, 0, false, 0, false},
    {"11.1.2.3", "10.0.0.1", 0, false, 0, false}, /* without a strategy the peer counts */
    {"11.1.2.3", "10.0.0.1", 1, false, 0, true},
    {"11.1.2.3", "10.0.0.1, 11.0.0.1", 1, false, 0, false},
    {"11.1.2.3", "10.0.0.1 ,11.0.0.1", 2, false, 0, true},
    {"10.1.2.3", "10.0.0.1", 2, false, 0, false}, /* nobody at that depth */
    {"10.1.2.3", NULL, 1, false, 0, false},
    {"10.1.2.3", "nonsense", 1, false, 0, false},
    {"11.1.2.3", "10.0.0.1:80", 1, false, 0, true}, /* with the port, as some proxies write it */
    {"11.1.2.3", "[2001:db8:1::9]:80", 1, false, 64, true},
    {"11.1.2.3", "10.0.0.1:x:80", 1, false, 0, false},
    {"11.1.2.3", "2001:db8:1:0:0:0:0:9:80", 1, false, 0, false},
    {"11.1.2.3", "[2001:db8:1::9]", 1, false, 0, false},
    {"11.1.2.3", "10.0.0.1:80, 192.168.0.1", 0, true, 0, true},
    {"11.1.2.3", "10.0.0.1, 192.168.0.1:80", 0, true, 0, false}, /* with a port nobody is excluded */
    {"11.1.2.3", "10.0.0.9,192.168.0.1,192.168.7.7", 0, true, 0, true},
    {"10.1.2.3", "11.0.0.9, 192.168.0.1", 0, true, 0, false},
    {"10.1.2.3", "192.168.0.1", 0, true, 0, false}, /* all excluded: nobody */
    {"10.1.2.3", "10.0.0.1, nonsense, 192.168.0.1", 0, true, 0, false},
    {"10.1.2.3", "10.0.0.1,, 192.168.0.1", 0, true, 0, true},
    {"2001:db8:1:2::3", NULL, 0, false, 48, true},
    {"2001:db8:1:2::3", NULL, 0, false, 32, false}, /* 2001:db8:: is outside */
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pool *pool = pool_new(4096, 0);
        struct exchange ex;
        struct prepared_ip_list params = {.allowed = set_of(pool, office),
                                          .client = {.depth = cases[i].depth, .ipv6_bits = cases[i].bits},
                                          .reject_status = 403};

        if (cases[i].exclude) {
            params.client.excluded = set_of(pool, proxies);
        }
        fake_exchange(&ex, pool, "GET", "a.test", "/");
        assert_true(address_parse(slice_cstr(cases[i].peer), &ex.client));
        ex.client_text = slice_cstr(cases[i].peer);
        if (cases[i].forwarded) {
            headers_set_id(&ex.request.headers, HEADER_X_FORWARDED_FOR, slice_cstr(cases[i].forwarded));
        }

        enum mw_verdict verdict = middleware_types[MIDDLEWARE_ip_allow_list]->on_request(&ex, &params);

        if ((verdict == MW_PASS) != cases[i].pass || (verdict != MW_PASS && ex.response.status != 403)) {
            fail_msg("case %zu: %s %s", i, cases[i].peer, cases[i].forwarded ? cases[i].forwarded : "");
        }
        pool_free(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
