/*
 * seen.h - which names a provider has given already: a hash from name to whatever it was given for.
 *
 * Lives in a pool; names are kept by view. Not here: what a duplicate means (each provider decides).
 */
#ifndef WEIR_MASTER_PROVIDER_SEEN_H
#define WEIR_MASTER_PROVIDER_SEEN_H

#include "common/base/pool.h"

struct seen_slot {
    struct slice name;
    void *value; /* NULL: free */
};

struct seen {
    struct pool *pool;
    struct seen_slot *slots;
    size_t count, capacity;
};

void seen_init(struct seen *seen, struct pool *pool);
void *seen_get(const struct seen *seen, struct slice name);       /* NULL when it is new */
void seen_set(struct seen *seen, struct slice name, void *value); /* value is never NULL; replaces */

#endif
