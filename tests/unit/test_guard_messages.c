/* test_guard_messages.c - what a child that is gone said last is heard, whatever the guard was about to tell it. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "common/base/process.h"
#include "master/guard/guard.h"

static void last_words_are_heard(void **state)
{
    struct guard *guard = xcalloc(1, sizeof(*guard));
    struct control_message failed = {.kind = CONTROL_FAILED}, hello = {.kind = CONTROL_HELLO};
    struct error why;
    int pair[2];

    (void)state;
    guard->rings_fd = -1;
    assert_int_equal(control_pair(pair, &why), 0);
    outbox_init(&guard->master.out, pair[0]);
    assert_int_equal(control_send(pair[1], &failed, NULL, 0), 0);
    close(pair[1]); /* it is gone before it is greeted */
    child_send(&guard->master, &hello, NULL, 0);
    messages_from_master(guard);
    assert_true(guard->master_failed);
    assert_int_equal(guard->master.out.channel, -1);
    free(guard);
}

/* Else one that never ends would keep the guard from everything else. */
static void a_worker_that_talks_waits_for_its_turn(void **state)
{
    struct guard *guard = xcalloc(1, sizeof(*guard));
    struct child *worker = &guard->workers[0];
    struct control_message message = {.kind = CONTROL_RESEND};
    struct pollfd polled = {.events = POLLIN};
    struct error why;
    int pair[2], turns = 0;

    (void)state;
    assert_int_equal(control_pair(pair, &why), 0);
    outbox_init(&worker->out, polled.fd = pair[0]);
    while (control_send(pair[1], &message, NULL, 0) == 0) {
    }
    messages_from_worker(guard, worker);
    assert_int_equal(poll(&polled, 1, 0), 1);
    for (; poll(&polled, 1, 0) == 1; turns++) {
        messages_from_worker(guard, worker);
        assert_true(turns < 1000);
    }
    assert_int_equal(worker->out.channel, pair[0]);
    outbox_close(&worker->out);
    close(pair[1]);
    free(guard);
}

static void receive(int channel, enum control_kind kind)
{
    struct control_message message;
    int fds[CONTROL_FDS];

    assert_int_equal(control_receive(channel, &message, fds), 0);
    assert_int_equal(message.kind, kind);
    assert_int_equal(message.worker, 0);
    assert_int_equal(message.fd_count, 1);
    close(fds[0]);
}

static void assert_silent(int channel)
{
    struct control_message message;
    int fds[CONTROL_FDS];

    assert_int_equal(control_receive(channel, &message, fds), -EAGAIN);
}

/* A worker without a channel to the master would never get a configuration. */
static void a_channel_that_could_not_be_made_is_made_later(void **state)
{
    struct guard *guard = xcalloc(1, sizeof(*guard));
    struct control_message lost = {.kind = CONTROL_WORKER, .worker = 0};
    struct rlimit limit, none;
    struct error why;
    int to_master[2], to_worker[2];

    (void)state;
    assert_int_equal(control_pair(to_master, &why), 0);
    assert_int_equal(control_pair(to_worker, &why), 0);
    guard->phase = GUARD_RUNNING;
    guard->slots = guard->wanted = 1;
    guard->master.pid = guard->workers[0].pid = getpid();
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        outbox_init(&guard->workers[slot].out, slot == 0 ? to_worker[0] : -1);
    }
    outbox_init(&guard->master.out, to_master[0]);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    children_start_due(guard, process_clock_ns());
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_silent(to_worker[1]);

    for (int times = 0; times < 2; times++) { /* and again when the master has lost it */
        children_start_due(guard, process_clock_ns());
        receive(to_master[1], CONTROL_WORKER);
        receive(to_worker[1], CONTROL_MASTER);
        children_start_due(guard, process_clock_ns());
        assert_silent(to_master[1]);
        assert_silent(to_worker[1]);
        assert_int_equal(control_send(to_master[1], &lost, NULL, 0), 0);
        messages_from_master(guard);
    }
    outbox_close(&guard->master.out);
    outbox_close(&guard->workers[0].out);
    close(to_master[1]);
    close(to_worker[1]);
    free(guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_words_are_heard),
        cmocka_unit_test(a_worker_that_talks_waits_for_its_turn),
        cmocka_unit_test(a_channel_that_could_not_be_made_is_made_later),
    };

    return cmocka_run_group_tests_name("guard_messages", tests, NULL, NULL);
}
