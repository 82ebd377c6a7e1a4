/*
 * tables.h - tables on the board: what a limit counts for each source, shared by all workers, kept over generations.
 *
 * A table is TABLE_BYTES of memory, zero at first, of which only touched pages cost. The master gives one to each identity, as it
 * does with words (board.h): the same identity gets the same table over generations, and a table that nobody names any more is
 * emptied. When none is free, identities share one of a few that are never freed: keys tell them apart there, so that counts stay
 * right and only room is shared.
 *
 * Which table is whose stands in a directory that workers cannot write (board_join()), beside the secret that keys are made with
 * and the life that each worker slot is in.
 *
 * Not here: what stands in a table (rate.h, in_flight.h).
 */
#ifndef WEIR_SHM_TABLES_H
#define WEIR_SHM_TABLES_H

#include <stdatomic.h>

#include "common/base/slice.h"
#include "shm/board_life.h"

#define TABLE_BYTES ((size_t)1 << 20)
#define TABLES_OWN 2048u  /* power of two */
#define TABLES_SHARED 16u /* power of two */
#define TABLE_SLOTS (TABLES_OWN + TABLES_SHARED)

struct board;

struct table_ref { /* stored in pages */
    uint32_t slot; /* 0: none; else number + 1 */
    uint32_t epoch;
    uint64_t identity;
};

struct table_slot {
    _Atomic uint64_t identity;   /* 0: free */
    _Atomic uint64_t generation; /* last one that names it */
    _Atomic uint32_t epoch;
    uint32_t unused;
};

struct table_directory {
    uint64_t seed[2];
    _Atomic uint32_t taken;              /* 0: no table was ever taken; nothing is to be looked for */
    _Atomic uint32_t lives[BOARD_SLOTS]; /* how often a worker slot was folded */
    struct table_slot slots[TABLES_OWN];
};

/* ---- master only ---- */
struct table_ref table_take(struct board *board, uint64_t identity, uint64_t generation);
/* Empties and frees those that no generation >= oldest names. Part of board_sweep(). */
void tables_sweep(struct board *board, uint64_t oldest);

/* The table, or NULL when it was freed meanwhile or there is none. */
void *table_at(struct board *board, struct table_ref ref);
/* The key of a source in it: never below TABLE_KEYS, hard to guess, and the text itself for all that matters. */
#define TABLE_KEYS ((uint64_t)1 << 41)
uint64_t table_key(struct board *board, struct table_ref ref, struct slice source);

#endif
