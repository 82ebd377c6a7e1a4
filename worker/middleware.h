/*
 * middleware.h - the seam of a middleware: one file with one table of callbacks.
 *
 * on_request runs in the order of the chain, on_response in reverse on whatever answer comes (also our own). Absent hooks
 * are not called. By the time of on_response ex->request is what those behind it made of it (their path, their headers): what
 * was there in on_request is kept. Parameters lie in the arena: read text with exchange_text(). A malformed request never
 * reaches a middleware. What must be undone or freed at the end is registered with exchange_at_end(), what the second half
 * needs of the first is kept with exchange_keep() (exchange.h). Bodies: filter.h.
 */
#ifndef WEIR_WORKER_MIDDLEWARE_H
#define WEIR_WORKER_MIDDLEWARE_H

#include "common/model/middlewares.h"
#include "worker/filter.h"

struct exchange;

enum mw_verdict {
    MW_PASS, /* go on with the next */
    /* exchange_answer*() was called. In the request half the response half of those before runs on it. In the response
     * half, after exchange_discard_response(), it takes the place of what came. */
    MW_ANSWERED,
    /* Later, from this worker's loop: exchange_resume(), or in the response half exchange_response_resume(). A switch of
     * protocols (101) cannot be held: it passes. */
    MW_SUSPENDED,
};

struct middleware_type {
    const char *name;
    enum mw_verdict (*on_request)(struct exchange *ex, const void *params);
    enum mw_verdict (*on_response)(struct exchange *ex, const void *params); /* head complete, not yet sent */
    struct filter_hooks filter;
};

/* The one list, in middleware_list.c. Never NULL; chain has no hooks. */
extern const struct middleware_type *const middleware_types[MIDDLEWARE_KINDS];

#endif
