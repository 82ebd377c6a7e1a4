/* test_guard_messages.c - what a child that is gone said last is heard, whatever the guard was about to tell it. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/memory.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_words_are_heard),
        cmocka_unit_test(a_worker_that_talks_waits_for_its_turn),
    };

    return cmocka_run_group_tests_name("guard_messages", tests, NULL, NULL);
}
