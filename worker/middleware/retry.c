/*
 * retry.c - the middlewares behind and the service are asked again when no server took the request, or when one answered with a
 * status of the list (retry).
 *
 * A request that a server may have got is sent again for its status only, and only with methods that change nothing, unless the
 * options say otherwise. For a status the whole body must be here first (up to maxRequestBodyBytes; a longer one is not sent
 * again for its status). Else the body passes, and is kept only while no server has been reached: what others read before that
 * is there for the next attempt. Each attempt chooses its server anew. Test: tests/integration/test_middleware_retry.py
 */
#include <stddef.h>

#include "common/base/hash.h"
#include "common/http/h1.h"
#include "common/model/prepared.h"
#include "worker/body_keep.h"
#include "worker/exchange.h"
#include "worker/middleware.h"
#include "worker/worker.h"

#define MEMORY_MOST (UINT64_C(2) << 20) /* bytes of a body: maxRequestBodyBytes when nothing else is said */
#define PAUSE_MOST_NS INT64_C(60000000000)

struct retrying { /* in the exchange's pool */
    struct exchange *ex;
    struct exchange_snapshot snapshot;
    struct body_keep body;
    struct timer timer; /* the next attempt */
    int64_t until_ns;   /* no attempt after that; 0: no bound */
    int64_t attempts;   /* so far */
    int64_t pause_ns;   /* before the next one, on average */
    bool by_status;
    bool lost; /* a part of the body passed without being kept */
};

static void let_go(struct exchange *ex, void *state)
{
    timer_remove(ex->worker->timers, &((struct retrying *)state)->timer);
}

/* ---- the request's body ---- */

static struct retrying *of_body(struct body_keep *body)
{
    return (struct retrying *)((char *)body - offsetof(struct retrying, body));
}

/* Too long: what is here goes first, then the rest. */
static enum mw_verdict on_kept(struct body_keep *body, enum body_kept how)
{
    of_body(body)->by_status = how == KEPT_WHOLE;
    return MW_PASS;
}

static bool on_request_body(struct body_filter *filter, struct slice data, bool last,
                            const struct headers *trailers)
{
    struct body_keep *body = filter->state;
    struct retrying *retrying = of_body(body);

    if (!body->gathering && !body_keep_waits(body) && !body->dropped && !retrying->lost) {
        retrying->lost = filter->ex->contact == CONTACT_SENT || body_keep_len(body) + data.len > body->most ||
                         !body_keep_passing(body, data, last, trailers);
        return filter_pass_request(filter, data, last, trailers);
    }
    return body_keep_take(filter, data, last, trailers);
}

/* ---- attempts ---- */

static void on_timer(struct timer *timer)
{
    struct retrying *retrying = (struct retrying *)((char *)timer - offsetof(struct retrying, timer));

    body_keep_again(&retrying->body);
    exchange_again(retrying->ex, &retrying->snapshot);
}

/* Half to one and a half times the pause, which grows. */
static void set_pause(struct retrying *retrying, const struct prepared_retry *p)
{
    struct worker *worker = retrying->ex->worker;
    uint64_t chance = hash_finish((uint64_t)worker->now_ns ^ (uint64_t)(uintptr_t)retrying) % 1000;

    if (retrying->pause_ns == 0) {
        timer_again(worker->timers, &retrying->timer);
        return;
    }
    timer_set(worker->timers, &retrying->timer,
              worker->now_ns + retrying->pause_ns / 2 + retrying->pause_ns / 1000 * (int64_t)chance);
    retrying->pause_ns = (int64_t)((double)retrying->pause_ns * (double)p->growth / 1e6);
    if (retrying->pause_ns > PAUSE_MOST_NS) {
        retrying->pause_ns = PAUSE_MOST_NS;
    }
}

static bool wanted(const struct exchange *ex, const struct retrying *retrying, const struct prepared_retry *p)
{
    bool unseen = p->by_network && ex->contact == CONTACT_CHOSEN && !retrying->lost;

    return retrying->attempts < p->attempts && !retrying->body.dropped &&
           (retrying->until_ns == 0 || ex->worker->now_ns < retrying->until_ns) &&
           (unseen ||
            (retrying->by_status && status_ranges_hold(exchange_text(ex, p->statuses), ex->response.status)));
}

static enum mw_verdict on_response(struct exchange *ex, const void *params)
{
    struct retrying *retrying = exchange_kept(ex);

    if (retrying == NULL || ex->response.status == 101) {
        return MW_PASS;
    }
    if (!wanted(ex, retrying, params)) {
        body_keep_finish(&retrying->body);
        return MW_PASS;
    }
    retrying->attempts++;
    exchange_discard_response(ex);
    slab_count(ex->worker->slab, COUNT_RETRIES, 1);
    set_pause(retrying, params);
    return MW_SUSPENDED;
}

static bool idempotent(struct slice method)
{
    return !slice_eq(method, SLICE("POST")) && !slice_eq(method, SLICE("PATCH")) &&
           !slice_eq(method, SLICE("LOCK"));
}

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct prepared_retry *p = params;
    struct retrying *retrying;

    if (p->attempts == 1) {
        return MW_PASS;
    }
    retrying = pool_zalloc(ex->pool, sizeof(*retrying));
    retrying->ex = ex;
    retrying->body.most = (uint64_t)p->body_most;
    retrying->body.done = on_kept;
    retrying->attempts = 1;
    retrying->until_ns = p->timeout > 0 ? ex->worker->now_ns + p->timeout : 0;
    retrying->pause_ns = p->initial_pause < PAUSE_MOST_NS ? p->initial_pause : PAUSE_MOST_NS;
    retrying->by_status = p->statuses.len && (p->every_method || idempotent(ex->request.method)) &&
                          ex->request.content_length <= p->body_most;
    retrying->timer.fire = on_timer;
    exchange_keep(ex, retrying);
    exchange_at_end(ex, let_go, retrying);
    if (ex->request.has_body) {
        retrying->body.memory_most = retrying->by_status ? MEMORY_MOST : 0;
        body_keep_start(&retrying->body, ex);
    }
    exchange_snapshot(ex, &retrying->snapshot);
    return ex->request.has_body && retrying->by_status ? body_keep_gather(&retrying->body) : MW_PASS;
}

const struct middleware_type mw_retry = {
    .name = "retry",
    .on_request = on_request,
    .on_response = on_response,
    .filter = {.on_request_body = on_request_body, .on_request_wanted = body_keep_wanted},
};
