/*
 * services.c - building, checking and reading the services page.
 *
 * Not here: the smooth order itself (smooth.c), what becomes a row (master/compile).
 */
#include "shm/services.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "shm/page_inner.h"

#define SEQUENCE_MAX 65536u

/* ---- building ---- */

static struct list pack_addresses(struct page_builder *builder, struct list from)
{
    uint64_t at = from.count ? builder_alloc(builder, from.count * sizeof(struct address), PAGE_ALIGN) : 0;

    for (size_t i = 0; i < from.count; i++) {
        *((struct address *)builder_at(builder, at) + i) = ((const struct address *)from.items)[i];
    }
    return (struct list){stored_pointer(at), from.count};
}

static void pack_server(struct page_builder *builder, const struct server *from, uint64_t to)
{
    struct slice url = builder_text(builder, from->url), scheme = builder_text(builder, from->scheme);
    struct slice host = builder_text(builder, from->host), path = builder_text(builder, from->path);
    struct list addresses = pack_addresses(builder, from->addresses);
    struct server *stored = builder_at(builder, to);

    stored->url = url;
    stored->scheme = scheme;
    stored->host = host;
    stored->path = path;
    stored->addresses = addresses;
    stored->identity = from->identity;
    stored->health = from->health;
    stored->preserve_path = from->preserve_path;
}

static struct list pack_servers(struct page_builder *builder, struct list from)
{
    uint64_t at = from.count ? builder_alloc(builder, from.count * sizeof(struct server), PAGE_ALIGN) : 0;

    for (size_t i = 0; i < from.count; i++) {
        pack_server(builder, (const struct server *)from.items + i, at + i * sizeof(struct server));
    }
    return (struct list){stored_pointer(at), from.count};
}

static struct list pack_bytes(struct page_builder *builder, struct list from, size_t size)
{
    uint64_t at = from.count ? builder_alloc(builder, from.count * size, PAGE_ALIGN) : 0;

    if (from.count) {
        memcpy(builder_at(builder, at), from.items, from.count * size);
    }
    return (struct list){stored_pointer(at), from.count};
}

static void pack_service(struct page_builder *builder, const struct service *from, uint64_t to)
{
    struct slice name = builder_text(builder, from->name);
    struct list servers = pack_servers(builder, from->servers);
    struct list children = pack_bytes(builder, from->children, sizeof(struct service_child));
    struct list sequence = pack_bytes(builder, from->sequence, sizeof(uint16_t));
    struct service *stored = builder_at(builder, to);

    stored->name = name;
    stored->kind = from->kind;
    stored->internal = from->internal;
    stored->servers = servers;
    stored->children = children;
    stored->sequence = sequence;
    stored->ticket = from->ticket;
    stored->pass_host_header = from->pass_host_header;
    stored->flush_interval = from->flush_interval;
    stored->transport = from->transport;
}

static struct list pack_transports(struct page_builder *builder, const struct transport *from, size_t count)
{
    uint64_t at = count ? builder_alloc(builder, count * sizeof(*from), PAGE_ALIGN) : 0;

    for (size_t i = 0; i < count; i++) {
        struct slice name = builder_text(builder, from[i].name);
        struct transport *stored = (struct transport *)builder_at(builder, at) + i;

        *stored = from[i]; /* no padding: see the assertion below */
        stored->name = name;
    }
    return (struct list){stored_pointer(at), count};
}

_Static_assert(sizeof(struct transport) == sizeof(struct slice) + 4 * sizeof(int64_t), "copied as it is");
_Static_assert(sizeof(struct address) == 20 && sizeof(struct service_child) == 8, "copied as they are");

void services_build(struct page_builder *builder, const struct service *services, size_t service_count,
                    const struct transport *transports, size_t transport_count)
{
    uint64_t root = builder_alloc(builder, sizeof(struct services_root), PAGE_ALIGN);
    uint64_t rows =
        service_count ? builder_alloc(builder, service_count * sizeof(struct service), PAGE_ALIGN) : 0;
    struct services_root *stored;
    struct list packed;

    for (size_t i = 0; i < service_count; i++) {
        pack_service(builder, &services[i], rows + i * sizeof(struct service));
    }
    packed = pack_transports(builder, transports, transport_count);
    stored = builder_at(builder, root);
    stored->services = (struct list){stored_pointer(rows), service_count};
    stored->transports = packed;
    builder_set_root(builder, root);
}

/* ---- checking ---- */

static bool addresses_good(const struct page *page, struct list stored)
{
    const struct address *addresses;

    if (!page_holds_list(page, stored, sizeof(*addresses), PAGE_ALIGN)) {
        return false;
    }
    addresses = page_at(page, stored.items);
    for (size_t i = 0; i < stored.count; i++) {
        if (addresses[i].family != 4 && addresses[i].family != 6) {
            return false;
        }
    }
    return true;
}

