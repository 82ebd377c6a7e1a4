/* test_body_store.c - bodies in memory and in the file: what is read is what was added, wherever it lies, and nothing stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/board_helper.h"
#include "worker/body_store.h"
#include "worker/poller.h"
#include "worker/spool.h"
#include "worker/timers.h"
#include "worker/worker.h"

#define TOTAL 3000000u
#define IN_MEMORY 100000u
#define READERS 3
#define PIECE_MOST 50000u

static struct worker worker;
static struct body_store store;
static struct body_place readers[READERS];
static char bytes[TOTAL];
static uint64_t goal;
static uint32_t seed;

static uint32_t chance(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

/* ---- the stand ---- */

static int set_up(void **state)
{
    (void)board_set_up(state);
    seed = 1;
    for (size_t i = 0; i < TOTAL; i++) {
        bytes[i] = (char)chance(256);
    }
    worker = (struct worker){.now_ns = 1};
    worker.board = *state;
    worker.slab = board_slab(worker.board, 0);
    atomic_store(&board_tree(worker.board)->spool_most, 4 * (uint64_t)TOTAL);
    worker.timers = timers_new(worker.now_ns);
    assert_int_equal(uv_loop_init(&worker.loop), 0);
    assert_int_equal(poller_new(&worker, &worker.poller, NULL), 0);
    recycler_start(&worker);
    assert_int_equal(spool_start(&worker, NULL), 0);
    return 0;
}

static int tear_down(void **state)
{
    for (size_t i = 0; i < READERS; i++) {
        body_place_reset(&worker, &readers[i]);
    }
    body_store_clear(&worker, &store);
    spool_stop(&worker);
    assert_int_equal(worker.slab->gauges[GAUGE_BUFFERS], 0);
    assert_int_equal(worker.slab->gauges[GAUGE_SPOOLED], 0);
    poller_free(worker.poller);
    recycler_stop(&worker);
    timers_free(worker.timers);
    (void)uv_run(&worker.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&worker.loop), 0);
    return board_tear_down(state);
}

static void take_file(void)
{
    spool_adopt(&worker, memfd_create("spool", MFD_CLOEXEC));
}

static void turn(void);

static void on_changed(struct body_store *changed)
{
    assert_ptr_equal(changed, &store);
    turn();
}

static void on_ready(struct body_place *place)
{
    assert_true(place >= readers && place < readers + READERS);
    turn();
}

static void begin(uint64_t memory_most)
{
    store = (struct body_store){.memory_most = memory_most, .changed = on_changed};
    for (size_t i = 0; i < READERS; i++) {
        readers[i] = (struct body_place){.ready = on_ready};
    }
    goal = TOTAL;
}

/* ---- what goes on ---- */

static void write_some(void)
{
    while (store.failed == REASON_none && store.len < goal && !body_store_is_busy(&store)) {
        size_t most = goal - store.len < PIECE_MOST ? goal - store.len : PIECE_MOST;

        (void)body_store_add(&worker, &store, slice_of(bytes + store.len, 1 + chance((uint32_t)most)));
    }
}

static void read_some(struct body_place *place)
{
    uint64_t from = place->offset;
    struct slice piece;

    while ((piece = body_store_next(&worker, &store, place)).len) {
        assert_memory_equal(piece.ptr, bytes + from, piece.len);
        from += piece.len;
        assert_int_equal(place->offset, from);
    }
}

static bool is_at_end(const struct body_place *place)
{
    return place->offset == goal || place->failed != REASON_none;
}

static void turn(void)
{
    bool over = body_store_is_written(&store);

    write_some();
    for (size_t i = 0; i < READERS; i++) {
        if (i == 0 || chance(3) == 0 || store.len == goal) { /* one is close behind, the others are not */
            read_some(&readers[i]);
        }
        over = over && is_at_end(&readers[i]);
    }
    worker.quit = store.failed != REASON_none || (over && store.len == goal);
}

static void run(void)
{
    worker.quit = false;
    turn();
    if (!worker.quit) {
        poller_run(worker.poller);
    }
}

/* ---- the tests ---- */

static void test_all_in_memory(void **state)
{
    (void)state;
    take_file();
    begin(0);
    run();
    assert_int_equal(readers[0].offset, TOTAL);
    assert_null(store.file);
}

static void test_without_a_file_in_memory(void **state)
{
    (void)state;
    begin(IN_MEMORY);
    run();
    assert_int_equal(readers[READERS - 1].offset, TOTAL);
    assert_null(store.file);
}

static void test_short_bodies_stay_in_memory(void **state)
{
    (void)state;
    take_file();
    begin(1);
    goal = BUFFER_SMALL - sizeof(struct buffer);
    run();
    assert_null(store.file);
}

static void test_readers_of_the_file(void **state)
{
    (void)state;
    take_file();
    begin(IN_MEMORY);
    run();
    assert_int_equal(worker.slab->gauges[GAUGE_SPOOLED], (TOTAL - IN_MEMORY) / SPOOL_DATA);
    assert_true(worker.slab->gauges[GAUGE_BUFFERS] < 2 + READERS + IN_MEMORY / (int64_t)SPOOL_DATA + 2);
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(readers[i].offset, TOTAL);
        body_place_reset(&worker, &readers[i]);
    }
    run(); /* all of it once more, now from the file */
    assert_int_equal(readers[0].offset, TOTAL);
}

static void test_slots_are_used_again(void **state)
{
    (void)state;
    take_file();
    for (unsigned i = 0; i < 3; i++) {
        begin(IN_MEMORY);
        run();
        for (size_t k = 0; k < READERS; k++) {
            assert_int_equal(readers[k].offset, TOTAL);
            body_place_reset(&worker, &readers[k]);
        }
        body_store_clear(&worker, &store);
        assert_int_equal(worker.slab->gauges[GAUGE_SPOOLED], 0);
    }
}

static void test_let_go_in_the_middle(void **state)
{
    (void)state;
    take_file();
    for (unsigned i = 0; i < 20; i++) {
        begin(IN_MEMORY);
        worker.quit = false;
        turn(); /* bytes are on their way in both directions, or are not */
        for (size_t k = 0; k < READERS; k++) {
            body_place_reset(&worker, &readers[k]);
        }
        body_store_clear(&worker, &store);
    }
    begin(IN_MEMORY);
    run();
    assert_int_equal(readers[0].offset, TOTAL);
}

static void test_bound(void **state)
{
    (void)state;
    take_file();
    atomic_store(&board_tree(worker.board)->spool_most, 10 * BUFFER_LARGE);
    begin(IN_MEMORY);
    run();
    assert_int_equal(store.failed, REASON_spool_full);
    assert_int_equal(worker.slab->gauges[GAUGE_SPOOLED], 10);
}

static void test_a_disk_that_fails(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0); /* nothing can be written at a place in it */
    close(fds[0]);
    spool_adopt(&worker, fds[1]);
    begin(IN_MEMORY);
    run();
    assert_int_equal(store.failed, REASON_spool_full);
    assert_false(body_store_add(&worker, &store, SLICE("x")));
    goal = store.len;
    readers[0] = (struct body_place){.ready = on_ready};
    read_some(&readers[0]);
    assert_int_equal(readers[0].failed, REASON_spool_full);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_all_in_memory),
        TEST(test_without_a_file_in_memory),
        TEST(test_short_bodies_stay_in_memory),
        TEST(test_readers_of_the_file),
        TEST(test_slots_are_used_again),
        TEST(test_let_go_in_the_middle),
        TEST(test_bound),
        TEST(test_a_disk_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
