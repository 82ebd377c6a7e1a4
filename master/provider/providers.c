/*
 * providers.c - the list of providers as an array, from PROVIDERS in provider.h; what they have in common.
 */
#include "master/provider/provider.h"

const struct provider *const providers[PROVIDER_COUNT] = {
#define PROVIDER(identifier) &provider_##identifier,
    PROVIDERS(PROVIDER)
#undef PROVIDER
};

void provider_watch(struct pool *pool, struct list *paths, struct slice path)
{
    struct slice *grown = pool_alloc(pool, (paths->count + 1) * sizeof(*grown));

    if (paths->count) {
        memcpy(grown, paths->items, paths->count * sizeof(*grown));
    }
    grown[paths->count] = path;
    *paths = (struct list){grown, paths->count + 1};
}
