/*
 * services.c - building, checking and reading the services pages.
 *
 * Not here: the smooth order itself (smooth.c), what becomes a row (master/compile).
 */
#include "shm/services.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "shm/page_inner.h"

#define SEQUENCE_MAX 65536u
#define SHIFT_LEAST 7u /* 128 services of a few servers: about 40 KiB */
#define SHIFT_MOST 31u
#define SEED_STICKY 0x737469636b79ULL

/* ---- building ---- */

static struct list pack_bytes(struct page_builder *builder, struct list from, size_t size)
{
    uint64_t at = from.count ? builder_alloc(builder, from.count * size, PAGE_ALIGN) : 0;

    if (from.count) {
        memcpy(builder_at(builder, at), from.items, from.count * size);
    }
    return (struct list){stored_pointer(at), from.count};
}

static void pack_server(struct page_builder *builder, const struct server *from, uint64_t to)
{
    struct slice url = builder_text(builder, from->url), scheme = builder_text(builder, from->scheme);
    struct slice host = builder_text(builder, from->host), path = builder_text(builder, from->path);
    struct list addresses = pack_bytes(builder, from->addresses, sizeof(struct server_address));
    struct server *stored = builder_at(builder, to);

    stored->url = url;
    stored->scheme = scheme;
    stored->host = host;
    stored->path = path;
    stored->addresses = addresses;
    stored->identity = from->identity;
    stored->health = from->health;
    stored->load = from->load;
    stored->preserve_path = from->preserve_path;
    stored->weight = from->weight;
}

static struct list pack_servers(struct page_builder *builder, struct list from)
{
    uint64_t at = from.count ? builder_alloc(builder, from.count * sizeof(struct server), PAGE_ALIGN) : 0;

    for (size_t i = 0; i < from.count; i++) {
        pack_server(builder, (const struct server *)from.items + i, at + i * sizeof(struct server));
    }
    return (struct list){stored_pointer(at), from.count};
}

static struct list pack_children(struct page_builder *builder, struct list from)
{
    struct list stored = pack_bytes(builder, from, sizeof(struct service_child));
    const struct service_child *children = from.items;

    for (size_t i = 0; i < from.count; i++) {
        struct slice name = builder_text(builder, children[i].name);

        ((struct service_child *)builder_at(builder, (uintptr_t)stored.items))[i].name = name;
    }
    return stored;
}

static struct list pack_texts(struct page_builder *builder, struct list from)
{
    const struct slice *texts = from.items;
    uint64_t at = from.count ? builder_alloc(builder, from.count * sizeof(*texts), PAGE_ALIGN) : 0;

    for (size_t i = 0; i < from.count; i++) {
        struct slice text = builder_text(builder, texts[i]);

        ((struct slice *)builder_at(builder, at))[i] = text;
    }
    return (struct list){stored_pointer(at), from.count};
}

static void pack_service(struct page_builder *builder, const struct service *from, uint64_t to)
{
    struct slice name = builder_text(builder, from->name);
    struct list servers = pack_servers(builder, from->servers);
    struct list children = pack_children(builder, from->children);
    struct list sequence = pack_bytes(builder, from->sequence, sizeof(uint16_t));
    struct slice cookie = builder_text(builder, from->cookie);
    struct list cookies = pack_texts(builder, from->cookies);
    struct list sticky_values = pack_bytes(builder, from->sticky_values, sizeof(struct sticky_value));
    struct service *stored = builder_at(builder, to);

    stored->name = name;
    stored->kind = from->kind;
    stored->internal = from->internal;
    stored->strategy = from->strategy;
    stored->servers = servers;
    stored->children = children;
    stored->sequence = sequence;
    stored->ticket = from->ticket;
    stored->cookie = cookie;
    stored->cookies = cookies;
    stored->sticky_values = sticky_values;
    stored->pass_host_header = from->pass_host_header;
    stored->flush_interval = from->flush_interval;
    stored->transport = from->transport;
}

_Static_assert(sizeof(struct server_address) == 24 && sizeof(struct sticky_value) == 16,
               "copied as they are");

unsigned services_shift(size_t service_count)
{
    unsigned shift = SHIFT_LEAST;

    while (service_count >> shift >= PAGE_SERVICES_MOST) {
        shift++;
    }
    return shift;
}

size_t services_pages(size_t service_count, unsigned shift)
{
    return service_count ? ((service_count - 1) >> shift) + 1 : 1;
}

void services_build(struct page_builder *builder, uint32_t first, unsigned shift,
                    const struct service *services, size_t count)
{
    uint64_t root = builder_alloc(builder, sizeof(struct services_root), PAGE_ALIGN);
    uint64_t rows = count ? builder_alloc(builder, count * sizeof(struct service), PAGE_ALIGN) : 0;
    struct services_root *stored;

    for (size_t i = 0; i < count; i++) {
        pack_service(builder, &services[i], rows + i * sizeof(struct service));
    }
    stored = builder_at(builder, root);
    stored->services = (struct list){stored_pointer(rows), count};
    stored->first = first;
    stored->shift = shift;
    builder_set_root(builder, root);
}

