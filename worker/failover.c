/*
 * failover.c - a failover service by status: the fallback gets the request when the answer of the first
 * service has one of the statuses of its `errors`.
 *
 * The body is held for that, whole, before the first service gets it; a larger one than
 * maxRequestBodyBytes is refused. Which of the two is well is known to pick.c: it leads here only while
 * the first one is. Test: tests/integration/test_service_failover.py
 */
#include <stddef.h>

#include "common/model/prepared.h"
#include "shm/services.h"
#include "worker/body_keep.h"
#include "worker/chain.h"
#include "worker/exchange.h"
#include "worker/service_step.h"
#include "worker/worker.h"

struct failing { /* in the exchange's pool */
    struct body_keep keep;
    struct exchange *ex;
    struct exchange_snapshot snapshot;
    struct timer timer; /* the second attempt begins in the next turn of the loop */
    bool second;
};

static const struct service_child *children_of(const struct service_step *step)
{
    return page_at(step->page, step->service->children.items);
}

static int too_large(struct exchange *ex)
{
    return exchange_answer_body(ex, 413, REASON_body_too_large, SLICE("text/plain; charset=utf-8"),
                                SLICE("Request body too large\n"));
}

static enum mw_verdict on_kept(struct body_keep *keep, enum body_kept how)
{
    struct failing *failing = (struct failing *)((char *)keep - offsetof(struct failing, keep));

    if (how == KEPT_TOO_LARGE) {
        return too_large(failing->ex);
    }
    exchange_snapshot(failing->ex, &failing->snapshot);
    return MW_PASS;
}

static void on_timer(struct timer *timer)
{
    struct failing *failing = (struct failing *)((char *)timer - offsetof(struct failing, timer));

    body_keep_again(&failing->keep);
    exchange_again(failing->ex, &failing->snapshot);
}

static void let_go(struct exchange *ex, void *state)
{
    timer_remove(ex->worker->timers, &((struct failing *)state)->timer);
}

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    struct service_step *step = chain_service_step(ex);
    struct failing *failing = pool_zalloc(ex->pool, sizeof(*failing));

    (void)params;
    step->way = children_of(step)[0].service;
    failing->ex = ex;
    failing->timer.fire = on_timer;
    failing->keep.most = step->service->body_most < 0 ? UINT64_MAX : (uint64_t)step->service->body_most;
    failing->keep.memory_most = BODY_MEMORY;
    failing->keep.done = on_kept;
    if (ex->request.has_body && step->service->body_most >= 0 &&
        ex->request.content_length > step->service->body_most) {
        return too_large(ex);
    }
    exchange_keep(ex, failing);
    exchange_at_end(ex, let_go, failing);
    if (!ex->request.has_body) {
        exchange_snapshot(ex, &failing->snapshot);
        return MW_PASS;
    }
    body_keep_start(&failing->keep, ex);
    return body_keep_gather(&failing->keep);
}

static enum mw_verdict on_response(struct exchange *ex, const void *params)
{
    struct service_step *step = chain_service_step(ex);
    const struct service_child *fallback = &children_of(step)[1];
    struct failing *failing = exchange_kept(ex);
    uint16_t status = ex->response.status;

    (void)params;
    if (failing == NULL || status == 101) {
        return MW_PASS;
    }
    if (failing->second || failing->keep.dropped ||
        !status_ranges_hold(page_text(step->page, step->service->statuses), status)) {
        body_keep_finish(&failing->keep);
        return MW_PASS;
    }
    exchange_discard_response(ex);
    if (fallback->watched &&
        !services_up(&ex->generation->services, fallback->service, ex->worker->board, ex->worker->now_ns)) {
        return exchange_answer(ex, 503, REASON_no_server);
    }
    failing->second = true;
    step->way = fallback->service;
    slab_count(ex->worker->slab, COUNT_RETRIES, 1);
    timer_again(ex->worker->timers, &failing->timer);
    return MW_SUSPENDED;
}

const struct middleware_type step_failover = {
    .name = "failover",
    .on_request = on_request,
    .on_response = on_response,
    .filter = {.on_request_body = body_keep_take, .on_request_wanted = body_keep_wanted},
};
