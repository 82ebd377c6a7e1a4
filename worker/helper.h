/*
 * helper.h - a thread beside the loop, for what takes longer than a callback may (I4).
 *
 * Jobs are worked one at a time, in the order in which they came, and done() is called on the loop in that order. The
 * loop and the thread never wait for each other: both lists are lock-free, and the poller watches a descriptor that the
 * thread writes to. Whoever must not stand in one queue with others makes a helper of its own.
 *
 * The thread has a table of descriptors of its own, with nothing in it but what it needs. In a table that threads share each
 * system call takes and gives back a reference, and the table waits for a grace period of the kernel (6 to 16 ms) whenever it
 * grows: on the loop, while it accepts a connection. So work() cannot use the loop's descriptors, only what it was lent.
 */
#ifndef WEIR_WORKER_HELPER_H
#define WEIR_WORKER_HELPER_H

#include <stdbool.h>

#include "common/base/error.h"

struct worker;
struct helper;

struct helper_job { /* a member of what the job is about; zeroed but for the callbacks */
    /* On the thread. Touches what belongs to the job, and what may be touched by several threads. */
    void (*work)(struct helper_job *job);
    /* On the loop; from here on the job is its owner's again, who may free it. worked is false when the helper was ended
     * before the thread came to it: work() was not called and will not be. */
    void (*done)(struct helper_job *job, bool worked);
    struct helper_job *next; /* these are the helper's */
    bool worked;
};

/* Starts a thread that has room for `most` jobs whose done() has not been called yet. borrows: it may be lent a descriptor.
 * Before sandbox_enter(), which the thread calls for itself: afterwards a worker can make none. */
int helper_new(struct worker *worker, unsigned most, bool borrows, struct helper **out, struct error *why);

/* False: there is no room, or the helper is being ended; the job is still the caller's. */
bool helper_run(struct helper *helper, struct helper_job *job);

/* Gives a thread that borrows a descriptor, once in its life, which it keeps until it ends. The loop's own stays the caller's.
 * 0 or a negative errno. */
int helper_lend(struct helper *helper, int fd);
/* On the thread: the descriptor that it was lent before the job was asked for; -1: none. */
int helper_lent(struct helper *helper);

/* Waits until the job in work is finished; then every job left gets its done() before this returns. Before poller_free(),
 * which frees the memory. NULL is fine. */
void helper_end(struct helper *helper);

#endif
