/*
 * helper.c - see helper.h.
 *
 * Each list is a stack that one side pushes to and the other side takes as a whole and turns around. The thread sleeps on
 * a semaphore that is posted once for each job; the loop is told when the list of finished jobs was empty before.
 *
 * A descriptor comes to the thread by a pair of sockets. So it does too where the kernel does not part the tables (before 5.9).
 */
#include "worker/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/process.h"
#include "worker/poller.h"
#include "worker/sandbox.h"
#include "worker/worker.h"

typedef _Atomic(struct helper_job *) job_stack; /* newest first */

struct helper {
    struct io io; /* first; readable when jobs are finished */
    struct worker *worker;
    pthread_t thread;
    int tell;   /* the descriptor of io, for the thread */
    int lends;  /* what is lent goes in here ... */
    int takes;  /* ... and comes out there, */
    int source; /* which has this number on the thread */
    int lent;   /* the thread's; -1: nothing yet */
    bool apart; /* the thread has a table of its own */
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

/* A table of its own: the standard streams (a stack trace goes there), `tell`, and what takes, with the number of the guard's
 * channel, so that what is lent gets one with which the sandbox allows writing. */
static bool part(struct helper *helper)
{
    unsigned tell = (unsigned)helper->tell, highest = tell;

    if (helper->takes > helper->tell) {
        highest = (unsigned)helper->takes;
    }
    if (syscall(SYS_close_range, highest + 1, UINT_MAX, CLOSE_RANGE_UNSHARE) == -1) {
        return false;
    }
    if (helper->takes == -1) {
        close(PROCESS_CONTROL_FD);
    } else {
        helper->source = dup3(helper->takes, PROCESS_CONTROL_FD, O_CLOEXEC);
    }
    (void)syscall(SYS_close_range, PROCESS_CONTROL_FD + 1, tell - 1, 0);
    if (highest > tell) {
        (void)syscall(SYS_close_range, tell + 1, highest, 0);
    }
    return true;
}

int helper_lent(struct helper *helper)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    struct iovec piece = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};

    if (helper->lent == -1 && helper->source != -1 &&
        recvmsg(helper->source, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) == 1) {
        const struct cmsghdr *head = CMSG_FIRSTHDR(&message);

        if (head && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof(int))) {
            memcpy(&helper->lent, CMSG_DATA(head), sizeof(int));
        }
    }
    return helper->lent;
}

static void *run(void *argument)
{
    struct helper *helper = argument;
    bool ending;

    helper->apart = part(helper);
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
    if (helper->lent != -1) {
        close(helper->lent);
    }
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

/* By sendmmsg(), which the sandbox allows. */
int helper_lend(struct helper *helper, int fd)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {
        .head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    char byte = 0;
    struct iovec piece = {&byte, 1};
    struct mmsghdr message = {
        .msg_hdr = {
            .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)}};

    memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
    return sendmmsg(helper->lends, &message, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

/* ---- life ---- */

static int begin(struct helper *helper, struct error *why)
{
    int rc = poller_add(helper->worker->poller, &helper->io, helper->tell, true);

    if (rc < 0) {
        return error_set(why, rc, "cannot watch a helper thread: %s", strerror(-rc));
    }
    rc = pthread_create(&helper->thread, NULL, run, helper);
    if (rc != 0) {
        return error_set(why, -rc, "cannot make a helper thread: %s", strerror(rc));
    }
    while (sem_wait(&helper->confined) == -1) { /* EINTR */
    }
    if (helper->apart && helper->takes != -1) {
        close(helper->takes); /* the thread has it */
        helper->takes = -1;
    }
    return 0;
}

/* With a number that part() does not give to another one; -1 with errno. */
static int moved_up(int fd)
{
    int moved = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, PROCESS_LAST_FD + 1), code = errno;

    if (fd >= 0) {
        close(fd);
    }
    errno = code;
    return moved;
}

static void close_pair(struct helper *helper)
{
    if (helper->lends != -1) {
        close(helper->lends);
    }
    if (helper->takes != -1) {
        close(helper->takes);
    }
}

static int open_descriptors(struct helper *helper, bool borrows, struct error *why)
{
    int pair[2] = {-1, -1};

    helper->tell = moved_up(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (helper->tell < 0) {
        return error_set(why, -errno, "cannot make a helper thread: %m");
    }
    if (borrows && (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1 ||
                    (pair[1] = moved_up(pair[1])) == -1)) {
        int rc = error_set(why, -errno, "cannot make a helper thread: %m");

        if (pair[0] != -1) {
            close(pair[0]);
        }
        close(helper->tell);
        return rc;
    }
    helper->lends = pair[0];
    helper->takes = helper->source = pair[1];
    return 0;
}

int helper_new(struct worker *worker, unsigned most, bool borrows, struct helper **out, struct error *why)
{
    struct helper *helper = xcalloc(1, sizeof(*helper));
    int rc = open_descriptors(helper, borrows, why);

    if (rc < 0) {
        free(helper);
        return rc;
    }
    helper->worker = worker;
    helper->most = most;
    helper->lent = -1;
    helper->results_tail = &helper->results;
    helper->io.kind = LAP_WORK;
    helper->io.on_ready = on_ready;
    helper->io.on_closed = on_closed;
    sem_init(&helper->confined, 0, 0);
    sem_init(&helper->asked, 0, 0);
    rc = begin(helper, why);
    if (rc < 0) {
        close(helper->tell);
        close_pair(helper);
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
    close_pair(helper);
    sem_destroy(&helper->asked);
    sem_destroy(&helper->confined);
    poller_forget(&helper->io); /* the thread's table may go a moment after the thread */
    io_close(&helper->io);
}
