/* test_outbox.c - messages that wait for room: order, descriptors, a peer that is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "master/guard/outbox.h"

struct pair {
    struct outbox outbox;
    int other;
};

static void open_pair(struct pair *pair)
{
    struct error why;
    int fds[2];

    assert_int_equal(control_pair(fds, &why), 0);
    outbox_init(&pair->outbox, fds[0]);
    pair->other = fds[1];
}

static unsigned drain(int channel, unsigned expected)
{
    struct control_message message;
    int fds[CONTROL_FDS];

    while (control_receive(channel, &message, fds) == 0) {
        assert_int_equal(message.number, expected);
        expected++;
        for (uint32_t i = 0; i < message.fd_count; i++) {
            assert_int_not_equal(fcntl(fds[i], F_GETFD), -1);
            close(fds[i]);
        }
    }
    return expected;
}

static void order_is_kept_over_a_full_channel(void **state)
{
    struct pair pair;
    unsigned sent = 0, received = 0;

    (void)state;
    open_pair(&pair);
    while (!outbox_waiting(&pair.outbox) || sent % 100 != 0) { /* until it is full, and some more */
        struct control_message message = {.kind = CONTROL_ACK, .number = sent++};

        assert_int_equal(outbox_send(&pair.outbox, &message, NULL, 0), 0);
    }
    while (received < sent) {
        received = drain(pair.other, received);
        assert_int_equal(outbox_flush(&pair.outbox), 0);
    }
    assert_false(outbox_waiting(&pair.outbox));
    outbox_close(&pair.outbox);
    close(pair.other);
}

/* What waits has descriptors of its own: the sender may close its copies. */
static void descriptors_outlive_the_sender(void **state)
{
    struct pair pair;
    unsigned sent = 0;

    (void)state;
    open_pair(&pair);
    while (!outbox_waiting(&pair.outbox)) {
        struct control_message message = {.kind = CONTROL_LISTEN, .number = sent++};
        int fd = dup(STDIN_FILENO);

        if (fd == -1) {
            fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        }
        assert_int_equal(outbox_send(&pair.outbox, &message, &fd, 1), 0);
        close(fd);
    }
    unsigned received = drain(pair.other, 0);

    assert_int_equal(outbox_flush(&pair.outbox), 0);
    assert_int_equal(drain(pair.other, received), sent);
    outbox_close(&pair.outbox);
    close(pair.other);
}

static void peer_that_is_gone_is_told(void **state)
{
    struct control_message message = {.kind = CONTROL_ACK};
    struct pair pair;

    (void)state;
    open_pair(&pair);
    close(pair.other);
    assert_int_equal(outbox_send(&pair.outbox, &message, NULL, 0), -EPIPE);
    outbox_close(&pair.outbox);
    outbox_close(&pair.outbox); /* twice is harmless */
    assert_int_equal(outbox_send(&pair.outbox, &message, NULL, 0), -EPIPE);
}

static void closing_drops_what_waits(void **state)
{
    struct pair pair;

    (void)state;
    open_pair(&pair);
    while (!outbox_waiting(&pair.outbox)) {
        struct control_message message = {.kind = CONTROL_ACK};

        assert_int_equal(outbox_send(&pair.outbox, &message, &pair.other, 1), 0);
        if (outbox_waiting(&pair.outbox)) {
            break;
        }
    }
    outbox_close(&pair.outbox);
    assert_false(outbox_waiting(&pair.outbox));
    close(pair.other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_kept_over_a_full_channel),
        cmocka_unit_test(descriptors_outlive_the_sender),
        cmocka_unit_test(peer_that_is_gone_is_told),
        cmocka_unit_test(closing_drops_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
