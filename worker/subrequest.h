/*
 * subrequest.h - a request of weir's own to a service, on the way of any exchange: who may pass (forwardAuth), error pages,
 * copies for mirrors.
 *
 *   subrequest_new() -> fill in sub->ex.request -> subrequest_start() -> hooks -> on_end, or subrequest_cancel()
 *
 * It is an exchange whose codec are the hooks: servers, pools, time-outs, retries and limits are those of the service, and so
 * are its middlewares. It is not routed. Hooks run from the loop, never within subrequest_start().
 */
#ifndef WEIR_WORKER_SUBREQUEST_H
#define WEIR_WORKER_SUBREQUEST_H

#include "worker/exchange.h"
#include "worker/recycle.h"

struct subrequest;

/* Absent: what comes goes to the exchange that it feeds (subrequest_feed()), or nowhere. */
struct subrequest_hooks {
    /* The head of the answer is in sub->ex.response; when no server answered it is one of weir's own (ex.answered, ex.reason). */
    void (*on_head)(struct subrequest *sub);
    /* false: backed up: exchange_client_drained(&sub->ex) makes it go on. */
    bool (*on_body)(struct subrequest *sub, struct slice data);
    /* What came so far is all for now. */
    void (*on_flush)(struct subrequest *sub);
    /* Once, last; complete: the whole answer came. sub and what lies in its pool are gone afterwards. */
    void (*on_end)(struct subrequest *sub, bool complete);
    /* The server takes the body: call subrequest_body(), from here or later. Absent: sub->body is the body. */
    void (*on_wanted)(struct subrequest *sub);
};

struct subrequest {
    struct record record;
    struct exchange ex; /* ex.pool: for what must live as long */
    const struct subrequest_hooks *hooks;
    void *context; /* the caller's */
    struct slice
        body; /* whole body, good until on_end; ex.request.content_length and has_body must say the same */
    struct timer timer;
    struct exchange *feeds; /* its answer is the response of that one */
    bool started, wanted, cancelled;
    struct subrequest *next, *previous;
};

/* Takes generation, entry point and client of `parent`, nothing of its request. method, host, raw_path, query and headers are
 * for the caller to set, in sub->ex.pool or longer-lived; without a body nothing else. */
struct subrequest *subrequest_new(struct exchange *parent, const struct subrequest_hooks *hooks,
                                  void *context);
void subrequest_start(struct subrequest *sub, uint32_t service);
/* A part of the body. false: backed up, and on_wanted follows; or it is over, as a middleware of the service may have made it:
 * sub is gone, and so may be what on_end lets go of. */
bool subrequest_body(struct subrequest *sub, struct slice data, bool last);
/* Nobody wants the answer any more: no hook is called from here on, what the request pointed to may go. Fine within hooks. The
 * caller forgets sub. NULL is fine. */
void subrequest_cancel(struct subrequest *sub);

/* Its answer becomes the response of ex, head (by default), body and end; it is cancelled when ex does not want that any
 * more. ex has no upstream. */
void subrequest_feed(struct subrequest *sub, struct exchange *ex);
/* For an on_head: copies status and headers of the answer to the response of the exchange that it feeds. */
void subrequest_copy_head(struct subrequest *sub);

void subrequest_start_all(struct worker *worker);
void subrequest_stop_all(struct worker *worker); /* cancels what is left */

#endif
