/* test_targets.c - addresses that may be connected to: each has one place while a page names it, and a while longer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/process.h"
#include "common/base/slice.h"
#include "master/compile/target_places.h"
#include "shm/services.h"
#include "shm/targets.h"

#define SECOND INT64_C(1000000000)
#define ADDRESSES 64

static struct places {
    int fd; /* ours, of the same file */
    struct target_places *places;
    struct target *seen; /* as a worker has it */
} stand;

static struct address number(uint32_t n)
{
    struct address address = {.family = n % 2 ? 4 : 6, .port = (uint16_t)(n + 1)};

    memcpy(address.bytes, &n, sizeof(n));
    return address;
}

/* A page with one server that has the addresses first, first + 1, ... */
static struct page_builder *page_of(uint32_t first, uint32_t count)
{
    struct server_address addresses[ADDRESSES] = {0};
    struct server server = {.addresses = {addresses, count}};
    struct service service = {.servers = {&server, 1}};
    struct page_builder *builder = builder_new(PAGE_SERVICES);

    for (uint32_t i = 0; i < count; i++) {
        addresses[i].address = number(first + i);
    }
    services_build(builder, 0, 7, 1, &service, 1);
    return builder;
}

static struct target_hold *hold(uint32_t first, uint32_t count, uint32_t *places)
{
    struct page_builder *builder = page_of(first, count);
    struct target_hold *made = target_hold_page(stand.places, builder);
    struct services_cursor cursor = {.builder = builder};

    for (uint32_t i = 0; i < count; i++) {
        const struct server_address *address = services_next_address(&cursor);

        assert_non_null(address);
        assert_true(targets_hold(stand.seen, address->target, &address->address));
        places[i] = address->target;
    }
    assert_null(services_next_address(&cursor));
    builder_free(builder);
    return made;
}

static bool stands(uint32_t place, uint32_t n)
{
    struct address address = number(n);

    return targets_hold(stand.seen, place, &address);
}

static void sweep(int64_t seconds_from_now, int64_t unused)
{
    target_places_sweep(stand.places, process_clock_ns() + seconds_from_now * SECOND, unused * SECOND);
}

static void an_address_has_one_place(void **state)
{
    uint32_t a[4], b[4];

    (void)state;
    struct target_hold *first = hold(0, 4, a), *second = hold(2, 4, b);

    assert_int_equal(a[2], b[0]);
    assert_int_equal(a[3], b[1]);
    assert_int_not_equal(a[0], b[2]);
    target_hold_free(first);
    target_hold_free(second);
}

static void it_stays_while_it_is_held_and_a_while_longer(void **state)
{
    uint32_t a[2], b[2];

    (void)state;
    struct target_hold *first = hold(0, 2, a), *second = hold(1, 2, b);

    target_hold_free(first);
    sweep(299, 300);
    assert_true(stands(a[0], 0));
    sweep(301, 300);
    assert_false(stands(a[0], 0));
    assert_true(stands(a[1], 1) && stands(b[1], 2)); /* the second page names them */
    target_hold_free(second);
    sweep(301, 300);
    assert_false(stands(a[1], 1) || stands(b[1], 2));
}

static void places_are_used_again(void **state)
{
    uint32_t places[ADDRESSES];

    (void)state;
    for (uint32_t round = 0; round < 1000; round++) {
        target_hold_free(hold(round * ADDRESSES, ADDRESSES, places));
        sweep(1, 0);
        assert_true(places[ADDRESSES - 1] < 3 * ADDRESSES);
    }
}

static void no_byte_of_a_free_place_is_an_address(void **state)
{
    uint32_t places[ADDRESSES];
    struct target_hold *holds[40];
    struct stat st;

    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(holds); i++) {
        holds[i] = hold(i * ADDRESSES, ADDRESSES, places);
    }
    for (uint32_t i = 0; i < ARRAY_LEN(holds); i++) {
        target_hold_free(holds[i]);
    }
    sweep(1, 0);
    assert_int_equal(fstat(stand.fd, &st), 0);
    assert_int_equal(st.st_size % sysconf(_SC_PAGESIZE), 0);
    for (uint32_t place = 0; place < (size_t)st.st_size / sizeof(struct target); place++) {
        assert_int_equal(stand.seen[place].any.sa_family, 0xffff);
    }
}

static void another_master_takes_over(void **state)
{
    uint32_t a[3], b[2];
    struct error why;

    (void)state;
    target_hold_free(hold(5, 3, a));
    target_places_free(stand.places);
    assert_int_equal(target_places_open(dup(stand.fd), &stand.places, &why), 0);
    sweep(1000, 300); /* however long ago: it counts from here */
    struct target_hold *again = hold(6, 2, b);

    assert_int_equal(b[0], a[1]);
    assert_int_equal(b[1], a[2]);
    sweep(1299, 300);
    assert_true(stands(a[0], 5));
    sweep(1301, 300);
    assert_false(stands(a[0], 5));
    assert_true(stands(b[0], 6));
    target_hold_free(again);
}

static void what_is_not_there_is_not_held(void **state)
{
    struct address address = number(1);

    (void)state;
    assert_false(targets_hold(stand.seen, 0, &address));
    assert_false(targets_hold(stand.seen, targets_count(stand.seen), &address));
    assert_false(targets_hold(stand.seen, UINT32_MAX, &address));
}

static int set_up(void **state)
{
    struct error why;
    int fd;

    (void)state;
    if (targets_create(&stand.fd, &why) < 0 || targets_map(stand.fd, NULL, &stand.seen, &why) < 0) {
        return -1;
    }
    fd = dup(stand.fd);
    return target_places_open(fd, &stand.places, &why);
}

static int tear_down(void **state)
{
    (void)state;
    target_places_free(stand.places);
    targets_unmap(stand.seen);
    return close(stand.fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_address_has_one_place),  TEST(it_stays_while_it_is_held_and_a_while_longer),
        TEST(places_are_used_again),     TEST(no_byte_of_a_free_place_is_an_address),
        TEST(another_master_takes_over), TEST(what_is_not_there_is_not_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
