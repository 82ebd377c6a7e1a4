/*
 * body_replay.c - see body_replay.h.
 */
#include "worker/body_replay.h"

#include <stddef.h>

#include "worker/exchange.h"
#include "worker/filter.h"
#include "worker/worker.h"

/* Hands on as much as is taken, for one piece of time. */
static void give(struct body_replay *replay)
{
    struct exchange *ex = replay->ex;
    bool room = true, over = false;

    replay->over = &over; /* cppcheck-suppress autoVariables ; taken back below while there is a replay */
    while (room && !replay->given) {
        struct slice piece = body_store_next(&replay->store, &replay->at);
        const struct headers *trailers = NULL;

        if (piece.len == 0 && !replay->whole) {
            replay->over = NULL;
            exchange_want_body(ex); /* the rest is the client's to send */
            return;
        }
        replay->given = piece.len == 0;
        if (replay->given && replay->trailers.count) {
            trailers = &replay->trailers;
        }
        room = filter_pass_request(replay->filter, piece, replay->given, trailers);
        if (over) {
            return;
        }
        if (room && !replay->given && stopwatch_is_over(&ex->worker->watch)) {
            timer_again(ex->worker->timers, &replay->timer);
            room = false;
        }
    }
    replay->over = NULL;
}

static void on_timer(struct timer *timer)
{
    give((struct body_replay *)((char *)timer - offsetof(struct body_replay, timer)));
}

void body_replay_init(struct body_replay *replay, struct exchange *ex, struct body_filter *filter)
{
    *replay = (struct body_replay){.ex = ex, .filter = filter, .timer = {.fire = on_timer}};
    headers_init(&replay->trailers, ex->pool);
}

bool body_replay_keep(struct body_replay *replay, struct slice data)
{
    return body_store_add(replay->ex->worker, &replay->store, data);
}

void body_replay_whole(struct body_replay *replay, const struct headers *trailers)
{
    replay->whole = true;
    if (trailers) {
        headers_copy(&replay->trailers, trailers);
    }
}

void body_replay_skip(struct body_replay *replay)
{
    while (body_store_next(&replay->store, &replay->at).len) {
    }
    replay->given = replay->whole;
}

void body_replay_restart(struct body_replay *replay)
{
    replay->at = (struct body_place){.at = NULL};
    replay->given = false;
}

bool body_replay_waits(const struct body_replay *replay)
{
    struct body_place ahead = replay->at;

    return body_store_next(&replay->store, &ahead).len > 0;
}

bool body_replay_wanted(struct body_replay *replay)
{
    if (!replay->whole && !body_replay_waits(replay)) {
        return false;
    }
    if (!replay->given) {
        timer_again(replay->ex->worker->timers, &replay->timer);
    }
    return true;
}

void body_replay_end(struct body_replay *replay)
{
    timer_remove(replay->ex->worker->timers, &replay->timer);
    body_store_clear(replay->ex->worker, &replay->store);
    if (replay->over) {
        *replay->over = true;
    }
}
