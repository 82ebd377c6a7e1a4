/* test_breaker.c - circuit breakers: when they open, what passes while they close again, what is counted for how long. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/rule/breaker_expression.h"
#include "shm/breaker.h"
#include "shm/tables.h"

#define SECOND INT64_C(1000000000)
#define MS INT64_C(1000000)
#define NOW (86400 * SECOND)

static const struct breaker_times times = {
    .check = 100 * MS, .fallback = 10 * SECOND, .recovery = 10 * SECOND};

static int set_up(void **state)
{
    *state = calloc(1, TABLE_BYTES);
    return *state == NULL;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

static void each_key_has_its_own(void **state)
{
    struct breaker *first = breaker_at(*state, 7), *other = breaker_at(*state, 8);

    assert_non_null(first);
    assert_ptr_equal(breaker_at(*state, 7), first);
    assert_ptr_not_equal(other, first);
    for (uint64_t key = 9; key < 13; key++) {
        assert_non_null(breaker_at(*state, key));
    }
    assert_null(breaker_at(*state, 13));
}

static void opens_and_closes(void **state)
{
    struct breaker *breaker = breaker_at(*state, 1);
    int64_t now = NOW;

    assert_true(breaker_passes(breaker, &times, now));
    breaker_record(breaker, 3, 5 * MS, now);
    breaker_open(breaker, &times, now);
    assert_int_equal(breaker_count(breaker, 0, now), 0); /* begins anew */
    assert_int_equal(breaker_latency_ms(breaker, 50, now), 0);
    assert_false(breaker_due(breaker, &times, now + SECOND));
    assert_false(breaker_passes(breaker, &times, now));
    assert_false(breaker_passes(breaker, &times, now + 10 * SECOND - MS));
    now += 10 * SECOND; /* half open from here on */
    for (int i = 0; i < 1000; i++) {
        assert_false(breaker_passes(breaker, &times, now));
    }
    breaker_open(breaker, &times, now + SECOND);
    assert_false(breaker_passes(breaker, &times, now + 10 * SECOND));
    now += 11 * SECOND;
    assert_false(breaker_passes(breaker, &times, now));
    assert_true(breaker_passes(breaker, &times, now + 10 * SECOND + MS));
    for (int i = 0; i < 10; i++) {
        assert_true(breaker_passes(breaker, &times, now + 10 * SECOND + 2 * MS));
    }
}

static void ramps_up_to_a_half(void **state)
{
    struct breaker *breaker = breaker_at(*state, 1);
    int64_t now = NOW, begin = now + times.fallback;
    int passed = 0, asked = 10000;

    breaker_open(breaker, &times, now);
    (void)breaker_passes(breaker, &times, begin);
    for (int i = 0; i < asked; i++) {
        int64_t at = begin + times.recovery / asked * i;

        passed += breaker_passes(breaker, &times, at);
        /* the share of all so far follows 0.5 * elapsed / recovery */
        assert_in_range(passed, i > 200 ? (uint64_t)(i * (i * 0.5 / asked)) - 2 : 0,
                        (uint64_t)(i * (i * 0.5 / asked)) + 2);
    }
}

static void counts_the_last_ten_seconds(void **state)
{
    struct breaker *breaker = breaker_at(*state, 1);

    for (int i = 0; i < 30; i++) {
        breaker_record(breaker, 1u << 0 | (i % 2 ? 1u << 15 : 0), -1, NOW + i * SECOND);
    }
    assert_int_equal(breaker_count(breaker, 0, NOW + 29 * SECOND), 10);
    assert_int_equal(breaker_count(breaker, 15, NOW + 29 * SECOND), 5);
    assert_int_equal(breaker_count(breaker, 1, NOW + 29 * SECOND), 0);
    assert_int_equal(breaker_count(breaker, 0, NOW + 34 * SECOND), 5);
    assert_int_equal(breaker_count(breaker, 0, NOW + 39 * SECOND), 0);
    assert_int_equal(breaker_count(breaker, 16, NOW + 29 * SECOND), 0);
}

