/*
 * laps.h - how long a worker's loop was busy without looking up: a histogram on its slab.
 *
 * A lap is a run of at most LAP_CALLS callbacks of one turn of the loop (a read or write of LAP_BULK bytes counts as two), so no
 * callback took longer than the lap it was part of. The worker writes them (worker/stopwatch.h says how and what it costs);
 * here is what they look like and how they are shown. They survive their worker: the next one of the slot goes on counting.
 *
 * The last laps that were too long are kept one by one, with the time of their end: what else
 * happened then can be looked up.
 */
#ifndef WEIR_SHM_LAPS_H
#define WEIR_SHM_LAPS_H

#include <stdatomic.h>

#include "common/base/text.h"

#define LAP_CALLS 4
#define LAP_BULK 16384
#define LAP_BUCKETS 16 /* bucket n: below 65,536 ns << n and not in an earlier one; the last: all the rest */
#define LAP_SLOW_NS INT64_C(1000000)
#define LAP_OVER_NS (INT64_C(1) << 21) /* over 2 ms (I4): a bucket begins here */
#define LAPS_OVER 16                   /* so many of them are kept */

enum lap_kind { /* what was called; a lap holds a set of them: bits 1 << kind */
                LAP_ACCEPT,
                LAP_CLIENT,
                LAP_UPSTREAM,
                LAP_TUNNEL,
                LAP_TIMER,
                LAP_LIBUV,      /* what libuv does itself */
                LAP_WORK,       /* the helper thread has done something */
                LAP_CONTROL,    /* one message of guard or master */
                LAP_HEART,      /* ten times a second: heartbeat, memory budget, old generations */
                LAP_GENERATION, /* a new configuration takes its place */
                LAP_CLOSE,
                LAP_KINDS
};

struct lap_most {
    _Atomic uint64_t ns, kinds;
};

struct lap_over {
    _Atomic uint64_t ended_ns; /* monotonic; 0: none, or one that is just written */
    _Atomic uint64_t wall_ns, cpu_ns, kinds;
};

struct laps { /* one writer; readers use relaxed loads */
    _Atomic uint64_t
        wall[LAP_BUCKETS]; /* by the clock on the wall, which also runs while others have the CPU */
    _Atomic uint64_t cpu[LAP_BUCKETS]; /* those of LAP_SLOW_NS and more once again, by the CPU time in them */
    struct lap_most longest, busiest;  /* wall; CPU, at most 0.2 ms too much */
    struct lap_over over[LAPS_OVER];   /* the last ones of LAP_OVER_NS of CPU, in no order */
};

unsigned lap_bucket(int64_t ns);
/* Adds {"wall":[...],"cpu":[...],"longest":{"us":1.5,"in":["client"]},"busiest":{...}}. */
void laps_json(const struct laps *laps, struct text *out);
/* In ns; takes the place of the oldest. */
void lap_over_note(struct laps *laps, int64_t ended, int64_t wall, int64_t cpu, uint32_t kinds);
/* Adds {"us":2500.0,"in":["client"],"wallUs":2600.0,"endedUs":81234567.8}, the CPU time first,
 * behind a comma when another one stands there; false: there is none. */
bool lap_over_json(const struct lap_over *lap, struct text *out);

#endif
