/* test_in_flight.c - requests under way: exact over workers, given back by the dead, entries used again. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/slice.h"
#include "shm/in_flight.h"
#include "tests/unit/board_helper.h"

static struct table_ref table;

static int set_up(void **state)
{
    (void)board_set_up(state);
    for (unsigned slot = 0; slot < 40; slot++) {
        board_fold(*state, slot); /* as before a worker is started */
    }
    table = table_take(*state, 9, 1);
    return 0;
}

static uint64_t key(struct board *board, uint64_t number)
{
    return table_key(board, table, slice_of((const char *)&number, sizeof(number)));
}

static const unsigned workers[] = {0, 1, 14, 15, 16, 39};

static void so_many_and_no_more(void **state)
{
    struct in_flight held[6], none;
    uint64_t mine = key(*state, 1);

    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_LEN(workers); i++) {
            assert_true(in_flight_take(*state, table, workers[i], mine, 6, &held[i]));
        }
        for (size_t i = 0; i < ARRAY_LEN(workers); i++) {
            assert_false(in_flight_take(*state, table, workers[i], mine, 6, &none));
            assert_true(in_flight_take(*state, table, workers[i], key(*state, 2 + i), 1, &none)); /* others */
            in_flight_give(*state, workers[i], &none);
        }
        for (size_t i = 0; i < ARRAY_LEN(workers); i++) {
            in_flight_give(*state, workers[i], &held[i]);
            assert_true(in_flight_take(*state, table, 2, mine, 6, &none));
            in_flight_give(*state, 2, &none);
        }
    }
    assert_false(in_flight_take(*state, table, 0, mine, 0, &none));
}

static void the_dead_hold_nothing(void **state)
{
    struct in_flight held, mine;

    for (unsigned i = 0; i < 5; i++) {
        assert_true(in_flight_take(*state, table, 3, key(*state, 1), 6, &held));
    }
    assert_true(in_flight_take(*state, table, 4, key(*state, 1), 6, &mine));
    assert_false(in_flight_take(*state, table, 4, key(*state, 1), 6, &held));
    board_fold(*state, 3);
    for (unsigned i = 0; i < 5; i++) {
        assert_true(in_flight_take(*state, table, 3 + i % 2, key(*state, 1), 6, &held));
    }
    assert_false(in_flight_take(*state, table, 4, key(*state, 1), 6, &held));
}

static void entries_are_used_again(void **state)
{
    struct in_flight held;

    for (uint64_t i = 0; i < 100000; i++) {
        assert_true(in_flight_take(*state, table, (unsigned)(i % 30), key(*state, i), 1, &held));
        if (i % 10) {
            in_flight_give(*state, (unsigned)(i % 30), &held);
        } else {
            board_fold(*state, (unsigned)(i % 30)); /* died with it */
        }
    }
}

static void a_full_table_refuses(void **state)
{
    struct in_flight held;
    unsigned taken = 0;

    for (uint64_t i = 0; i < 20000; i++) {
        taken += in_flight_take(*state, table, 0, key(*state, i), 1, &held);
    }
    assert_in_range(taken, 7000, 8192);
    board_fold(*state, 0);
    assert_true(in_flight_take(*state, table, 0, key(*state, 30000), 1, &held));
}

static void a_freed_table_is_left_alone(void **state)
{
    struct in_flight held, next;

    assert_true(in_flight_take(*state, table, 0, 1 + TABLE_KEYS, 1, &held));
    board_sweep(*state, 2);
    table = table_take(*state, 9, 3);
    assert_true(in_flight_take(*state, table, 0, 1 + TABLE_KEYS, 1, &next));
    in_flight_give(*state, 0, &held);
    assert_false(in_flight_take(*state, table, 0, 1 + TABLE_KEYS, 1, &held));
}

static void rubbish_in_the_table(void **state)
{
    uint64_t *words = table_at(*state, table);
    struct in_flight held;

    for (size_t i = 0; i < TABLE_BYTES / sizeof(*words); i++) {
        words[i] = i % 3 ? i * 0x9e3779b97f4a7c15ULL : i % 200;
    }
    for (uint64_t i = 0; i < 1000; i++) {
        if (in_flight_take(*state, table, 0, key(*state, i), 5, &held)) {
            in_flight_give(*state, 0, &held);
        }
    }
}

/* ---- many at once ---- */

#define MOST 3

struct hand {
    struct board *board;
    unsigned worker;
    uint64_t keys[2];
    unsigned taken;
};

static _Atomic int under_way[2];
static _Atomic bool too_many;

static void *take_and_give(void *argument)
{
    struct hand *hand = argument;
    struct in_flight held;

    for (unsigned i = 0; i < 20000; i++) {
        unsigned which = i % 7 == 0;

        if (in_flight_take(hand->board, table, hand->worker, hand->keys[which], MOST, &held)) {
            hand->taken++;
            if (atomic_fetch_add(&under_way[which], 1) >= MOST) {
                atomic_store(&too_many, true);
            }
            atomic_fetch_sub(&under_way[which], 1);
            in_flight_give(hand->board, hand->worker, &held);
        }
    }
    return NULL;
}

static void never_one_too_many(void **state)
{
    struct hand hands[6];
    pthread_t threads[6];

    for (size_t i = 0; i < ARRAY_LEN(hands); i++) {
        hands[i] = (struct hand){*state, workers[i], {key(*state, 1), key(*state, 2)}, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &hands[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(hands); i++) {
        pthread_join(threads[i], NULL);
        assert_true(hands[i].taken > 0);
    }
    assert_false(atomic_load(&too_many));
    for (unsigned i = 0; i < MOST; i++) { /* all came back */
        struct in_flight held;

        assert_true(in_flight_take(*state, table, 0, key(*state, 1), MOST, &held));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(so_many_and_no_more, set_up, board_tear_down),
        cmocka_unit_test_setup_teardown(the_dead_hold_nothing, set_up, board_tear_down),
        cmocka_unit_test_setup_teardown(entries_are_used_again, set_up, board_tear_down),
        cmocka_unit_test_setup_teardown(a_full_table_refuses, set_up, board_tear_down),
        cmocka_unit_test_setup_teardown(a_freed_table_is_left_alone, set_up, board_tear_down),
        cmocka_unit_test_setup_teardown(rubbish_in_the_table, set_up, board_tear_down),
        cmocka_unit_test_setup_teardown(never_one_too_many, set_up, board_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
