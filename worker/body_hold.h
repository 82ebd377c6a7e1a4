/*
 * body_hold.h - the body of a request that may be sent more than once: held whole before the way goes on, then given as often
 * as it is asked for.
 *
 * For a step of the chain (chain.h) that suspends in its on_request and has body_hold_take() and body_hold_wanted() as hooks
 * of its filter. Beyond the bound the step is told; it answers, or goes on, and then what came is given once and the rest
 * goes by.
 */
#ifndef WEIR_WORKER_BODY_HOLD_H
#define WEIR_WORKER_BODY_HOLD_H

#include "worker/body_store.h"
#include "worker/filter.h"
#include "worker/middleware.h"
#include "worker/timers.h"

enum body_held { HELD_WHOLE, HELD_TOO_LARGE };

/* Of more than one reader; counted. */
struct body_share {
    struct worker *worker;
    unsigned references;
    struct body_store store;
};
struct body_share *body_share_ref(struct body_share *share); /* NULL is fine, also below */
void body_share_unref(struct body_share *share);

struct body_hold { /* zeroed, in the exchange's pool; let go of when the exchange is over */
    /* Answers, or not; the exchange is resumed behind it. Without memory for the body 503 is answered unasked. */
    void (*done)(struct body_hold *hold, enum body_held how);
    int64_t most; /* bytes; -1: no bound */
    /* ---- its own ---- */
    struct exchange *ex;
    struct body_filter *filter;
    struct body_share *share;
    struct body_place at;
    struct timer
        timer;  /* asks for it, and gives it, in the next turn of the loop: not within calls of others */
    bool ready; /* done() was called */
    bool whole, passing;
    bool *over; /* set when the exchange ends while bytes are passed */
};

/* In on_request, of a request with a body. Returns MW_SUSPENDED. */
enum mw_verdict body_hold_begin(struct exchange *ex, struct body_hold *hold);
/* From its beginning, for the next one that asks. Of a body that was held whole. */
void body_hold_again(struct body_hold *hold);
/* Hooks of the filter. */
bool body_hold_take(struct body_filter *filter, struct slice data, bool last, const struct headers *trailers);
bool body_hold_wanted(struct body_filter *filter);

#endif