static void one_looks_in_a_period(void **state)
{
    struct breaker *breaker = breaker_at(*state, 1);

    assert_true(breaker_due(breaker, &times, NOW));
    assert_false(breaker_due(breaker, &times, NOW));
    assert_false(breaker_due(breaker, &times, NOW + 100 * MS));
    assert_true(breaker_due(breaker, &times, NOW + 100 * MS + 1));
    assert_true(breaker_due(breaker, &times, NOW)); /* a clock or options that went back */
}

static void quantiles_have_two_digits(void **state)
{
    static const int64_t all_ms[] = {1, 9, 100, 255, 1000, 12345, 3600000};

    for (size_t i = 0; i < sizeof(all_ms) / sizeof(all_ms[0]); i++) {
        struct breaker *breaker = breaker_at(*state, 1);
        int64_t now = NOW + (int64_t)i * 70 * SECOND; /* a minute forgets */

        breaker_record(breaker, 1, all_ms[i] * MS, now);
        assert_in_range(breaker_latency_ms(breaker, 50, now + 40 * SECOND), all_ms[i], all_ms[i] * 1.01);
    }

    struct breaker *breaker = breaker_at(*state, 2);

    for (int i = 1; i <= 100; i++) {
        breaker_record(breaker, 1, i * 10 * MS, NOW + i * SECOND / 10);
    }
    breaker_record(breaker, 1, INT64_MAX, NOW); /* beyond what is told apart: no time of its own */
    for (int i = 10; i <= 100; i += 10) {
        assert_in_range(breaker_latency_ms(breaker, i, NOW + 10 * SECOND), i * 10, i * 10 * 1.01);
    }
    assert_int_equal(breaker_latency_ms(breaker, 0, NOW), 0);
    assert_in_range(breaker_latency_ms(breaker, 5000, NOW + 10 * SECOND), 1000, 1010);
}

static void *record_many(void *state)
{
    struct breaker *breaker = breaker_at(state, 1);

    for (int i = 0; i < 10000; i++) {
        breaker_record(breaker, 1, MS, NOW);
    }
    return NULL;
}

static void nothing_is_lost_between_workers(void **state)
{
    pthread_t threads[4];

    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, record_many, *state), 0);
    }
    for (int i = 0; i < 4; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    assert_in_range(breaker_count(breaker_at(*state, 1), 0, NOW), 39900, 40000);
}

/* ---- expressions ---- */

static uint64_t count(void *context, unsigned counter)
{
    return ((const uint64_t *)context)[counter];
}

static int64_t latency(void *context, double quantile)
{
    (void)context;
    return (int64_t)(quantile * 10);
}

static void expressions_hold_as_written(void **state)
{
    static const struct {
        const char *text;
        bool holds;
    } cases[] = {
        {"NetworkErrorRatio() > 0.19", true},
        {"NetworkErrorRatio()>0.2", false},
        {"NetworkErrorRatio() >= .2", true},
        {"NetworkErrorRatio() == 2e-1", true},
        {"NetworkErrorRatio() != 0.2", false},
        {"NetworkErrorRatio() < 1.", true},
        {"RequestThreshold() >= 10", true},
        {"RequestThreshold() > 10", false},
        {"RequestThreshold() <= 9 || RequestThreshold() == 10 && NetworkErrorRatio() > 0.1", true},
        {"(RequestThreshold() <= 9 || RequestThreshold() == 10) && NetworkErrorRatio() > 0.5", false},
        {"LatencyAtQuantileMS(50.0) > 499", true},
        {"LatencyAtQuantileMS( 99.9 ) > 999", false},
        {"ResponseCodeRatio(500, 600, 0, 600) > 0.29", true},
        {"ResponseCodeRatio(500,600,400,500) > 0.74", true},
        {"ResponseCodeRatio(100, 200, 700, 900) == 0.0", true},
    };
    uint64_t counts[BREAKER_COUNTERS] = {[BREAKER_REQUESTS] = 10, [BREAKER_NETWORK] = 2};
    struct pool *pool = pool_new(1024, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct breaker_facts facts = {count, latency, counts};
        struct breaker_program program;
        struct error why = {""};

        print_message("case %zu\n", i);
        assert_true(breaker_expression_compile(pool, slice_cstr(cases[i].text), &program, &why));
        for (unsigned k = BREAKER_RANGES; k < BREAKER_COUNTERS; k++) {
            counts[k] = 0;
        }
        for (unsigned status = 200; status < 600;
             status += 100) { /* 2 of 200, 1 of 300, 4 of 400, 3 of 500 */
            uint32_t bits = breaker_counters_of(program.ranges, status);

            assert_true(bits & 1u << BREAKER_REQUESTS);
            for (unsigned k = BREAKER_RANGES; k < BREAKER_COUNTERS; k++) {
                counts[k] += (bits >> k & 1) * (status == 200   ? 2
                                                : status == 300 ? 1
                                                : status == 400 ? 4
                                                                : 3);
            }
        }
        assert_int_equal(breaker_expression_holds(program.code, &facts), cases[i].holds);
    }
    assert_int_equal(breaker_counters_of(SLICE(""), 502), 1u << BREAKER_REQUESTS | 1u << BREAKER_NETWORK);
    assert_int_equal(breaker_counters_of(SLICE(""), 504), 1u << BREAKER_REQUESTS | 1u << BREAKER_NETWORK);
    assert_int_equal(breaker_counters_of(SLICE(""), 503), 1u << BREAKER_REQUESTS);
    pool_free(pool);
}

