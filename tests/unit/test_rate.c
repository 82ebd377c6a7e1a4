/* test_rate.c - tables of the board and the buckets in them: exact counts, extreme options, full tables, many at once. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "shm/rate.h"
#include "tests/unit/board_helper.h"

#define SECOND INT64_C(1000000000)
#define NOW (86400 * SECOND)

/* ---- tables ---- */

static void an_identity_keeps_its_table(void **state)
{
    struct table_ref first = table_take(*state, 7, 1), other = table_take(*state, 8, 1), again;
    uint64_t *words = table_at(*state, first);

    assert_ptr_not_equal(words, table_at(*state, other));
    words[5] = 99;
    again = table_take(*state, 7, 2);
    assert_memory_equal(&again, &first, sizeof(first));
    board_sweep(*state, 2);
    assert_int_equal(((uint64_t *)table_at(*state, first))[5], 99);
    assert_null(table_at(*state, other)); /* nobody names it */
    board_sweep(*state, 3);
    assert_null(table_at(*state, first));
    again = table_take(*state, 7, 4);
    assert_int_equal(((uint64_t *)table_at(*state, again))[5], 0); /* emptied */
}

static void a_freed_table_costs_nothing(void **state)
{
    long before = board_bytes();
    struct table_ref ref = table_take(*state, 7, 1);

    memset(table_at(*state, ref), 1, TABLE_BYTES);
    assert_true(board_bytes() >= before + (long)TABLE_BYTES);
    board_sweep(*state, 2);
    assert_true(board_bytes() < before + (128 << 10)); /* the directory was read */
}

static void more_than_there_are(void **state)
{
    for (uint64_t i = 1; i <= 10000; i++) {
        struct table_ref ref = table_take(*state, i * 0x9e3779b97f4a7c15ULL, 1);

        assert_non_null(table_at(*state, ref));
        if (i % 1000 == 0) {
            struct table_ref last = table_take(*state, (i - 1) * 0x9e3779b97f4a7c15ULL, 1);

            assert_int_not_equal(table_key(*state, ref, SLICE("a")), table_key(*state, last, SLICE("a")));
        }
    }
}

static void references_that_are_wrong(void **state)
{
    assert_null(table_at(*state, (struct table_ref){.slot = 0}));
    assert_null(table_at(*state, (struct table_ref){.slot = TABLE_SLOTS + 1}));
    assert_null(table_at(*state, (struct table_ref){.slot = UINT32_MAX}));
}

/* ---- rates ---- */

static void *table_of(struct board *board)
{
    return table_at(board, table_take(board, 1, 1));
}

static unsigned passed(const struct rate *rate, void *table, uint64_t key, int64_t from, int64_t step,
                       unsigned count)
{
    unsigned pass = 0;

    for (unsigned i = 0; i < count; i++) {
        pass += rate_take(rate, table, key, from + (int64_t)i * step).pass;
    }
    return pass;
}

static const struct {
    int64_t average, period, burst;
    int64_t delay; /* longest */
} options[] = {
    {1, SECOND, 1, SECOND / 2},      {100, SECOND, 1, SECOND / 200}, {100, SECOND, 200, SECOND / 200},
    {3, 60 * SECOND, 5, SECOND / 2}, {1000000, SECOND, 1, 500},      {1, 3600 * SECOND, 3, SECOND / 2},
    {7, SECOND, 1000, SECOND / 14},
};

/* After a burst at once, over any stretch: burst + average * time, and what may be held back. */
static void counts_are_exact(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        struct rate rate = rate_make(options[i].average, options[i].period, options[i].burst);
        void *table = table_of(*state);
        int64_t interval = options[i].period / options[i].average;
        unsigned once = passed(&rate, table, 100 * (i + 1) + 1000, NOW, 0, 5000);
        unsigned later;

        assert_int_equal(rate.max_delay_ns, options[i].delay);
        assert_in_range(once, options[i].burst, options[i].burst + 1);
        later = passed(&rate, table, 100 * (i + 1) + 1000, NOW, interval / 10, 10000);
        assert_in_range(once + later, options[i].burst + 999, options[i].burst + 1001);
    }
}

static void says_how_long(void **state)
{
    struct rate rate = rate_make(1, 10 * SECOND, 1);
    struct rate_verdict verdict = rate_take(&rate, table_of(*state), 5000, NOW);

    assert_true(verdict.pass);
    assert_int_equal(verdict.delay_ns, 0);
    verdict = rate_take(&rate, table_of(*state), 5000, NOW + SECOND);
    assert_false(verdict.pass);
    assert_int_equal(verdict.delay_ns, 9 * SECOND);
    verdict = rate_take(&rate, table_of(*state), 5000, NOW + 9 * SECOND + SECOND / 2 + 1);
    assert_true(verdict.pass);
    assert_int_equal(verdict.delay_ns, SECOND / 2 - 1);
}

