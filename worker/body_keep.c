/*
 * body_keep.c - see body_keep.h.
 */
#include "worker/body_keep.h"

#include <stddef.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/http/h1.h"
#include "worker/exchange.h"
#include "worker/worker.h"

struct body_share *body_share_ref(struct body_share *share)
{
    if (share) {
        share->references++;
    }
    return share;
}

void body_share_unref(struct body_share *share)
{
    if (share && --share->references == 0) {
        body_store_clear(share->worker, &share->store);
        free(share);
    }
}

static void drop(struct body_keep *keep)
{
    struct worker *worker = keep->ex->worker;

    timer_remove(worker->timers, &keep->timer);
    body_place_reset(worker, &keep->at);
    if (keep->share) {
        keep->share->keep = NULL;
    }
    body_share_unref(keep->share);
    keep->share = NULL;
    keep->dropped = true;
}

static void let_go(struct exchange *ex, void *state)
{
    struct body_keep *keep = state;

    (void)ex;
    drop(keep);
    if (keep->over) {
        *keep->over = true;
    }
}

/* ---- to those behind ---- */

/* Nothing is here to be given, though there is more. */
static void ask_for_more(struct body_keep *keep)
{
    enum reason failed = keep->at.failed;

    if (failed != REASON_none) {
        drop(keep);
        exchange_upstream_failed(keep->ex, failed);
    } else if (!body_keep_waits(keep)) {
        exchange_want_body(keep->ex); /* the rest is the client's to send */
    }                                 /* else it comes from the file: on_read() */
}

/* As much as is taken, for one piece of time. */
static void give(struct body_keep *keep)
{
    struct exchange *ex = keep->ex;
    bool room = true, over = false;

    keep->over = &over; /* cppcheck-suppress autoVariables ; taken back below while there is a keep */
    while (room && !keep->given) {
        struct slice piece = body_store_next(ex->worker, &keep->share->store, &keep->at);
        const struct headers *trailers = NULL;

        if (piece.len == 0 && (!keep->whole || body_keep_waits(keep))) {
            keep->over = NULL;
            ask_for_more(keep);
            return;
        }
        keep->given = piece.len == 0;
        if (keep->given && keep->trailers.count) {
            trailers = &keep->trailers;
        }
        room = filter_pass_request(keep->filter, piece, keep->given, trailers);
        if (over) {
            return;
        }
        if (room && !keep->given && stopwatch_is_over(&ex->worker->watch)) {
            timer_again(ex->worker->timers, &keep->timer);
            room = false;
        }
    }
    keep->over = NULL;
}

static void on_read(struct body_place *place)
{
    give((struct body_keep *)((char *)place - offsetof(struct body_keep, at)));
}

static void on_timer(struct timer *timer)
{
    struct body_keep *keep = (struct body_keep *)((char *)timer - offsetof(struct body_keep, timer));

    if (keep->gathering) {
        exchange_read_body(keep->ex);
    } else {
        give(keep);
    }
}

bool body_keep_waits(const struct body_keep *keep)
{
    return keep->at.offset < body_keep_len(keep);
}

bool body_keep_wanted(struct body_filter *filter)
{
    struct body_keep *keep = filter->state;

    if (keep->dropped || keep->gathering || (!keep->whole && !body_keep_waits(keep))) {
        return false;
    }
    if (!keep->given) {
        timer_again(keep->ex->worker->timers, &keep->timer);
    }
    return true;
}

void body_keep_again(struct body_keep *keep)
{
    if (keep->share) {
        body_place_reset(keep->ex->worker, &keep->at);
    }
    keep->given = false;
}

void body_keep_finish(struct body_keep *keep)
{
    if (keep->share && keep->given) {
        drop(keep);
    }
}

/* ---- from the client ---- */

enum mw_verdict body_keep_gather(struct body_keep *keep)
{
    keep->gathering = true;
    timer_again(keep->ex->worker->timers, &keep->timer); /* who has it already may give it at once */
    return MW_SUSPENDED;
}

