/*
 * mirroring.c - a mirroring service: the first of its services answers, the others get copies of so many
 * percent of the requests.
 *
 * Which requests are copied is a matter of the ticket alone, so the part is exact over all workers. A copy
 * leaves when the head of the answer is here, by a request of our own (subrequest.h); what the mirror says
 * is dropped. The client waits for none of it: a worker has at most MIRRORS_MOST copies under way, each
 * for MIRROR_NS at the most; what would be more, or comes while memory is tight, is dropped and counted.
 * The body is held whole for it; a request with a larger one is not copied. Test:
 * tests/integration/test_service_mirroring.py
 */
#include <stddef.h>

#include "shm/services.h"
#include "worker/body_keep.h"
#include "worker/chain.h"
#include "worker/exchange.h"
#include "worker/service_step.h"
#include "worker/subrequest.h"
#include "worker/worker.h"

#define MIRRORS_MOST 256
#define MIRROR_NS (INT64_C(60) * 1000000000)
#define ANSWER_MOST                                                                                          \
    ((uint64_t)1024 * 1024) /* of a mirror's answer is read, so that its connection can be used again */

struct mirrored { /* in the exchange's pool */
    struct body_keep keep;
    struct exchange_snapshot snapshot;
    uint64_t ticket;
    bool copied; /* or it is not to be */
};

struct copy { /* in the copy's own pool */
    struct subrequest *sub;
    struct body_share *body; /* NULL: none */
    struct body_place at;
    uint64_t answered;
    struct timer patience;
};

/* ---- a copy ---- */

static void copy_end(struct exchange *ex, void *state)
{
    struct copy *copy = state;

    timer_remove(ex->worker->timers, &copy->patience);
    body_place_reset(ex->worker, &copy->at);
    body_share_unref(copy->body);
    ex->worker->mirrors--;
}

static void out_of_patience(struct timer *timer)
{
    struct copy *copy = (struct copy *)((char *)timer - offsetof(struct copy, patience));

    subrequest_cancel(copy->sub);
}

static bool on_body(struct subrequest *sub, struct slice data)
{
    struct copy *copy = sub->context;

    copy->answered += data.len;
    if (copy->answered > ANSWER_MOST) {
        subrequest_cancel(sub);
        return false;
    }
    return true;
}

static void on_wanted(struct subrequest *sub)
{
    struct copy *copy = sub->context;
    const struct body_store *store = &copy->body->store;
    bool room = true;

    while (room && copy->at.offset < store->len) {
        struct slice piece = body_store_next(copy->body->worker, store, &copy->at);

        if (piece.len == 0 && copy->at.failed != REASON_none) {
            subrequest_cancel(sub);
        }
        if (piece.len == 0) {
            return; /* on_read() follows */
        }
        room = subrequest_body(sub, piece, copy->at.offset == store->len);
    }
}

static void on_read(struct body_place *place)
{
    on_wanted(((struct copy *)((char *)place - offsetof(struct copy, at)))->sub);
}

static void fields_copy(struct subrequest *sub, const struct headers *from, bool has_body)
{
    struct headers *to = &sub->ex.request.headers;

    headers_copy(to, from);
    for (size_t i = 0; i < to->count; i++) {
        enum header_id id = to->items[i].id;

        if (id == HEADER_EXPECT || (!has_body && id == HEADER_CONTENT_LENGTH)) {
            to->items[i].flags |= HEADER_REMOVED;
        }
    }
}

/* The request as it came to the service; nothing of it lies in the client's memory. */
static void request_copy(struct subrequest *sub, const struct exchange_snapshot *snapshot,
                         const struct body_share *body)
{
    const struct exchange_request *from = &snapshot->request;
    struct exchange_request *to = &sub->ex.request;
    struct pool *pool = sub->ex.pool;

    to->method = pool_copy(pool, from->method);
    to->host = pool_copy(pool, from->host);
    to->host_name = pool_copy(pool, from->host_name);
    to->raw_path = pool_copy(pool, from->raw_path);
    to->path = pool_copy(pool, from->path);
    to->query = pool_copy(pool, from->query);
    to->has_query = from->has_query;
    to->version_major = from->version_major;
    to->version_minor = from->version_minor;
    to->tls = from->tls;
    to->trusted = from->trusted;
    to->has_body = body && body->store.len > 0;
    to->content_length = to->has_body ? from->content_length : 0;
    fields_copy(sub, &from->headers, to->has_body);
    sub->ex.client_appended = snapshot->client_appended;
    sub->ex.not_append_forwarded_for = snapshot->not_append_forwarded_for;
    sub->ex.claims = true; /* there may be fields about the client */
}

