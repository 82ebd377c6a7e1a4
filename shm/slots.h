/*
 * slots.h - a hash table over the rows of a stored list: open addressing, half full at most, positions + 1 in it.
 *
 * Names in it are the operator's, not a stranger's: strangers only look things up, so the hash needs no secret.
 */
#ifndef WEIR_SHM_SLOTS_H
#define WEIR_SHM_SLOTS_H

#include "shm/page_inner.h"

/* Row i has hashes[i]; equal keys must not come twice. */
static inline struct list slots_build(struct page_builder *builder, const uint64_t *hashes, size_t count)
{
    size_t size = 2;

    while (size < 2 * count) {
        size *= 2;
    }
    uint64_t at = builder_alloc(builder, size * sizeof(uint32_t), PAGE_ALIGN);
    uint32_t *slots = builder_at(builder, at);

    for (size_t i = 0; i < count; i++) {
        size_t slot = hashes[i] & (size - 1);

        while (slots[slot]) {
            slot = (slot + 1) & (size - 1);
        }
        slots[slot] = (uint32_t)i + 1;
    }
    return (struct list){stored_pointer(at), size};
}

/* Positions are inside, the size is a power of two, and a look at it ends: a slot is free. */
static inline bool slots_good(const struct page *page, struct list stored, size_t rows)
{
    const uint32_t *slots;
    size_t used = 0;

    if (!page_holds_list(page, stored, sizeof(*slots), PAGE_ALIGN) || stored.count < 2 ||
        (stored.count & (stored.count - 1)) != 0) {
        return false;
    }
    slots = page_at(page, stored.items);
    for (size_t i = 0; i < stored.count; i++) {
        if (slots[i] > rows) {
            return false;
        }
        used += slots[i] != 0;
    }
    return used < stored.count;
}

/* Walks the candidates: for (size_t at = hash; (row = slots_next(page, &slots, &at)) != 0;) ... row - 1 */
static inline uint32_t slots_next(const struct page *page, const struct list *stored, size_t *at)
{
    const uint32_t *slots = page_at(page, stored->items);

    return slots[(*at)++ & (stored->count - 1)];
}

#endif
