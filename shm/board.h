/*
 * board.h - the one shared read-write mapping: tickets, health words, counters, gauges, heartbeats.
 *
 * A sparse memfd made by the guard, mapped by all; memory is used only where it is touched. Two sorts of entries:
 *   words   single 64-bit atomics that anyone may change (balancer tickets, server health). Allocated by the master
 *           only, by a stable identity: the same identity gets the same word over generations, so nothing restarts
 *           when the configuration changes. A reference is (slot, epoch): a freed and reused slot has another epoch.
 *   slabs   one for each worker slot, written by that worker alone: counters, gauges, heartbeat, acknowledged
 *           generation. When a worker is reaped its gauges are zeroed and its counters are folded into the base slab.
 * No locks. A process that dies in the middle leaves every entry whole (I8).
 */
#ifndef WEIR_SHM_BOARD_H
#define WEIR_SHM_BOARD_H

#include <stdatomic.h>

#include "common/base/error.h"
#include "common/base/slice.h"
#include "shm/laps.h"

#define BOARD_WORKERS 256 /* slots; more workers are refused at start */

struct board_ref {
    uint32_t slot; /* 0: none */
    uint32_t epoch;
};

struct board;

/* A new memfd with everything zero. */
int board_create(int *fd, struct error *why);
/* Maps it (fd stays the caller's); refuses another layout or build id. */
int board_map(int fd, struct board **out, struct error *why);
void board_unmap(struct board *board);

/* ---- words: allocation (master only) ---- */
/* Finds or makes the word of an identity (a hash of what it belongs to); marks it used by `generation`. Dies never:
 * slot 0 when the table is full (then callers fall back to a private counter). */
struct board_ref board_word(struct board *board, uint64_t identity, uint64_t generation);
/* Frees words that no generation >= oldest names: every generation must have been compiled with its own number, also
 * when the page that came out was the same. */
void board_sweep(struct board *board, uint64_t oldest);
/* The atomic behind a reference, or NULL when the epoch is another (freed meanwhile) or the slot is 0. */
_Atomic uint64_t *board_at(struct board *board, struct board_ref ref);

/* ---- slabs ---- */
enum board_counter { /* since start, never go down */
                     COUNT_REQUESTS,
                     COUNT_CONNECTIONS,
                     COUNT_BYTES_IN,
                     COUNT_BYTES_OUT,
                     COUNT_UPSTREAM_CONNECTS,
                     COUNT_UPSTREAM_REUSED,
                     COUNT_RETRIES,
                     COUNT_REASONS, /* first of REASON_KINDS counters, one for each reason (I13) */
                     COUNT_REASONS_END = COUNT_REASONS + 64,
                     BOARD_COUNTERS
};
enum board_gauge {
    GAUGE_CONNECTIONS,
    GAUGE_EXCHANGES,
    GAUGE_UPSTREAM_IDLE,
    GAUGE_UPSTREAM_ACTIVE,
    GAUGE_BUFFERS,
    GAUGE_GENERATIONS,
    BOARD_GAUGES
};

struct board_slab {                /* one writer; readers use relaxed loads */
    _Atomic uint64_t heartbeat_ns; /* monotonic */
    _Atomic uint64_t pid;
    _Atomic uint64_t generation; /* acknowledged */
    _Atomic uint64_t state;
    _Atomic uint64_t counters[BOARD_COUNTERS];
    _Atomic int64_t gauges[BOARD_GAUGES];
    struct laps laps;
};

/* NULL when out of range. Ask only for workers that exist: reading a slab takes its memory. */
struct board_slab *board_slab(struct board *board, unsigned worker);
/* After a worker was reaped, before its successor starts: zeroes all of its slab but the counters and laps. */
void board_fold(struct board *board, unsigned worker);
/* Sums over all workers that ever were. */
uint64_t board_counter_sum(struct board *board, enum board_counter counter);
int64_t board_gauge_sum(struct board *board, enum board_gauge gauge);

static inline void slab_count(struct board_slab *slab, unsigned counter, uint64_t by)
{
    /* one writer: a plain load and store, no locked instruction */
    atomic_store_explicit(&slab->counters[counter],
                          atomic_load_explicit(&slab->counters[counter], memory_order_relaxed) + by,
                          memory_order_relaxed);
}
static inline void slab_gauge(struct board_slab *slab, enum board_gauge gauge, int64_t by)
{
    atomic_store_explicit(&slab->gauges[gauge],
                          atomic_load_explicit(&slab->gauges[gauge], memory_order_relaxed) + by,
                          memory_order_relaxed);
}

/* ---- of the whole tree ---- */
struct board_tree {
    _Atomic uint64_t master_heartbeat_ns;
    _Atomic uint64_t generation; /* last published */
    _Atomic uint64_t synced;     /* 1 once every provider has synced once */
    _Atomic uint64_t stopping;   /* 1 during shutdown: /ping says 503 */
    _Atomic uint64_t workers;    /* wanted number */
};
struct board_tree *board_tree(struct board *board);

#endif
