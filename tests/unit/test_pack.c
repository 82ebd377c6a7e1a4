/* test_pack.c - structs of a schema in a page: every kind comes out as it went in, every bad offset is refused. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "shm/page.h"
#include "tests/unit/sealed_page.h"

struct leaf {
    struct slice name;
    bool flag;
    struct opt_int size;
};

struct middle {
    struct list leaves; /* struct leaf */
    struct leaf *maybe;
};

struct whole {
    bool yes;
    int64_t number, wait;
    double share;
    struct opt_bool maybe_yes;
    struct opt_int maybe_number;
    struct slice text, choice;
    struct list texts;
    struct string_map pairs;
    struct regex_text regex, no_regex;
    struct list regexes;
    struct middle inside;
    struct middle *there, *absent;
    struct list middles;
    struct map by_name; /* struct leaf */
    struct doc *free_form;
    int64_t unnamed; /* no row: stays zero in the page */
};

#define F(type, field, field_kind, ...)                                                                      \
    {                                                                                                        \
        .name = #field, .kind = SCHEMA_##field_kind, .offset = offsetof(struct type, field), __VA_ARGS__     \
    }

static const struct schema_field leaf_fields[] = {
    F(leaf, name, STRING),
    F(leaf, flag, BOOL),
    F(leaf, size, OPT_INT),
};
static const struct schema leaf_schema = SCHEMA(struct leaf, "leaf", leaf_fields);

static const struct schema_field middle_fields[] = {
    F(middle, leaves, LIST, .sub = &leaf_schema),
    F(middle, maybe, OPTIONAL, .sub = &leaf_schema),
};
static const struct schema middle_schema = SCHEMA(struct middle, "middle", middle_fields);

static const struct schema_field whole_fields[] = {
    F(whole, yes, BOOL),
    F(whole, number, INT),
    F(whole, wait, DURATION),
    F(whole, share, DOUBLE),
    F(whole, maybe_yes, OPT_BOOL),
    F(whole, maybe_number, OPT_INT),
    F(whole, text, STRING),
    F(whole, choice, ENUM),
    F(whole, texts, STRINGS),
    F(whole, pairs, STRING_MAP),
    F(whole, regex, REGEX),
    F(whole, no_regex, REGEX),
    F(whole, regexes, REGEXES),
    F(whole, inside, STRUCT, .sub = &middle_schema),
    F(whole, there, OPTIONAL, .sub = &middle_schema),
    F(whole, absent, OPTIONAL, .sub = &middle_schema),
    F(whole, middles, LIST, .sub = &middle_schema),
    F(whole, by_name, MAP, .sub = &leaf_schema),
    F(whole, free_form, DOC),
};
static const struct schema whole_schema = SCHEMA(struct whole, "whole", whole_fields);

static struct leaf leaves[] = {
    {.name = SLICE_INIT("oak"), .flag = true, .size = {.value = -3, .set = true}},
    {.name = SLICE_INIT("elm")},
};
static struct slice texts[] = {SLICE_INIT("a"), SLICE_INIT(""), SLICE_INIT("a"), SLICE_INIT("bcd")};
static struct string_pair pairs[] = {{SLICE_INIT("k1"), SLICE_INIT("v1")},
                                     {SLICE_INIT("k2"), SLICE_INIT("")}};
static struct regex_text regexes[] = {{.pattern = SLICE_INIT("x+")}, {.pattern = SLICE_INIT("y+")}};
static struct middle middles[] = {
    {.leaves = {leaves, 2}, .maybe = &leaves[1]},
    {.leaves = {NULL, 0}},
    {.leaves = {leaves, 1}, .maybe = &leaves[0]},
};
static struct slice keys[] = {SLICE_INIT("one"), SLICE_INIT("two")};

static struct whole sample(void)
{
    return (struct whole){
        .yes = true,
        .number = INT64_MIN,
        .wait = 30000000000,
        .share = 0.25,
        .maybe_yes = {.set = true, .value = false},
        .maybe_number = {.set = true, .value = 9},
        .text = SLICE("hello"),
        .choice = SLICE("keep"),
        .texts = {texts, ARRAY_LEN(texts)},
        .pairs = {pairs, ARRAY_LEN(pairs)},
        .regex = {.pattern = SLICE("^a$")},
        .regexes = {regexes, ARRAY_LEN(regexes)},
        .inside = middles[0],
        .there = &middles[2],
        .middles = {middles, ARRAY_LEN(middles)},
        .by_name = {keys, leaves, ARRAY_LEN(keys)},
        .free_form = (struct doc *)(uintptr_t)0x1234567,
        .unnamed = 77,
    };
}

