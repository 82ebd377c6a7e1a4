/*
 * middleware.h - the seam of a middleware: one file with one table of callbacks.
 *
 * on_request runs in the order of the chain, on_response in reverse on whatever answer comes (also our own),
 * on_done once at the end. Absent hooks are not called. Parameters lie in the arena: read text with
 * exchange_text(). A malformed request never reaches a middleware.
 */
#ifndef WEIR_WORKER_MIDDLEWARE_H
#define WEIR_WORKER_MIDDLEWARE_H

#include "common/model/middlewares.h"

struct exchange;

enum mw_verdict {
    MW_PASS,      /* go on with the next */
    MW_ANSWERED,  /* exchange_answer*() was called: the response half runs from here */
    MW_SUSPENDED, /* exchange_resume() will be called later, from this worker's loop */
};

struct middleware_type {
    const char *name;
    enum mw_verdict (*on_request)(struct exchange *ex, const void *params);
    void (*on_response)(struct exchange *ex, const void *params); /* head complete, not yet sent */
    void (*on_done)(struct exchange *ex, const void *params);
};

/* The one list, in middleware_list.c. Never NULL; chain has no hooks. */
extern const struct middleware_type *const middleware_types[MIDDLEWARE_KINDS];

#endif
