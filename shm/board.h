/*
 * board.h - the one shared read-write mapping: tickets, health words, counters, gauges, heartbeats.
 *
 * A sparse memfd made by the guard, mapped by all; memory is used only where it is touched. Two sorts of entries:
 *   words   single 64-bit atomics that anyone may change (balancer tickets, server health). Allocated by the master
 *           only, by a stable identity: the same identity gets the same word over generations, so nothing restarts
 *           when the configuration changes. A reference is (slot, epoch): a freed and reused slot has another epoch.
 *   tables  what limits count for each source: tables.h. The directory of them is written by guard and master alone.
 *   slabs   one for each worker slot, written by that worker alone: counters, gauges, heartbeat, acknowledged
 *           generation. The others cannot write there (board_join()). When a worker is reaped its gauges are zeroed and its
 *           counters are folded into the base slab.
 *   life    what guard and master say of themselves and of the tree, for those who look (board_life.h).
 * No locks. A process that dies in the middle leaves every entry whole (I8).
 */
#ifndef WEIR_SHM_BOARD_H
#define WEIR_SHM_BOARD_H

#include <stdatomic.h>

#include "common/base/error.h"
#include "common/base/slice.h"
#include "shm/board_life.h"
#include "shm/laps.h"
#include "shm/tables.h"

#define BOARD_WORKERS BOARD_SLOTS /* slots; more workers are refused at start */

struct board_ref {
    uint32_t slot; /* 0: none */
    uint32_t epoch;
};

struct board;

/* A new memfd with everything zero. */
int board_create(int *fd, struct error *why);
/* Maps it (fd stays the caller's); refuses another layout or build id. */
int board_map(int fd, struct board **out, struct error *why);
/* The same to look only: nothing is written, not even by board_slab(), which is NULL then for slots never used; fd may be
 * open for reading alone. */
int board_look(int fd, struct board **out, struct error *why);
/* For a worker: at `place`, over what is mapped there, and to be written only where a worker has something to write: the head
 * (what workers say of memory), its own slab, the words, the tables. */
int board_join(int fd, void *place, unsigned worker, struct board **out, struct error *why);
#define BOARD_ROOM ((size_t)1 << 32) /* bytes of address space that are enough for it */
void board_unmap(struct board *board);
/* Sets right what stands in the header and never changes: a worker that went wrong may have written there, and without it
 * no process takes the board. Guard only. */
void board_mend(struct board *board, unsigned slabs);

/* ---- words: allocation (master only) ---- */
/* Finds or makes the word of an identity (a hash of what it belongs to); marks it used by `generation`. Dies never:
 * slot 0 when the table is full (then callers fall back to a private counter). */
struct board_ref board_word(struct board *board, uint64_t identity, uint64_t generation);
/* Frees words, and tables, that no generation >= oldest names: every generation must have been compiled with its own number, also
 * when the page that came out was the same. */
void board_sweep(struct board *board, uint64_t oldest);
/* The atomic behind a reference, or NULL when the epoch is another (freed meanwhile) or the slot is 0. */
_Atomic uint64_t *board_at(struct board *board, struct board_ref ref);

/* ---- tables: what tables.h needs ---- */
struct table_directory *board_table_directory(struct board *board);
void *board_table(struct board *board, uint32_t number); /* below TABLE_SLOTS */

/* Tells what users write one from another: nobody outside of the tree can find two texts that it takes for one, as they
 * could with the hashes of common/base/hash.h. The same as long as there is the board. NULL (tools): a hash without a
 * secret. */
uint64_t board_hash(struct board *board, uint64_t seed, struct slice text);