static struct page *sample_page(void)
{
    struct page_builder *builder = builder_new(PAGE_MIDDLEWARES);
    struct whole whole = sample();

    builder_set_root(builder, pack(builder, &whole_schema, &whole));
    return sealed_page(builder, PAGE_MIDDLEWARES);
}

static bool text_is(const struct page *page, struct slice stored, const char *want)
{
    return slice_eq(page_text(page, stored), slice_cstr(want));
}

static void leaf_is(const struct page *page, const struct leaf *got, const struct leaf *want)
{
    assert_true(slice_eq(page_text(page, got->name), want->name));
    assert_int_equal(got->flag, want->flag);
    assert_int_equal(got->size.set, want->size.set);
    assert_int_equal(got->size.value, want->size.value);
}

static void middle_is(const struct page *page, const struct middle *got, const struct middle *want)
{
    const struct leaf *items = page_at(page, got->leaves.items), *maybe = page_at(page, got->maybe);

    assert_int_equal(got->leaves.count, want->leaves.count);
    for (size_t i = 0; i < got->leaves.count; i++) {
        leaf_is(page, &items[i], (const struct leaf *)want->leaves.items + i);
    }
    assert_int_equal(maybe != NULL, want->maybe != NULL);
    if (maybe) {
        leaf_is(page, maybe, want->maybe);
    }
}

static void every_kind_comes_out_as_it_went_in(void **state)
{
    struct page *page = sample_page();
    const struct whole *got = page_root(page);
    struct error why = {""};

    (void)state;
    assert_int_equal(page_check(page, &whole_schema, page_offset(page, got), &why), 0);
    assert_true(got->yes);
    assert_true(got->number == INT64_MIN);
    assert_int_equal(got->wait, 30000000000);
    assert_true(fabs(got->share - 0.25) < 1e-9);
    assert_true(got->maybe_yes.set && !got->maybe_yes.value);
    assert_true(got->maybe_number.set && got->maybe_number.value == 9);
    assert_true(text_is(page, got->text, "hello"));
    assert_true(text_is(page, got->choice, "keep"));
    const struct slice *strings = page_at(page, got->texts.items);

    assert_int_equal(got->texts.count, 4);
    assert_true(text_is(page, strings[0], "a") && text_is(page, strings[1], "") &&
                text_is(page, strings[3], "bcd"));
    assert_ptr_equal(strings[0].ptr, strings[2].ptr);
    const struct string_pair *map = page_at(page, got->pairs.items);

    assert_int_equal(got->pairs.count, 2);
    assert_true(text_is(page, map[0].key, "k1") && text_is(page, map[0].value, "v1"));
    assert_true(text_is(page, map[1].key, "k2") && map[1].value.len == 0);
    const struct regex_text *list = page_at(page, got->regexes.items);

    assert_true(text_is(page, got->regex.pattern, "^a$"));
    assert_int_equal(got->no_regex.pattern.len, 0);
    assert_int_equal(got->regexes.count, 2);
    assert_true(text_is(page, list[1].pattern, "y+"));
    assert_int_not_equal(list[0].slot, list[1].slot);
    assert_int_not_equal(list[0].slot, got->regex.slot);
    middle_is(page, &got->inside, &middles[0]);
    middle_is(page, page_at(page, got->there), &middles[2]);
    assert_null(got->absent);
    const struct middle *items = page_at(page, got->middles.items);

    assert_int_equal(got->middles.count, 3);
    for (size_t i = 0; i < 3; i++) {
        middle_is(page, &items[i], &middles[i]);
    }
    const struct slice *names = page_at(page, got->by_name.keys);
    const struct leaf *values = page_at(page, got->by_name.values);

    assert_int_equal(got->by_name.count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(slice_eq(page_text(page, names[i]), keys[i]));
        leaf_is(page, &values[i], &leaves[i]);
    }
    assert_null(got->free_form);
    assert_int_equal(got->unnamed, 0);
    page_unref(page);
}

