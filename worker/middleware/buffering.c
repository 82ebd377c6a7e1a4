/*
 * buffering.c - a request goes to the server once its body is here, an answer to the client once its body
 * is (buffering); and requests are sent again while retryExpression holds for what came.
 *
 * Bodies wait in the worker's buffers, up to mem*BodyBytes, and behind that in its file (body_store.h), up
 * to max*BodyBytes: over the bound of a request 413, of an answer 500, without room in memory or file 503.
 * The expression is asked as soon as the status is known; at most ten times it sends again. Test:
 * tests/integration/test_middleware_buffering.py
 */
#include <stddef.h>

#include "common/http/h1.h"
#include "common/model/prepared.h"
#include "common/rule/retry_expression.h"
#include "worker/body_keep.h"
#include "worker/codec.h"
#include "worker/exchange.h"
#include "worker/middleware.h"
#include "worker/spool.h"
#include "worker/worker.h"

#define AGAIN_MOST 10
#define MEMORY_MOST (INT64_C(64) << 20) /* bytes of one body */

enum due { NOTHING, PASS_RESPONSE, AGAIN };

struct buffered { /* in the exchange's pool */
    struct exchange *ex;
    uint64_t response_most;
    struct slice again; /* in the arena: good until the head of an answer has gone */
    unsigned attempts;
    struct exchange_snapshot snapshot;
    struct body_keep request;
    struct body_filter *response_filter;
    struct body_store response;
    struct body_place response_at;
    struct headers trailers; /* of the answer */
    struct timer timer;      /* what is due in the next turn of the loop: not within calls of others */
    enum due due;
    bool response_whole, response_ended;
    bool *over; /* set when the exchange ends while bytes are passed */
};

static void let_go(struct exchange *ex, void *state)
{
    struct buffered *buffered = state;

    timer_remove(ex->worker->timers, &buffered->timer);
    body_place_reset(ex->worker, &buffered->response_at);
    body_store_clear(ex->worker, &buffered->response);
    if (buffered->over) {
        *buffered->over = true;
    }
}

static void set_due(struct buffered *buffered, enum due due)
{
    buffered->due = due;
    timer_again(buffered->ex->worker->timers, &buffered->timer);
}

/* ---- the request ---- */

static enum mw_verdict on_kept(struct body_keep *request, enum body_kept how)
{
    struct buffered *buffered = (struct buffered *)((char *)request - offsetof(struct buffered, request));
    struct exchange *ex = buffered->ex;

    if (how == KEPT_TOO_LARGE) {
        return exchange_answer_plain(ex, 413, REASON_body_too_large, slice_cstr(http_status_text(413)));
    }
    request->trailers.count = 0; /* the length is known: there is no place for them */
    ex->request.content_length = (int64_t)body_keep_len(request);
    ex->request.has_body = body_keep_len(request) > 0;
    ex->request_done = !ex->request.has_body;
    exchange_snapshot(ex, &buffered->snapshot);
    return MW_PASS;
}

/* ---- the answer ---- */

/* All that is here has been passed. */
static void pass_end(struct buffered *buffered)
{
    struct exchange *ex = buffered->ex;

    if (buffered->response_at.failed != REASON_none) {
        exchange_upstream_failed(ex, buffered->response_at.failed);
    } else if (buffered->response_at.offset < buffered->response.len) {
        ex->codec->flush(ex); /* the rest is read from the file: on_read() */
    } else {
        buffered->response_ended = true;
        filter_end_response(buffered->response_filter, buffered->trailers.count ? &buffered->trailers : NULL);
    }
}

static void pass_response(struct buffered *buffered)
{
    struct exchange *ex = buffered->ex;
    struct slice piece;
    bool room = true, over = false;

    if (buffered->response_ended) {
        return;
    }
    buffered->over = &over; /* cppcheck-suppress autoVariables ; taken back below while there is a buffered */
    while (room && (piece = body_store_next(ex->worker, &buffered->response, &buffered->response_at)).len) {
        room = filter_pass_response(buffered->response_filter, piece);
        if (over) {
            return;
        }
        if (room && stopwatch_is_over(&ex->worker->watch)) {
            set_due(buffered, PASS_RESPONSE);
            room = false;
        }
    }
    buffered->over = NULL;
    if (room) {
        pass_end(buffered);
    } else {
        ex->codec->flush(ex);
    }
}

static void on_read(struct body_place *place)
{
    pass_response((struct buffered *)((char *)place - offsetof(struct buffered, response_at)));
}

/* Head and body, once the disk has what goes to it: an answer that was lost there is not begun. */
static void begin_response(struct buffered *buffered)
{
    if (body_store_is_written(&buffered->response) && exchange_response_resume(buffered->ex)) {
        pass_response(buffered);
    }
}

static void lose_response(struct buffered *buffered, enum reason reason)
{
    buffered->response.changed = NULL;
    exchange_upstream_failed(buffered->ex, reason);
}

