/* test_publish.c - a worker that does not take a generation is offered it again, more and more seldom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/process.h"
#include "master/master/master.h"
#include "shm/targets.h"

#define SECOND INT64_C(1000000000)
#define OFFERS_IN_A_ROW 4
#define PAGES 10 /* of a generation: they fit one message */

struct stand {
    struct master *master;
    int worker; /* the other end of its channel */
    int board_fd;
};

static void begin(struct stand *stand)
{
    struct page_files pages = {.count = PAGES};
    struct master *master = xcalloc(1, sizeof(*master));
    struct error why;
    int fds[2], targets_fd;

    assert_int_equal(uv_loop_init(&master->loop), 0);
    assert_int_equal(board_create(&stand->board_fd, &why), 0);
    assert_int_equal(board_map(stand->board_fd, &master->board, &why), 0);
    master->tree = board_tree(master->board);
    assert_int_equal(targets_create(&targets_fd, &why), 0);
    assert_int_equal(target_places_open(targets_fd, &master->targets, &why), 0);
    master->workers = 1;
    outbox_init(&master->guard, -1);
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        master->links[slot] = (struct worker_link){.master = master, .slot = slot};
        outbox_init(&master->links[slot].out, -1);
    }
    assert_int_equal(control_pair(fds, &why), 0);
    worker_link_open(master, 0, fds[0]);
    for (int kind = 0; kind < PAGES; kind++) {
        pages.items[kind] = page_file_new(memfd_create("page", MFD_CLOEXEC), (uint64_t)kind + 1, 0, NULL);
    }
    publish(master, &pages, NULL, 1);
    *stand = (struct stand){.master = master, .worker = fds[1], .board_fd = stand->board_fd};
}

static void end(struct stand *stand)
{
    publish_free(stand->master);
    (void)uv_run(&stand->master->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&stand->master->loop), 0);
    board_unmap(stand->master->board);
    target_places_free(stand->master->targets);
    close(stand->board_fd);
    close(stand->worker);
    free(stand->master);
}

/* The worker reads one message: true when it is the generation, with all its pages. */
static bool offered(const struct stand *stand)
{
    struct control_message message;
    int fds[CONTROL_FDS];
    int rc = control_receive(stand->worker, &message, fds);

    if (rc == -EAGAIN) {
        return false;
    }
    assert_int_equal(rc, 0);
    assert_int_equal(message.kind, CONTROL_GENERATION);
    assert_int_equal(message.fd_count, PAGES);
    for (uint32_t i = 0; i < message.fd_count; i++) {
        close(fds[i]);
    }
    return true;
}

static void answer(const struct stand *stand, enum control_kind kind)
{
    struct control_message message = {.kind = kind, .number = stand->master->current.number};

    assert_int_equal(control_send(stand->worker, &message, NULL, 0), 0);
    (void)uv_run(&stand->master->loop, UV_RUN_NOWAIT);
}

/* Descriptors ran short on either side, say; the worker lives. */
static void a_channel_that_broke_is_asked_for(void **state)
{
    struct control_message message;
    int fds[CONTROL_FDS], pair[2];
    struct stand stand;
    struct error why;

    (void)state;
    begin(&stand);
    assert_int_equal(control_pair(pair, &why), 0);
    outbox_init(&stand.master->guard, pair[0]);
    guard_link_start(stand.master);
    close(stand.worker);
    (void)uv_run(&stand.master->loop, UV_RUN_NOWAIT);
    publish_tend(stand.master, process_clock_ns());
    assert_int_equal(control_receive(pair[1], &message, fds), -EAGAIN); /* it may have died */
    publish_tend(stand.master, process_clock_ns() + SECOND);
    assert_int_equal(control_receive(pair[1], &message, fds), 0);
    assert_int_equal(message.kind, CONTROL_WORKER);
    publish_tend(stand.master, process_clock_ns() + SECOND);
    assert_int_equal(control_receive(pair[1], &message, fds), -EAGAIN);

    assert_int_equal(control_pair(fds, &why), 0);
    worker_link_open(stand.master, 0, fds[0]);
    stand.worker = fds[1];
    assert_true(offered(&stand));
    publish_tend(stand.master, process_clock_ns() + 9 * SECOND);
    assert_int_equal(control_receive(pair[1], &message, fds), -EAGAIN);
    uv_close((uv_handle_t *)&stand.master->guard_poll, NULL);
    end(&stand);
    close(pair[0]);
    close(pair[1]);
}

