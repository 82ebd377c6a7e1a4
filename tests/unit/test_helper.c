/* test_helper.c - jobs of the helper thread: their order, where they run, how many there may be, what the end does to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/helper.h"
#include "worker/poller.h"
#include "worker/timers.h"
#include "worker/worker.h"

#define MANY 5000
#define ROOM 8

struct counted {
    struct helper_job job;
    unsigned number;
};

static struct worker worker;
static struct board_slab slab;
static struct helper *helper;
static pthread_t loop;
static struct counted jobs[MANY];
static unsigned worked, worked_in_order, elsewhere; /* the thread's; read by the loop once all are done */
static unsigned asked, done, done_in_order, undone, on_loop;
static unsigned last; /* so many done end the loop */
static bool refills;  /* each that is done asks for another one */
static sem_t begun, gate;

static void start(unsigned room)
{
    worker = (struct worker){.slab = &slab};
    last = MANY;
    refills = false;
    worked = worked_in_order = elsewhere = 0;
    asked = done = done_in_order = undone = on_loop = 0;
    loop = pthread_self();
    sem_init(&begun, 0, 0);
    sem_init(&gate, 0, 0);
    assert_int_equal(uv_loop_init(&worker.loop), 0);
    assert_int_equal(poller_new(&worker, &worker.poller, NULL), 0);
    worker.timers = timers_new(worker.now_ns);
    assert_int_equal(helper_new(&worker, room, true, &helper, NULL), 0);
}

static void end(void)
{
    poller_free(worker.poller);
    timers_free(worker.timers);
    assert_int_equal(uv_loop_close(&worker.loop), 0);
}

static void work(struct helper_job *job)
{
    worked_in_order += ((struct counted *)job)->number == worked++;
    elsewhere += !pthread_equal(pthread_self(), loop);
}

/* Until somebody opens the gate. */
static void wait_work(struct helper_job *job)
{
    work(job);
    sem_post(&begun);
    sem_wait(&gate);
}

static void on_done(struct helper_job *job, bool was_worked);

static bool ask(void (*how)(struct helper_job *))
{
    struct counted *next = &jobs[asked % MANY];

    *next = (struct counted){.job = {.work = how, .done = on_done}, .number = asked};
    asked += helper_run(helper, &next->job);
    return next->number < asked;
}

/* One more for each that is done, so that both sides are busy at the same time. */
static void on_done(struct helper_job *job, bool was_worked)
{
    struct counted *counted = (struct counted *)job;

    done_in_order += counted->number == done++;
    on_loop += pthread_equal(pthread_self(), loop) != 0;
    undone += !was_worked;
    if (refills && asked < last) {
        assert_true(ask(work));
    }
    worker.quit = done == last;
}

static void in_order_and_on_their_threads(void **state)
{
    (void)state;
    start(ROOM);
    refills = true;
    for (unsigned i = 0; i < ROOM; i++) {
        assert_true(ask(work));
    }
    poller_run(worker.poller);
    assert_int_equal(done, MANY);
    assert_int_equal(worked, MANY);
    assert_int_equal(worked_in_order, MANY);
    assert_int_equal(done_in_order, MANY);
    assert_int_equal(elsewhere, MANY);
    assert_int_equal(on_loop, MANY);
    helper_end(helper);
    end();
}

static void no_more_than_there_is_room_for(void **state)
{
    (void)state;
    start(3);
    assert_true(ask(wait_work));
    sem_wait(&begun);
    assert_true(ask(work) && ask(work));
    assert_false(ask(work));
    sem_post(&gate);
    helper_end(helper);
    assert_int_equal(done, 3);
    end();
}

static void *open_gate(void *nothing)
{
    struct timespec moment = {.tv_nsec =
                                  20000000}; /* in which the end begins, most likely; true it is either way */

    (void)nanosleep(&moment, NULL);
    sem_post(&gate);
    return nothing;
}

static void the_end_waits_for_the_one_in_work(void **state)
{
    pthread_t opener;

    (void)state;
    start(ROOM);
    assert_true(ask(wait_work));
    sem_wait(&begun);
    for (unsigned i = 1; i < ROOM; i++) {
        assert_true(ask(work));
    }
    assert_int_equal(pthread_create(&opener, NULL, open_gate, NULL), 0);
    helper_end(helper);
    assert_int_equal(pthread_join(opener, NULL), 0);
    assert_int_equal(done, ROOM);
    assert_int_equal(on_loop, ROOM);
    assert_true(worked >= 1);
    assert_int_equal(undone, ROOM - worked);
    assert_int_equal(worked_in_order, worked);
    assert_int_equal(done_in_order, ROOM);
    end();
}

static void nothing_at_all(void **state)
{
    (void)state;
    start(ROOM);
    helper_end(helper);
    assert_int_equal(done, 0);
    helper_end(NULL);
    end();
}

/* ---- descriptors ---- */
static int of_the_loop, found, lent;

static void look_work(struct helper_job *job)
{
    static const char word[] = "lent";

    found = fcntl(of_the_loop, F_GETFD) != -1;
    lent = helper_lent(helper);
    if (lent != -1) {
        assert_int_equal(write(lent, word, sizeof(word)), sizeof(word));
    }
    work(job);
}

static void descriptors_are_its_own(void **state)
{
    int ends[2], before[2];
    char word[8];

    (void)state;
    assert_int_equal(pipe2(before, O_CLOEXEC), 0);
    start(ROOM);
    of_the_loop = before[1];
    last = 1;
    assert_true(ask(look_work));
    poller_run(worker.poller);
    assert_int_equal(found, 0); /* of what was open when it began */
    assert_int_equal(lent, -1);

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    of_the_loop = ends[1];
    assert_int_equal(helper_lend(helper, ends[1]), 0);
    worker.quit = false;
    last = 2;
    assert_true(ask(look_work));
    poller_run(worker.poller);
    assert_int_not_equal(lent, -1);
    assert_true(found == 0 || lent == ends[1]); /* the number may be the same, the descriptor is another */
    close(ends[1]);
    assert_int_equal(read(ends[0], word, sizeof(word)), sizeof("lent"));
    assert_string_equal(word, "lent");
    helper_end(helper);
    assert_int_equal(read(ends[0], word, sizeof(word)), 0); /* it has closed its own: that is the end */
    close(ends[0]);
    close(before[0]);
    close(before[1]);
    end();
}

#ifndef __SANITIZE_ADDRESS__
static int opened, opened_errno;

static void open_work(struct helper_job *job)
{
    opened = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    opened_errno = errno;
    work(job);
}

static void work_is_in_the_sandbox(void **state)
{
    (void)state;
    start(ROOM);
    assert_true(ask(open_work));
    last = 1;
    poller_run(worker.poller);
    helper_end(helper);
    assert_int_equal(opened, -1);
    assert_int_equal(opened_errno, EPERM);
    end();
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_and_on_their_threads),
        cmocka_unit_test(no_more_than_there_is_room_for),
        cmocka_unit_test(the_end_waits_for_the_one_in_work),
        cmocka_unit_test(nothing_at_all),
        cmocka_unit_test(descriptors_are_its_own),
#ifndef __SANITIZE_ADDRESS__
        cmocka_unit_test(work_is_in_the_sandbox),
#endif
    };

    return cmocka_run_group_tests_name("helper", tests, NULL, NULL);
}