static void extremes(void **state)
{
    static const int64_t values[] = {1, 2, 1000, 1000000000, INT64_C(1) << 40, INT64_MAX / 2, INT64_MAX};
    void *table = table_of(*state);
    uint64_t key = 10000;

    for (size_t a = 0; a < ARRAY_LEN(values); a++) {
        for (size_t p = 0; p < ARRAY_LEN(values); p++) {
            for (size_t b = 0; b < ARRAY_LEN(values); b++) {
                struct rate rate = rate_make(values[a], values[p], values[b]);

                assert_true(rate.interval >= 0 && rate.tolerance >= 0 && rate.max_delay_ns >= 0);
                if (rate.interval) {
                    int64_t most = values[b] < 1000 ? values[b] : 1000;

                    assert_true(passed(&rate, table, key, INT64_C(1) << 57, 0, 2000) >= most);
                    assert_true(rate_take(&rate, table, key, NOW).delay_ns >= 0);
                }
                key++;
            }
        }
    }
}

/* Whatever a worker that went wrong wrote there. */
static void rubbish_in_the_table(void **state)
{
    struct rate rate = rate_make(10, SECOND, 10);
    uint64_t *words = table_of(*state);

    for (size_t i = 0; i < TABLE_BYTES / sizeof(*words); i++) {
        words[i] = i % 2 ? (uint64_t)INT64_MAX >> i % 3 : i;
    }
    for (uint64_t key = 1000; key < 2000; key++) {
        assert_true(passed(&rate, words, key * 7919, NOW, SECOND, 10) >= 8);
    }
}

static void other_options_meanwhile(void **state)
{
    struct rate slow = rate_make(1, 3600 * SECOND, 100), fast = rate_make(100, SECOND, 1);

    assert_int_equal(passed(&slow, table_of(*state), 6000, NOW, 0, 200), 100);
    assert_int_equal(slow.shift, fast.shift);
    assert_false(rate_take(&fast, table_of(*state), 6000, NOW).pass);         /* empty, ... */
    assert_true(rate_take(&fast, table_of(*state), 6000, NOW + SECOND).pass); /* ... but not for 100 hours */
}

/* Sources that nobody counts any more give way, one that is counted does not. */
static void more_sources_than_entries(void **state)
{
    struct rate rate = rate_make(10, SECOND, 5);
    void *table = table_of(*state);
    uint64_t mine = 4242;

    for (uint64_t i = 0; i < 200000; i++) {
        struct slice source = slice_of((const char *)&i, sizeof(i));
        uint64_t key = table_key(*state, table_take(*state, 1, 1), source);

        assert_true(
            rate_take(&rate, table, key, NOW + (int64_t)i * 10000).pass); /* 100,000 a second: 20,000 live */
    }
    assert_int_equal(passed(&rate, table, mine, NOW + 3 * SECOND, 0, 10), 5);
}

/* ---- many at once ---- */

struct crowd {
    void *table;
    struct rate rate;
    _Atomic unsigned pass;
};

static void *take_many(void *argument)
{
    struct crowd *crowd = argument;

    for (unsigned i = 0; i < 20000; i++) {
        if (rate_take(&crowd->rate, crowd->table, 777 + i % 3 * 4096, NOW + i % 2).pass) {
            atomic_fetch_add(&crowd->pass, 1);
        }
    }
    return NULL;
}

static void many_at_once(void **state)
{
    struct crowd crowd = {.table = table_of(*state), .rate = rate_make(1, 3600 * SECOND, 10000)};
    pthread_t threads[4];

    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, &crowd), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&crowd.pass), 30000); /* three sources */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_identity_keeps_its_table, board_set_up, board_tear_down),
        cmocka_unit_test_setup_teardown(a_freed_table_costs_nothing, board_set_up, board_tear_down),
        cmocka_unit_test_setup_teardown(more_than_there_are, board_set_up, board_tear_down),
        cmocka_unit_test_setup_teardown(references_that_are_wrong, board_set_up, board_tear_down),
        cmocka_unit_test_setup_teardown(counts_are_exact, board_set_up, board_tear_down),
        cmocka_unit_test_setup_teardown(says_how_long, board_set_up, board_tear_down),
        cmocka_unit_test_setup_teardown(extremes, board_set_up, board_tear_down),
        cmocka_unit_test_setup_teardown(rubbish_in_the_table, board_set_up, board_tear_down),
        cmocka_unit_test_setup_teardown(other_options_meanwhile, board_set_up, board_tear_down),
        cmocka_unit_test_setup_teardown(more_sources_than_entries, board_set_up, board_tear_down),
        cmocka_unit_test_setup_teardown(many_at_once, board_set_up, board_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