static void resend_until_it_gives_up(const struct stand *stand)
{
    for (int i = 0; i < OFFERS_IN_A_ROW; i++) {
        assert_true(offered(stand));
        answer(stand, CONTROL_RESEND);
    }
    assert_false(offered(stand));
}

static void refuse_once(const struct stand *stand)
{
    assert_true(offered(stand));
    answer(stand, CONTROL_REFUSED);
    assert_false(offered(stand));
}

static void check(void (*balk)(const struct stand *stand))
{
    static const int64_t waits[] = {10, 20, 40, 80, 160, 300, 300};
    struct stand stand;

    begin(&stand);
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        int64_t before = process_clock_ns();

        balk(&stand);
        int64_t after = process_clock_ns();

        publish_tend(stand.master, before + waits[i] * SECOND - 1);
        assert_false(offered(&stand));
        publish_tend(stand.master, after + waits[i] * SECOND);
        if (i + 1 < ARRAY_LEN(waits)) {
            continue; /* offered: the next round reads it */
        }
        assert_true(offered(&stand));
    }
    answer(&stand, CONTROL_ACK);
    assert_int_equal(stand.master->links[0].acknowledged, stand.master->current.number);
    publish_tend(stand.master, process_clock_ns() + 1000 * SECOND);
    assert_false(offered(&stand));
    end(&stand);
}

static void asking_for_it_again_and_again(void **state)
{
    (void)state;
    check(resend_until_it_gives_up);
}

static void refusing_it(void **state)
{
    (void)state;
    check(refuse_once);
}

static void say(const struct stand *stand, enum control_kind kind, uint64_t number)
{
    struct control_message message = {.kind = kind, .number = number};

    (void)control_send(stand->worker, &message, NULL, 0); /* the channel may have been closed meanwhile */
    (void)uv_run(&stand->master->loop, UV_RUN_NOWAIT);
}

/* Else somebody who took a worker over could fill the master with messages and descriptors that nobody reads. */
static void answers_to_nothing_get_nothing(void **state)
{
    static const enum control_kind kinds[] = {CONTROL_ACK, CONTROL_REFUSED, CONTROL_RESEND, CONTROL_LISTEN};

    (void)state;
    for (size_t kind = 0; kind < ARRAY_LEN(kinds); kind++) {
        struct stand stand;
        unsigned offers = 0;

        begin(&stand);
        for (int i = 0; i < 200; i++) {
            say(&stand, kinds[kind], 99);
        }
        struct worker_link *link = &stand.master->links[0];

        assert_int_equal(link->acknowledged, 0);
        assert_false(outbox_waiting(&link->out));
        while (link->poll && offered(&stand)) {
            offers++;
        }
        assert_true(offers <= OFFERS_IN_A_ROW);
        end(&stand);
    }
}

/* One that answers without ever reading. */
static void what_is_not_read_does_not_pile_up(void **state)
{
    struct stand stand;

    (void)state;
    begin(&stand);
    int before = dup(0);

    close(before);
    for (int i = 0; i < 200; i++) {
        struct page_files pages = {.count = PAGES};

        for (int kind = 0; kind < PAGES; kind++) {
            pages.items[kind] =
                page_file_new(memfd_create("page", MFD_CLOEXEC), (uint64_t)(i * 10 + kind), 0, NULL);
        }
        publish(stand.master, &pages, NULL, publish_next_number(stand.master));
        say(&stand, CONTROL_REFUSED, stand.master->current.number);
    }
    int after = dup(0); /* the lowest number that is free */

    close(after);
    assert_true(after - before < 8 * PAGES);
    end(&stand);
}

