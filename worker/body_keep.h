/*
 * body_keep.h - the body of a request as a step of the chain (chain.h) keeps it: to see it whole before
 * the way goes on, and to give it to those behind, once or more often.
 *
 * The step has body_keep_take() and body_keep_wanted() as hooks of its filter, or calls them from its own.
 * What is kept is given first, a piece of time in each turn of the loop; what the client has still to send
 * follows by itself.
 */
#ifndef WEIR_WORKER_BODY_KEEP_H
#define WEIR_WORKER_BODY_KEEP_H

#include "common/http/headers.h"
#include "worker/body_store.h"
#include "worker/filter.h"
#include "worker/middleware.h"
#include "worker/timers.h"

enum body_kept { KEPT_WHOLE, KEPT_TOO_LARGE };

/* A body of more than one reader; counted. */
struct body_share {
    struct worker *worker;
    struct body_keep *keep; /* that fills it; NULL: it is gone */
    unsigned references;
    struct body_store store;
};
struct body_share *body_share_ref(struct body_share *share); /* NULL is fine, also below */
void body_share_unref(struct body_share *share);

struct body_keep { /* zeroed, in the exchange's pool; lets go by itself when the exchange is over */
    /* Gathering is over. MW_PASS: the exchange goes on; of a body that is too large what came is given
     * first, once, and the rest follows. MW_ANSWERED: the body is forgotten, what else comes of it too.
     * MW_SUSPENDED: the step resumes it. */
    enum mw_verdict (*done)(struct body_keep *keep, enum body_kept how);
    uint64_t most;        /* bytes to gather */
    uint64_t memory_most; /* so many of them in memory, as in struct body_store */
    /* ---- its own, but for reading ---- */
    struct exchange *ex;
    struct body_filter *filter;
    struct body_share *share; /* NULL: there is no body */
    struct body_place at;     /* so much those behind have had */
    struct headers trailers;
    struct timer
        timer; /* asks for it, and gives it, in the next turn of the loop: not within calls of others */
    bool gathering;
    bool whole; /* the client has sent all of it */
    bool given; /* those behind have had all of it */
    bool dropped;
    bool *over; /* set when the exchange ends while bytes are passed */
};

/* In on_request, of a request with a body; with a filter of its own. */
void body_keep_start(struct body_keep *keep, struct exchange *ex);
/* Asks for all of it; done() follows, or without room for it the answer 503. Returns MW_SUSPENDED. */
enum mw_verdict body_keep_gather(struct body_keep *keep);
/* From its beginning, for those behind once more. Without a body nothing. */
void body_keep_again(struct body_keep *keep);
/* No further attempt: what those behind have had whole is nobody's any more. Without a body nothing. */
void body_keep_finish(struct body_keep *keep);
uint64_t body_keep_len(const struct body_keep *keep); /* so far */

/* For one that keeps what passes, in memory (memory_most is 0): those behind have had these bytes, too.
 * False: no memory may be used for them. */
bool body_keep_passing(struct body_keep *keep, struct slice data, bool last, const struct headers *trailers);

/* Hooks of the filter, whose state is the keep. */
bool body_keep_take(struct body_filter *filter, struct slice data, bool last, const struct headers *trailers);
bool body_keep_wanted(struct body_filter *filter);
/* Some of what is kept has not been given: what comes now belongs behind it. */
bool body_keep_waits(const struct body_keep *keep);

#endif
