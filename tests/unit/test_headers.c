/*
 * test_headers.c - known names, lists of fields, and the classes of bytes behind all parsers of HTTP.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/http/headers.h"
#include "common/http/scan.h"

static void every_name_has_its_id(void **state)
{
    char name[64];

    (void)state;
    for (unsigned id = 1; id < HEADER_IDS; id++) {
        struct slice known = header_name((enum header_id)id);

        print_message("case %u\n", id);
        for (int form = 0; form < 3; form++) { /* as it is, lower case, upper case */
            for (size_t i = 0; i < known.len; i++) {
                char c = known.ptr[i];
                bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

                name[i] = !letter || form == 0 ? c : (char)(form == 1 ? c | 0x20 : c & ~0x20);
            }
            assert_int_equal(header_id(slice_of(name, known.len)), id);
        }
        for (size_t i = 0; i < known.len; i++) { /* nearly the same is another */
            name[i] ^= 1;
            assert_int_not_equal(header_id(slice_of(name, known.len)), id);
            name[i] ^= 1;
        }
        memcpy(name, known.ptr, known.len);
        name[known.len] = 'x';
        assert_int_not_equal(header_id(slice_of(name, known.len + 1)), id);
        assert_int_not_equal(header_id(slice_of(name, known.len - 1)), id);
    }
}