/* A worker that holds number 7 takes no other 7: what comes later needs another number whatever stands on the board. */
static void numbers_go_up_whatever_stands_on_the_board(void **state)
{
    static const uint64_t told[] = {0, 1, UINT64_MAX};
    struct stand stand;

    (void)state;
    begin(&stand);
    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        struct page_files pages = {.count = PAGES};
        uint64_t before = stand.master->current.number;

        assert_true(offered(&stand));
        answer(&stand, CONTROL_ACK);
        atomic_store(&stand.master->tree->generation, told[i]);
        for (int kind = 0; kind < PAGES; kind++) {
            pages.items[kind] =
                page_file_new(memfd_create("page", MFD_CLOEXEC), 100 * i + 100 + (uint64_t)kind, 0, NULL);
        }
        publish(stand.master, &pages, NULL, publish_next_number(stand.master));
        assert_int_equal(stand.master->current.number, before + 1);
        assert_int_equal(atomic_load(&stand.master->tree->generation), before + 1);
    }
    atomic_store(&stand.master->tree->generation, UINT64_MAX);
    publish_tend(stand.master, process_clock_ns());
    assert_int_equal(atomic_load(&stand.master->tree->generation), stand.master->current.number);
    end(&stand);
}

static void publish_some(const struct stand *stand, uint64_t page, uint64_t words)
{
    struct page_files pages = {.count = PAGES};

    for (int kind = 0; kind < PAGES; kind++) {
        pages.items[kind] =
            page_file_new(memfd_create("page", MFD_CLOEXEC), page + (uint64_t)kind, page, NULL);
    }
    publish(stand->master, &pages, NULL, words);
    assert_true(offered(stand));
}

static void adopted(const struct stand *stand)
{
    answer(stand, CONTROL_ACK);
    publish_tend(stand->master, process_clock_ns());
}

/* A page that was not made anew names words that were last marked by the generation that was compiled as a whole. */
static void words_live_as_long_as_pages_name_them(void **state)
{
    struct stand stand;
    struct board_ref ref;

    (void)state;
    begin(&stand);
    assert_true(offered(&stand));
    adopted(&stand);
    struct master *master = stand.master;
    uint64_t whole = publish_next_number(master);

    ref = board_word(master->board, 77, whole);
    publish_some(&stand, 100, whole);
    adopted(&stand);
    assert_non_null(board_at(master->board, ref));
    publish_some(&stand, 200, master->current.words); /* servers only */
    adopted(&stand);
    assert_int_equal(master->current.words, whole);
    assert_non_null(board_at(master->board, ref));
    publish_some(&stand, 300,
                 publish_next_number(master)); /* without the word; it kills who adopts it: twice */
    for (int i = 0; i < 2; i++) {
        int fds[2];
        struct error why;

        publish_gone(master, 0);
        close(stand.worker);
        assert_int_equal(control_pair(fds, &why), 0);
        stand.worker = fds[1];
        worker_link_open(master, 0, fds[0]);
        assert_true(offered(&stand));
    }
    assert_int_equal(master->current.words, whole);
    assert_false(master->in_step);
    adopted(&stand);
    assert_non_null(board_at(master->board, ref)); /* of the generation that is in force again */
    publish_some(&stand, 400, publish_next_number(master));
    adopted(&stand);
    assert_null(board_at(master->board, ref));
    end(&stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asking_for_it_again_and_again),
        cmocka_unit_test(refusing_it),
        cmocka_unit_test(a_channel_that_broke_is_asked_for),
        cmocka_unit_test(words_live_as_long_as_pages_name_them),
        cmocka_unit_test(answers_to_nothing_get_nothing),
        cmocka_unit_test(what_is_not_read_does_not_pile_up),
        cmocka_unit_test(numbers_go_up_whatever_stands_on_the_board),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