static void packing_twice_gives_the_same_bytes(void **state)
{
    struct page_builder *a = builder_new(PAGE_MIDDLEWARES), *b = builder_new(PAGE_MIDDLEWARES);
    struct whole whole = sample(), other = sample();

    (void)state;
    /* what lies between and behind the members must not show */
    memset((char *)&whole.maybe_number + 9, 0xaa, 7);
    memset((char *)&other.maybe_number + 9, 0x55, 7);
    memset((char *)&other.yes + 1, 0x55, 7);
    other.unnamed = 78;
    other.regex.slot = 1000;
    builder_set_root(a, pack(a, &whole_schema, &whole));
    builder_set_root(b, pack(b, &whole_schema, &other));
    assert_int_equal(builder_hash(a), builder_hash(b));
    builder_free(a);
    builder_free(b);
}

/* Reads all that an accepted page holds: with the address sanitizer, anything outside ends the test. */
static uint64_t read_text(const struct page *page, struct slice stored)
{
    struct slice text = page_text(page, stored);
    uint64_t sum = 0;

    for (size_t i = 0; i < text.len; i++) {
        sum += (unsigned char)text.ptr[i];
    }
    return sum;
}

static uint64_t read_leaf(const struct page *page, const struct leaf *leaf)
{
    return read_text(page, leaf->name) + leaf->flag + leaf->size.set;
}

static uint64_t read_middle(const struct page *page, const struct middle *middle)
{
    const struct leaf *items = page_at(page, middle->leaves.items), *maybe = page_at(page, middle->maybe);
    uint64_t sum = maybe ? read_leaf(page, maybe) : 0;

    for (size_t i = 0; i < middle->leaves.count; i++) {
        sum += read_leaf(page, &items[i]);
    }
    return sum;
}

static uint64_t read_whole(const struct page *page, const struct whole *whole)
{
    const struct slice *strings = page_at(page, whole->texts.items),
                       *names = page_at(page, whole->by_name.keys);
    const struct string_pair *map = page_at(page, whole->pairs.items);
    const struct regex_text *list = page_at(page, whole->regexes.items);
    const struct middle *items = page_at(page, whole->middles.items), *there = page_at(page, whole->there);
    const struct leaf *values = page_at(page, whole->by_name.values);
    uint64_t sum = read_text(page, whole->text) + read_text(page, whole->choice) +
                   read_middle(page, &whole->inside) + read_text(page, whole->regex.pattern) + whole->yes +
                   whole->maybe_yes.set + whole->maybe_yes.value;

    for (size_t i = 0; i < whole->texts.count; i++) {
        sum += read_text(page, strings[i]);
    }
    for (size_t i = 0; i < whole->pairs.count; i++) {
        sum += read_text(page, map[i].key) + read_text(page, map[i].value);
    }
    for (size_t i = 0; i < whole->regexes.count; i++) {
        sum += read_text(page, list[i].pattern);
    }
    for (size_t i = 0; i < whole->middles.count; i++) {
        sum += read_middle(page, &items[i]);
    }
    for (size_t i = 0; i < whole->by_name.count; i++) {
        sum += read_text(page, names[i]) + read_leaf(page, &values[i]);
    }
    return sum + (there ? read_middle(page, there) : 0);
}

static void no_damaged_word_leads_outside(void **state)
{
    struct page *page = sample_page();
    size_t size = page_size(page);
    char *bytes = malloc(size);
    const uint64_t wild[] = {1,
                             7,
                             63,
                             64,
                             size - 1,
                             size,
                             size + 8,
                             1ULL << 32,
                             1ULL << 60,
                             UINT64_MAX,
                             UINT64_MAX - 7,
                             0x0101010101010101,
                             0x0202020202020202};
    size_t refused = 0;
    uint64_t sum = 0;

    (void)state;
    assert_non_null(bytes);
    memcpy(bytes, ((struct page_base *)(void *)page)->base, size);
    page_unref(page);
    for (size_t at = sizeof(struct page_header); at + 8 <= size; at += 8) {
        uint64_t kept;

        memcpy(&kept, bytes + at, 8);
        for (size_t i = 0; i < ARRAY_LEN(wild); i++) {
            struct page *damaged;
            struct error why;

            memcpy(bytes + at, &wild[i], 8);
            ((struct page_header *)(void *)bytes)->checksum = page_checksum(bytes, size);
            assert_int_equal(page_adopt_memory(bytes, size, PAGE_MIDDLEWARES, &damaged, &why), 0);
            if (page_check(damaged, &whole_schema, page_offset(damaged, page_root(damaged)), &why) < 0) {
                refused++;
            } else {
                sum += read_whole(damaged, page_root(damaged));
            }
            page_unref(damaged);
        }
        memcpy(bytes + at, &kept, 8);
    }
    assert_true(refused > 200);
    assert_int_not_equal(sum, 0);
    free(bytes);
}

