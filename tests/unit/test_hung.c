/* test_hung.c - whose heart has stopped is ended, so that another takes its place: workers after 10 s, the master after 30. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <signal.h>

#include "common/base/memory.h"
#include "common/base/process.h"
#include "common/base/slice.h"
#include "master/guard/guard.h"

struct stand {
    struct guard *guard;
    int64_t now;
};

static pid_t somebody(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        (void)raise(SIGSTOP);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
    return pid;
}

static struct stand begin(void)
{
    struct stand stand = {.guard = xcalloc(1, sizeof(struct guard)), .now = process_clock_ns()};
    struct guard *guard = stand.guard;
    struct error why;

    assert_int_equal(board_create(&guard->board_fd, &why), 0);
    assert_int_equal(board_map(guard->board_fd, &guard->board, &why), 0);
    guard->phase = GUARD_RUNNING;
    guard->slots = 1;
    guard->workers[0].pid = somebody();
    guard->master.pid = somebody();
    guard->workers[0].beat_seen_ns = guard->master.beat_seen_ns = guard->next_check_ns = stand.now;
    return stand;
}

static void end(struct stand *stand)
{
    const pid_t left[] = {stand->guard->master.pid, stand->guard->workers[0].pid};

    for (size_t i = 0; i < ARRAY_LEN(left); i++) {
        if (left[i] != 0) {
            (void)kill(left[i], SIGKILL);
        }
    }
    while (wait(NULL) > 0) {
    }
    board_unmap(stand->guard->board);
    close(stand->guard->board_fd);
    free(stand->guard);
}

/* Look by look, as the guard does; with `beats` the master's heart goes on. */
static void pass(struct stand *stand, int64_t seconds, bool beats)
{
    for (int64_t until = stand->now + seconds * GUARD_SECOND; stand->now < until;) {
        stand->now += 100 * GUARD_MS;
        if (beats) {
            atomic_store(&board_tree(stand->guard->board)->master_heartbeat_ns, (uint64_t)stand->now);
        }
        (void)hearts_check(stand->guard, stand->now);
    }
}

static bool aborted(pid_t pid)
{
    int status;

    return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static bool stopped_still(pid_t pid)
{
    return waitpid(pid, NULL, WNOHANG) == 0;
}

static void each_after_its_time(void **state)
{
    struct stand stand = begin();

    (void)state;
    pass(&stand, 9, false);
    assert_true(stopped_still(stand.guard->workers[0].pid));
    pass(&stand, 2, false);
    assert_true(aborted(stand.guard->workers[0].pid));
    stand.guard->workers[0].pid = 0;
    pass(&stand, 18, false);
    assert_true(stopped_still(stand.guard->master.pid));
    pass(&stand, 2, false);
    assert_true(aborted(stand.guard->master.pid));
    stand.guard->master.pid = 0;
    pass(&stand, 40, false); /* there is none */
    end(&stand);
}

/* One worker that serves and nothing under way: looked at when it could have become silent, counted from its own beat. */
static void the_next_look_is_when_silence_can_be(void **state)
{
    struct stand stand = begin();
    struct guard *guard = stand.guard;
    struct board_slab *slab = board_slab(guard->board, 0);
    int64_t now = stand.now + 250 * GUARD_MS, beat = now - 40 * GUARD_MS;

    (void)state;
    guard->wanted = 1;
    guard->workers[0].lent_to = -1;
    guard->workers[0].has_master = true;
    guard->workers[0].out.channel = STDIN_FILENO; /* any: it is not used */
    atomic_store(&slab->heartbeat_ns, (uint64_t)beat);
    assert_true(hearts_check(guard, now));
    assert_int_equal(guard->next_check_ns, now + GUARD_TICK); /* it does not serve yet */
    atomic_store(&slab->state, WORKER_SERVING);
    now += GUARD_TICK;
    assert_true(hearts_check(guard, now));
    assert_int_equal(guard->next_check_ns, beat + GUARD_SILENT + 1);
    assert_false(hearts_check(guard, now + GUARD_TICK));
    atomic_store(&slab->heartbeat_ns, UINT64_MAX); /* a lie is worth no more than a beat just now */
    now = guard->next_check_ns;
    assert_true(hearts_check(guard, now));
    assert_int_equal(guard->next_check_ns, now + GUARD_SILENT + 1);
    guard->workers[0].retire_ns = now; /* something begins: from the next turn on it looks often */
    assert_false(hearts_check(guard, now + 1));
    assert_int_equal(guard->next_check_ns, now + 1 + GUARD_TICK);
    end(&stand);
}

static void a_master_whose_heart_beats_stays(void **state)
{
    struct stand stand = begin();

    (void)state;
    pass(&stand, 40, true);
    assert_true(stopped_still(stand.guard->master.pid));
    pass(&stand, 29, false);
    assert_true(stopped_still(stand.guard->master.pid));
    end(&stand);
}

/* Who slept himself judges nobody by that. */
static void a_guard_that_was_stopped_waits_anew(void **state)
{
    struct stand stand = begin();

    (void)state;
    stand.now += 60 * GUARD_SECOND;
    (void)hearts_check(stand.guard, stand.now);
    pass(&stand, 9, false);
    assert_true(stopped_still(stand.guard->workers[0].pid) && stopped_still(stand.guard->master.pid));
    end(&stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_after_its_time),
        cmocka_unit_test(the_next_look_is_when_silence_can_be),
        cmocka_unit_test(a_master_whose_heart_beats_stays),
        cmocka_unit_test(a_guard_that_was_stopped_waits_anew),
    };

    return cmocka_run_group_tests_name("hung", tests, NULL, NULL);
}
