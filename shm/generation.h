/*
 * generation.h - the set of pages that are in force together, counted by reference.
 *
 * An exchange holds a reference to the generation it started on; the last release drops the pages, and a page is
 * unmapped by its last generation. Pages that did not change are shared between generations.
 */
#ifndef WEIR_SHM_GENERATION_H
#define WEIR_SHM_GENERATION_H

#include <stdatomic.h>

#include "shm/services.h"

struct generation {
    uint64_t number;
    atomic_uint references;
    struct services services;     /* a view of the pages from PAGE_SERVICES on */
    struct services udp_services; /* of the UDP page */
    size_t page_count;
    struct page *pages[]; /* by place; one reference each, never NULL */
};

/* Takes over the references to the pages. Checks each page by its kind and the numbers across pages (a route's
 * middlewares, service and entry points exist); what is the same page as in `before`, which may be NULL, was checked
 * there. On failure the pages stay the caller's. */
int generation_new(uint64_t number, struct page *const *pages, size_t page_count,
                   const struct generation *before, struct generation **out, struct error *why);
struct generation *generation_ref(struct generation *generation);
void generation_unref(struct generation *generation);

#endif