static bool servers_good(const struct page *page, struct list stored)
{
    const struct server *servers;

    if (!page_holds_list(page, stored, sizeof(*servers), PAGE_ALIGN)) {
        return false;
    }
    servers = page_at(page, stored.items);
    for (size_t i = 0; i < stored.count; i++) {
        const struct server *server = &servers[i];

        if (!page_holds_text(page, server->url) || !page_holds_text(page, server->scheme) ||
            !page_holds_text(page, server->host) || !page_holds_text(page, server->path) ||
            !addresses_good(page, server->addresses) || !page_holds_bool(&server->preserve_path)) {
            return false;
        }
    }
    return true;
}

static bool sequence_good(const struct page *page, const struct service *service, uint32_t kind)
{
    size_t count = kind == SERVICE_WEIGHTED ? service->children.count : service->servers.count;
    const uint16_t *sequence;

    if (service->sequence.count > SEQUENCE_MAX ||
        !page_holds_list(page, service->sequence, sizeof(*sequence), PAGE_ALIGN)) {
        return false;
    }
    sequence = page_at(page, service->sequence.items);
    for (size_t i = 0; i < service->sequence.count; i++) {
        if (sequence[i] >= count) {
            return false;
        }
    }
    return true;
}

static bool children_good(const struct page *page, struct list stored, size_t services)
{
    const struct service_child *children;

    if (!page_holds_list(page, stored, sizeof(*children), PAGE_ALIGN)) {
        return false;
    }
    children = page_at(page, stored.items);
    for (size_t i = 0; i < stored.count; i++) {
        if (children[i].service >= services) {
            return false;
        }
    }
    return true;
}

static int service_check(const struct page *page, const struct services_root *root,
                         const struct service *service, struct error *why)
{
    uint32_t kind, internal;

    memcpy(&kind, &service->kind, sizeof(kind));
    memcpy(&internal, &service->internal, sizeof(internal));
    if (!page_holds_text(page, service->name) || kind > SERVICE_INTERNAL || internal > INTERNAL_NOOP) {
        return error_set(why, -EBADMSG, "bad name or kind");
    }
    if (!page_holds_bool(&service->pass_host_header) || service->transport >= root->transports.count) {
        return error_set(why, -EBADMSG, "bad transport");
    }
    if (!servers_good(page, service->servers)) {
        return error_set(why, -EBADMSG, "bad servers");
    }
    if (!children_good(page, service->children, root->services.count)) {
        return error_set(why, -EBADMSG, "bad children");
    }
    if (!sequence_good(page, service, kind)) {
        return error_set(why, -EBADMSG, "bad sequence");
    }
    return 0;
}

/* Takes away, again and again, services that nobody left names; those that remain name each other in circles. */
static bool without_cycles(const struct page *page, const struct service *services, size_t count)
{
    uint32_t *named = xcalloc(count, sizeof(*named)), *todo = xcalloc(count, sizeof(*todo));
    size_t queued = 0;

    for (size_t i = 0; i < count; i++) {
        const struct service_child *children = page_at(page, services[i].children.items);

        for (size_t k = 0; k < services[i].children.count; k++) {
            named[children[k].service]++;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (named[i] == 0) {
            todo[queued++] = (uint32_t)i;
        }
    }
    for (size_t done = 0; done < queued; done++) {
        const struct service *service = &services[todo[done]];
        const struct service_child *children = page_at(page, service->children.items);

        for (size_t k = 0; k < service->children.count; k++) {
            if (--named[children[k].service] == 0) {
                todo[queued++] = children[k].service;
            }
        }
    }
    free(named);
    free(todo);
    return queued == count;
}

int services_check(const struct page *page, struct error *why)
{
    const struct services_root *root = page_root(page);
    const struct service *services;
    const struct transport *transports;

    if (!root || !page_holds(page, page_offset(page, root), 1, sizeof(*root), PAGE_ALIGN) ||
        !page_holds_list(page, root->services, sizeof(*services), PAGE_ALIGN) ||
        !page_holds_list(page, root->transports, sizeof(*transports), PAGE_ALIGN)) {
        return error_set(why, -EBADMSG, "services page: its tables lie outside");
    }
    transports = page_at(page, root->transports.items);
    for (size_t i = 0; i < root->transports.count; i++) {
        if (!page_holds_text(page, transports[i].name)) {
            return error_set(why, -EBADMSG, "services page: transport %zu is damaged", i);
        }
    }
    services = page_at(page, root->services.items);
    for (size_t i = 0; i < root->services.count; i++) {
        int rc = service_check(page, root, &services[i], why);

        if (rc < 0) {
            error_prefix(why, "services page: service %zu", i);
            return rc;
        }
    }
    if (!without_cycles(page, services, root->services.count)) {
        return error_set(why, -EBADMSG, "services page: services name each other in a circle");
    }
    return 0;
}

/* ---- reading ---- */

uint32_t services_count(const struct page *page)
{
    return (uint32_t)((const struct services_root *)page_root(page))->services.count;
}

const struct service *services_at(const struct page *page, uint32_t number)
{
    const struct list *rows = &((const struct services_root *)page_root(page))->services;

    return number < rows->count ? (const struct service *)page_at(page, rows->items) + number : NULL;
}

const struct transport *transports_at(const struct page *page, uint32_t number)
{
    const struct list *rows = &((const struct services_root *)page_root(page))->transports;

    return number < rows->count ? (const struct transport *)page_at(page, rows->items) + number : NULL;
}
