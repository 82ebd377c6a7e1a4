/* test_timers.c - the wheel: never early, at most a tick late, moved deadlines, callbacks that set and remove timers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/slice.h"
#include "worker/stopwatch.h"
#include "worker/timers.h"

#define TICK TIMER_TICK_NS
#define SECOND (10 * TICK)

struct probe {
    struct timer timer; /* first */
    int fired;
    int64_t fired_at;
};

static struct timers *timers;
static int64_t now;

static void on_fire(struct timer *timer)
{
    struct probe *probe = (struct probe *)timer;

    probe->fired++;
    probe->fired_at = now;
}

static int setup(void **state)
{
    (void)state;
    now = 1000 * SECOND + 12345;
    timers = timers_new(now);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    timers_free(timers);
    return 0;
}

/* A run may end early when somebody else gets the processor in the middle: the next one goes on. */
static void run_all(void)
{
    do {
        timers_run(timers, now);
    } while (timers_patience(timers, now) == 0);
}

static void run_until(int64_t end, int64_t step)
{
    while (now < end) {
        now += step;
        run_all();
    }
}

static struct probe probe_new(void)
{
    return (struct probe){.timer = {.fire = on_fire}};
}

static void fires_once_and_in_time(void **state)
{
    static const int64_t delays[] = {0,           1,           TICK - 1,     TICK,         TICK + 1,
                                     SECOND,      60 * SECOND, 102 * SECOND, 103 * SECOND, 180 * SECOND,
                                     600 * SECOND};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
        struct probe probe = probe_new();
        int64_t deadline = now + delays[i];

        timer_set(timers, &probe.timer, deadline);
        run_until(deadline + 3 * TICK, TICK / 3);
        print_message("delay %lld\n", (long long)delays[i]);
        assert_int_equal(probe.fired, 1);
        assert_true(probe.fired_at >= deadline);
        assert_true(probe.fired_at <= deadline + 2 * TICK);
        assert_int_equal(timers_patience(timers, now), -1);
    }
}

static void a_deadline_moved_away_is_one_store(void **state)
{
    struct probe probe = probe_new();
    struct timer *neighbour;

    (void)state;
    timer_set(timers, &probe.timer, now + SECOND);
    neighbour = probe.timer.next;
    for (int i = 0; i < 100; i++) { /* as requests on a connection do */
        run_until(now + TICK / 2, TICK / 2);
        timer_set(timers, &probe.timer, now + SECOND + (int64_t)i);
    }
    assert_int_equal(probe.fired, 0);
    timer_set(timers, &probe.timer, now + 5 * SECOND);
    neighbour = probe.timer.next;
    timer_set(timers, &probe.timer, now + 50 * SECOND);
    assert_ptr_equal(probe.timer.next, neighbour);
    run_until(now + 51 * SECOND, TICK);
    assert_int_equal(probe.fired, 1);
}

static void a_deadline_moved_nearer_holds(void **state)
{
    struct probe probe = probe_new();

    (void)state;
    timer_set(timers, &probe.timer, now + 90 * SECOND);
    timer_set(timers, &probe.timer, now + SECOND);
    run_until(now + SECOND + 2 * TICK, TICK);
    assert_int_equal(probe.fired, 1);
}

static void never_sleeps_and_removed_is_gone(void **state)
{
    struct probe asleep = probe_new(), removed = probe_new();

    (void)state;
    timer_set(timers, &asleep.timer, now + SECOND);
    timer_set(timers, &asleep.timer, TIMER_NEVER);
    timer_set(timers, &removed.timer, now + SECOND);
    timer_remove(timers, &removed.timer);
    timer_remove(timers, &removed.timer);
    run_until(now + 10 * SECOND, TICK);
    assert_int_equal(asleep.fired, 0);
    assert_int_equal(removed.fired, 0);
    assert_int_equal(timers_patience(timers, now), -1);
}

static struct probe *victim, *again;

static void on_fire_meddle(struct timer *timer)
{
    on_fire(timer);
    timer_remove(timers, &victim->timer);
    timer_set(timers, &again->timer, now); /* due now: in the next tick, not in an endless loop */
}

