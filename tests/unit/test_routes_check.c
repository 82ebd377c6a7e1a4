/*
 * test_routes_check.c - a damaged routes page is refused, or harmless: no lookup leaves the page.
 *
 * The checksum is made right after each change, so routes_check() alone decides. Run under the address
 * sanitizer this shows that what it lets through stays in bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "shm/routes_inner.h"
#include "tests/unit/routes_image.h"

/* 0 when accepted (then it is also read from end to end). */
static int judge(char *image, size_t size)
{
    struct page *page = NULL;
    struct error why = {{0}};
    int rc;

    image_fix(image, size);
    if ((rc = page_adopt_memory(image, size, PAGE_ROUTES, &page, &why)) < 0) {
        return rc;
    }
    if ((rc = routes_check(page, &why)) == 0) {
        image_visit(page);
    } else {
        assert_true(why.text[0]);
    }
    page_unref(page);
    return rc;
}

static void a_good_page_is_accepted(void **state)
{
    size_t size;
    char *image = image_make(&size);

    (void)state;
    assert_int_equal(judge(image, size), 0);
    free(image);
}

static struct routes_root *root_of(char *image)
{
    struct page_header header;

    memcpy(&header, image, sizeof(header));
    return (struct routes_root *)(void *)(image + header.root);
}

static void tables_outside_are_refused(void **state)
{
    static const size_t tables[] = {
        offsetof(struct routes_root, routes),     offsetof(struct routes_root, sets),
        offsetof(struct routes_root, hosts),      offsetof(struct routes_root, host_slots),
        offsetof(struct routes_root, lengths),    offsetof(struct routes_root, nodes),
        offsetof(struct routes_root, node_slots), offsetof(struct routes_root, candidates),
        offsetof(struct routes_root, groups),     offsetof(struct routes_root, grams),
        offsetof(struct routes_root, programs),   offsetof(struct routes_root, checks),
    };
    size_t size;
    char *image = image_make(&size);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        struct list *list = (struct list *)(void *)((char *)root_of(image) + tables[i]), saved = *list;

        assert_true(saved.count > 0); /* the sample has one of each */
        list->items = (void *)(uintptr_t)size;
        assert_int_not_equal(judge(image, size), 0);
        list->items = (void *)((uintptr_t)saved.items + 1);
        assert_int_not_equal(judge(image, size), 0);
        list->items = (void *)(uintptr_t)8; /* the header */
        assert_int_not_equal(judge(image, size), 0);
        *list = saved;
        list->count = SIZE_MAX / 4;
        assert_int_not_equal(judge(image, size), 0);
        list->count = size;
        assert_int_not_equal(judge(image, size), 0);
        *list = saved;
    }
    free(image);
}

