/*
 * timers.c - the wheel: see timers.h.
 *
 * 1024 slots of 100 ms: what is due later than in 102 s waits in the last slot and is put on when that comes by.
 */
#include "worker/timers.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "worker/stopwatch.h"

#define SLOTS 1024

struct timers {
    struct timer slots[SLOTS]; /* heads of rings */
    struct timer due;          /* head of those whose tick is over and that have not been called yet */
    int64_t tick;              /* all before this one are done, or on `due` */
    uint64_t count;
};

static void ring_init(struct timer *head)
{
    head->previous = head->next = head;
}

static void ring_put(struct timer *head, struct timer *timer)
{
    timer->previous = head->previous;
    timer->next = head;
    head->previous->next = timer;
    head->previous = timer;
}

static void ring_take(struct timer *timer)
{
    timer->previous->next = timer->next;
    timer->next->previous = timer->previous;
    timer->previous = timer->next = NULL;
}

/* All of `from` behind what is in `to`. */
static void ring_move(struct timer *to, struct timer *from)
{
    if (from->next == from) {
        return;
    }
    to->previous->next = from->next;
    from->next->previous = to->previous;
    to->previous = from->previous;
    from->previous->next = to;
    ring_init(from);
}

struct timers *timers_new(int64_t now_ns)
{
    struct timers *timers = xcalloc(1, sizeof(*timers));

    for (unsigned i = 0; i < SLOTS; i++) {
        ring_init(&timers->slots[i]);
    }
    ring_init(&timers->due);
    timers->tick = now_ns / TIMER_TICK_NS;
    return timers;
}

void timers_free(struct timers *timers)
{
    free(timers);
}

/* The first tick that begins at or after the deadline, within the wheel's reach. */
static int64_t place_for(const struct timers *timers, int64_t deadline_ns)
{
    int64_t reach = timers->tick + SLOTS - 1;

    if (deadline_ns >= reach * TIMER_TICK_NS) {
        return reach;
    }

    int64_t place = (deadline_ns + TIMER_TICK_NS - 1) / TIMER_TICK_NS;

    return place > timers->tick ? place : timers->tick + 1;
}

static void put(struct timers *timers, struct timer *timer)
{
    timer->place = place_for(timers, timer->deadline_ns);
    ring_put(&timers->slots[timer->place % SLOTS], timer);
}

void timer_set(struct timers *timers, struct timer *timer, int64_t deadline_ns)
{
    timer->deadline_ns = deadline_ns;
    if (timer->next == NULL) {
        if (deadline_ns != TIMER_NEVER) {
            put(timers, timer);
            timers->count++;
        }
    } else if (deadline_ns < (timer->place - 1) * TIMER_TICK_NS) { /* nearer than the place it waits at */
        ring_take(timer);
        put(timers, timer);
    }
}

void timer_again(struct timers *timers, struct timer *timer)
{
    if (timer->next) {
        ring_take(timer);
    } else {
        timers->count++;
    }
    timer->deadline_ns = 0;
    timer->place = timers->tick;
    ring_put(&timers->due, timer);
}

void timer_remove(struct timers *timers, struct timer *timer)
{
    if (timer->next) {
        ring_take(timer);
        timers->count--;
    }
    timer->deadline_ns = TIMER_NEVER;
}

/* Those that are due now: one that is set again by its own callback waits for the next turn. */
static bool run_due(struct timers *timers, int64_t now_ns)
{
    struct timer now;
    bool fired = false;

    if (timers->due.next == &timers->due) {
        return false;
    }

    int64_t piece = piece_begin();

    ring_init(&now);
    ring_move(&now, &timers->due);
    while (now.next != &now) {
        struct timer *timer = now.next;

        ring_take(timer);
        if (timer->deadline_ns == TIMER_NEVER) {
            timers->count--;
        } else if (timer->deadline_ns > now_ns) {
            put(timers, timer);
        } else {
            timers->count--;
            timer->deadline_ns = TIMER_NEVER;
            timer->fire(timer);
        }
        fired = true;
        if (piece_is_over(piece)) {
            break;
        }
    }
    ring_move(&now, &timers->due); /* what is left comes first */
    ring_move(&timers->due, &now);
    return fired;
}

bool timers_run(struct timers *timers, int64_t now_ns)
{
    int64_t now = now_ns / TIMER_TICK_NS;
    bool turned = false;

    if (timers->count == 0 ||
        now - timers->tick > SLOTS) { /* empty, or the machine slept: once around is enough */
        timers->tick = timers->count == 0 ? now : now - SLOTS;
    }
    for (; timers->tick < now; turned = true) {
        timers->tick++;
        ring_move(&timers->due,
                  &timers->slots[timers->tick % SLOTS]); /* those put back wait for its next turn */
    }
    return run_due(timers, now_ns) || turned;
}

int timers_patience(const struct timers *timers, int64_t now_ns)
{
    if (timers->count == 0) {
        return -1;
    }
    if (timers->due.next != &timers->due) {
        return 0;
    }

    int64_t left = (timers->tick + 1) * TIMER_TICK_NS - now_ns;

    return left > 0 ? (int)((left + 999999) / 1000000) : 0;
}