static void on_changed(struct body_store *store)
{
    struct buffered *buffered = (struct buffered *)((char *)store - offsetof(struct buffered, response));

    if (buffered->ex->step != EXCHANGE_HELD) {
        return;
    }
    if (store->failed != REASON_none) {
        lose_response(buffered, store->failed);
    } else if (buffered->response_whole) {
        begin_response(buffered);
    } else {
        exchange_response_want(buffered->ex);
    }
}

static bool on_response_body(struct body_filter *filter, struct slice data)
{
    struct buffered *buffered = filter->state;
    struct exchange *ex = filter->ex;
    bool large = buffered->response.len + data.len > buffered->response_most;

    if (large || !body_store_add(ex->worker, &buffered->response, data)) {
        lose_response(buffered, large ? REASON_internal_error : buffered->response.failed);
        return false;
    }
    return !body_store_is_busy(&buffered->response);
}

static void on_response_end(struct body_filter *filter, const struct headers *trailers)
{
    struct buffered *buffered = filter->state;

    if (trailers) {
        headers_copy(&buffered->trailers, trailers);
    } else {
        filter->ex->response.content_length = (int64_t)buffered->response.len;
    }
    buffered->response_whole = true;
    begin_response(buffered);
}

static bool on_response_drained(struct body_filter *filter)
{
    struct buffered *buffered = filter->state;

    if (!buffered->response_whole) {
        return true;
    }
    set_due(buffered, PASS_RESPONSE);
    return false;
}

static void on_timer(struct timer *timer)
{
    struct buffered *buffered = (struct buffered *)((char *)timer - offsetof(struct buffered, timer));
    enum due due = buffered->due;

    buffered->due = NOTHING;
    switch (due) {
    case PASS_RESPONSE:
        pass_response(buffered);
        break;
    case AGAIN:
        body_keep_again(&buffered->request);
        exchange_again(buffered->ex, &buffered->snapshot);
        break;
    case NOTHING:
        break;
    }
}

/* ---- the chain ---- */

/* Where no bound is given, one holds all the same for what has to stay in memory. */
static int64_t bound(const struct exchange *ex, int64_t most)
{
    return most ? most : spool_there(ex->worker) ? INT64_MAX : MEMORY_MOST;
}

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct prepared_buffering *p = params;
    struct buffered *buffered;

    if (ex->request.content_length > bound(ex, p->request_most)) {
        return exchange_answer_plain(ex, 413, REASON_body_too_large, slice_cstr(http_status_text(413)));
    }
    buffered = pool_zalloc(ex->pool, sizeof(*buffered));
    buffered->ex = ex;
    buffered->response_most = (uint64_t)bound(ex, p->response_most);
    buffered->response.memory_most = (uint64_t)p->response_memory;
    buffered->response.changed = on_changed;
    buffered->response_at.ready = on_read;
    buffered->again = exchange_text(ex, p->again);
    buffered->timer.fire = on_timer;
    headers_init(&buffered->trailers, ex->pool);
    exchange_keep(ex, buffered);
    exchange_at_end(ex, let_go, buffered);
    if (!ex->request.has_body) {
        exchange_snapshot(ex, &buffered->snapshot);
        return MW_PASS;
    }
    buffered->request.most = (uint64_t)bound(ex, p->request_most);
    buffered->request.memory_most = (uint64_t)p->request_memory;
    buffered->request.done = on_kept;
    body_keep_start(&buffered->request, ex);
    return body_keep_gather(&buffered->request);
}

static enum mw_verdict on_response(struct exchange *ex, const void *params)
{
    struct buffered *buffered = exchange_kept(ex);
    struct retry_facts facts;

    (void)params;
    if (buffered == NULL || ex->response.status == 101) {
        return MW_PASS;
    }
    if (ex->response.has_body && ex->response.content_length > (int64_t)buffered->response_most) {
        body_keep_finish(&buffered->request);
        exchange_discard_response(ex);
        return exchange_answer_plain(ex, 500, REASON_internal_error, slice_cstr(http_status_text(500)));
    }
    facts = (struct retry_facts){++buffered->attempts, ex->response.status, ex->request.method};
    if (buffered->again.len && buffered->attempts <= AGAIN_MOST && !buffered->request.dropped &&
        !exchange_is_final(ex) && retry_expression_holds(buffered->again, &facts)) {
        exchange_discard_response(ex);
        slab_count(ex->worker->slab, COUNT_RETRIES, 1);
        set_due(buffered, AGAIN);
        return MW_SUSPENDED;
    }
    body_keep_finish(&buffered->request);
    if (!ex->response.has_body) {
        return MW_PASS;
    }
    buffered->response_filter = filter_response(ex, buffered);
    return MW_SUSPENDED;
}

const struct middleware_type mw_buffering = {
    .name = "buffering",
    .on_request = on_request,
    .on_response = on_response,
    .filter = {.on_request_body = body_keep_take,
               .on_request_wanted = body_keep_wanted,
               .on_response_body = on_response_body,
               .on_response_end = on_response_end,
               .on_response_drained = on_response_drained},
};
