/*
 * udp_table.c - see udp_table.h.
 */
#include "worker/udp_table.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/base/memory.h"

#define SIZE_FIRST 16u

static uint64_t hash_of(const struct udp_table *table, const struct udp_flow *flow)
{
    return hash_bytes(table->seed, flow, sizeof(*flow));
}

struct udp_entry *udp_table_find(const struct udp_table *table, const struct udp_flow *flow)
{
    if (table->count == 0) {
        return NULL;
    }
    uint64_t hash = hash_of(table, flow);
    struct udp_entry *entry = table->chains[hash & (table->size - 1)];

    while (entry && (entry->hash != hash || memcmp(&entry->flow, flow, sizeof(*flow)) != 0)) {
        entry = entry->next;
    }
    return entry;
}

static void link_in(struct udp_table *table, struct udp_entry *entry)
{
    struct udp_entry **chain = &table->chains[entry->hash & (table->size - 1)];

    entry->next = *chain;
    *chain = entry;
}

static void grow(struct udp_table *table)
{
    struct udp_entry **old = table->chains;
    size_t old_size = table->size;

    table->size = old_size ? 2 * old_size : SIZE_FIRST;
    table->chains = xcalloc(table->size, sizeof(struct udp_entry *));
    for (size_t i = 0; i < old_size; i++) {
        for (struct udp_entry *entry = old[i], *next; entry; entry = next) {
            next = entry->next;
            link_in(table, entry);
        }
    }
    free(old);
}

void udp_table_put(struct udp_table *table, struct udp_entry *entry)
{
    if (table->count == table->size) {
        grow(table);
    }
    entry->hash = hash_of(table, &entry->flow);
    link_in(table, entry);
    table->count++;
}

void udp_table_take(struct udp_table *table, struct udp_entry *entry)
{
    struct udp_entry **link = &table->chains[entry->hash & (table->size - 1)];

    while (*link != entry) {
        link = &(*link)->next;
    }
    *link = entry->next;
    table->count--;
}

struct udp_entry *udp_table_any(const struct udp_table *table, size_t *at)
{
    for (; *at < table->size; ++*at) {
        if (table->chains[*at]) {
            return table->chains[*at];
        }
    }
    return NULL;
}

void udp_table_free(struct udp_table *table)
{
    free(table->chains);
    table->chains = NULL;
    table->size = table->count = 0;
}
