/*
 * spool_slots.h - which parts of the spool file (spool.h) are taken: slots of one size, numbered from its
 * beginning.
 *
 * The lowest free slot is given out first, so the file stays as short as it can be. A slot that is given
 * back is stale: it is free, but the disk still has room set aside for it, until it was cleaned.
 */
#ifndef WEIR_WORKER_SPOOL_SLOTS_H
#define WEIR_WORKER_SPOOL_SLOTS_H

#include <stdint.h>

struct spool_slots { /* zeroed: all are free, none is stale */
    uint64_t *taken, *stale;
    uint32_t words; /* of each of them */
    uint32_t first; /* all words before this one are full of taken slots */
    uint32_t stale_count;
};

uint32_t spool_slots_take(struct spool_slots *slots);
void spool_slots_give(struct spool_slots *slots, uint32_t slot);
/* The first stale ones that lie side by side, at most `most` of them: how many. They are taken until they are cleaned. */
uint32_t spool_slots_clean(struct spool_slots *slots, uint32_t most, uint32_t *first);
/* Free, and no longer stale. */
void spool_slots_cleaned(struct spool_slots *slots, uint32_t first, uint32_t count);
void spool_slots_free(struct spool_slots *slots);

#endif