static void lookalikes_are_other_names(void **state)
{
    static const struct slice names[] = {
        SLICE_INIT(""),
        SLICE_INIT("x"),
        SLICE_INIT("Hos"),
        SLICE_INIT("Host "),
        SLICE_INIT("Content_Length"),
        SLICE_INIT("Content\rLength"),
        SLICE_INIT("\x08ost"),
        SLICE_INIT("Transfer.Encoding"),
        SLICE_INIT("X-Forwarded-Fo"),
        SLICE_INIT("T\xc5"),
        SLICE_INIT("Ho\0t"),
        SLICE_INIT("A-name-that-is-longer-than-any-name-that-is-known-here-by-far"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        print_message("case %zu\n", i);
        assert_int_equal(header_id(names[i]), HEADER_OTHER);
    }
}

static void list_operations(void **state)
{
    struct pool *pool = pool_new(1024, 0);
    struct headers headers;
    char name[16];

    (void)state;
    headers_init(&headers, pool);
    assert_null(headers_get(&headers, HEADER_HOST));
    headers_add(&headers, SLICE("host"), SLICE("a"));
    headers_add(&headers, SLICE("X-Own"), SLICE("1"));
    headers_add(&headers, SLICE("x-own"), SLICE("2"));
    headers_add_id(&headers, HEADER_COOKIE, SLICE("c"));
    assert_true(slice_eq(headers_get(&headers, HEADER_HOST)->value, SLICE("a")));
    assert_true(slice_eq(headers_find(&headers, SLICE("X-OWN"))->value, SLICE("1")));
    assert_true(slice_eq(headers_find(&headers, SLICE("cookie"))->value, SLICE("c")));
    assert_null(headers_find(&headers, SLICE("X-Other")));

    assert_int_equal(headers_remove(&headers, SLICE("X-oWn")), 2);
    assert_int_equal(headers_remove(&headers, SLICE("X-oWn")), 0);
    assert_null(headers_find(&headers, SLICE("X-Own")));
    assert_int_equal(headers.count, 4); /* marked, not moved */

    headers_set(&headers, SLICE("COOKIE"), SLICE("d"));
    assert_true(slice_eq(headers_get(&headers, HEADER_COOKIE)->value, SLICE("d")));
    assert_int_equal(headers_remove_id(&headers, HEADER_COOKIE), 1);
    headers_set_id(&headers, HEADER_HOST, SLICE("b"));
    assert_true(slice_eq(headers_find(&headers, SLICE("Host"))->value, SLICE("b")));

    assert_false(headers_suppressed(&headers, HEADER_X_REAL_IP));
    headers_suppress(&headers, SLICE("x-real-ip"));
    assert_true(headers_suppressed(&headers, HEADER_X_REAL_IP));
    assert_null(headers_get(&headers, HEADER_X_REAL_IP));

    assert_true(headers_add_id(&headers, HEADER_UPGRADE, SLICE("x"))->flags & HEADER_HOP_BY_HOP);
    assert_true(headers_add(&headers, SLICE("te"), SLICE("x"))->flags & HEADER_HOP_BY_HOP);
    assert_false(headers_add(&headers, SLICE("tee"), SLICE("x"))->flags & HEADER_HOP_BY_HOP);

    for (int i = 0; i < 500; i++) { /* grows */
        snprintf(name, sizeof(name), "n%d", i);
        headers_add(&headers, pool_copy(pool, slice_cstr(name)), SLICE("v"));
    }
    assert_non_null(headers_find(&headers, SLICE("N0")));
    assert_non_null(headers_find(&headers, SLICE("N499")));
    pool_free(pool);
}

static void aliases(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } pairs[] = {
        {"X-Forwarded-For", "x_forwarded_for", true},
        {"X-Forwarded-For", "X.Forwarded-fOR", true},
        {"X-Forwarded-For", "X!Forwarded~fOR", true},
        {"X-Forwarded-For", "XForwardedFor", false},
        {"X-1", "X-!", false},
        {"X-Forwarded-For", "X-Forwarded-Fo", false},
        {"X-Forwarded-For", "X-Forwarded-Fos", false},
        {"a", "A", true},
        {"", "", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        print_message("case %zu\n", i);
        assert_int_equal(header_name_alias(slice_cstr(pairs[i].a), slice_cstr(pairs[i].b)), pairs[i].same);
        assert_int_equal(header_name_alias(slice_cstr(pairs[i].b), slice_cstr(pairs[i].a)), pairs[i].same);
    }
}

static void comma_lists(void **state)
{
    static const struct {
        const char *value, *token;
        bool has;
    } lists[] = {
        {"close", "close", true},      {"Close", "close", true},     {"keep-alive, close", "close", true},
        {" close\t,x", "close", true}, {",,close,,", "close", true}, {"closed", "close", false},
        {"close x", "close", false},   {"", "close", false},         {",", "close", false},
        {"a;close", "close", false},   {"a,b ,c", "b", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        print_message("case %zu\n", i);
        assert_int_equal(header_list_has(slice_cstr(lists[i].value), slice_cstr(lists[i].token)),
                         lists[i].has);
    }
}

static void canonical_names(void **state)
{
    static const struct {
        const char *name, *want;
    } names[] = {
        {"x-request-id", "X-Request-Id"},
        {"X-REQUEST-ID", "X-Request-Id"},
        {"X-Request-Id", "X-Request-Id"},
        {"a", "A"},
        {"x_y-z", "X_y-Z"},
        {"-a--b", "-A--B"},
        {"a b", "a b"},
        {"", ""},
    };
    struct pool *pool = pool_new(1024, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        print_message("case %zu\n", i);
        assert_true(
            slice_eq(header_name_canonical(pool, slice_cstr(names[i].name)), slice_cstr(names[i].want)));
    }
    pool_free(pool);
}

/* The table against the grammar, byte by byte; the wide scans against the table, at every position. */
static void bytes_have_their_classes(void **state)
{
    static const char token[] = "!#$%&'*+-.^_`|~", host[] = "!$%&()*+,-.:;=[]'_~", plain[] = "-_.~$&+,/:;=@",
                      path[] = "!'()*[]";
    char text[48];

    (void)state;
    for (unsigned b = 0; b < 256; b++) {
        char c = (char)b;
        bool digit = b >= '0' && b <= '9', hex = digit || ((b | 0x20) >= 'a' && (b | 0x20) <= 'f');
        bool alnum = b < 0x80 && (digit || ((b | 0x20) >= 'a' && (b | 0x20) <= 'z'));
#define LISTED(list) (b != 0 && strchr(list, c) != NULL)
        bool is_plain = alnum || LISTED(plain);

        assert_int_equal(scan_is(c, SCAN_TOKEN), alnum || LISTED(token));
        assert_int_equal(scan_is(c, SCAN_HOST), alnum || LISTED(host));
        assert_int_equal(scan_is(c, SCAN_HOST_PLAIN),
                         (alnum || LISTED(host)) && c != ':' && c != '[' && !(c >= 'A' && c <= 'Z'));
        assert_int_equal(scan_is(c, SCAN_PLAIN), is_plain);
        assert_int_equal(scan_is(c, SCAN_PATH), is_plain || LISTED(path));
        assert_int_equal(scan_is(c, SCAN_HEX), hex && b < 0x80);
        assert_int_equal(scan_is(c, SCAN_VALUE), b == '\t' || (b >= 0x20 && b != 0x7f));
        assert_int_equal(scan_is(c, SCAN_TARGET), b > 0x20 && b != 0x7f);
        for (size_t at = 0; at < 40; at++) {
            memset(text, 'a', sizeof(text));
            text[at] = c;
            assert_ptr_equal(scan_token(text, text + 40), scan_is(c, SCAN_TOKEN) ? text + 40 : text + at);
            assert_ptr_equal(scan_value(text, text + 40), scan_is(c, SCAN_VALUE) ? text + 40 : text + at);
            assert_ptr_equal(scan_target(text, text + 40), scan_is(c, SCAN_TARGET) ? text + 40 : text + at);
        }
    }
    assert_true(header_name_valid(SLICE("X-a_b")));
    assert_false(header_name_valid(SLICE("")));
    assert_false(header_name_valid(SLICE("a b")));
    assert_true(header_value_valid(SLICE("")));
    assert_true(header_value_valid(SLICE("a\tb \xff")));
    assert_false(header_value_valid(SLICE("a\nb")));
}

/* Raw lines stay raw ones; names of the table and values from elsewhere are no exception. */
static void texts_of_its_own(void **state)
{
    struct pool *pool = pool_new(256, 0);
    struct headers headers;
    char read[] = "X-A:  one\r\nX-B: two\r\n";
    const size_t first = sizeof("X-A:  one\r\n") - 1;

    (void)state;
    headers_init(&headers, pool);
    headers_add(&headers, slice_of(read, 3), slice_of(read + 6, 3));
    headers.items[0].flags |= HEADER_RAW_LINE;
    headers.items[0].line_len = (uint32_t)first;
    headers_add(&headers, slice_of(read + first, 3), slice_of(read + first + 5, 3));
    headers_add_id(&headers, HEADER_VARY, SLICE(""));
    headers_own(&headers);
    memset(read, '#', sizeof(read));
    assert_true(
        slice_eq(slice_of(headers.items[0].name.ptr, headers.items[0].line_len), SLICE("X-A:  one\r\n")));
    assert_true(slice_eq(headers.items[0].name, SLICE("X-A")) &&
                slice_eq(headers.items[0].value, SLICE("one")));
    assert_true(slice_eq(headers.items[1].name, SLICE("X-B")) &&
                slice_eq(headers.items[1].value, SLICE("two")));
    assert_true(slice_eq(headers.items[2].name, SLICE("Vary")) && headers.items[2].value.len == 0);
    pool_free(pool);
}

static void known_fields_are_added_together(void **state)
{
    struct pool *pool = pool_new(256, 0);
    struct headers headers;
    struct known_field fields[20];

    (void)state;
    headers_init(&headers, pool);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        fields[i] =
            (struct known_field){i % 2 ? HEADER_X_REAL_IP : HEADER_UPGRADE, i % 3 ? SLICE("a") : SLICE("")};
    }
    headers_add_known(&headers, fields, 0);
    assert_int_equal(headers.count, 0);
    for (size_t round = 0; round < 3; round++) { /* past the first room for items */
        headers_add_known(&headers, fields, ARRAY_LEN(fields));
    }
    assert_int_equal(headers.count, 3 * ARRAY_LEN(fields));
    assert_true(headers.ids == (HEADER_BIT(HEADER_X_REAL_IP) | HEADER_BIT(HEADER_UPGRADE)));
    for (size_t i = 0; i < headers.count; i++) {
        const struct known_field *field = &fields[i % ARRAY_LEN(fields)];
        const struct header *item = &headers.items[i];

        assert_int_equal(item->id, field->id);
        assert_true(slice_eq(item->name, header_name(field->id)) && slice_eq(item->value, field->value));
        assert_int_equal(item->flags, HEADER_SAFE | header_flags_of(field->id));
    }
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_fields_are_added_together),
        cmocka_unit_test(every_name_has_its_id),
        cmocka_unit_test(lookalikes_are_other_names),
        cmocka_unit_test(list_operations),
        cmocka_unit_test(aliases),
        cmocka_unit_test(comma_lists),
        cmocka_unit_test(canonical_names),
        cmocka_unit_test(bytes_have_their_classes),
        cmocka_unit_test(texts_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