/* ---- slabs ---- */
enum board_counter { /* since start, never go down */
                     COUNT_REQUESTS,
                     COUNT_CONNECTIONS,
                     COUNT_BYTES_IN,
                     COUNT_BYTES_OUT,
                     COUNT_UPSTREAM_CONNECTS,
                     COUNT_UPSTREAM_REUSED,
                     COUNT_RETRIES,
                     COUNT_MIRRORED,            /* copies of requests to mirrors, ... */
                     COUNT_MIRRORS_DROPPED,     /* ... and those that were not made */
                     COUNT_REFUSED_CONNECTIONS, /* the budgets: new ones refused, ... */
                     COUNT_SHED_IDLE,           /* idle ones closed, of clients and to servers, ... */
                     COUNT_SHED_BUSY,           /* ... and requests or answers broken off */
                     COUNT_HANDSHAKES,          /* TLS connections of clients, ... */
                     COUNT_RESUMED,             /* ... and those that went on with an earlier session */
                     COUNT_UDP_SESSIONS,        /* begun, ... */
                     COUNT_UDP_REFUSED,         /* ... refused: a bound, or nobody to send to, ... */
                     COUNT_UDP_IN,              /* ... datagrams of clients, ... */
                     COUNT_UDP_OUT,             /* ... to clients, ... */
                     COUNT_UDP_DROPPED,         /* ... and of either those that could not be passed on */
                     COUNT_UPSTREAM_HANDSHAKES, /* TLS connections to servers, ... */
                     COUNT_UPSTREAM_RESUMED,    /* ... and those that went on with an earlier session */
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
    GAUGE_BACKED_UP, /* connections that hold bytes nobody takes; only while there is a memory budget */
    GAUGE_UDP_SESSIONS,
    GAUGE_SPOOLED, /* slots of the file for long bodies, 64 KiB each */
    GAUGE_MEMORY,  /* bytes of the process and its sockets; only while there is a memory budget */
    BOARD_GAUGES
};

struct board_slab {                /* one writer; readers use relaxed loads */
    _Atomic uint64_t heartbeat_ns; /* monotonic */
    _Atomic uint64_t pid;
    _Atomic uint64_t generation; /* acknowledged */
    _Atomic uint64_t state;
    _Atomic uint64_t state_ns;        /* since when */
    _Atomic uint64_t acknowledged_ns; /* when `generation` was */
    _Atomic uint64_t counters[BOARD_COUNTERS];
    _Atomic int64_t gauges[BOARD_GAUGES];
    struct laps laps;
};

/* NULL when out of range. Ask only for workers that exist: reading a slab takes its memory. */
struct board_slab *board_slab(struct board *board, unsigned worker);
/* Slots from here on were never used by a worker. */
unsigned board_slots(struct board *board);
/* After a worker was reaped, before its successor starts: zeroes all of its slab but the counters and laps, and
 * begins a new life of the slot: what it held in tables counts no more. */
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
/* enum worker_state (control.h); since when stays when it is that already. */
static inline void slab_state(struct board_slab *slab, uint64_t state, int64_t now_ns)
{
    if (atomic_load_explicit(&slab->state, memory_order_relaxed) != state) {
        atomic_store_explicit(&slab->state_ns, (uint64_t)now_ns, memory_order_relaxed);
        atomic_store_explicit(&slab->state, state, memory_order_relaxed);
    }
}

/* ---- loads: how many requests are under way on a server, for those services that ask ---- */
/* Each worker counts its own, so that the counts of a dead one go with it (board_fold()); the sum is over all. A server is
 * known by its word; with more than BOARD_LOADS words two servers may come to share a count. */
#define BOARD_LOADS 16384u
/* The worker's own count; NULL for slot 0. */
_Atomic uint32_t *board_load(struct board *board, unsigned worker, struct board_ref server);
uint64_t board_load_sum(struct board *board, struct board_ref server);

/* ---- of the whole tree ---- */
enum board_memory_kind {
    MEMORY_TREE,  /* limits.memory, measured by ourselves */
    MEMORY_GROUP, /* the control group's limit, measured by the kernel */
    MEMORY_KINDS
};
struct board_memory {        /* bytes */
    _Atomic uint64_t budget; /* 0: none */
    _Atomic uint64_t used;
};
struct board_tree {
    _Atomic uint64_t master_heartbeat_ns;
    _Atomic uint64_t generation; /* last published */
    _Atomic uint64_t stopping;   /* 1 during shutdown, from the signal on: neither well nor ready */
    _Atomic uint64_t workers;    /* wanted number */
    struct board_memory memory[MEMORY_KINDS];
    _Atomic uint64_t spool_most;        /* bytes of bodies in the files of all workers; 0: there are none */
    _Atomic uint64_t master_memory;     /* bytes of the master alone */
    _Atomic uint64_t memory_sampled_ns; /* when `used` was written; who moves it on samples */
    _Atomic uint64_t memory_level;      /* enum budget_level of the workers */
    _Atomic uint64_t memory_said_ns;    /* when the log said last that connections are refused */
    _Atomic uint64_t memory_refusing;   /* 1: it did, and has not said yet that they are taken again */
};
struct board_tree *board_tree(struct board *board);

/* ---- how it lives ---- */
struct board_guard *board_guard(struct board *board);   /* the guard writes */
struct board_master *board_master(struct board *board); /* the master writes */

#endif
