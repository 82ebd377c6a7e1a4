/*
 * generation.c - pages that are in force together, checked one by one and against each other, counted.
 */
#include "shm/generation.h"

#include <errno.h>
#include <stdlib.h>

#include "shm/middlewares.h"
#include "shm/routes.h"
#include "shm/secrets.h"
#include "shm/static_page.h"
#include "shm/tcp_page.h"
#include "shm/tls_options.h"
#include "shm/transports.h"
#include "shm/udp_page.h"

static bool has_service(const struct services *services, uint32_t number)
{
    const struct page *page;

    return services_at(services, number, &page) != NULL;
}

static int routes_fit(const struct page *routes, const struct page *middlewares,
                      const struct services *services_there, struct error *why)
{
    uint32_t count = routes_count(routes), middleware_count = middlewares_count(middlewares);

    for (uint32_t i = 0; i < count; i++) {
        const struct route *route = routes_at(routes, i);
        const uint32_t *chain = page_at(routes, route->middlewares.items);

        if (route->children == 0 && !has_service(services_there, route->service)) {
            return error_set(why, -EBADMSG, "route %u names service %u of %u", i, route->service,
                             services_there->count);
        }
        for (size_t k = 0; k < route->middlewares.count; k++) {
            if (chain[k] >= middleware_count) {
                return error_set(why, -EBADMSG, "route %u names middleware %u of %u", i, chain[k],
                                 middleware_count);
            }
        }
    }
    for (uint32_t i = 0; i < middleware_count; i++) {
        const struct middleware_row *row = middlewares_at(middlewares, i);
        const uint32_t *services = page_at(middlewares, row->services.items);

        for (size_t k = 0; k < row->services.count; k++) {
            if (!has_service(services_there, services[k])) {
                return error_set(why, -EBADMSG, "middleware %u names service %u of %u", i, services[k],
                                 services_there->count);
            }
        }
    }
    return 0;
}

/* Their services lie together, at the end. */
static int tcp_routes_fit(struct page *const *pages, const struct services *services, struct error *why)
{
    const struct page *routes = pages[PAGE_TCP_ROUTES], *tcp = pages[PAGE_TCP];
    uint32_t middleware_count = tcp_middlewares_count(tcp);

    for (uint32_t i = 0; i < routes_count(routes); i++) {
        const struct route *route = routes_at(routes, i);
        const uint32_t *chain = page_at(routes, route->middlewares.items);

        const struct tcp_way *way = tcp_way_of(tcp, route->service);

        if (!has_service(services, route->service) || way == NULL) {
            return error_set(why, -EBADMSG, "TCP route %u names service %u", i, route->service);
        }
        for (size_t k = 0; k < route->middlewares.count; k++) {
            if (chain[k] >= middleware_count) {
                return error_set(why, -EBADMSG, "TCP route %u names middleware %u of %u", i, chain[k],
                                 middleware_count);
            }
        }
    }
    return 0;
}

static int page_check_as(enum page_kind kind, const struct page *page, struct error *why)
{
    static int (*const checks[PAGE_KINDS])(const struct page *page, struct error *why) = {
        [PAGE_STATIC] = static_page_check,
        [PAGE_ROUTES] = routes_check,
        [PAGE_MIDDLEWARES] = middlewares_check,
        [PAGE_TRANSPORTS] = transports_check,
        [PAGE_TLS] = tls_options_check,
        [PAGE_SECRETS] = secrets_check,
        [PAGE_TCP_ROUTES] = routes_check,
        [PAGE_TCP] = tcp_page_check,
        [PAGE_UDP] = udp_page_check,
        [PAGE_CERTIFICATES] = certificates_check,
        [PAGE_SERVICES] = services_check,
    };

    return checks[kind](page, why);
}

static bool is_same(const struct generation *before, struct page *const *pages, size_t i)
{
    return before && i < before->page_count && before->pages[i] == pages[i];
}

static int pages_check(struct page *const *pages, size_t page_count, const struct generation *before,
                       struct error *why)
{
    int rc = 0;

    if (page_count <= PAGE_SERVICES || page_count > PAGE_PLACES) {
        return error_set(why, -EINVAL, "%zu pages", page_count);
    }
    for (size_t i = 0; i < page_count && rc == 0; i++) {
        enum page_kind kind = page_kind_at(i);

        if (!pages[i]) {
            return error_set(why, -EINVAL, "no %s page", page_kind_name(kind));
        }
        rc = is_same(before, pages, i) ? 0 : page_check_as(kind, pages[i], why);
    }
    return rc;
}

/* Its services use no transports: number 0 is always there. */
static int udp_link(struct generation *generation, struct error *why)
{
    struct page **pages = generation->pages;
    int rc = services_link(pages + PAGE_UDP, 1, transports_count(pages[PAGE_TRANSPORTS]), NULL,
                           &generation->udp_services, why);

    if (rc < 0) {
        error_prefix(why, "UDP page");
        return rc;
    }
    return udp_page_fit(pages[PAGE_UDP], entry_points_count(pages[PAGE_STATIC]), why);
}

static int generation_link(struct generation *generation, const struct generation *before, struct error *why)
{
    struct page **pages = generation->pages;
    bool same_transports = is_same(before, pages, PAGE_TRANSPORTS);
    int rc = services_link(pages + PAGE_SERVICES, generation->page_count - PAGE_SERVICES,
                           transports_count(pages[PAGE_TRANSPORTS]),
                           same_transports ? &before->services : NULL, &generation->services, why);

    if (rc == 0 && !(is_same(before, pages, PAGE_ROUTES) && is_same(before, pages, PAGE_MIDDLEWARES) &&
                     services_cover(&generation->services, &before->services))) {
        rc = routes_fit(pages[PAGE_ROUTES], pages[PAGE_MIDDLEWARES], &generation->services, why);
    }
    if (rc == 0) {
        rc = udp_link(generation, why);
    }
    if (rc == 0 && !(is_same(before, pages, PAGE_TCP_ROUTES) && is_same(before, pages, PAGE_TCP) &&
                     same_transports && services_cover(&generation->services, &before->services))) {
        rc = tcp_routes_fit(pages, &generation->services, why);
    }
    return rc;
}

int generation_new(uint64_t number, struct page *const *pages, size_t page_count,
                   const struct generation *before, struct generation **out, struct error *why)
{
    struct generation *generation = NULL;
    int rc = pages_check(pages, page_count, before, why);

    if (rc == 0) {
        generation = calloc(1, sizeof(*generation) + page_count * sizeof(generation->pages[0]));
        if (generation) {
            generation->number = number;
            generation->page_count = page_count;
            memcpy(generation->pages, pages, page_count * sizeof(generation->pages[0]));
            atomic_init(&generation->references, 1);
            rc = generation_link(generation, before, why);
        } else {
            rc = error_set(why, -ENOMEM, "out of memory");
        }
    }
    if (rc < 0) {
        error_prefix(why, "generation %llu", (unsigned long long)number);
        free(generation);
        return rc;
    }
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
    for (size_t i = 0; i < generation->page_count; i++) {
        page_unref(generation->pages[i]);
    }
    free(generation);
}
