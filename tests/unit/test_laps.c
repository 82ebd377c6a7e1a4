/* test_laps.c - the stopwatch: which bucket, how many callbacks a lap has, what is judged by CPU
 * time, which laps are kept, how they are shown. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "worker/stopwatch.h"

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static uint64_t sum_from(const _Atomic uint64_t *buckets, unsigned first)
{
    uint64_t all = 0;

    for (unsigned i = first; i < LAP_BUCKETS; i++) {
        all += buckets[i];
    }
    return all;
}

static uint64_t sum(const _Atomic uint64_t *buckets)
{
    return sum_from(buckets, 0);
}

static void spin(int64_t ns)
{
    int64_t end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + ns;

    while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < end) {
    }
}

static void bounds_of_the_buckets(void **state)
{
    static const struct {
        int64_t ns;
        unsigned bucket;
    } cases[] = {{-5, 0},
                 {0, 0},
                 {65535, 0},
                 {65536, 1},
                 {131071, 1},
                 {131072, 2},
                 {2097151, 5},
                 {2097152, 6},
                 {1 << 29, 14},
                 {INT64_C(1) << 30, 15},
                 {INT64_C(1) << 31, 15},
                 {INT64_MAX, 15}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(lap_bucket(cases[i].ns), cases[i].bucket);
    }
}

static void a_lap_has_few_callbacks(void **state)
{
    struct laps laps = {.wall = {0}};
    struct stopwatch watch = {.laps = &laps};

    (void)state;
    stopwatch_begin(&watch, clock_ns(CLOCK_MONOTONIC));
    for (int i = 0; i < 2 * LAP_CALLS + 1; i++) {
        stopwatch_called(&watch, LAP_CLIENT);
    }
    assert_int_equal(sum(laps.wall), 2);
    stopwatch_lap(&watch); /* the end of the turn */
    stopwatch_lap(&watch); /* nothing was called: no lap */
    assert_int_equal(sum(laps.wall), 3);
    assert_int_equal(laps.longest.kinds, 1u << LAP_CLIENT);
}

static void waiting_is_no_work(void **state)
{
    struct laps laps = {.wall = {0}};
    struct stopwatch watch = {.laps = &laps};
    struct timespec pause = {.tv_nsec = 20000000};

    (void)state;
    stopwatch_begin(&watch, clock_ns(CLOCK_MONOTONIC));
    nanosleep(&pause, NULL);
    stopwatch_end(&watch, LAP_TIMER);
    assert_true(laps.longest.ns >= 20000000);
    assert_true(laps.busiest.ns < 20000000);
    assert_int_equal(sum(laps.cpu), 1);
    assert_int_equal(laps.longest.kinds, 1u << LAP_TIMER);
}

static void work_is(void **state)
{
    struct laps laps = {.wall = {0}};
    struct stopwatch watch = {.laps = &laps};

    (void)state;
    stopwatch_begin(&watch, clock_ns(CLOCK_MONOTONIC));
    spin(5000000);
    stopwatch_end(&watch, LAP_GENERATION);
    assert_true(laps.busiest.ns >= 5000000);
    assert_true(laps.busiest.ns <= laps.longest.ns);
    assert_int_equal(laps.busiest.kinds, 1u << LAP_GENERATION);
    assert_int_equal(sum(laps.cpu), 1);
}

static void as_json(void **state)
{
    struct laps laps = {.wall = {3, 0, 1}, .cpu = {[15] = 2}};
    struct text text;

    (void)state;
    laps.longest.ns = 1500;
    laps.longest.kinds = 1u << LAP_CLIENT | 1u << LAP_UPSTREAM;
    text_init(&text);
    laps_json(&laps, &text);
    assert_string_equal(
        text.ptr, "{\"wall\":[3,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0],\"cpu\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,2],"
                  "\"longest\":{\"us\":1.5,\"in\":[\"client\",\"upstream\"]},"
                  "\"busiest\":{\"us\":0.0,\"in\":[]}}");
    text_free(&text);
}

static int over(const struct laps *laps)
{
    struct text text;
    int found = 0;

    text_init(&text);
    for (unsigned i = 0; i < LAPS_OVER; i++) {
        found += lap_over_json(&laps->over[i], &text);
    }
    text_free(&text);
    return found;
}

static void only_what_was_over_2_ms_is_kept(void **state)
{
    struct laps laps = {.wall = {0}};
    struct stopwatch watch = {.laps = &laps};
    struct timespec pause = {.tv_nsec = 3000000};

    (void)state;
    stopwatch_begin(&watch, clock_ns(CLOCK_MONOTONIC));
    nanosleep(&pause, NULL);
    stopwatch_end(&watch, LAP_TIMER);
    assert_int_equal(over(&laps), sum_from(laps.cpu, lap_bucket(LAP_OVER_NS)));

    int before = over(&laps);
    int64_t began = clock_ns(CLOCK_MONOTONIC);

    spin(5000000);
    stopwatch_end(&watch, LAP_GENERATION);
    assert_int_equal(over(&laps), before + 1);

    const struct lap_over *lap = &laps.over[before];

    assert_true(lap->cpu_ns >= 5000000 && lap->cpu_ns <= lap->wall_ns);
    assert_true((int64_t)lap->ended_ns >= began + 5000000 &&
                (int64_t)lap->ended_ns <= clock_ns(CLOCK_MONOTONIC));
    assert_int_equal(lap->kinds, 1u << LAP_GENERATION);
}

