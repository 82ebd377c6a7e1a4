/*
 * body_hold.c - see body_hold.h.
 */
#include "worker/body_hold.h"

#include <stddef.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/http/h1.h"
#include "worker/codec.h"
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

static void let_go(struct exchange *ex, void *state)
{
    struct body_hold *hold = state;

    timer_remove(ex->worker->timers, &hold->timer);
    body_share_unref(hold->share);
    if (hold->over) {
        *hold->over = true;
    }
}

/* False: not all of it: more is asked for, or the exchange is over. */
static bool give_held(struct body_hold *hold)
{
    bool room = true, over = false;

    hold->over = &over; /* cppcheck-suppress autoVariables ; taken back below while there is a hold */
    while (room) {
        struct slice piece = body_store_next(&hold->share->store, &hold->at);
        bool last = piece.len == 0 && hold->whole;

        if (piece.len == 0 && !last) {
            break;
        }
        room = filter_pass_request(hold->filter, piece, last, NULL) && !last;
        if (over) {
            return false;
        }
        if (room && stopwatch_is_over(&hold->ex->worker->watch)) {
            timer_again(hold->ex->worker->timers, &hold->timer);
            room = false;
        }
    }
    hold->over = NULL;
    return room;
}

static void on_timer(struct timer *timer)
{
    struct body_hold *hold = (struct body_hold *)((char *)timer - offsetof(struct body_hold, timer));

    if (!hold->ready) {
        exchange_read_body(hold->ex);
    } else if (give_held(hold)) { /* the rest comes by itself */
        hold->passing = true;
        exchange_want_body(hold->ex);
    }
}

enum mw_verdict body_hold_begin(struct exchange *ex, struct body_hold *hold)
{
    hold->ex = ex;
    hold->share = xcalloc(1, sizeof(*hold->share));
    hold->share->worker = ex->worker;
    hold->share->references = 1;
    hold->timer.fire = on_timer;
    exchange_at_end(ex, let_go, hold);
    hold->filter = filter_request(ex, hold);
    timer_again(ex->worker->timers, &hold->timer); /* who has it already may give it at once */
    return MW_SUSPENDED;
}

void body_hold_again(struct body_hold *hold)
{
    hold->at = (struct body_place){.at = NULL};
}

static bool refuse(struct body_hold *hold)
{
    exchange_answer_plain(hold->ex, 503, REASON_limit, slice_cstr(http_status_text(503)));
    exchange_resume(hold->ex);
    return false;
}

/* What comes unasked behind that which was too much. */
static bool take_more(struct body_hold *hold, struct slice data, bool last)
{
    if (!body_store_add(hold->ex->worker, &hold->share->store, data)) {
        exchange_upstream_failed(hold->ex, REASON_limit);
        return false;
    }
    hold->whole = last;
    return last;
}

bool body_hold_take(struct body_filter *filter, struct slice data, bool last, const struct headers *trailers)
{
    struct body_hold *hold = filter->state;
    bool large;

    if (hold->passing) {
        return filter_pass_request(filter, data, last, trailers);
    }
    if (hold->ready) {
        return take_more(hold, data, last);
    }
    if (!body_store_add(filter->ex->worker, &hold->share->store, data)) {
        return refuse(hold);
    }
    hold->whole = last;
    large = hold->most >= 0 && hold->share->store.len > (uint64_t)hold->most;
    if (!last && !large) {
        return true;
    }
    hold->ready = true;
    hold->done(hold, large ? HELD_TOO_LARGE : HELD_WHOLE);
    exchange_resume(filter->ex);
    return last;
}

bool body_hold_wanted(struct body_filter *filter)
{
    struct body_hold *hold = filter->state;

    if (hold->passing || !hold->ready) {
        return false;
    }
    timer_again(hold->ex->worker->timers, &hold->timer);
    return true;
}