struct server_address *services_next_address(struct services_cursor *cursor)
{
    struct page_builder *builder = cursor->builder;
    const struct services_root *root = builder_at(builder, builder_root(builder));
    const struct service *services = builder_at(builder, (uintptr_t)root->services.items);

    for (; cursor->service < root->services.count; cursor->service++, cursor->server = 0) {
        const struct list *list = &services[cursor->service].servers;
        const struct server *servers = builder_at(builder, (uintptr_t)list->items);

        for (; cursor->server < list->count; cursor->server++, cursor->address = 0) {
            const struct list *addresses = &servers[cursor->server].addresses;

            if (cursor->address < addresses->count) {
                return (struct server_address *)builder_at(builder, (uintptr_t)addresses->items) +
                       cursor->address++;
            }
        }
    }
    return NULL;
}

uint64_t sticky_hash(struct slice value)
{
    return hash_slice(SEED_STICKY, value);
}

/* ---- checking ---- */

static bool addresses_good(const struct page *page, struct list stored)
{
    const struct server_address *addresses;

    if (!page_holds_list(page, stored, sizeof(*addresses), PAGE_ALIGN)) {
        return false;
    }
    addresses = page_at(page, stored.items);
    for (size_t i = 0; i < stored.count; i++) {
        if (addresses[i].address.family != 4 && addresses[i].address.family != 6) {
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

static bool children_good(const struct page *page, struct list stored)
{
    const struct service_child *children;

    if (!page_holds_list(page, stored, sizeof(*children), PAGE_ALIGN)) {
        return false;
    }
    children = page_at(page, stored.items);
    for (size_t i = 0; i < stored.count; i++) {
        if (!page_holds_text(page, children[i].name)) {
            return false;
        }
    }
    return true;
}

/* How many there are to choose from. */
static size_t positions_of(const struct service *service, uint32_t kind)
{
    return kind == SERVICE_WEIGHTED ? service->children.count : service->servers.count;
}

static bool sticky_good(const struct page *page, const struct service *service, size_t count)
{
    const struct slice *cookies;
    const struct sticky_value *values;

    if (!page_holds_text(page, service->cookie) ||
        !page_holds_list(page, service->cookies, sizeof(*cookies), PAGE_ALIGN) ||
        !page_holds_list(page, service->sticky_values, sizeof(*values), PAGE_ALIGN) ||
        (service->cookie.len > 0 && service->cookies.count != count)) {
        return false;
    }
    cookies = page_at(page, service->cookies.items);
    for (size_t i = 0; i < service->cookies.count; i++) {
        if (!page_holds_text(page, cookies[i])) {
            return false;
        }
    }
    values = page_at(page, service->sticky_values.items);
    for (size_t i = 0; i < service->sticky_values.count; i++) {
        if (values[i].position >= count) {
            return false;
        }
    }
    return true;
}

static bool sequence_good(const struct page *page, const struct service *service, size_t count)
{
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

static int service_check(const struct page *page, const struct service *service, struct error *why)
{
    uint32_t kind, internal, strategy;

    memcpy(&strategy, &service->strategy, sizeof(strategy));
    memcpy(&kind, &service->kind, sizeof(kind));
    memcpy(&internal, &service->internal, sizeof(internal));
    if (!page_holds_text(page, service->name) || kind > SERVICE_INTERNAL || internal > INTERNAL_NOOP ||
        strategy > STRATEGY_LEASTCONN || !page_holds_bool(&service->pass_host_header)) {
        return error_set(why, -EBADMSG, "bad name or kind");
    }
    if (!servers_good(page, service->servers)) {
        return error_set(why, -EBADMSG, "bad servers");
    }
    if (!children_good(page, service->children)) {
        return error_set(why, -EBADMSG, "bad children");
    }
    if (!sequence_good(page, service, positions_of(service, kind))) {
        return error_set(why, -EBADMSG, "bad sequence");
    }
    if (!sticky_good(page, service, positions_of(service, kind))) {
        return error_set(why, -EBADMSG, "bad cookies");
    }
    return 0;
}

int services_check(const struct page *page, struct error *why)
{
    const struct services_root *root = page_root(page);
    const struct service *services;

    if (!root || !page_holds(page, page_offset(page, root), 1, sizeof(*root), PAGE_ALIGN) ||
        !page_holds_list(page, root->services, sizeof(*services), PAGE_ALIGN)) {
        return error_set(why, -EBADMSG, "services page: its table lies outside");
    }
    if (root->shift > SHIFT_MOST || root->services.count > (uint64_t)1 << root->shift ||
        root->first > UINT32_MAX - root->services.count) {
        return error_set(why, -EBADMSG, "services page: bad numbers");
    }
    services = page_at(page, root->services.items);
    for (size_t i = 0; i < root->services.count; i++) {
        int rc = service_check(page, &services[i], why);

        if (rc < 0) {
            error_prefix(why, "services page: service %zu", root->first + i);
            return rc;
        }
    }
    return 0;
}

/* ---- all pages together ---- */

static const struct services_root *root_of(const struct services *services, size_t i)
{
    return page_root(services->pages[i]);
}

/* Children of service `number`; how many in *count. */
static const struct service_child *children_of(const struct services *services, uint32_t number,
                                               size_t *count)
{
    const struct page *page;
    const struct service *service = services_at(services, number, &page);

    *count = service->children.count;
    return page_at(page, service->children.items);
}

static bool in_order(const struct services *services)
{
    for (uint32_t i = 0; i < services->page_count; i++) {
        const struct services_root *root = root_of(services, i);
        bool last = i + 1 == services->page_count;

        if (root->shift != services->shift || root->first != (uint64_t)i << services->shift ||
            (!last && root->services.count != (uint64_t)1 << services->shift)) {
            return false;
        }
    }
    return true;
}

static bool is_new(const struct services *services, const struct services *before, uint32_t i)
{
    return !before || before->count > services->count || i >= before->page_count ||
           before->pages[i] != services->pages[i];
}

/* *weighted: there are services with children on the page. */
static int references_check(const struct services *services, uint32_t i, uint32_t transport_count,
                            bool *weighted, struct error *why)
{
    const struct page *page = services->pages[i];
    const struct services_root *root = page_root(page);
    const struct service *rows = page_at(page, root->services.items);

    for (uint32_t k = 0; k < root->services.count; k++) {
        const struct service_child *children = page_at(page, rows[k].children.items);

        if (rows[k].transport >= transport_count) {
            return error_set(why, -EBADMSG, "services page: service %u: bad transport", root->first + k);
        }
        for (size_t j = 0; j < rows[k].children.count; j++) {
            if (children[j].service >= services->count) {
                return error_set(why, -EBADMSG, "services page: service %u: bad children", root->first + k);
            }
        }
        *weighted = *weighted || rows[k].children.count > 0;
    }
    return 0;
}

/* Takes away, again and again, services that nobody left names; those that remain name each other in circles. */
static bool without_cycles(const struct services *services)
{
    uint32_t *named = xcalloc(services->count + 1u, sizeof(*named));
    uint32_t *todo = xcalloc(services->count + 1u, sizeof(*todo));
    uint32_t queued = 0;
    size_t count;

    for (uint32_t number = 0; number < services->count; number++) {
        const struct service_child *children = children_of(services, number, &count);

        for (size_t k = 0; k < count; k++) {
            named[children[k].service]++;
        }
    }
    for (uint32_t number = 0; number < services->count; number++) {
        if (named[number] == 0) {
            todo[queued++] = number;
        }
    }
    for (uint32_t done = 0; done < queued; done++) {
        const struct service_child *children = children_of(services, todo[done], &count);

        for (size_t k = 0; k < count; k++) {
            if (--named[children[k].service] == 0) {
                todo[queued++] = children[k].service;
            }
        }
    }
    free(named);
    free(todo);
    return queued == services->count;
}

int services_link(struct page *const *pages, size_t page_count, uint32_t transport_count,
                  const struct services *before, struct services *out, struct error *why)
{
    struct services services = {.pages = pages, .page_count = (uint32_t)page_count};
    const struct services_root *last;
    bool weighted = false;

    if (page_count == 0 || page_count > PAGE_SERVICES_MOST) {
        return error_set(why, -EBADMSG, "%zu services pages", page_count);
    }
    last = root_of(&services, page_count - 1);
    services.shift = last->shift;
    services.count = last->first + (uint32_t)last->services.count;
    if (!in_order(&services)) {
        return error_set(why, -EBADMSG, "services pages that do not belong together");
    }
    for (uint32_t i = 0; i < services.page_count; i++) {
        int rc = is_new(&services, before, i)
                     ? references_check(&services, i, transport_count, &weighted, why)
                     : 0;

        if (rc < 0) {
            return rc;
        }
    }
    if (weighted && !without_cycles(&services)) {
        return error_set(why, -EBADMSG, "services page: services name each other in a circle");
    }
    *out = services;
    return 0;
}

/* ---- reading ---- */

const struct service *services_at(const struct services *services, uint32_t number, const struct page **page)
{
    const struct services_root *root;

    if (number >= services->count) {
        return NULL;
    }
    *page = services->pages[number >> services->shift];
    root = page_root(*page);
    return (const struct service *)page_at(*page, root->services.items) + (number - root->first);
}

const struct sticky_value *services_sticky(const struct page *page, const struct service *service,
                                           struct slice value)
{
    const struct sticky_value *values = page_at(page, service->sticky_values.items);
    size_t low = 0, high = service->sticky_values.count;
    uint64_t hash = sticky_hash(value);

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (values[middle].hash < hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < service->sticky_values.count && values[low].hash == hash ? &values[low] : NULL;
}