static void the_last_ones_are_kept(void **state)
{
    struct laps laps = {.wall = {0}};
    bool found[3 * LAPS_OVER + 1] = {false};

    (void)state;
    for (int64_t ended = 1; ended <= 3 * LAPS_OVER; ended++) {
        lap_over_note(&laps, ended, 10 * ended, 5 * ended, 1u << LAP_WORK);
        assert_int_equal(over(&laps), ended < LAPS_OVER ? ended : LAPS_OVER);
    }
    for (unsigned i = 0; i < LAPS_OVER; i++) {
        assert_int_equal(laps.over[i].wall_ns, 10 * laps.over[i].ended_ns);
        found[laps.over[i].ended_ns] = true;
    }
    for (unsigned ended = 2 * LAPS_OVER + 1; ended <= 3 * LAPS_OVER; ended++) {
        assert_true(found[ended]);
    }
}

static void one_whose_writer_died_in_the_middle_is_not_shown(void **state)
{
    struct laps laps = {.wall = {0}};

    (void)state;
    for (int64_t ended = 1; ended <= LAPS_OVER; ended++) {
        lap_over_note(&laps, ended, 9000000, 8000000, 1u << LAP_CLIENT);
    }
    laps.over[5].ended_ns = 0;
    assert_int_equal(over(&laps), LAPS_OVER - 1);
    lap_over_note(&laps, LAPS_OVER + 1, 7000000, 6000000, 1u << LAP_CLIENT); /* goes there */
    assert_int_equal(over(&laps), LAPS_OVER);
    assert_int_equal(laps.over[5].ended_ns, LAPS_OVER + 1);
}

static void *write_many(void *laps)
{
    for (int64_t ended = 1; ended <= 300000; ended++) {
        lap_over_note(laps, ended * 1000, ended * 10000, ended * 5000, 1u << LAP_WORK);
    }
    return NULL;
}

static void readers_see_whole_ones(void **state)
{
    struct laps laps = {.wall = {0}};
    static const char format[] = "{\"us\":%lf,\"in\":[\"work\"],\"wallUs\":%lf,\"endedUs\":%lf}";
    struct text text;
    pthread_t writer;
    double us, wall, ended = 0;

    (void)state;
    text_init(&text);
    assert_int_equal(pthread_create(&writer, NULL, write_many, &laps), 0);
    while (ended < 300000) {
        for (unsigned i = 0; i < LAPS_OVER; i++) {
            text_clear(&text);
            if (lap_over_json(&laps.over[i], &text)) {
                assert_int_equal(sscanf(text.ptr, format, &us, &wall, &ended), 3);
                assert_true(us == 5 * ended && wall == 10 * ended);
            }
        }
    }
    (void)pthread_join(writer, NULL);
    text_free(&text);
}

static void those_over_2_ms_as_json(void **state)
{
    struct laps laps = {.wall = {0}};
    struct text text;

    (void)state;
    lap_over_note(&laps, 81234567890, 2600000, 2500000, 1u << LAP_CLIENT | 1u << LAP_CLOSE);
    lap_over_note(&laps, 81234600000, 4000000, 3000070, 1u << LAP_WORK);
    text_init(&text);
    for (unsigned i = 0; i < LAPS_OVER; i++) {
        assert_int_equal(lap_over_json(&laps.over[i], &text), i < 2);
    }
    assert_string_equal(text.ptr, "{\"us\":2500.0,\"in\":[\"client\",\"close\"],"
                                  "\"wallUs\":2600.0,\"endedUs\":81234567.9},"
                                  "{\"us\":3000.1,\"in\":[\"work\"],"
                                  "\"wallUs\":4000.0,\"endedUs\":81234600.0}");
    text_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_of_the_buckets),
        cmocka_unit_test(a_lap_has_few_callbacks),
        cmocka_unit_test(waiting_is_no_work),
        cmocka_unit_test(work_is),
        cmocka_unit_test(as_json),
        cmocka_unit_test(only_what_was_over_2_ms_is_kept),
        cmocka_unit_test(the_last_ones_are_kept),
        cmocka_unit_test(one_whose_writer_died_in_the_middle_is_not_shown),
        cmocka_unit_test(readers_see_whole_ones),
        cmocka_unit_test(those_over_2_ms_as_json),
    };

    return cmocka_run_group_tests_name("laps", tests, NULL, NULL);
}
