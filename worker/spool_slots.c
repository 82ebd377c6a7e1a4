/*
 * spool_slots.c - see spool_slots.h: two bits for each slot.
 */
#include "worker/spool_slots.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"

#define WORD 64u
#define FIRST_WORDS 16u

static uint64_t bit(uint32_t slot)
{
    return UINT64_C(1) << (slot % WORD);
}

static void grow(struct spool_slots *slots)
{
    uint32_t words = slots->words ? 2 * slots->words : FIRST_WORDS;
    size_t more = (words - slots->words) * sizeof(uint64_t);

    slots->taken = xrealloc(slots->taken, words * sizeof(uint64_t));
    slots->stale = xrealloc(slots->stale, words * sizeof(uint64_t));
    memset(slots->taken + slots->words, 0, more);
    memset(slots->stale + slots->words, 0, more);
    slots->words = words;
}

uint32_t spool_slots_take(struct spool_slots *slots)
{
    while (slots->first < slots->words && slots->taken[slots->first] == UINT64_MAX) {
        slots->first++;
    }
    if (slots->first == slots->words) {
        grow(slots);
    }

    uint32_t word = slots->first;
    uint32_t slot = word * WORD + (uint32_t)__builtin_ctzll(~slots->taken[word]);

    slots->taken[word] |= bit(slot);
    if (slots->stale[word] & bit(slot)) {
        slots->stale[word] &= ~bit(slot);
        slots->stale_count--;
    }
    return slot;
}

static void release(struct spool_slots *slots, uint32_t slot)
{
    uint32_t word = slot / WORD;

    slots->taken[word] &= ~bit(slot);
    if (word < slots->first) {
        slots->first = word;
    }
}

void spool_slots_give(struct spool_slots *slots, uint32_t slot)
{
    release(slots, slot);
    slots->stale[slot / WORD] |= bit(slot);
    slots->stale_count++;
}

static bool is_stale(const struct spool_slots *slots, uint32_t slot)
{
    return slot / WORD < slots->words && (slots->stale[slot / WORD] & bit(slot));
}

uint32_t spool_slots_clean(struct spool_slots *slots, uint32_t most, uint32_t *first)
{
    uint32_t word = 0, slot, count = 0;

    if (slots->stale_count == 0) {
        return 0;
    }
    while (slots->stale[word] == 0) {
        word++;
    }
    slot = word * WORD + (uint32_t)__builtin_ctzll(slots->stale[word]);
    *first = slot;
    for (; count < most && is_stale(slots, slot); count++, slot++) {
        slots->stale[slot / WORD] &= ~bit(slot);
        slots->taken[slot / WORD] |= bit(slot);
    }
    slots->stale_count -= count;
    return count;
}

void spool_slots_cleaned(struct spool_slots *slots, uint32_t first, uint32_t count)
{
    for (uint32_t slot = first; slot < first + count; slot++) {
        release(slots, slot);
    }
}

void spool_slots_free(struct spool_slots *slots)
{
    free(slots->taken);
    free(slots->stale);
    *slots = (struct spool_slots){.words = 0};
}
