/*
 * rate.h - how many requests a source may send: a token bucket for each, in a table of the board.
 *
 * The bucket is kept as one time (GCRA): when it will be full again. A request moves that by one interval; it must wait while
 * the bucket would be more than empty. A source whose time has passed is like one that was never seen, so entries are taken
 * over without loss. Table full of sources that all count: the one that is nearest to full gives way.
 *
 * Times are in ticks of 2^-shift ns of the monotonic clock, so that both tiny intervals and huge bursts are exact enough.
 */
#ifndef WEIR_SHM_RATE_H
#define WEIR_SHM_RATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rate {
    int64_t interval;     /* ticks that a request costs; 0: there is no limit */
    int64_t tolerance;    /* ticks of a whole bucket */
    int64_t max_delay_ns; /* that a request may be held back */
    int64_t shift;
};

#define RATE_BURST_MOST ((int64_t)1 << 41)    /* more is taken as that */
#define RATE_MOST 1e9                         /* requests a second; more is no limit */
#define RATE_INTERVAL_MOST ((int64_t)1 << 60) /* ns; longer is taken as that: 36 years */

/* average, period_ns > 0; burst >= 1. max_delay_ns is set as Traefik does: half of an interval, 500 ms at most. */
struct rate rate_make(int64_t average, int64_t period_ns, int64_t burst);

struct rate_verdict {
    bool pass;
    int64_t delay_ns; /* pass: to be held back for so long; else: when it would be let pass without */
};

/* Takes a token of the source. table: TABLE_BYTES; key: table_key(). */
struct rate_verdict rate_take(const struct rate *rate, void *table, uint64_t key, int64_t now_ns);

#endif
