/*
 * test_content_coding.c - what Accept-Encoding asks for, and the types in Content-Type.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/pool.h"
#include "common/http/content_coding.h"
#include "common/http/media_type.h"

static void the_highest_weight_wins(void **state)
{
    static const char gzip_br_zstd[] = {CODING_GZIP, CODING_BROTLI, CODING_ZSTD, 0};
    static const struct {
        const char *fields[2];
        enum content_coding coding;
    } cases[] = {
        {{NULL}, CODING_IDENTITY},
        {{""}, CODING_IDENTITY},
        {{"gzip"}, CODING_GZIP},
        {{"br, gzip"}, CODING_GZIP},
        {{"zstd,br"}, CODING_BROTLI},
        {{"gzip;q=0.5, zstd;q=0.501"}, CODING_ZSTD},
        {{"gzip;q=0.5", "br"}, CODING_BROTLI},
        {{"gzip;q=0, br ; q=0.001"}, CODING_BROTLI},
        {{"gzip;q=0.000"}, CODING_IDENTITY},
        {{"deflate, compress"}, CODING_IDENTITY},
        {{"identity, gzip"}, CODING_GZIP},
        {{"identity, gzip;q=0.9"}, CODING_IDENTITY},
        {{"*"}, CODING_ZSTD},
        {{"gzip, *"}, CODING_ZSTD},
        {{"gzip, *;q=0.1"}, CODING_GZIP},
        {{"gzip;q=x, br;q=0.1"}, CODING_BROTLI},
        {{"gzip;q=.5, br;q=0.4"}, CODING_GZIP},
        {{"gzip;q=., br;q=0.1"}, CODING_BROTLI},
        {{"gzip;q=, zstd;q=1.000"}, CODING_ZSTD},
        {{"GZIP"}, CODING_GZIP},
        {{", ,gzip,"}, CODING_GZIP},
        {{"gzip;q=0.0019999999999999999999999999"}, CODING_GZIP},
    };
    struct pool *pool = pool_new(1024, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct headers headers;

        print_message("case %zu\n", i);
        headers_init(&headers, pool);
        for (int k = 0; k < 2 && cases[i].fields[k]; k++) {
            headers_add_id(&headers, HEADER_ACCEPT_ENCODING, slice_cstr(cases[i].fields[k]));
        }
        assert_int_equal(coding_choose(&headers, slice_cstr(gzip_br_zstd), CODING_ZSTD, CODING_IDENTITY),
                         cases[i].coding);
    }
    pool_free(pool);
}

static void only_what_is_offered(void **state)
{
    struct pool *pool = pool_new(1024, 0);
    struct headers headers;
    const char offered[] = {CODING_ZSTD, 0};

    (void)state;
    headers_init(&headers, pool);
    assert_int_equal(coding_choose(&headers, slice_cstr(offered), CODING_ZSTD, CODING_ZSTD), CODING_ZSTD);
    headers_add_id(&headers, HEADER_ACCEPT_ENCODING, SLICE("gzip, br, zstd;q=0.1"));
    assert_int_equal(coding_choose(&headers, slice_cstr(offered), CODING_ZSTD, CODING_IDENTITY), CODING_ZSTD);
    pool_free(pool);
}

static void names_there_and_back(void **state)
{
    (void)state;
    for (int coding = CODING_IDENTITY + 1; coding < CODINGS; coding++) {
        assert_int_equal(coding_find(coding_name((enum content_coding)coding)), coding);
    }
    assert_int_equal(coding_find(SLICE("identity")), CODING_IDENTITY);
    assert_int_equal(coding_find(SLICE("deflate")), CODING_IDENTITY);
}

static void types(void **state)
{
    static const struct {
        const char *value, *type;
    } cases[] = {
        {"text/html", "text/html"},
        {" Text/HTML ; charset=utf-8", "Text/HTML"},
        {"text", "text"},
        {"a/b;", "a/b"},
        {"a/b; c=\"d;\\\"e\"; f=g", "a/b"},
        {"", NULL},
        {"; a=b", NULL},
        {"text/", NULL},
        {"/html", NULL},
        {"te xt/html", NULL},
        {"text/ht ml", NULL},
        {"text/a/b", NULL},
        {"a/b; c", NULL},
        {"a/b; c=", NULL},
        {"a/b; c=\"d", NULL},
        {"a/b; c=\"d\"e", NULL},
        {"a/b; =c", NULL},
        {"a/b; c=d e", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slice type;
        const char *why = NULL;

        print_message("case %zu\n", i);
        if (media_type_parse(slice_cstr(cases[i].value), &type, &why)) {
            assert_non_null(cases[i].type);
            assert_true(slice_eq(type, slice_cstr(cases[i].type)));
        } else {
            assert_null(cases[i].type);
            assert_non_null(why);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_highest_weight_wins),
        cmocka_unit_test(only_what_is_offered),
        cmocka_unit_test(names_there_and_back),
        cmocka_unit_test(types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
