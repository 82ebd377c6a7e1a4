/* test_pace.c - a change alone is taken up at once, a burst of any length is a handful of jobs, jobs take a share of the
 * time only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "master/master/pace.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)

struct run { /* what came of changes at even distances */
    size_t jobs;
    int64_t slowest_ns; /* from a change to the end of its job */
};

/* `count` changes, one every `every_ns`; each job costs so much. */
static struct run run(struct pace *pace, enum pace_work work, int64_t begin_ns, size_t count,
                      int64_t every_ns, int64_t cost_ns)
{
    struct run run = {0, 0};
    size_t taken = 0;

    while (taken < count) {
        int64_t first = begin_ns + (int64_t)taken * every_ns,
                at = first > pace->next_ns ? first : pace->next_ns;
        size_t there = (size_t)((at - begin_ns) / every_ns) + 1;
        struct pace_job job = {.began_ns = at, .ended_ns = at + cost_ns, .cost_ns = cost_ns, .work = work};

        there = there < count ? there : count;
        job.changes = there - taken;
        taken = there;
        pace_job_done(pace, &job);
        run.jobs++;
        run.slowest_ns = job.ended_ns - first > run.slowest_ns ? job.ended_ns - first : run.slowest_ns;
    }
    return run;
}

static void changes_apart_are_in_force_at_once(void **state)
{
    static const enum pace_work works[] = {PACE_SERVERS, PACE_OBJECTS, PACE_WHOLE};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct pace pace = {0};
        struct run found = run(&pace, works[i], SECOND, 100, 2500 * MS, 20 * MS);

        assert_int_equal(found.jobs, 100);
        assert_int_equal(found.slowest_ns, 20 * MS);
    }
}

static void a_burst_is_a_handful_of_jobs(void **state)
{
    static const struct {
        enum pace_work work;
        int64_t seconds;
        size_t most;
        int64_t slowest_ms;
    } cases[] = {
        {PACE_OBJECTS, 1, 6, 1000}, {PACE_OBJECTS, 25, 14, 5050}, {PACE_WHOLE, 80, 25, 5400},
        {PACE_SERVERS, 1, 6, 1000}, {PACE_SERVERS, 25, 18, 3100}, {PACE_SERVERS, 80, 40, 3100},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pace pace = {0};
        int64_t cost = cases[i].work == PACE_SERVERS   ? MS / 2
                       : cases[i].work == PACE_OBJECTS ? 25 * MS
                                                       : 200 * MS;
        struct run found = run(&pace, cases[i].work, SECOND, 10000, cases[i].seconds * SECOND / 10000, cost);

        assert_in_range(found.jobs, 1, cases[i].most);
        assert_in_range(found.slowest_ns, 0, (uint64_t)cases[i].slowest_ms * MS);
    }
}

static void a_steady_trickle_does_not_wait_for_long(void **state)
{
    struct pace pace = {0};

    (void)state;
    assert_in_range(run(&pace, PACE_SERVERS, SECOND, 1000, 50 * MS, MS / 2).slowest_ns, 0, 102 * MS);
    pace = (struct pace){0};
    assert_in_range(run(&pace, PACE_OBJECTS, SECOND, 1000, 50 * MS, 25 * MS).slowest_ns, 0, 450 * MS);
    pace = (struct pace){0};
    assert_in_range(run(&pace, PACE_WHOLE, SECOND, 1000, 50 * MS, 200 * MS).slowest_ns, 0, 1400 * MS);
}

static void after_a_burst_all_is_as_before(void **state)
{
    struct pace pace = {0};

    (void)state;
    (void)run(&pace, PACE_SERVERS, SECOND, 10000, 2 * MS, MS / 2);
    assert_in_range(run(&pace, PACE_SERVERS, 60 * SECOND, 10, SECOND, MS / 2).slowest_ns, 0, MS / 2);
}

static void what_came_to_nothing_holds_nothing_up(void **state)
{
    struct pace pace = {0};
    struct pace_job job = {
        .began_ns = SECOND, .ended_ns = SECOND + MS, .cost_ns = MS, .changes = 1, .idle = true};

    (void)state;
    pace_job_done(&pace, &job);
    assert_in_range(pace.next_ns, SECOND + 5 * MS, SECOND + 6 * MS);
    for (int i = 0; i < 20; i++) { /* but many in a row are paced as all others */
        job.began_ns = pace.next_ns;
        job.ended_ns = job.began_ns + MS;
        pace_job_done(&pace, &job);
    }
    assert_in_range(pace.pause_ns, 100 * MS, 100 * MS);
}

static void jobs_take_a_fifth_of_the_time(void **state)
{
    struct pace pace = {0};
    struct run found;

    (void)state;
    found = run(&pace, PACE_WHOLE, SECOND, 6000, 10 * MS, 2 * SECOND); /* a minute */
    assert_in_range(found.jobs, 1, 9);
    pace = (struct pace){0};
    found = run(&pace, PACE_WHOLE, SECOND, 600, 100 * MS,
                600 * SECOND); /* and never wait for more than half a minute */
    assert_in_range(pace.pause_ns, 30 * SECOND, 30 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_apart_are_in_force_at_once),
        cmocka_unit_test(a_burst_is_a_handful_of_jobs),
        cmocka_unit_test(a_steady_trickle_does_not_wait_for_long),
        cmocka_unit_test(after_a_burst_all_is_as_before),
        cmocka_unit_test(what_came_to_nothing_holds_nothing_up),
        cmocka_unit_test(jobs_take_a_fifth_of_the_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