uint64_t body_keep_len(const struct body_keep *keep)
{
    return keep->share ? keep->share->store.len : 0;
}

static bool add(struct body_keep *keep, struct slice data, bool last, const struct headers *trailers)
{
    if (!body_store_add(keep->ex->worker, &keep->share->store, data)) {
        return false;
    }
    keep->whole = last;
    if (last && trailers) {
        headers_copy(&keep->trailers, trailers);
    }
    return true;
}

bool body_keep_passing(struct body_keep *keep, struct slice data, bool last, const struct headers *trailers)
{
    bool kept = add(keep, data, last, trailers);

    while (body_store_next(keep->ex->worker, &keep->share->store, &keep->at).len) {
    }
    keep->given = keep->whole;
    return kept;
}

static void refuse(struct body_keep *keep)
{
    struct exchange *ex = keep->ex;
    enum reason reason = keep->share->store.failed;

    keep->gathering = false;
    drop(keep);
    exchange_answer_plain(ex, 503, reason, slice_cstr(http_status_text(503)));
    exchange_resume(ex);
}

static void finish(struct body_keep *keep, enum body_kept how)
{
    struct exchange *ex = keep->ex;
    enum mw_verdict verdict;

    keep->gathering = false;
    verdict = keep->done(keep, how);
    if (verdict == MW_ANSWERED) {
        drop(keep);
    }
    if (verdict != MW_SUSPENDED) {
        exchange_resume(ex);
    }
}

/* A whole body is good once the disk has it: nobody is asked for an answer that could not be sent again. */
static bool gather(struct body_keep *keep, struct slice data, bool last, const struct headers *trailers)
{
    bool large = data.len > keep->most || body_keep_len(keep) > keep->most - data.len;

    if (!add(keep, data, last, trailers)) {
        refuse(keep);
        return false;
    }
    if (large) {
        finish(keep, KEPT_TOO_LARGE);
    } else if (last && body_store_is_written(&keep->share->store)) {
        finish(keep, KEPT_WHOLE);
    } else if (!last) {
        return !body_store_is_busy(&keep->share->store);
    }
    return last;
}

/* Bytes came to the file, or did not. */
static void on_changed(struct body_store *store)
{
    struct body_share *share = (struct body_share *)((char *)store - offsetof(struct body_share, store));
    struct body_keep *keep = share->keep;

    if (keep == NULL || !keep->gathering) {
        return;
    }
    if (store->failed != REASON_none) {
        refuse(keep);
    } else if (!keep->whole) {
        exchange_read_body(keep->ex);
    } else if (body_store_is_written(store)) {
        finish(keep, KEPT_WHOLE);
    }
}

void body_keep_start(struct body_keep *keep, struct exchange *ex)
{
    keep->ex = ex;
    keep->timer.fire = on_timer;
    keep->share = xcalloc(1, sizeof(*keep->share));
    keep->share->worker = ex->worker;
    keep->share->keep = keep;
    keep->share->references = 1;
    keep->share->store.memory_most = keep->memory_most;
    keep->share->store.changed = on_changed;
    keep->at.ready = on_read;
    headers_init(&keep->trailers, ex->pool);
    exchange_at_end(ex, let_go, keep);
    keep->filter = filter_request(ex, keep);
}

/* What comes unasked behind that which was too much. */
static bool take_more(struct body_keep *keep, struct slice data, bool last, const struct headers *trailers)
{
    if (!add(keep, data, last, trailers)) {
        exchange_upstream_failed(keep->ex, keep->share->store.failed);
        return false;
    }
    return last;
}

bool body_keep_take(struct body_filter *filter, struct slice data, bool last, const struct headers *trailers)
{
    struct body_keep *keep = filter->state;

    if (keep->dropped) {
        return true;
    }
    if (keep->gathering) {
        return gather(keep, data, last, trailers);
    }
    if (body_keep_waits(keep)) {
        return take_more(keep, data, last, trailers);
    }
    return filter_pass_request(filter, data, last, trailers);
}
