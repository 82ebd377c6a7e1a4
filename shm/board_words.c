/*
 * board_words.c - taking words of the board and giving them back; only one process does, the master.
 *
 * Words are taken from the front and freed ones first, so that a small configuration touches a page or two. Where an
 * identity's word lies is known by an index in the private memory of that process; a new master builds it again from the
 * words. The order of stores makes every entry whole at any instant: an entry is taken by its identity, written last, and
 * freed by its epoch, raised first.
 */
#include <stdlib.h>

#include "common/base/memory.h"
#include "shm/board_inner.h"

/* The header tells a new master; who has allocated knows it better, for workers can write there. */
static uint32_t words_used(struct board *board)
{
    uint32_t told = atomic_load_explicit(&board->head->header.words_used, memory_order_relaxed);

    if (board->index == NULL) {
        board->words_used = told < WORDS ? told : 0;
    }
    return board->words_used;
}

static void index_put(struct board *board, uint64_t identity, uint32_t slot)
{
    size_t mask = board->index_size - 1, at = identity & mask;

    while (board->index[at]) {
        at = (at + 1) & mask;
    }
    board->index[at] = slot;
    board->index_used++;
}

static void free_slot_add(struct board *board, uint32_t slot)
{
    if (board->free_count == board->free_capacity) {
        board->free_capacity = board->free_capacity ? board->free_capacity * 2 : 64;
        board->free_slots = xrealloc(board->free_slots, board->free_capacity * sizeof(*board->free_slots));
    }
    board->free_slots[board->free_count++] = slot;
}

/* From the words themselves: at the first use, after a sweep, and when the index has become half full. */
static void index_build(struct board *board)
{
    uint32_t used = words_used(board);
    size_t size = 256;

    while (size < ((size_t)used + 64) * 4) {
        size *= 2;
    }
    free(board->index);
    board->index = xcalloc(size, sizeof(*board->index));
    board->index_size = size;
    board->index_used = 0;
    board->free_count = 0;
    for (uint32_t slot = used; slot >= 1; slot--) { /* downwards: the lowest free slot is taken first */
        uint64_t identity = atomic_load_explicit(&board->entries[slot].identity, memory_order_relaxed);

        if (identity) {
            index_put(board, identity, slot);
        } else {
            free_slot_add(board, slot);
        }
    }
}

static uint32_t slot_find(const struct board *board, uint64_t identity)
{
    size_t mask = board->index_size - 1;

    for (size_t at = identity & mask; board->index[at]; at = (at + 1) & mask) {
        uint32_t slot = board->index[at];

        if (atomic_load_explicit(&board->entries[slot].identity, memory_order_relaxed) == identity) {
            return slot;
        }
    }
    return 0;
}

/* 0 when all are taken. */
static uint32_t slot_take(struct board *board)
{
    uint32_t used;

    if (board->free_count > 0) {
        return board->free_slots[--board->free_count];
    }
    used = words_used(board);
    if (used + 1 >= WORDS) {
        return 0;
    }
    board->words_used = used + 1;
    atomic_store_explicit(&board->head->header.words_used, used + 1, memory_order_relaxed);
    return used + 1;
}

struct board_ref board_word(struct board *board, uint64_t identity, uint64_t generation)
{
    struct board_entry *entry;
    uint32_t slot;

    identity += identity == 0; /* 0 means free */
    if (board->index_used * 2 >= board->index_size) {
        index_build(board);
    }
    slot = slot_find(board, identity);
    if (slot == 0) {
        if ((slot = slot_take(board)) == 0) {
            return (struct board_ref){0};
        }
        entry = &board->entries[slot];
        atomic_store_explicit(&entry->word, 0, memory_order_relaxed);
        atomic_store_explicit(&entry->generation, generation, memory_order_relaxed);
        atomic_store_explicit(&entry->identity, identity, memory_order_release);
        index_put(board, identity, slot);
    }
    entry = &board->entries[slot];
    if (atomic_load_explicit(&entry->generation, memory_order_relaxed) < generation) {
        atomic_store_explicit(&entry->generation, generation, memory_order_relaxed);
    }
    return (struct board_ref){.slot = slot,
                              .epoch = atomic_load_explicit(&entry->epoch, memory_order_relaxed)};
}

void board_sweep(struct board *board, uint64_t oldest)
{
    uint32_t used = words_used(board);
    bool freed = false;

    for (uint32_t slot = 1; slot <= used; slot++) {
        struct board_entry *entry = &board->entries[slot];

        if (atomic_load_explicit(&entry->identity, memory_order_relaxed) == 0 ||
            atomic_load_explicit(&entry->generation, memory_order_relaxed) >= oldest) {
            continue;
        }
        atomic_fetch_add_explicit(&entry->epoch, 1, memory_order_release);
        atomic_store_explicit(&entry->identity, 0, memory_order_release);
        freed = true;
    }
    if (freed) {
        index_build(board);
    }
    tables_sweep(board, oldest);
}
