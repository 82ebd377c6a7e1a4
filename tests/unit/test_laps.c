/* test_laps.c - the stopwatch: which bucket, how many callbacks a lap has, what is judged by CPU time, how it is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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

static uint64_t sum(const _Atomic uint64_t *buckets)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < LAP_BUCKETS; i++) {
        all += buckets[i];
    }
    return all;
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
    for (int64_t end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + 5000000;
         clock_ns(CLOCK_THREAD_CPUTIME_ID) < end;) {
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_of_the_buckets),
        cmocka_unit_test(a_lap_has_few_callbacks),
        cmocka_unit_test(waiting_is_no_work),
        cmocka_unit_test(work_is),
        cmocka_unit_test(as_json),
    };

    return cmocka_run_group_tests_name("laps", tests, NULL, NULL);
}
