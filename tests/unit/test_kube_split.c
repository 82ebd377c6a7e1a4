/*
 * test_kube_split.c - items and members of lists and watches, whole and byte by byte; what is refused; what is too large.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "master/kube/split.h"

static void on_item(void *context, struct slice text)
{
    text_printf(context, "item %.*s\n", SLICE_ARG(text));
}

static void on_member(void *context, struct slice key, struct slice text)
{
    text_printf(context, "%.*s %.*s\n", SLICE_ARG(key), SLICE_ARG(text));
}

static void on_oversize(void *context, size_t length)
{
    text_printf(context, "oversize %zu\n", length);
}

static const struct split_handlers handlers = {on_item, on_member, on_oversize};

/* Everything that was found, and how it ended, fed in pieces of `step` bytes. */
static struct text run(enum split_shape shape, size_t limit, const char *input, size_t step)
{
    struct slice rest = slice_cstr(input);
    struct split split;
    struct error why;
    struct text out;
    int rc = 0;

    text_init(&out);
    text_add_cstr(&out, "");
    split_init(&split, shape, limit, &handlers, &out);
    while (rest.len > 0 && rc == 0) {
        rc = split_feed(&split, slice_head(rest, step), &why);
        rest = slice_from(rest, step);
    }
    text_add_cstr(&out, rc < 0 ? why.text : split_at_end(&split) ? "end" : "open");
    split_free(&split);
    return out;
}

struct one {
    enum split_shape shape;
    size_t limit;
    const char *input, *want;
};

static void expect_all(const struct one *cases, size_t count)
{
    static const size_t steps[] = {1000000, 1, 2, 3, 7};

    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < sizeof(steps) / sizeof(steps[0]); j++) {
            struct text got = run(cases[i].shape, cases[i].limit, cases[i].input, steps[j]);

            print_message("case %zu\n", i);
            assert_string_equal(got.ptr, cases[i].want);
            text_free(&got);
        }
    }
}

static void lists_are_given_item_by_item(void **state)
{
    static const struct one cases[] = {
        {SPLIT_LIST, 100,
         "{\"kind\":\"L\",\"metadata\":{\"continue\":\"x\"},\"items\":[{\"a\":1},{\"b\":[{}]}]}\n",
         "kind \"L\"\nmetadata {\"continue\":\"x\"}\nitem {\"a\":1}\nitem {\"b\":[{}]}\nend"},
        {SPLIT_LIST, 100, " { \"items\" : [ ] , \"n\" : 12 , \"t\":true}", "n 12\nt true\nend"},
        {SPLIT_LIST, 100, "{}", "end"},
        {SPLIT_LIST, 100, "{\"items\":null,\"x\":-1.5e3}", "items null\nx -1.5e3\nend"},
        {SPLIT_LIST, 100, "{\"items\":[1,\"two\",[3]],\"items\":[4]}",
         "item 1\nitem \"two\"\nitem [3]\nitem 4\nend"},
        {SPLIT_LIST, 100, "{\"items\":[{\"s\":\"}]\\\"\\\\\"},{\"t\":\"\\\\\"}]}",
         "item {\"s\":\"}]\\\"\\\\\"}\nitem {\"t\":\"\\\\\"}\nend"},
        {SPLIT_LIST, 100, "{\"a\\\"b\":{\"items\":[1]}}", "a\\\"b {\"items\":[1]}\nend"},
        {SPLIT_LIST, 100, "{\"items\":[{\"a\":1},{\"b\"", "item {\"a\":1}\nopen"},
        {SPLIT_LIST, 10, "{\"items\":[{\"long\":\"0123456789\"},{\"a\":1}],\"m\":\"0123456789\"}",
         "oversize 21\nitem {\"a\":1}\noversize 12\nend"},
    };

    (void)state;
    expect_all(cases, sizeof(cases) / sizeof(cases[0]));
}

static void watches_are_given_event_by_event(void **state)
{
    static const struct one cases[] = {
        {SPLIT_SEQUENCE, 100, "", "end"},
        {SPLIT_SEQUENCE, 100, "{\"type\":\"ADDED\"}\n{\"items\":[1,2]}\n{",
         "item {\"type\":\"ADDED\"}\nitem {\"items\":[1,2]}\nopen"},
        {SPLIT_SEQUENCE, 100, "{}{}", "item {}\nitem {}\nend"},
        {SPLIT_SEQUENCE, 4, "{}{\"a\":1}{}", "item {}\noversize 7\nitem {}\nend"},
    };

    (void)state;
    expect_all(cases, sizeof(cases) / sizeof(cases[0]));
}

static void other_things_are_refused(void **state)
{
    static const struct one cases[] = {
        {SPLIT_LIST, 100, "[1]", "malformed answer: byte 0x5b where an object is expected"},
        {SPLIT_LIST, 100, "{\"a\" 1}", "malformed answer: byte 0x31 where a colon is expected"},
        {SPLIT_LIST, 100, "{\"a\":}", "malformed answer: byte 0x7d where a value is expected"},
        {SPLIT_LIST, 100, "{\"a\":1 2}", "a 1\nmalformed answer: byte 0x32 where a comma is expected"},
        {SPLIT_LIST, 100, "{\"a\":1,}", "a 1\nmalformed answer: byte 0x7d where a key is expected"},
        {SPLIT_LIST, 100, "{\"items\":[1 2]}",
         "item 1\nmalformed answer: byte 0x32 where a comma is expected"},
        {SPLIT_LIST, 100, "{\"items\":[1,]}",
         "item 1\nmalformed answer: byte 0x5d where a value is expected"},
        {SPLIT_LIST, 100, "{}{}", "malformed answer: byte 0x7b where the end is expected"},
        {SPLIT_SEQUENCE, 100, "{} 1", "item {}\nmalformed answer: byte 0x31 where an object is expected"},
    };

    (void)state;
    expect_all(cases, sizeof(cases) / sizeof(cases[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_given_item_by_item),
        cmocka_unit_test(watches_are_given_event_by_event),
        cmocka_unit_test(other_things_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
