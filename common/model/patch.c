/*
 * patch.c - contract in patch.h.
 */
#include "common/model/patch.h"

#include <stdlib.h>

void model_patch_own(struct model *base, struct model_patch *patch)
{
    patch->more->next = base->patches;
    patch->more->owned = true;
    base->patches = patch->more;
}

/* The order of a provider's objects is nobody's business: the last one takes its place. */
static void remove_one(void *objects, size_t *count, const struct element *element)
{
    const struct element **items = objects;

    for (size_t i = 0; i < *count; i++) {
        if (items[i] == element) {
            items[i] = items[--*count];
            return;
        }
    }
}

#define TAKE(base, more, array, count, capacity)                                                             \
    for (size_t i = 0; i < (more)->count; i++) {                                                             \
        (base)->array = pool_grow((base)->pool, (base)->array, (base)->count, &(base)->capacity,             \
                                  sizeof(*(base)->array));                                                   \
        (base)->array[(base)->count++] = (more)->array[i];                                                   \
    }                                                                                                        \
    (more)->count = 0

void model_patch_apply(struct model *base, const struct model_patch *patch)
{
    struct model *more = patch->more;

    for (size_t i = 0; i < patch->gone_count; i++) {
        struct element *element = patch->gone[i].element;

        switch (patch->gone[i].part) {
        case PART_ROUTER:
            remove_one(base->routers, &base->router_count, element);
            break;
        case PART_SERVICE:
            remove_one(base->services, &base->service_count, element);
            pool_free(((struct http_service *)element)->servers_pool);
            break;
        case PART_MIDDLEWARE:
            remove_one(base->middlewares, &base->middleware_count, element);
            break;
        }
    }
    TAKE(base, more, routers, router_count, router_capacity);
    TAKE(base, more, services, service_count, service_capacity);
    TAKE(base, more, middlewares, middleware_count, middleware_capacity);
}

void model_patch_free(struct model_patch *patch)
{
    if (patch->more && !patch->more->owned) {
        model_free(patch->more);
    }
    free(patch->gone);
    *patch = (struct model_patch){.more = NULL};
}
