/* test_h1_answer.c - an answer of HTTP/1 on its way to a client that takes what it gets a moment later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/codec.h"
#include "worker/h1_client.h"
#include "worker/poller.h"
#include "worker/worker.h"

#define MORE 20000 /* than the kernel takes: it fits into one buffer */

static struct worker worker;
static struct board_slab slab;
static struct listener listener;
static struct client client;
static struct h1_stream stream;
static int peer;
static char bytes[1 << 20];

static void on_closed(struct io *io)
{
    (void)io;
}

static int setup(void **state)
{
    int pair[2];

    (void)state;
    worker = (struct worker){.slab = &slab, .now_ns = 1};
    if (uv_loop_init(&worker.loop) != 0 || poller_new(&worker, &worker.poller, NULL) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
        return 1;
    }
    worker.timers = timers_new(worker.now_ns);
    recycler_start(&worker);
    peer = pair[1];
    client = (struct client){.state = CLIENT_EXCHANGE, .listener = &listener, .stream = &stream};
    client.body_deadline = client.write_deadline = client.end_deadline = TIMER_NEVER;
    client.conn.io.on_closed = on_closed;
    stream = (struct h1_stream){.client = &client, .answer = H1_CHUNKED};
    stream.ex.worker = &worker;
    stream.ex.stream = &stream;
    return conn_open(&client.conn, &worker, pair[0]);
}

static int teardown(void **state)
{
    (void)state;
    close(peer);
    conn_close(&client.conn);
    poller_free(worker.poller);
    recycler_stop(&worker);
    timers_free(worker.timers);
    return uv_loop_close(&worker.loop);
}

/* What another pair of sockets takes at once. */
static size_t room_of_sockets(void)
{
    int pair[2];
    ssize_t n;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    n = write(pair[0], bytes, sizeof(bytes));
    close(pair[0]);
    close(pair[1]);
    assert_in_range(n, 1, sizeof(bytes) - MORE);
    return (size_t)n;
}

static void take_all(void)
{
    while (read(peer, bytes, sizeof(bytes)) > 0) {
    }
}

/* Whoever was told to wait is told when there is room, and that is the event's to say: nobody else makes it. */
static void what_waits_goes_out_when_its_owner_comes_by(void **state)
{
    size_t size = room_of_sockets() + MORE;

    (void)state;
    client.conn.io.writable = true;
    assert_false(codec_h1.send_body(&stream.ex, slice_of(bytes, size)));
    assert_in_range(client.conn.out_len, 1, 2 * MORE);
    take_all();
    codec_h1.flush(&stream.ex); /* the end of the chunk */
    assert_true(conn_backed_up(&client.conn));
    assert_int_equal(conn_flush(&client.conn), 0);
    assert_false(conn_backed_up(&client.conn));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_waits_goes_out_when_its_owner_comes_by, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
