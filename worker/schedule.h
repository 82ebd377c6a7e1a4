/*
 * schedule.h - how the kernel's scheduler should look at a worker.
 */
#ifndef WEIR_WORKER_SCHEDULE_H
#define WEIR_WORKER_SCHEDULE_H

/* The calling thread is given turns of 0.1 ms instead of some 3 ms, as long as others want the core too: it gets the core
 * soon after an event wakes it instead of waiting for others' long turns, and has no more of it in sum. Kernels before
 * 6.12 take the wish and know nothing of it (sched_setattr(2): sched_runtime of SCHED_OTHER). Threads made later by this
 * one inherit it; priority and niceness stay as they are. */
void schedule_short_turns(void);

#endif