static void expressions_that_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "NetworkErrorRatio()",
        "NetworkErrorRatio() > 1",
        "NetworkErrorRatio() > -0.1",
        "NetworkErrorRatio() > 0.1.2",
        "NetworkErrorRatio() > 0x1p3",
        "NetworkErrorRatio(1) > 0.1",
        "NetworkErrorRatio() > 0.1 NetworkErrorRatio() > 0.1",
        "NetworkErrorRatio() > 0.1 &&",
        "NetworkErrorRatio() > 0.1 and NetworkErrorRatio() > 0.1",
        "!(NetworkErrorRatio() > 0.1)",
        "0.1 < NetworkErrorRatio()",
        "(NetworkErrorRatio() > 0.1",
        "RequestThreshold() > 1.0",
        "RequestThreshold() > 1e3",
        "RequestThreshold() > 9999999999999999",
        "LatencyAtQuantileMS(50) > 100",
        "LatencyAtQuantileMS(50.0) > 100.0",
        "LatencyAtQuantileMS() > 100",
        "ResponseCodeRatio(500, 600, 0) > 0.1",
        "ResponseCodeRatio(500, 600, 0, 600, 1) > 0.1",
        "ResponseCodeRatio(500, 600, 0, 600) > 1",
        "Other() > 1",
    };
    struct pool *pool = pool_new(1024, 0);
    struct slice many = SLICE("RequestThreshold() > 1");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct breaker_program program;
        struct error why = {""};

        print_message("case %zu\n", i);
        assert_false(breaker_expression_compile(pool, slice_cstr(texts[i]), &program, &why));
        assert_non_null(strstr(why.text, "expression: "));
    }
    for (int i = 0; i < 7; i++) {
        struct breaker_program program;
        struct error why;

        many = pool_printf(pool, "%.*s || ResponseCodeRatio(%d, 600, 0, %d) > 0.1", SLICE_ARG(many), i, i);
        assert_true(breaker_expression_compile(pool, many, &program, &why));
        assert_int_equal(program.ranges.len, (size_t)(2 * i + 2) * sizeof(struct breaker_range));
    }
    many = pool_printf(pool, "%.*s || ResponseCodeRatio(9, 9, 0, 0) > 0.1", SLICE_ARG(many));

    struct breaker_program program;
    struct error why;

    assert_false(breaker_expression_compile(pool, many, &program, &why));
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_key_has_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(opens_and_closes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ramps_up_to_a_half, set_up, tear_down),
        cmocka_unit_test_setup_teardown(counts_the_last_ten_seconds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_looks_in_a_period, set_up, tear_down),
        cmocka_unit_test_setup_teardown(quantiles_have_two_digits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_lost_between_workers, set_up, tear_down),
        cmocka_unit_test(expressions_hold_as_written),
        cmocka_unit_test(expressions_that_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
