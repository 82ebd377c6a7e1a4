/*
 * generation.c - pages that are in force together, checked one by one and against each other, counted.
 */
#include "shm/generation.h"

#include <errno.h>
#include <stdlib.h>

#include "shm/middlewares.h"
#include "shm/routes.h"
#include "shm/services.h"
#include "shm/static_page.h"

static int routes_fit(const struct page *routes, const struct page *middlewares, const struct page *services,
                      struct error *why)
{
    uint32_t count = routes_count(routes), middleware_count = middlewares_count(middlewares);
    uint32_t service_count = services_count(services);

    for (uint32_t i = 0; i < count; i++) {
        const struct route *route = routes_at(routes, i);
        const uint32_t *chain = page_at(routes, route->middlewares.items);

        if (route->service >= service_count) {
            return error_set(why, -EBADMSG, "route %u names service %u of %u", i, route->service,
                             service_count);
        }
        for (size_t k = 0; k < route->middlewares.count; k++) {
            if (chain[k] >= middleware_count) {
                return error_set(why, -EBADMSG, "route %u names middleware %u of %u", i, chain[k],
                                 middleware_count);
            }
        }
    }
    return 0;
}

int generation_new(uint64_t number, struct page *pages[PAGE_KINDS], struct generation **out,
                   struct error *why)
{
    struct generation *generation;
    int rc;

    for (size_t i = 0; i < PAGE_KINDS; i++) {
        if (!pages[i]) {
            return error_set(why, -EINVAL, "generation %llu has no %s page", (unsigned long long)number,
                             page_kind_name((enum page_kind)i));
        }
    }
    if ((rc = static_page_check(pages[PAGE_STATIC], why)) < 0 ||
        (rc = routes_check(pages[PAGE_ROUTES], why)) < 0 ||
        (rc = middlewares_check(pages[PAGE_MIDDLEWARES], why)) < 0 ||
        (rc = services_check(pages[PAGE_SERVICES], why)) < 0 ||
        (rc = routes_fit(pages[PAGE_ROUTES], pages[PAGE_MIDDLEWARES], pages[PAGE_SERVICES], why)) < 0) {
        error_prefix(why, "generation %llu", (unsigned long long)number);
        return rc;
    }
    if (!(generation = calloc(1, sizeof(*generation)))) {
        return error_set(why, -ENOMEM, "out of memory");
    }
    generation->number = number;
    memcpy(generation->pages, pages, sizeof(generation->pages));
    atomic_init(&generation->references, 1);
    *out = generation;
    return 0;
}

struct generation *generation_ref(struct generation *generation)
{
    atomic_fetch_add_explicit(&generation->references, 1, memory_order_relaxed);
    return generation;
}

void generation_unref(struct generation *generation)
{
    if (!generation || atomic_fetch_sub_explicit(&generation->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < PAGE_KINDS; i++) {
        page_unref(generation->pages[i]);
    }
    free(generation);
}
