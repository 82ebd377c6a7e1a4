/*
 * subrequest.c - see subrequest.h.
 */
#include "worker/subrequest.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/pool.h"
#include "shm/routes.h"
#include "worker/codec.h"
#include "worker/exchange_inner.h"
#include "worker/upstream.h"
#include "worker/worker.h"

#define POOL_FIRST 2048
#define POOL_LIMIT ((size_t)4 * 1024 * 1024)

static const struct codec codec_sub;

static struct subrequest *sub_of(struct exchange *ex)
{
    return ex->stream;
}

/* ---- life ---- */

static void leave_list(struct subrequest *sub)
{
    struct worker *worker = sub->ex.worker;

    if (sub->previous) {
        sub->previous->next = sub->next;
    } else {
        worker->subrequests = sub->next;
    }
    if (sub->next) {
        sub->next->previous = sub->previous;
    }
}

static void give(struct subrequest *sub)
{
    struct worker *worker = sub->ex.worker;

    timer_remove(worker->timers, &sub->timer);
    leave_list(sub);
    pool_reset(sub->ex.pool);
    record_give(worker, RECORD_SUBREQUEST, sub);
}

/* The exchange is over. */
static void end(struct exchange *ex, bool complete)
{
    struct subrequest *sub = sub_of(ex);
    struct exchange *fed = sub->feeds;

    exchange_end(ex);
    if (fed) {
        fed->source = NULL; /* it has ended by itself */
    }
    if (sub->hooks->on_end) {
        sub->hooks->on_end(sub, complete);
    } else if (fed && complete) {
        exchange_response_end(fed, NULL);
    } else if (fed) {
        exchange_upstream_failed(fed, REASON_body_cut);
    }
    give(sub);
}

static void on_timer(struct timer *timer)
{
    struct subrequest *sub = (struct subrequest *)((char *)timer - offsetof(struct subrequest, timer));

    if (sub->cancelled) {
        exchange_client_gone(&sub->ex, REASON_client_gone);
    } else if (!sub->started) {
        sub->started = true;
        exchange_serve(&sub->ex);
    } else if (sub->wanted) {
        sub->wanted = false;
        if (sub->hooks->on_wanted) {
            sub->hooks->on_wanted(sub);
        } else {
            (void)exchange_request_body(&sub->ex, sub->body, true, NULL);
        }
    }
}

struct subrequest *subrequest_new(struct exchange *parent, const struct subrequest_hooks *hooks,
                                  void *context)
{
    struct worker *worker = parent->worker;
    struct subrequest *sub = record_take(worker, RECORD_SUBREQUEST);
    struct pool *pool;

    if (sub) {
        pool = sub->ex.pool;
        memset(sub, 0, sizeof(*sub));
    } else {
        sub = xcalloc(1, sizeof(*sub));
        pool = pool_new(POOL_FIRST, POOL_LIMIT);
    }
    sub->hooks = hooks;
    sub->context = context;
    sub->timer.fire = on_timer;
    sub->next = worker->subrequests;
    if (sub->next) {
        sub->next->previous = sub;
    }
    worker->subrequests = sub;

    struct exchange *ex = &sub->ex;

    ex->worker = worker;
    ex->pool = pool;
    ex->codec = &codec_sub;
    ex->stream = sub;
    ex->generation = generation_ref(parent->generation);
    ex->entry_point = parent->entry_point;
    ex->entry_point_number = parent->entry_point_number;
    ex->entry = parent->entry;
    ex->client = parent->client;
    ex->local = parent->local;
    ex->started_ns = worker->now_ns;
    ex->route = ROUTE_NONE;
    ex->step = EXCHANGE_REQUEST;
    ex->doing = "waiting to begin";
    ex->client_appended = true; /* headers are the caller's */
    ex->request.version_major = ex->request.version_minor = 1;
    headers_init(&ex->request.headers, pool);
    headers_init(&ex->response.headers, pool);
    ex->response.content_length = -1;
    slab_gauge(worker->slab, GAUGE_EXCHANGES, 1);
    return sub;
}

void subrequest_start(struct subrequest *sub, uint32_t service)
{
    struct exchange_request *request = &sub->ex.request;

    if (request->target.len == 0) { /* what it began with, for middlewares of the service */
        request->target = request->has_query
                              ? pool_printf(sub->ex.pool, "%.*s?%.*s", SLICE_ARG(request->raw_path),
                                            SLICE_ARG(request->query))
                              : request->raw_path;
    }
    sub->ex.service = service;
    sub->ex.request_done = !sub->ex.request.has_body;
    timer_again(sub->ex.worker->timers, &sub->timer);
}

