/*
 * timers.h - coarse timers: a wheel of 100 ms ticks where moving a deadline further away is one store.
 *
 * A timer is a deadline and a place in the wheel. The place is only where the wheel looks next: found there before its
 * deadline, a timer is put at a new place. So a connection may set its deadline with every request and touches no list.
 * Deadlines are met up to one tick late, never early.
 */
#ifndef WEIR_WORKER_TIMERS_H
#define WEIR_WORKER_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

#define TIMER_NEVER INT64_MAX
#define TIMER_TICK_NS INT64_C(100000000)

struct timers;

struct timer {                     /* zeroed: not set */
    struct timer *previous, *next; /* NULL: not in the wheel */
    int64_t deadline_ns;           /* TIMER_NEVER: does not fire */
    int64_t place;                 /* the tick whose slot it is in */
    void (*fire)(struct timer *timer);
};

struct timers *timers_new(int64_t now_ns);
void timers_free(struct timers *timers); /* timers that are still in it are forgotten */

/* deadline_ns on worker->now_ns' clock. TIMER_NEVER leaves the timer in the wheel, asleep. */
void timer_set(struct timers *timers, struct timer *timer, int64_t deadline_ns);
/* Fires with the next timers_run(): for work that goes on in the next turn of the loop. */
void timer_again(struct timers *timers, struct timer *timer);
/* Out of the wheel: before the memory goes. Harmless twice. */
void timer_remove(struct timers *timers, struct timer *timer);

/* Fires what is due, for one piece of time (PIECE_NS): the rest with the next call. True: the wheel turned or one fired.
 * A callback may set and remove any timer, its own too. */
bool timers_run(struct timers *timers, int64_t now_ns);
/* Milliseconds until the wheel must be turned again, 0 when some are due; -1 when it is empty. */
int timers_patience(const struct timers *timers, int64_t now_ns);

#endif
