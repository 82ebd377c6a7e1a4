/* test_retire.c - a slot that gets sockets again while it is being emptied keeps them: nobody who came in is reset, and its
 * worker is not left with one that the guard has closed. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "common/base/process.h"
#include "master/guard/guard.h"

#define SLOT 1

static struct guard *guard;
static int master_end, worker_end;

static int channel(struct child *child)
{
    struct error why;
    int pair[2];

    assert_int_equal(control_pair(pair, &why), 0);
    outbox_init(&child->out, pair[0]);
    return pair[1];
}

static int set_up(void **state)
{
    (void)state;
    guard = xcalloc(1, sizeof(*guard));
    guard->phase = GUARD_RUNNING;
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        guard->workers[slot].lent_to = -1;
    }
    guard->workers[SLOT].pid = getpid(); /* somebody is there */
    master_end = channel(&guard->master);
    worker_end = channel(&guard->workers[SLOT]);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    keep_close_all(guard);
    outbox_close(&guard->master.out);
    outbox_close(&guard->workers[SLOT].out);
    close(master_end);
    close(worker_end);
    free(guard);
    return 0;
}

static void add(const char *name)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
    assert_int_equal(listen(fd, 1), 0);
    keep_add(guard, name, SLOT, &fd, 1, false);
}

/* How many messages of that kind wait; their descriptors are closed. */
static unsigned received(int end, enum control_kind kind)
{
    struct control_message message;
    int fds[CONTROL_FDS];
    unsigned count = 0;

    while (control_receive(end, &message, fds) == 0) {
        count += message.kind == (uint32_t)kind;
        for (uint32_t i = 0; i < message.fd_count; i++) {
            close(fds[i]);
        }
    }
    return count;
}

static void a_closed_slot_that_gets_new_sockets_keeps_them(void **state)
{
    int64_t now = process_clock_ns();

    (void)state;
    /* its last sockets are closed, its worker is there */
    guard->workers[SLOT].retire_ns = now - 10 * GUARD_SECOND;
    guard->workers[SLOT].let_go_ns = now - 5 * GUARD_SECOND;
    add("web");
    retire_tend(guard, process_clock_ns()); /* how many are wanted has not arrived yet */
    assert_true(keep_has_slot(guard, SLOT));
    assert_int_equal(received(master_end, CONTROL_UNLISTEN), 0);
    assert_int_equal(received(worker_end, CONTROL_LISTEN), 1);
    retire_to(guard, SLOT + 1, process_clock_ns());
    assert_int_equal(guard->workers[SLOT].retire_ns, 0);
}

static void a_slot_let_go_accepts_again_on_its_old_sockets_too(void **state)
{
    int64_t now = process_clock_ns();

    (void)state;
    add("web");
    guard->workers[SLOT].retire_ns = now - GUARD_EMPTYING;
    retire_tend(guard, now);
    assert_int_not_equal(guard->workers[SLOT].let_go_ns, 0);
    assert_int_equal(received(worker_end, CONTROL_UNLISTEN), 1);
    add("other");
    assert_int_equal(guard->workers[SLOT].let_go_ns, 0);
    assert_int_equal(received(worker_end, CONTROL_LISTEN), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_closed_slot_that_gets_new_sockets_keeps_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slot_let_go_accepts_again_on_its_old_sockets_too, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests_name("retire", tests, NULL, NULL);
}
