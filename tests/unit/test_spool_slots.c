/* test_spool_slots.c - slots of the spool file: the lowest first, none twice, those given back are cleaned in runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>

#include "common/base/slice.h"
#include "worker/spool_slots.h"

#define MANY 3000u

static void take_many(struct spool_slots *slots, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(spool_slots_take(slots), i);
    }
}

static void test_lowest_free_slot_first(void **state)
{
    static const uint32_t given[] = {2999, 7, 64, 1000, 63};
    static const uint32_t taken[] = {7, 63, 64, 1000, 2999, 3000};
    struct spool_slots slots = {0};

    (void)state;
    take_many(&slots, MANY);
    for (size_t i = 0; i < ARRAY_LEN(given); i++) {
        spool_slots_give(&slots, given[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
        assert_int_equal(spool_slots_take(&slots), taken[i]);
    }
    assert_int_equal(slots.stale_count, 0); /* they are in use again */
    spool_slots_free(&slots);
}

static void test_cleaned_in_runs(void **state)
{
    struct spool_slots slots = {0};
    uint32_t first;

    (void)state;
    take_many(&slots, MANY);
    assert_int_equal(spool_slots_clean(&slots, 10, &first), 0);
    for (uint32_t slot = 60; slot < 70; slot++) {
        spool_slots_give(&slots, slot);
    }
    spool_slots_give(&slots, 2000);
    assert_int_equal(spool_slots_clean(&slots, 4, &first), 4);
    assert_int_equal(first, 60);
    assert_int_equal(spool_slots_take(&slots), 64); /* not one that is being cleaned */
    assert_int_equal(spool_slots_clean(&slots, 100, &first), 5);
    assert_int_equal(first, 65);
    assert_int_equal(spool_slots_clean(&slots, 100, &first), 1);
    assert_int_equal(first, 2000);
    assert_int_equal(spool_slots_clean(&slots, 100, &first), 0);
    spool_slots_cleaned(&slots, 60, 4);
    assert_int_equal(spool_slots_clean(&slots, 100, &first), 0); /* free, and not stale */
    assert_int_equal(spool_slots_take(&slots), 60);
    assert_int_equal(spool_slots_take(&slots), 61);
    spool_slots_cleaned(&slots, 65, 5);
    spool_slots_cleaned(&slots, 2000, 1);
    assert_int_equal(spool_slots_take(&slots), 62);
    spool_slots_free(&slots);
}

static void test_last_of_all_is_cleaned(void **state)
{
    struct spool_slots slots = {0};
    uint32_t first;

    (void)state;
    take_many(&slots, 1024); /* the bits end here */
    spool_slots_give(&slots, 1022);
    spool_slots_give(&slots, 1023);
    assert_int_equal(spool_slots_clean(&slots, 100, &first), 2);
    assert_int_equal(first, 1022);
    spool_slots_free(&slots);
}

/* Takes, gives back and cleans at random: a slot is never with two, and all become free again. */
static void test_never_with_two(void **state)
{
    static bool mine[MANY];
    struct spool_slots slots = {0};
    uint32_t seed = 1, held = 0, first, count;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t pick = (seed >> 8) % MANY;

        if (seed >> 31 && held < MANY) {
            uint32_t slot = spool_slots_take(&slots);

            assert_true(slot < MANY && !mine[slot]);
            mine[slot] = true;
            held++;
        } else if (mine[pick]) {
            spool_slots_give(&slots, pick);
            mine[pick] = false;
            held--;
        } else if ((count = spool_slots_clean(&slots, 1 + pick % 8, &first)) > 0) {
            for (uint32_t slot = first; slot < first + count; slot++) {
                assert_false(mine[slot]);
            }
            spool_slots_cleaned(&slots, first, count);
        }
    }
    for (uint32_t slot = 0; slot < MANY; slot++) {
        if (mine[slot]) {
            spool_slots_give(&slots, slot);
        }
    }
    while ((count = spool_slots_clean(&slots, 100, &first)) > 0) {
        spool_slots_cleaned(&slots, first, count);
    }
    assert_int_equal(slots.stale_count, 0);
    take_many(&slots, MANY);
    spool_slots_free(&slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lowest_free_slot_first),
        cmocka_unit_test(test_cleaned_in_runs),
        cmocka_unit_test(test_last_of_all_is_cleaned),
        cmocka_unit_test(test_never_with_two),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
