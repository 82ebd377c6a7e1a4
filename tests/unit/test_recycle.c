/* test_recycle.c - buffers and records are used again, and a burst is forgotten after a while. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/poller.h"
#include "worker/recycle.h"
#include "worker/worker.h"

#define SECOND INT64_C(1000000000)

static struct worker worker;
static struct board_slab slab;
static unsigned freed;

static void free_counted(void *record)
{
    freed++;
    free(record);
}

static int setup(void **state)
{
    (void)state;
    worker = (struct worker){.slab = &slab};
    slab = (struct board_slab){0};
    assert_int_equal(uv_loop_init(&worker.loop), 0);
    assert_int_equal(poller_new(&worker, &worker.poller, NULL), 0); /* knows what time it is */
    worker.timers = timers_new(worker.now_ns);
    assert_int_equal(helper_new(&worker, WORKER_JOBS, false, &worker.helper, NULL), 0);
    recycler_start(&worker);
    record_kind_set(&worker, RECORD_STREAM, free_counted);
    freed = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    helper_end(worker.helper);
    poller_free(worker.poller);
    recycler_stop(&worker);
    timers_free(worker.timers);
    (void)uv_run(&worker.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&worker.loop), 0);
    return 0;
}

static void pass(int seconds)
{
    for (int i = 0; i < seconds * 10; i++) {
        worker.now_ns += SECOND / 10;
        do { /* it may take some turns */
            timers_run(worker.timers, worker.now_ns);
            (void)uv_run(&worker.loop, UV_RUN_NOWAIT);
        } while (timers_patience(worker.timers, worker.now_ns) == 0);
    }
}

static void what_is_given_is_taken_again(void **state)
{
    struct buffer *small = buffer_take(&worker, 1), *large = buffer_take(&worker, BUFFER_SMALL);
    struct buffer *huge = buffer_take(&worker, 1000000);

    (void)state;
    assert_true(small->size >= BUFFER_SMALL - 64 && large->size >= BUFFER_SMALL && huge->size >= 1000000);
    assert_int_equal(slab.gauges[GAUGE_BUFFERS], 3);
    large->from = 1;
    large->to = 7;
    buffer_give(&worker, small);
    buffer_give(&worker, large);
    buffer_give(&worker, huge);
    buffer_give(&worker, NULL);
    assert_int_equal(slab.gauges[GAUGE_BUFFERS], 0);
    assert_ptr_equal(buffer_take(&worker, BUFFER_LARGE / 2), large);
    assert_ptr_equal(buffer_take(&worker, 10), small);
    assert_int_equal(buffer_len(large), 0);
    buffer_give(&worker, small);
    buffer_give(&worker, large);
    assert_null(buffer_take(&worker, SIZE_MAX));
}

static void a_burst_is_forgotten(void **state)
{
    enum { BURST = 1000, USED = 10 };
    void *records[BURST];

    (void)state;
    assert_null(record_take(&worker, RECORD_STREAM));
    for (int i = 0; i < BURST; i++) {
        record_give(&worker, RECORD_STREAM, calloc(1, 100));
    }
    for (int turn = 0; turn < 200; turn++) { /* ten of them are in use all the time */
        for (int i = 0; i < USED; i++) {
            records[i] = record_take(&worker, RECORD_STREAM);
            assert_non_null(records[i]);
        }
        for (int i = 0; i < USED; i++) {
            record_give(&worker, RECORD_STREAM, records[i]);
        }
        pass(1);
    }
    assert_true(freed >= BURST - 2 * USED);
    assert_true(freed <= BURST - USED);
    pass(120);
    assert_int_equal(freed, BURST);
    assert_int_equal(timers_patience(worker.timers, worker.now_ns),
                     -1); /* nothing kept, nothing to look after */
}

/* In pieces: how many turns it takes depends on the machine, how much is left does not. */
static void in_a_hurry_little_is_kept(void **state)
{
    enum { BURST = 3000 };
    struct buffer **buffers = calloc(BURST, sizeof(struct buffer *));

    (void)state;
    for (int i = 0; i < BURST; i++) {
        buffers[i] = buffer_take(&worker, 1 + (size_t)(i % 2) * BUFFER_SMALL);
        memset(buffers[i]->data, 1, buffers[i]->size);
        record_give(&worker, RECORD_STREAM, calloc(1, 100));
    }
    for (int i = 0; i < BURST; i++) {
        buffer_give(&worker, buffers[i]);
    }
    recycler_relieve(&worker);
    assert_int_equal(timers_patience(worker.timers, worker.now_ns), 0);
    do {
        timers_run(worker.timers, worker.now_ns);
    } while (timers_patience(worker.timers, worker.now_ns) == 0);
    assert_in_range(worker.recycler->small.count, 1, 8);
    assert_in_range(worker.recycler->large.count, 1, 8);
    assert_in_range(freed, BURST - 8, BURST - 1);
    free(buffers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_given_is_taken_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_burst_is_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(in_a_hurry_little_is_kept, setup, teardown),
    };

    return cmocka_run_group_tests_name("recycle", tests, NULL, NULL);
}
