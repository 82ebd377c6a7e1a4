/*
 * held.c - see held.h.
 */
#include "worker/held.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "worker/worker.h"

void held_add(struct held *held, const struct in_flight *item)
{
    held->items = xrealloc(held->items, (held->count + 1) * sizeof(*held->items));
    held->items[held->count++] = *item;
}

void held_give(struct worker *worker, struct held *held)
{
    for (size_t i = 0; i < held->count; i++) {
        in_flight_give(worker->board, worker->slot, &held->items[i]);
    }
    free(held->items);
    *held = (struct held){0};
}