/* What takes the body may answer with it, and then the exchange ends in there. */
bool subrequest_body(struct subrequest *sub, struct slice data, bool last)
{
    bool over = false, *before = sub->ex.over, room;

    sub->ex.over = &over; /* cppcheck-suppress autoVariables ; taken back below while there is a sub */
    room = exchange_request_body(&sub->ex, data, last, NULL);
    if (!over) {
        sub->ex.over = before;
    } else if (before) {
        *before = true;
    }
    return room && !over;
}

/* Its memory stays until the loop comes by: whoever is in the middle of a call to it finds it. */
void subrequest_cancel(struct subrequest *sub)
{
    static const struct subrequest_hooks nobody;

    if (sub == NULL || sub->cancelled) {
        return;
    }
    sub->cancelled = true;
    sub->hooks = &nobody;
    sub->feeds = NULL;
    if (sub->ex.upstream) {
        upstream_release(&sub->ex);
    }
    timer_again(sub->ex.worker->timers, &sub->timer);
}

/* ---- the answer is that of another exchange ---- */

static void feed_resume(struct exchange *ex, void *state)
{
    struct subrequest *sub = state;

    (void)ex;
    exchange_client_drained(&sub->ex);
}

static void feed_drop(struct exchange *ex, void *state)
{
    (void)ex;
    subrequest_cancel(state);
}

void subrequest_feed(struct subrequest *sub, struct exchange *ex)
{
    static const struct response_source source = {.resume = feed_resume, .drop = feed_drop};

    sub->feeds = ex;
    exchange_set_source(ex, &source, sub);
}

void subrequest_copy_head(struct subrequest *sub)
{
    struct exchange_response *to = &sub->feeds->response;
    const struct exchange_response *from = &sub->ex.response;

    to->status = from->status;
    to->phrase = pool_copy(sub->feeds->pool, from->phrase);
    to->content_length = from->content_length;
    to->has_body = from->has_body;
    headers_copy(&to->headers, &from->headers);
}

static void free_record(void *record)
{
    struct subrequest *sub = record;

    pool_free(sub->ex.pool);
    free(sub);
}

void subrequest_start_all(struct worker *worker)
{
    record_kind_set(worker, RECORD_SUBREQUEST, free_record);
}

/* The oldest first: one that another asked for is let go of by that one, while it is still there. */
void subrequest_stop_all(struct worker *worker)
{
    struct subrequest *sub = worker->subrequests, *younger;

    while (sub && sub->next) {
        sub = sub->next;
    }
    for (; sub; sub = younger) {
        younger = sub->previous;
        subrequest_cancel(sub);
        exchange_client_gone(&sub->ex, REASON_client_gone);
    }
}

/* ---- the codec ---- */

static void send_head(struct exchange *ex)
{
    struct subrequest *sub = sub_of(ex);

    if (sub->hooks->on_head) {
        sub->hooks->on_head(sub);
    } else if (sub->feeds) {
        subrequest_copy_head(sub);
        (void)exchange_response_resume(sub->feeds); /* if it answers otherwise, it has cancelled this one */
    }
}

static void send_interim(struct exchange *ex, uint16_t status, const struct headers *headers)
{
    (void)ex;
    (void)status;
    (void)headers;
}

static void send_continue(struct exchange *ex)
{
    (void)ex; /* nobody waits to be asked */
}

static bool send_body(struct exchange *ex, struct slice data)
{
    struct subrequest *sub = sub_of(ex);

    if (sub->hooks->on_body) {
        return data.len == 0 || sub->hooks->on_body(sub, data);
    }
    return sub->feeds == NULL || data.len == 0 || exchange_response_body(sub->feeds, data);
}

static void finish(struct exchange *ex, const struct headers *trailers)
{
    (void)trailers;
    end(ex, true);
}

static void flush(struct exchange *ex)
{
    struct subrequest *sub = sub_of(ex);

    if (sub->hooks->on_flush) {
        sub->hooks->on_flush(sub);
    } else if (sub->feeds && sub->feeds->step == EXCHANGE_RESPONSE) {
        exchange_response_flush(sub->feeds);
    }
}

/* Not from here: the caller is in the middle of something. */
static void resume(struct exchange *ex)
{
    struct subrequest *sub = sub_of(ex);

    if (!ex->request_done && !sub->wanted) {
        sub->wanted = true;
        timer_again(ex->worker->timers, &sub->timer);
    }
}

static void abort_answer(struct exchange *ex)
{
    end(ex, false);
}

static const struct codec codec_sub = {
    .name = "subrequest",
    .send_head = send_head,
    .send_interim = send_interim,
    .send_continue = send_continue,
    .send_body = send_body,
    .finish = finish,
    .flush = flush,
    .resume = resume,
    .abort = abort_answer, /* no detach: it never asks for another protocol */
};
