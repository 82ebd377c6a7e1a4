/* test_cookie.c - a client's cookies are read as Go reads them, and attributes written as Go writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/http/cookie.h"

static void reading(void **state)
{
    static const struct {
        const char *lines[2], *want; /* NULL: none */
    } cases[] = {
        {{"c=1"}, "1"},         {{"a=0; c=1; c=2"}, "1"}, {{" a=0;c=1"}, "1"},    {{"a=0", "c=1"}, "1"},
        {{"c=\"x y\""}, "x y"}, {{"c=\""}, NULL},         {{"c=a\\b; c=3"}, "3"}, {{"c"}, ""},
        {{"c="}, ""},           {{"c=a=b"}, "a=b"},       {{"c = 1"}, " 1"},      {{"C=1"}, NULL},
        {{"xc=1;cx=2"}, NULL},  {{";;;"}, NULL},          {{""}, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pool *pool = pool_new(256, 0);
        struct headers headers;
        struct slice value;
        bool found;

        headers_init(&headers, pool);
        for (size_t k = 0; k < 2 && cases[i].lines[k]; k++) {
            headers_add_id(&headers, HEADER_COOKIE, slice_cstr(cases[i].lines[k]));
        }
        found = cookie_find(&headers, SLICE("c"), &value);
        assert_int_equal(found, cases[i].want != NULL);
        if (found && !slice_eq(value, slice_cstr(cases[i].want))) {
            fail_msg("%s: %.*s", cases[i].lines[0], SLICE_ARG(value));
        }
        pool_free(pool);
    }
}

static void writing(void **state)
{
    const struct {
        struct cookie_options options;
        const char *want;
    } cases[] = {
        {{.path = SLICE("/")}, "; Path=/"},
        {{.path = SLICE("")}, ""},
        {{.path = SLICE("/a;b\nc")}, "; Path=/abc"},
        {{.path = SLICE("/"),
          .domain = SLICE(".A.test"),
          .same_site = SLICE("Strict"),
          .max_age = 5,
          .http_only = true,
          .secure = true},
         "; Path=/; Domain=A.test; Max-Age=5; HttpOnly; Secure; SameSite=Strict"},
        {{.max_age = -1, .same_site = SLICE("none")}, "; Max-Age=0; SameSite=None"},
        {{.domain = SLICE("a_b"), .same_site = SLICE("")}, ""},
    };
    struct pool *pool = pool_new(1024, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slice got = cookie_attributes(pool, &cases[i].options);

        if (!slice_eq(got, slice_cstr(cases[i].want))) {
            fail_msg("%s: %.*s", cases[i].want, SLICE_ARG(got));
        }
    }
    pool_free(pool);
}

static void domains(void **state)
{
    static const struct {
        const char *domain;
        bool good;
    } cases[] = {
        {"a.test", true},   {".a.test", true},  {"1.2.3.4", true},  {"1.2.3.256", false}, {"1.2.3", false},
        {"a..test", false}, {"-a.test", false}, {"a-.test", false}, {"a b", false},       {"a.test.", false},
        {"", false},        {".", false},       {"::1", false},     {"a_b.test", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (cookie_domain_valid(slice_cstr(cases[i].domain)) != cases[i].good) {
            fail_msg("%s", cases[i].domain);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading),
        cmocka_unit_test(writing),
        cmocka_unit_test(domains),
    };

    return cmocka_run_group_tests_name("cookie", tests, NULL, NULL);
}
