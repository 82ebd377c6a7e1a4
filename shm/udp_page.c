/*
 * udp_page.c - building, checking and reading the UDP page. See udp_page.h.
 */
#include "shm/udp_page.h"

#include <errno.h>

#include "shm/page_inner.h"

void udp_page_build(struct page_builder *builder, const struct service *services, size_t service_count,
                    const struct udp_route *routes, size_t route_count)
{
    unsigned shift = 0;

    while (service_count > (size_t)1 << shift) {
        shift++;
    }
    services_build(builder, 0, shift, 1, services, service_count);

    struct services_root made = *(const struct services_root *)builder_at(builder, builder_root(builder));
    uint64_t root = builder_alloc(builder, sizeof(struct udp_root), PAGE_ALIGN);
    uint64_t rows = route_count ? builder_alloc(builder, route_count * sizeof(*routes), PAGE_ALIGN) : 0;
    struct udp_root *stored = builder_at(builder, root);

    stored->services = made;
    stored->routes = (struct list){stored_pointer(rows), route_count};
    if (route_count) {
        memcpy(builder_at(builder, rows), routes, route_count * sizeof(*routes));
    }
    builder_set_root(builder, root);
}

int udp_page_check(const struct page *page, struct error *why)
{
    const struct udp_root *root = page_root(page);
    const struct udp_route *routes;
    int rc;

    if (!root || !page_holds(page, page_offset(page, root), 1, sizeof(*root), PAGE_ALIGN) ||
        !page_holds_list(page, root->routes, sizeof(*routes), PAGE_ALIGN)) {
        return error_set(why, -EBADMSG, "UDP page: its root is damaged");
    }
    if ((rc = services_check(page, why)) < 0) {
        error_prefix(why, "UDP page");
        return rc;
    }
    routes = page_at(page, root->routes.items);
    for (size_t i = 0; i < root->routes.count; i++) {
        if (routes[i].service >= root->services.services.count ||
            (i > 0 && routes[i].entry_point <= routes[i - 1].entry_point)) {
            return error_set(why, -EBADMSG, "UDP page: route %zu is damaged", i);
        }
    }
    return 0;
}

int udp_page_fit(const struct page *page, uint32_t entry_point_count, struct error *why)
{
    const struct list *list = &((const struct udp_root *)page_root(page))->routes;
    const struct udp_route *routes = page_at(page, list->items);

    if (list->count > 0 && routes[list->count - 1].entry_point >= entry_point_count) {
        return error_set(why, -EBADMSG, "UDP page: a route names entry point %u of %u",
                         routes[list->count - 1].entry_point, entry_point_count);
    }
    return 0;
}

uint32_t udp_page_service(const struct page *page, uint32_t entry_point)
{
    const struct list *list = &((const struct udp_root *)page_root(page))->routes;
    const struct udp_route *routes = page_at(page, list->items);

    for (size_t i = 0; i < list->count; i++) {
        if (routes[i].entry_point == entry_point) {
            return routes[i].service;
        }
    }
    return UDP_NO_SERVICE;
}
