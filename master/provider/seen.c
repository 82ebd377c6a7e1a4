/*
 * seen.c - open addressing with linear probing, never more than half full; see seen.h.
 */
#include "master/provider/seen.h"

#include "common/base/hash.h"

#define FIRST 8 /* slots: there is one for the addresses of each Service */

void seen_init(struct seen *seen, struct pool *pool)
{
    *seen = (struct seen){.pool = pool};
}

static struct seen_slot *slot_of(const struct seen *seen, struct slice name)
{
    size_t at = (size_t)hash_slice(0x5eed, name) & (seen->capacity - 1);

    while (seen->slots[at].value && !slice_eq(seen->slots[at].name, name)) {
        at = (at + 1) & (seen->capacity - 1);
    }
    return &seen->slots[at];
}

void *seen_get(const struct seen *seen, struct slice name)
{
    return seen->capacity ? slot_of(seen, name)->value : NULL;
}

void seen_set(struct seen *seen, struct slice name, void *value)
{
    if (seen->count * 2 >= seen->capacity) {
        struct seen old = *seen;

        seen->capacity = old.capacity ? old.capacity * 2 : FIRST;
        seen->slots = pool_zalloc(seen->pool, seen->capacity * sizeof(*seen->slots));
        for (size_t i = 0; i < old.capacity; i++) {
            if (old.slots[i].value) {
                *slot_of(seen, old.slots[i].name) = old.slots[i];
            }
        }
    }
    struct seen_slot *slot = slot_of(seen, name);

    seen->count += slot->value == NULL;
    *slot = (struct seen_slot){name, value};
}
