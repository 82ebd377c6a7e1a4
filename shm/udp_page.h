/*
 * udp_page.h - the UDP page: which entry point's datagrams go to which service, and those services.
 *
 * Its services are rows as on the services pages (services.h), numbered from 0 within this page: load balancers whose servers
 * have an address each, and weighted services. All of them are on one page: there are few, and what a change costs is a
 * page of their own.
 */
#ifndef WEIR_SHM_UDP_PAGE_H
#define WEIR_SHM_UDP_PAGE_H

#include "shm/services.h"

struct udp_route {        /* stored */
    uint32_t entry_point; /* number in the static page */
    uint32_t service;     /* number on this page */
};

struct udp_root {
    struct services_root services; /* first: services_check() and services_next_address() see nothing else */
    struct list routes;            /* struct udp_route, by entry point */
};

#define UDP_NO_SERVICE UINT32_MAX

/* Rows in native form, services as for services_build(); routes sorted by entry point, one for each. */
void udp_page_build(struct page_builder *builder, const struct service *services, size_t service_count,
                    const struct udp_route *routes, size_t route_count);
/* Everything that can be said of the page alone. */
int udp_page_check(const struct page *page, struct error *why);
/* Routes that were checked fit to so many entry points. */
int udp_page_fit(const struct page *page, uint32_t entry_point_count, struct error *why);
/* UDP_NO_SERVICE: no router has the entry point. */
uint32_t udp_page_service(const struct page *page, uint32_t entry_point);

#endif