/* Each table's rows with a number that leads out of another table. */
static void numbers_out_of_range_are_refused(void **state)
{
    size_t size;
    char *image = image_make(&size);
    const struct routes_root *root = root_of(image);
#define ROW(table, type, field) (image + (uintptr_t)root->table.items + offsetof(type, field))
    struct {
        char *at;
        uint32_t value;
        bool wide; /* a 64-bit field */
    } changes[] = {
        {ROW(routes, struct route, entry_point_set), 1u << 20, false},
        {ROW(routes, struct route, rule.len), UINT32_MAX, true},
        {ROW(routes, struct route, name.ptr), UINT32_MAX, true},
        {ROW(routes, struct route, middlewares.count), UINT32_MAX, true},
        {ROW(routes, struct route, tls), 2, false},
        {ROW(hosts, struct route_host, kind), 3, false},
        {ROW(hosts, struct route_host, len), UINT32_MAX, false},
        {ROW(hosts, struct route_host, lengths_count), UINT32_MAX, false},
        {ROW(hosts, struct route_host, lengths_first), UINT32_MAX, false},
        {ROW(hosts, struct route_host, all), UINT32_MAX, false},
        {ROW(nodes, struct route_node, len), UINT32_MAX, false},
        {ROW(nodes, struct route_node, text), UINT32_MAX, true},
        {ROW(nodes, struct route_node, count), 0x7fffffff, false},
        {ROW(nodes, struct route_node, count), UINT32_MAX, false},
        {ROW(candidates, struct route_candidate, router), IMAGE_ROUTERS, false},
        {ROW(candidates, struct route_candidate, program), 1u << 24, false},
        {ROW(candidates, struct route_candidate, guard), 1u << 24, false},
        {ROW(groups, struct route_group, kind), 99, false},
        {ROW(groups, struct route_group, gram), 9, false},
        {ROW(groups, struct route_group, name.len), UINT32_MAX, true},
        {ROW(grams, struct route_gram, candidate.router), IMAGE_ROUTERS, false},
        {ROW(grams, struct route_gram, literal), UINT32_MAX, true},
        {ROW(checks, struct route_check, predicate), 200, false},
        {ROW(checks, struct route_check, value.len), UINT32_MAX, true},
        {image + (uintptr_t)root->programs.items + 4, PROGRAM_WORD(PROGRAM_CHECK, 1u << 20), false},
        {image + (uintptr_t)root->programs.items + 4, PROGRAM_WORD(PROGRAM_AND, 1u << 20), false},
        {image + (uintptr_t)root->programs.items, PROGRAM_WORD(PROGRAM_OR, 0), false},
        {(char *)(uintptr_t)&root->set_words, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        uint64_t saved, value = changes[i].value;

        memcpy(&saved, changes[i].at, 8);
        memcpy(changes[i].at, &value, changes[i].wide ? 8 : 4);
        if (judge(image, size) == 0) {
            fail_msg("change %zu is accepted", i);
        }
        memcpy(changes[i].at, &saved, 8);
    }
    assert_int_equal(judge(image, size), 0);
    free(image);
}

static void full_slots_are_refused(void **state)
{
    size_t size;
    char *image = image_make(&size);
    const struct routes_root *root = root_of(image);
    struct route_slot *slots = (struct route_slot *)(void *)(image + (uintptr_t)root->node_slots.items);

    (void)state;
    for (size_t i = 0; i < root->node_slots.count; i++) {
        slots[i].number = 1; /* a probe would never end */
    }
    assert_int_not_equal(judge(image, size), 0);
    free(image);
}

static void cut_pages_are_refused(void **state)
{
    size_t size;
    char *image = image_make(&size), *cut = malloc(size);

    (void)state;
    assert_non_null(cut);
    for (size_t len = 0; len < size; len += len < 256 ? 1 : 97) {
        memcpy(cut, image, len);
        if (len >= sizeof(struct page_header)) {
            assert_int_not_equal(judge(cut, len), 0);
        }
    }
    free(image);
    free(cut);
}

/* Every word of the page in turn, with values that tend to hurt. */
static void changed_words_do_no_harm(void **state)
{
    static const uint32_t values[] = {0, 1, 0x7fffffff, 0x80000001, UINT32_MAX};
    size_t size, refused = 0, tried = 0;
    char *image = image_make(&size);

    (void)state;
    for (size_t at = sizeof(struct page_header); at + 4 <= size; at += 4) {
        uint32_t saved, value = values[at / 4 % ARRAY_LEN(values)];

        memcpy(&saved, image + at, 4);
        value = value == saved ? saved + 1 : value;
        memcpy(image + at, &value, 4);
        refused += judge(image, size) < 0;
        tried++;
        memcpy(image + at, &saved, 4);
    }
    print_message("%zu of %zu changes refused\n", refused, tried);
    assert_true(refused > tried / 10);
    free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_page_is_accepted),
        cmocka_unit_test(tables_outside_are_refused),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(full_slots_are_refused),
        cmocka_unit_test(cut_pages_are_refused),
        cmocka_unit_test(changed_words_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
