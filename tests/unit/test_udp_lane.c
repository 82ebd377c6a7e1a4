/* test_udp_lane.c - thousands of UDP sessions that nobody takes over end in pieces, between which others get their turn (I4). */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/poller.h"
#include "worker/udp_inner.h"

#define SESSIONS 3000
#define DESCRIPTORS (SESSIONS + 100)
#define TURNS_MOST 100000

static struct worker worker;
static struct board_slab slab;
static struct timer pulse;
static unsigned turns, between; /* so many turns saw some of them ended, and some not */

/* In each turn. */
static void look(struct timer *timer)
{
    size_t left = worker.udp->sessions;

    between += left > 0 && left < SESSIONS;
    if ((left == 0 && worker.udp->sets->shards == NULL) || ++turns == TURNS_MOST) {
        worker.quit = true;
    } else {
        timer_again(worker.timers, timer);
    }
}

static int datagram_socket(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_int_not_equal(fd, -1);
    return fd;
}

static struct udp_shard *shard_with_sessions(void)
{
    struct control_message take = {.kind = CONTROL_UDP_TAKE, .number = 7, .fd_count = 1, .text = "u"};
    int fd = datagram_socket();
    struct udp_shard *shard;

    udp_message(&worker, &take, &fd);
    shard = worker.udp->sets->shards;
    for (uint32_t i = 0; i < SESSIONS; i++) {
        struct udp_flow flow = {.client.v4 = {.sin_family = AF_INET, .sin_addr = {i}, .sin_port = 9}};

        udp_session_adopt(shard, &flow, datagram_socket(), INT64_C(60000000000));
    }
    assert_int_equal(worker.udp->sessions, SESSIONS);
    return shard;
}

static int setup(void **state)
{
    struct rlimit limit;

    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_cur < DESCRIPTORS ? DESCRIPTORS : limit.rlim_cur;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 1;
    }
    worker = (struct worker){.slab = &slab, .fd_servers = 2 * DESCRIPTORS};
    turns = between = 0;
    pulse = (struct timer){.fire = look};
    if (uv_loop_init(&worker.loop) != 0 || poller_new(&worker, &worker.poller, NULL) != 0) {
        return 1;
    }
    worker.timers = timers_new(worker.now_ns);
    udp_start(&worker);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    udp_stop(&worker);
    poller_free(worker.poller);
    timers_free(worker.timers);
    return uv_loop_close(&worker.loop);
}

static void watch_them_end(void)
{
    timer_again(worker.timers, &pulse);
    poller_run(worker.poller);
    assert_int_equal(worker.udp->sessions, 0);
    assert_int_equal(worker.udp->lanes, 0);
    assert_true(between > 0);
}

static void whose_taker_has_died(void **state)
{
    struct control_message give = {.kind = CONTROL_UDP_GIVE, .number = 7, .fd_count = 1};
    int lane[2];

    (void)state;
    (void)shard_with_sessions();
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, lane), 0);
    close(lane[1]);
    udp_message(&worker, &give, &lane[0]);
    watch_them_end();
}

static void whom_the_next_build_does_not_want(void **state)
{
    struct udp_shard *shard = shard_with_sessions();

    (void)state;
    shard->set->known = true;
    udp_shard_watch(shard);
    assert_true(shard->watched);
    udp_leave(&worker);
    udp_leave(&worker);           /* twice is harmless */
    assert_false(shard->watched); /* else sessions would begin beside those that end */
    watch_them_end();
}

/* Its entry point is gone meanwhile, and nothing of it stays. */
static void of_an_entry_point_that_is_dropped(void **state)
{
    struct control_message drop = {.kind = CONTROL_UDP_DROP, .number = 7};

    (void)state;
    (void)shard_with_sessions();
    udp_leave(&worker);
    udp_message(&worker, &drop, NULL);
    for (int i = 0; worker.udp->sets && i < TURNS_MOST; i++) {
        (void)timers_run(worker.timers, worker.now_ns);
    }
    assert_null(worker.udp->sets);
    assert_int_equal(worker.udp->sessions, 0);
}

/* The end of the worker waits for none of it. */
static void when_the_worker_ends(void **state)
{
    (void)state;
    (void)shard_with_sessions();
    udp_leave(&worker);
    (void)timers_run(worker.timers, worker.now_ns);
    assert_in_range(worker.udp->sessions, 1, SESSIONS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whose_taker_has_died, setup, teardown),
        cmocka_unit_test_setup_teardown(whom_the_next_build_does_not_want, setup, teardown),
        cmocka_unit_test_setup_teardown(of_an_entry_point_that_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(when_the_worker_ends, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