static void copy_send(struct exchange *ex, struct mirrored *mirrored, uint32_t service)
{
    static const struct subrequest_hooks hooks = {.on_body = on_body, .on_wanted = on_wanted};
    struct worker *worker = ex->worker;
    struct subrequest *sub;
    struct copy *copy;

    if (worker->mirrors >= MIRRORS_MOST || worker->budget.level >= BUDGET_TIGHT) {
        slab_count(worker->slab, COUNT_MIRRORS_DROPPED, 1);
        return;
    }
    worker->mirrors++;
    slab_count(worker->slab, COUNT_MIRRORED, 1);
    sub = subrequest_new(ex, &hooks, NULL);
    copy = pool_zalloc(sub->ex.pool, sizeof(*copy));
    sub->context = copy;
    copy->sub = sub;
    copy->body = body_share_ref(mirrored->keep.share);
    copy->at.ready = on_read;
    copy->patience.fire = out_of_patience;
    timer_set(worker->timers, &copy->patience, worker->now_ns + MIRROR_NS);
    exchange_at_end(&sub->ex, copy_end, copy);
    request_copy(sub, &mirrored->snapshot, copy->body);
    subrequest_start(sub, service);
}

/* ---- the step ---- */

/* Of the first n requests a mirror gets n * percent / 100, rounded up: whether the one with that ticket,
 * from 0 on, is among them. */
static bool is_due(uint64_t ticket, uint32_t percent)
{
    return (ticket * percent + 99) / 100 < ((ticket + 1) * percent + 99) / 100;
}

static bool any_due(const struct service_step *step, uint64_t ticket)
{
    const struct service_child *children = page_at(step->page, step->service->children.items);

    for (size_t i = 1; i < step->service->children.count; i++) {
        if (is_due(ticket, children[i].weight)) {
            return true;
        }
    }
    return false;
}

static enum mw_verdict on_kept(struct body_keep *keep, enum body_kept how)
{
    struct mirrored *mirrored = (struct mirrored *)((char *)keep - offsetof(struct mirrored, keep));

    mirrored->copied = how == KEPT_TOO_LARGE;
    return MW_PASS;
}

static uint64_t draw(struct exchange *ex, const struct service *service)
{
    static uint64_t spare; /* the board was full: counted within this worker only */
    _Atomic uint64_t *word = board_at(ex->worker->board, service->ticket);

    return (word ? atomic_fetch_add_explicit(word, 1, memory_order_relaxed) : spare++) % 100;
}

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    struct service_step *step = chain_service_step(ex);
    const struct service *service = step->service;
    const struct service_child *children = page_at(step->page, service->children.items);
    uint64_t ticket = draw(ex, service);
    struct mirrored *mirrored;

    (void)params;
    step->way = children[0].service;
    if (ex->request.upgrade || !any_due(step, ticket) ||
        (service->mirror_body && ex->request.has_body && service->body_most >= 0 &&
         ex->request.content_length > service->body_most)) {
        return MW_PASS;
    }
    mirrored = pool_zalloc(ex->pool, sizeof(*mirrored));
    mirrored->ticket = ticket;
    mirrored->keep.most = service->body_most < 0 ? UINT64_MAX : (uint64_t)service->body_most;
    mirrored->keep.memory_most = BODY_MEMORY;
    mirrored->keep.done = on_kept;
    exchange_keep(ex, mirrored);
    exchange_snapshot(ex, &mirrored->snapshot);
    if (!service->mirror_body || !ex->request.has_body) {
        return MW_PASS;
    }
    body_keep_start(&mirrored->keep, ex);
    return body_keep_gather(&mirrored->keep);
}

static enum mw_verdict on_response(struct exchange *ex, const void *params)
{
    const struct service_step *step = chain_service_step(ex);
    const struct service_child *children = page_at(step->page, step->service->children.items);
    struct mirrored *mirrored = exchange_kept(ex);

    (void)params;
    if (mirrored == NULL) {
        return MW_PASS;
    }
    for (size_t i = 1; i < step->service->children.count && !mirrored->copied; i++) {
        if (is_due(mirrored->ticket, children[i].weight)) {
            copy_send(ex, mirrored, children[i].service);
        }
    }
    mirrored->copied = true;
    body_keep_finish(&mirrored->keep);
    return MW_PASS;
}

const struct middleware_type step_mirroring = {
    .name = "mirroring",
    .on_request = on_request,
    .on_response = on_response,
    .filter = {.on_request_body = body_keep_take, .on_request_wanted = body_keep_wanted},
};
