/*
 * tables.c - who has which table. See tables.h.
 *
 * The directory is a hash table by itself: an identity has one of PROBES slots or shares. So neither a new master nor a large
 * configuration has anything to build. An entry is taken by its identity, written last, and freed by its epoch, raised first.
 */
#include "shm/tables.h"

#include <sys/mman.h>

#include "common/base/hash.h"
#include "shm/board.h"

#define PROBES 64u

static struct table_ref made(const struct table_slot *slot, uint32_t number, uint64_t identity)
{
    return (struct table_ref){.slot = number + 1,
                              .epoch = atomic_load_explicit(&slot->epoch, memory_order_relaxed),
                              .identity = identity};
}

static void name(struct table_slot *slot, uint64_t generation)
{
    if (atomic_load_explicit(&slot->generation, memory_order_relaxed) < generation) {
        atomic_store_explicit(&slot->generation, generation, memory_order_relaxed);
    }
}

struct table_ref table_take(struct board *board, uint64_t identity, uint64_t generation)
{
    struct table_slot *slots = board_table_directory(board)->slots;
    uint64_t start = hash_finish(identity);
    uint32_t spare = TABLES_OWN;

    identity += identity == 0; /* 0 means free */
    for (uint32_t i = 0; i < PROBES; i++) {
        uint32_t number = (uint32_t)(start + i) % TABLES_OWN;
        uint64_t owner = atomic_load_explicit(&slots[number].identity, memory_order_relaxed);

        if (owner == identity) {
            name(&slots[number], generation);
            return made(&slots[number], number, identity);
        }
        if (owner == 0 && spare == TABLES_OWN) {
            spare = number;
        }
    }
    if (spare == TABLES_OWN) { /* shared ones follow those that are owned */
        return (struct table_ref){.slot = TABLES_OWN + (uint32_t)(start % TABLES_SHARED) + 1,
                                  .identity = identity};
    }
    atomic_store_explicit(&board_table_directory(board)->taken, 1, memory_order_relaxed);
    atomic_store_explicit(&slots[spare].generation, generation, memory_order_relaxed);
    atomic_store_explicit(&slots[spare].identity, identity, memory_order_release);
    return made(&slots[spare], spare, identity);
}

void tables_sweep(struct board *board, uint64_t oldest)
{
    struct table_slot *slots = board_table_directory(board)->slots;

    if (atomic_load_explicit(&board_table_directory(board)->taken, memory_order_relaxed) == 0) {
        return;
    }
    for (uint32_t number = 0; number < TABLES_OWN; number++) {
        if (atomic_load_explicit(&slots[number].identity, memory_order_relaxed) == 0 ||
            atomic_load_explicit(&slots[number].generation, memory_order_relaxed) >= oldest) {
            continue;
        }
        atomic_fetch_add_explicit(&slots[number].epoch, 1, memory_order_release);
        /* who dies before the next line leaves a table that is emptied by the next sweep */
        if (madvise(board_table(board, number), TABLE_BYTES, MADV_REMOVE) == 0) {
            atomic_store_explicit(&slots[number].identity, 0, memory_order_release);
        }
    }
}

void *table_at(struct board *board, struct table_ref ref)
{
    uint32_t number = ref.slot - 1;

    if (ref.slot == 0 || number >= TABLE_SLOTS) {
        return NULL;
    }
    if (number < TABLES_OWN && atomic_load_explicit(&board_table_directory(board)->slots[number].epoch,
                                                    memory_order_relaxed) != ref.epoch) {
        return NULL;
    }
    return board_table(board, number);
}

uint64_t table_key(struct board *board, struct table_ref ref, struct slice source)
{
    uint64_t key = board_hash(board, ref.identity, source);

    return key < TABLE_KEYS ? key + TABLE_KEYS : key;
}
