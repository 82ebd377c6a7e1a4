/*
 * board_inner.h - the board as board.c and board_words.c know it; nobody else includes it.
 */
#ifndef WEIR_SHM_BOARD_INNER_H
#define WEIR_SHM_BOARD_INNER_H

#include "shm/board.h"

#define WORDS (1u << 21) /* 128 MiB of address space */

struct board_header {
    uint64_t magic, layout, build_id, size;
    _Atomic uint32_t words_used; /* slots from 1 to here have been taken at some time */
    _Atomic uint32_t slabs_used; /* slabs below have been asked for at some time */
};

struct board_entry {
    _Atomic uint64_t word;
    _Atomic uint64_t identity; /* 0: free */
    _Atomic uint32_t epoch;
    uint32_t unused;
    _Atomic uint64_t generation;
    uint64_t padding[4];
};

struct board_head { /* the first unit */
    struct board_header header;
    _Alignas(256) struct board_tree tree;
};

struct board {
    char *base;
    struct board_head *head;
    struct board_entry *entries; /* slot n is entries[n]; 0 is never used */
    bool looking;                /* mapped to be read only */
    /* only in the process that allocates */
    uint32_t words_used;
    uint32_t *index; /* slot numbers by identity, open addressing, at most half full */
    size_t index_size, index_used;
    uint32_t *free_slots;
    size_t free_count, free_capacity;
};

#endif
