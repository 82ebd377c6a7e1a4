/*
 * tcp_routes.c - see tcp_routes.h.
 */
#include "shm/tcp_routes.h"

#include "shm/tcp_page.h"
#include "shm/tls_options.h"

uint32_t tcp_routes_choose(const struct generation *generation, uint32_t entry_point, bool tls, bool tcp_only,
                           const struct rule_request *connection)
{
    const struct page *routes = generation->pages[PAGE_TCP_ROUTES];
    unsigned there = tcp_point_flags(generation->pages[PAGE_TCP], entry_point);
    uint32_t number;

    if (!(there & (tls ? TCP_TLS : TCP_PLAIN))) {
        return ROUTE_NONE;
    }
    number = routes_match(routes, entry_point, tls, connection);
    if (number == ROUTE_NONE || !tls || tcp_only) {
        return number;
    }
    if (tls_options_named(generation->pages[PAGE_TLS], entry_point, connection->host)) {
        return ROUTE_NONE;
    }
    return (routes_at(routes, number)->flags & ROUTE_CATCH_ALL) && (there & TCP_HTTPS_ALL) ? ROUTE_NONE
                                                                                           : number;
}
