/* test_health.c - what answers of gRPC's health protocol say; targets, of HTTP and of TCP, over changes of the configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "master/health/health.h"
#include "master/health/probe.h"
#include "shm/services.h"

static void answers_of_grpc(void **state)
{
    static const struct {
        int64_t want;
        struct slice message;
    } cases[] = {
        {0, SLICE_INIT("")},
        {1, SLICE_INIT("\x08\x01")},
        {2, SLICE_INIT("\x08\x02")},
        {1, SLICE_INIT("\x08\x02\x08\x01")}, /* the last one counts */
        {1, SLICE_INIT("\x12\x03"
                       "abc"
                       "\x08\x01")},             /* an unknown field of some bytes, ... */
        {1, SLICE_INIT("\x10\xff\x01\x08\x01")}, /* ... a number, ... */
        {1, SLICE_INIT("\x11"
                       "12345678"
                       "\x15"
                       "1234"
                       "\x08\x01")},     /* ... 64 and 32 bits */
        {1, SLICE_INIT("\x08\x81\x00")}, /* longer than it need be */
        {-1, SLICE_INIT("\x08")},
        {-1, SLICE_INIT("\x08\x81")},
        {-1, SLICE_INIT("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")},
        {-1, SLICE_INIT("\x08\xff\xff\xff\xff\xff\xff\xff\x7f")},
        {-1, SLICE_INIT("\x12\x04"
                        "abc")},
        {-1, SLICE_INIT("\x12\xff\xff\xff\xff\xff\xff\xff\x7f")},
        {-1, SLICE_INIT("\x11"
                        "1234567")},
        {-1, SLICE_INIT("\x0b\x0c")}, /* groups */
        {-1, SLICE_INIT("\x0e")},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("case %zu\n", i);
        assert_int_equal(probe_grpc_status(cases[i].message), cases[i].want);
    }
}

static void until_down(uv_loop_t *loop, _Atomic uint64_t *word)
{
    while (atomic_load(word) == HEALTH_UP) {
        (void)uv_run(loop, UV_RUN_ONCE);
    }
}

/* Nobody listens on port 1: the first answer is a refusal. What is unchanged is not asked again: the word stays as the test
 * sets it. */
static void targets_over_changes(void **state)
{
    struct health_check options = {.interval = INT64_C(3600000000000), .timeout = INT64_C(5000000000)};
    struct health_target targets[2] = {
        {.service = SLICE("a@file"), .url = SLICE("http://127.0.0.1:1"), .options = &options},
        {.service = SLICE("b@file"), .url = SLICE("http://127.0.0.1:1"), .options = &options},
    };
    struct board *board;
    struct health *health;
    struct error why;
    _Atomic uint64_t *words[2];
    uv_loop_t loop;
    int fd;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(board_create(&fd, &why), 0);
    assert_int_equal(board_map(fd, &board, &why), 0);
    close(fd);
    for (unsigned i = 0; i < 2; i++) {
        targets[i].word = board_word(board, 100 + i, 1);
        words[i] = board_at(board, targets[i].word);
    }
    health = health_new(&loop, board);
    health_apply(health, targets, 1);
    until_down(&loop, words[0]);
    assert_int_equal(atomic_load(words[0]), HEALTH_DOWN);
    assert_int_equal(atomic_load(words[1]), HEALTH_UP);
    atomic_store(words[0], HEALTH_UP);
    health_apply(health, targets, 2);
    until_down(&loop, words[1]);
    assert_int_equal(atomic_load(words[0]), HEALTH_UP);
    options.path = SLICE("/other"); /* other questions */
    health_apply(health, targets, 1);
    until_down(&loop, words[0]);
    health_apply(health, targets, 2); /* one begins, and is taken back at once */
    health_apply(health, NULL, 0);
    health_close(health);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    board_unmap(board);
}

/* A TCP target beside one of HTTP with the same server: each is asked as its kind is, and another text is another question. */
static void targets_of_tcp(void **state)
{
    struct tcp_health_check options = {.interval = INT64_C(3600000000000), .timeout = INT64_C(5000000000)};
    struct health_target target = {.service = SLICE("a@file"), .url = SLICE("127.0.0.1:1"), .tcp = &options};
    const char *const sent[] = {"", "a", "ab"};
    struct board *board;
    struct health *health;
    struct error why;
    _Atomic uint64_t *word;
    uv_loop_t loop;
    int fd;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(board_create(&fd, &why), 0);
    assert_int_equal(board_map(fd, &board, &why), 0);
    close(fd);
    target.word = board_word(board, 100, 1);
    word = board_at(board, target.word);
    health = health_new(&loop, board);
    for (size_t i = 0; i < ARRAY_LEN(sent); i++) {
        options.send = slice_cstr(sent[i]);
        atomic_store(word, HEALTH_UP);
        health_apply(health, &target, 1);
        until_down(&loop, word);
    }
    atomic_store(word, HEALTH_UP);
    health_apply(health, &target, 1); /* unchanged: not asked */
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(atomic_load(word), HEALTH_UP);
    health_close(health);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    board_unmap(board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_grpc),
        cmocka_unit_test(targets_over_changes),
        cmocka_unit_test(targets_of_tcp),
    };

    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