static int check_damaged(size_t field_offset, const void *value, size_t value_size, struct error *why)
{
    struct page *page = sample_page(), *damaged;
    size_t size = page_size(page);
    char *bytes = malloc(size);
    uint64_t root = page_offset(page, page_root(page));
    int rc;

    assert_non_null(bytes);
    memcpy(bytes, ((struct page_base *)(void *)page)->base, size);
    page_unref(page);
    memcpy(bytes + root + field_offset, value, value_size);
    ((struct page_header *)(void *)bytes)->checksum = page_checksum(bytes, size);
    assert_int_equal(page_adopt_memory(bytes, size, PAGE_MIDDLEWARES, &damaged, why), 0);
    rc = page_check(damaged, &whole_schema, root, why);
    page_unref(damaged);
    free(bytes);
    return rc;
}

static void each_kind_is_checked(void **state)
{
    static const uint64_t far = 1 << 20, three = 3, huge = UINT64_MAX / 16;
    static const uint32_t slot = 99;
    static const unsigned char two = 2;
    static const struct {
        const char *field;
        size_t offset;
        const void *value;
        size_t size;
    } cases[] = {
        {"whole.yes", offsetof(struct whole, yes), &two, 1},
        {"whole.maybe_yes", offsetof(struct whole, maybe_yes.value), &two, 1},
        {"whole.maybe_number", offsetof(struct whole, maybe_number.set), &two, 1},
        {"whole.text", offsetof(struct whole, text.ptr), &far, 8},
        {"whole.text", offsetof(struct whole, text.len), &far, 8},
        {"whole.choice", offsetof(struct whole, choice.len), &huge, 8},
        {"whole.texts", offsetof(struct whole, texts.items), &far, 8},
        {"whole.texts", offsetof(struct whole, texts.count), &huge, 8},
        {"whole.pairs", offsetof(struct whole, pairs.count), &far, 8},
        {"whole.regex", offsetof(struct whole, regex.slot), &slot, 4},
        {"whole.regexes", offsetof(struct whole, regexes.count), &huge, 8},
        {"whole.inside: middle.leaves", offsetof(struct whole, inside.leaves.count), &far, 8},
        {"whole.inside: middle.maybe", offsetof(struct whole, inside.maybe), &far, 8},
        {"whole.there", offsetof(struct whole, there), &three, 8},
        {"whole.absent", offsetof(struct whole, absent), &far, 8},
        {"whole.middles", offsetof(struct whole, middles.items), &three, 8},
        {"whole.by_name", offsetof(struct whole, by_name.keys), &far, 8},
        {"whole.by_name", offsetof(struct whole, by_name.values), &far, 8},
        {"whole.free_form", offsetof(struct whole, free_form), &far, 8},
    };
    struct error why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("case %zu: %s\n", i, cases[i].field);
        assert_int_equal(check_damaged(cases[i].offset, cases[i].value, cases[i].size, &why), -EBADMSG);
        assert_true(slice_has_prefix(slice_cstr(why.text), slice_cstr(cases[i].field)));
    }
}

static void a_struct_outside_is_refused(void **state)
{
    static const uint64_t offsets[] = {0, 8, 63, 65, 1 << 20, UINT64_MAX - 7};
    struct page *page = sample_page();
    struct error why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(offsets); i++) {
        assert_int_equal(page_check(page, &whole_schema, offsets[i], &why), -EBADMSG);
    }
    assert_int_equal(page_check(page, &whole_schema, (page_size(page) - 8) & ~7ULL, &why), -EBADMSG);
    page_unref(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_out_as_it_went_in),
        cmocka_unit_test(packing_twice_gives_the_same_bytes),
        cmocka_unit_test(no_damaged_word_leads_outside),
        cmocka_unit_test(each_kind_is_checked),
        cmocka_unit_test(a_struct_outside_is_refused),
    };

    return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
