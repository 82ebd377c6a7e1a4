/*
 * test_base64_stream.c - base64 in pieces: every cut gives the same, what is none is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/base64_stream.h"

#define ROOM 256

static const struct {
    const char *plain, *coded;
} pairs[] = {{"", ""},
             {"f", "Zg=="},
             {"fo", "Zm8="},
             {"foo", "Zm9v"},
             {"foob", "Zm9vYg=="},
             {"fooba", "Zm9vYmE="},
             {"foobar", "Zm9vYmFy"},
             {"\xff\xfe\xfd>?", "//79Pj8="}};

static void test_every_cut_encodes_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct slice plain = slice_cstr(pairs[i].plain);

        for (size_t cut = 0; cut <= plain.len; cut++) {
            struct base64_stream stream = {.count = 0};
            char out[ROOM];
            size_t n = base64_encode_more(&stream, slice_head(plain, cut), false, out);

            n += base64_encode_more(&stream, slice_from(plain, cut), true, out + n);
            assert_true(slice_eq(slice_of(out, n), slice_cstr(pairs[i].coded)));
            assert_true(n <= BASE64_ENCODED_ROOM(plain.len));
        }
    }
}

static void test_every_cut_decodes_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct slice coded = slice_cstr(pairs[i].coded);

        for (size_t cut = 0; cut <= coded.len; cut++) {
            struct base64_stream stream = {.count = 0};
            char out[ROOM];
            ptrdiff_t n = base64_decode_more(&stream, slice_head(coded, cut), false, out);

            assert_true(n >= 0);
            ptrdiff_t more = base64_decode_more(&stream, slice_from(coded, cut), true, out + n);

            assert_true(more >= 0);
            assert_true(slice_eq(slice_of(out, (size_t)(n + more)), slice_cstr(pairs[i].plain)));
        }
    }
}

static void test_parts_and_line_ends(void **state)
{
    static const struct {
        const char *coded, *plain;
    } cases[] = {{"Zg==Zg==", "ff"}, {"Zm8=\r\nZm9v\n", "fofoo"}, {"Z\nm\r9\nv", "foo"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct base64_stream stream = {.count = 0};
        char out[ROOM];
        ptrdiff_t n = base64_decode_more(&stream, slice_cstr(cases[i].coded), true, out);

        assert_true(n >= 0 && slice_eq(slice_of(out, (size_t)n), slice_cstr(cases[i].plain)));
    }
}

static void test_what_is_none(void **state)
{
    static const char *const cases[] = {
        "Z", "Zg", "Zg=", "=", "Z===", "Zg=v", "Zg==v", "Zm9v!", "Zm9 ", "Zm-_"};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct base64_stream stream = {.count = 0};
        char out[ROOM];

        assert_true(base64_decode_more(&stream, slice_cstr(cases[i]), true, out) < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cut_encodes_the_same),
        cmocka_unit_test(test_every_cut_decodes_the_same),
        cmocka_unit_test(test_parts_and_line_ends),
        cmocka_unit_test(test_what_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
