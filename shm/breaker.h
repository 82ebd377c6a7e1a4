/*
 * breaker.h - a circuit breaker in a table of the board: its state, what was counted, how long answers took; for all workers.
 *
 * closed (standby) -> open (tripped) for fallback_ns -> half open (recovering) for recovery_ns, letting more and more requests
 * pass: so many that at the end half of all were -> closed. The formulas are those of the library that Traefik uses
 * (vulcand/oxy): counters of the last ten seconds, a histogram with two digits of the last minute.
 *
 * The state is one word with the number of times that it opened; what was counted carries that number and its second, so nothing
 * has to be cleared. Compare-and-swap only: a worker may die anywhere.
 */
#ifndef WEIR_SHM_BREAKER_H
#define WEIR_SHM_BREAKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BREAKER_COUNTS 16u

struct breaker;

struct breaker_times { /* ns, > 0 */
    int64_t check, fallback, recovery;
};

/* The breaker of that key (table_key()) in the table, made when it is not there; NULL: the table is full. */
struct breaker *breaker_at(void *table, uint64_t key);

/* May a request pass? Moves on from open and half open when it is time. */
bool breaker_passes(struct breaker *breaker, const struct breaker_times *times, int64_t now_ns);

/* An answer: bit N of `counts` adds one to counter N. took_ns < 0: times are not needed. */
void breaker_record(struct breaker *breaker, uint32_t counts, int64_t took_ns, int64_t now_ns);

/* True for one worker in each check period, and not while it is open: that one looks whether the breaker has to open. */
bool breaker_due(struct breaker *breaker, const struct breaker_times *times, int64_t now_ns);
/* Of the last ten seconds since it opened last. */
uint64_t breaker_count(struct breaker *breaker, unsigned counter, int64_t now_ns);
/* So many percent of the answers of the last minute took no longer. */
int64_t breaker_latency_ms(struct breaker *breaker, double quantile, int64_t now_ns);
/* Opens it; counting begins anew. */
void breaker_open(struct breaker *breaker, const struct breaker_times *times, int64_t now_ns);

#endif
