/* test_poller.c - thousands that want to be called again share the loop: in their order, and others get their turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "worker/poller.h"
#include "worker/timers.h"
#include "worker/worker.h"

#define CROWD 900
#define ROUNDS 5
#define PER_TURN_MOST 128 /* with events, and again */

static struct worker worker;
static struct board_slab slab;
static struct io crowd[CROWD], heart;
static unsigned calls[CROWD], all, since_beat, most, beats, out_of_order, closed;

static void on_crowd(struct io *io)
{
    size_t number = (size_t)(io - crowd);

    out_of_order += number > 0 && calls[number - 1] <= calls[number]; /* who came before is a round ahead */
    since_beat++;
    worker.quit = ++all == CROWD * ROUNDS;
    if (++calls[number] < ROUNDS) {
        poller_again(io);
    }
}

/* Readable in each turn. */
static void on_heart(struct io *io)
{
    (void)io;
    beats++;
    most = since_beat > most ? since_beat : most;
    since_beat = 0;
}

static void on_closed(struct io *io)
{
    (void)io;
    closed++;
}

static void add(struct io *io, void (*on_ready)(struct io *), unsigned value, bool level)
{
    *io = (struct io){.on_ready = on_ready, .on_closed = on_closed};
    assert_int_equal(
        poller_add(worker.poller, io, eventfd(value, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE), level), 0);
}

static int setup(void **state)
{
    (void)state;
    worker = (struct worker){.slab = &slab};
    all = since_beat = most = beats = out_of_order = closed = 0;
    memset(calls, 0, sizeof(calls));
    if (uv_loop_init(&worker.loop) != 0 || poller_new(&worker, &worker.poller, NULL) != 0) {
        return 1;
    }
    worker.timers = timers_new(worker.now_ns);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    poller_free(worker.poller);
    timers_free(worker.timers);
    return uv_loop_close(&worker.loop);
}

static void all_get_their_turn(void **state)
{
    (void)state;
    add(&heart, on_heart, 1, true);
    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] =
            (struct io){.on_ready = on_crowd, .on_closed = on_closed, .poller = worker.poller, .fd = 0};
        poller_again(&crowd[i]);
    }
    poller_run(worker.poller);
    assert_int_equal(all, CROWD * ROUNDS);
    assert_int_equal(out_of_order, 0);
    assert_true(beats >= CROWD * ROUNDS / PER_TURN_MOST);
    assert_true(most <= PER_TURN_MOST);
    io_close(&heart);
}

static void close_next(struct io *io)
{
    io_close(io + 1);
    worker.quit = true;
}

static void on_call(struct io *io)
{
    (void)io;
    all++;
}

static void who_is_closed_meanwhile_is_not_called(void **state)
{
    (void)state;
    add(&crowd[0], close_next, 0, false);
    add(&crowd[1], on_call, 0, false);
    poller_again(&crowd[0]);
    poller_again(&crowd[1]);
    poller_run(worker.poller);
    assert_int_equal(all, 0);
    assert_int_equal(closed, 1);
    io_close(&crowd[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_get_their_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(who_is_closed_meanwhile_is_not_called, setup, teardown),
    };

    return cmocka_run_group_tests_name("poller", tests, NULL, NULL);
}
