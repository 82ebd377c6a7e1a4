/*
 * helper.c - see helper.h.
 *
 * Each list is a stack that one side pushes to and the other side takes as a whole and turns around. The thread sleeps on
 * a semaphore that is posted once for each job; the loop is told when the list of finished jobs was empty before.
 */
#include "worker/helper.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "worker/poller.h"
#include "worker/sandbox.h"
#include "worker/worker.h"

typedef _Atomic(struct helper_job *) job_stack; /* newest first */

struct helper {
    struct io io; /* first; readable when jobs are finished */
    struct worker *worker;
    pthread_t thread;
    int tell; /* the descriptor of io, for the thread */
    sem_t confined, asked;
    job_stack to_do, finished;
    atomic_bool ending;
    /* ---- the loop's ---- */
    struct helper_job *results, **results_tail; /* oldest first, done() not called yet */
    unsigned count, most;
};

/* True when there was none. */
static bool push(job_stack *stack, struct helper_job *job)
{
    struct helper_job *newest = atomic_load_explicit(stack, memory_order_relaxed);

    do {
        job->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(stack, &newest, job, memory_order_release,
                                                    memory_order_relaxed));
    return newest == NULL;
}

/* All of them, oldest first. */
static struct helper_job *take_all(job_stack *stack)
{
    struct helper_job *job = atomic_exchange_explicit(stack, NULL, memory_order_acquire), *oldest = NULL;

    while (job) {
        struct helper_job *next = job->next;

        job->next = oldest;
        oldest = job;
        job = next;
    }
    return oldest;
}

static bool is_ending(struct helper *helper)
{
    return atomic_load_explicit(&helper->ending, memory_order_acquire);
}

/* ---- on the thread ---- */

static void finish(struct helper *helper, struct helper_job *job)
{
    static const uint64_t one = 1;

    if (push(&helper->finished, job)) {
        while (write(helper->tell, &one, sizeof(one)) < 0 && errno == EINTR) { /* it is never full */
        }
    }
}

static void *run(void *argument)
{
    struct helper *helper = argument;

    bool ending;

    sandbox_enter(&helper->worker->fence);
    sem_post(&helper->confined);
    do {
        while (sem_wait(&helper->asked) == -1) { /* EINTR */
        }
        ending = is_ending(helper); /* asked before the look: nothing comes behind the last one */
        for (struct helper_job *job = take_all(&helper->to_do), *next; job; job = next) {
            next = job->next;
            job->worked = !is_ending(helper);
            if (job->worked) {
                job->work(job);
            }
            finish(helper, job);
        }
    } while (!ending);
    return NULL;
}

/* ---- on the loop ---- */

static void collect(struct helper *helper)
{
    struct helper_job *job = take_all(&helper->finished);

    *helper->results_tail = job;
    for (; job; job = job->next) {
        helper->results_tail = &job->next;
    }
}

static void call_done(struct helper *helper)
{
    struct helper_job *job = helper->results;

    helper->results = job->next;
    if (helper->results == NULL) {
        helper->results_tail = &helper->results;
    }
    helper->count--;
    job->done(job, job->worked);
}

static void on_ready(struct io *io)
{
    struct helper *helper = (struct helper *)io;
    struct stopwatch *watch = &helper->worker->watch;
    int64_t piece = piece_begin();
    uint64_t told;

    stopwatch_lap(watch);                     /* what ran before is not ours */
    (void)!read(io->fd, &told, sizeof(told)); /* before the look: what comes later tells again */
    collect(helper);
    while (helper->results && !piece_is_over(piece)) {
        call_done(helper);
        stopwatch_end(watch, LAP_WORK);
    }
    if (helper->results) {
        poller_again(io);
    }
}

static void on_closed(struct io *io)
{
    free(io);
}

bool helper_run(struct helper *helper, struct helper_job *job)
{
    if (helper->count == helper->most || is_ending(helper)) {
        return false;
    }
    helper->count++;
    (void)push(&helper->to_do, job);
    sem_post(&helper->asked);
    return true;
}

/* ---- life ---- */

static int begin(struct helper *helper, struct error *why)
{
    int rc = poller_add(helper->worker->poller, &helper->io, helper->tell, true);

    if (rc < 0) {
        close(helper->tell);
        return error_set(why, rc, "cannot watch a helper thread: %s", strerror(-rc));
    }
    rc = pthread_create(&helper->thread, NULL, run, helper);
    if (rc != 0) {
        close(helper->tell);
        return error_set(why, -rc, "cannot make a helper thread: %s", strerror(rc));
    }
    while (sem_wait(&helper->confined) == -1) { /* EINTR */
    }
    return 0;
}

int helper_new(struct worker *worker, unsigned most, struct helper **out, struct error *why)
{
    int tell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), rc;

    if (tell < 0) {
        return error_set(why, -errno, "cannot make a helper thread: %m");
    }

    struct helper *helper = xcalloc(1, sizeof(*helper));

    helper->worker = worker;
    helper->most = most;
    helper->tell = tell;
    helper->results_tail = &helper->results;
    helper->io.kind = LAP_WORK;
    helper->io.on_ready = on_ready;
    helper->io.on_closed = on_closed;
    sem_init(&helper->confined, 0, 0);
    sem_init(&helper->asked, 0, 0);
    rc = begin(helper, why);
    if (rc < 0) {
        free(helper);
        return rc;
    }
    *out = helper;
    return 0;
}

void helper_end(struct helper *helper)
{
    if (helper == NULL) {
        return;
    }
    atomic_store_explicit(&helper->ending, true, memory_order_release);
    sem_post(&helper->asked);
    (void)pthread_join(helper->thread, NULL);
    collect(helper);
    while (helper->results) {
        call_done(helper);
    }
    sem_destroy(&helper->asked);
    sem_destroy(&helper->confined);
    io_close(&helper->io);
}