static void callbacks_may_meddle(void **state)
{
    struct probe first = probe_new(), second = probe_new(), third = probe_new();

    (void)state;
    first.timer.fire = on_fire_meddle;
    victim = &second;
    again = &third;
    timer_set(timers, &first.timer, now + SECOND);
    timer_set(timers, &second.timer, now + SECOND);
    run_until(now + 2 * SECOND, TICK);
    assert_int_equal(first.fired, 1);
    assert_int_equal(second.fired, 0);
    assert_int_equal(third.fired, 1);
}

static void time_may_jump(void **state)
{
    struct probe probes[3] = {probe_new(), probe_new(), probe_new()};

    (void)state;
    timer_set(timers, &probes[0].timer, now + SECOND);
    timer_set(timers, &probes[1].timer, now + 50 * SECOND);
    timer_set(timers, &probes[2].timer, now + 100000 * SECOND);
    now += 5000 * SECOND; /* the machine slept */
    run_all();
    assert_int_equal(probes[0].fired, 1);
    assert_int_equal(probes[1].fired, 1);
    assert_int_equal(probes[2].fired, 0);
    timer_remove(timers, &probes[2].timer);
}

static void many_at_random(void **state)
{
    enum { COUNT = 500, STEPS = 4000 };
    static struct probe probes[COUNT];
    static int64_t deadlines[COUNT];
    unsigned seed = 7;

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        probes[i] = probe_new();
        deadlines[i] = TIMER_NEVER;
    }
    for (int step = 0; step < STEPS; step++) {
        int i = rand_r(&seed) % COUNT;

        if (rand_r(&seed) % 8 == 0) {
            timer_remove(timers, &probes[i].timer);
            deadlines[i] = TIMER_NEVER;
        } else {
            deadlines[i] = now + rand_r(&seed) % (150 * SECOND);
            timer_set(timers, &probes[i].timer, deadlines[i]);
        }
        probes[i].fired = 0;
        now += rand_r(&seed) % (TICK * 2);
        run_all();
        for (int k = 0; k < COUNT; k++) {
            if (probes[k].fired) {
                assert_true(deadlines[k] <= now);
                deadlines[k] = TIMER_NEVER;
                probes[k].fired = 0;
            }
            assert_true(deadlines[k] > now - 2 * TICK); /* else it is overdue */
        }
    }
}

static void on_fire_slowly(struct timer *timer)
{
    int64_t until = process_clock_ns() + PIECE_NS;

    on_fire(timer);
    while (process_clock_ns() < until) {
    }
}

static void what_takes_long_is_done_in_pieces(void **state)
{
    enum { COUNT = 5 };
    struct probe probes[COUNT], late = probe_new();

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        probes[i] = probe_new();
        probes[i].timer.fire = on_fire_slowly;
        timer_set(timers, &probes[i].timer, now + SECOND);
    }
    timer_set(timers, &late.timer, now + SECOND);
    now += 2 * SECOND;
    timer_set(timers, &late.timer, now + SECOND); /* moved away while it waits */
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(probes[i].fired, 0);
        assert_true(timers_run(timers, now));
        assert_int_equal(probes[i].fired, 1);
        assert_int_equal(timers_patience(timers, now), 0);
    }
    run_until(now + 2 * SECOND, TICK);
    assert_int_equal(late.fired, 1);
    assert_int_equal(timers_patience(timers, now), -1);
}

static void on_fire_again(struct timer *timer)
{
    on_fire(timer);
    timer_again(timers, timer);
}

static void again_is_the_next_turn(void **state)
{
    struct probe restless = probe_new(), other = probe_new();

    (void)state;
    restless.timer.fire = on_fire_again;
    timer_again(timers, &restless.timer);
    timer_again(timers, &other.timer);
    for (int turn = 1; turn <= 3; turn++) {
        assert_int_equal(timers_patience(timers, now), 0);
        assert_true(timers_run(timers, now));
        assert_int_equal(restless.fired, turn);
        assert_int_equal(other.fired, 1);
    }
    timer_remove(timers, &restless.timer);
    assert_int_equal(timers_patience(timers, now), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(again_is_the_next_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(fires_once_and_in_time, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deadline_moved_away_is_one_store, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deadline_moved_nearer_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(never_sleeps_and_removed_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(callbacks_may_meddle, setup, teardown),
        cmocka_unit_test_setup_teardown(time_may_jump, setup, teardown),
        cmocka_unit_test_setup_teardown(what_takes_long_is_done_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(many_at_random, setup, teardown),
    };

    return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}
