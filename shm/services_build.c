/*
 * services_build.c - rows of services in native form, copied into a page. See services.h.
 *
 * Not here: the smooth order itself (smooth.c), what becomes a row (master/compile), reading (services.c).
 */
#include "common/base/hash.h"
#include "shm/page_inner.h"
#include "shm/services.h"

#define USUAL 128u /* services of a few servers: about 40 KiB */
#define SEED_PAGE 0x7061676573ULL

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
    struct list failures = pack_bytes(builder, from->failures, sizeof(struct board_ref));
    struct server *stored = builder_at(builder, to);

    stored->url = url;
    stored->scheme = scheme;
    stored->h2c = from->h2c;
    stored->host = host;
    stored->path = path;
    stored->addresses = addresses;
    stored->identity = from->identity;
    stored->health = from->health;
    stored->since = from->since;
    stored->load = from->load;
    stored->failures = failures;
    stored->preserve_path = from->preserve_path;
    stored->tls = from->tls;
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
    struct slice statuses = builder_text(builder, from->statuses);
    struct list middlewares = pack_bytes(builder, from->middlewares, sizeof(uint32_t));
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
    stored->transport = from->transport;
    stored->statuses = statuses;
    stored->body_most = from->body_most;
    stored->failure_window = from->failure_window;
    stored->slow_start = from->slow_start;
    stored->checked = from->checked;
    stored->mirror_body = from->mirror_body;
    stored->middlewares = middlewares;
}

_Static_assert(sizeof(struct server_address) == 24 && sizeof(struct sticky_value) == 16,
               "copied as they are");

uint32_t services_pages(size_t service_count)
{
    uint32_t pages = 1;

    while (pages < SERVICES_DEALT_MOST && service_count > (size_t)pages * USUAL) {
        pages *= 2;
    }
    return pages;
}

uint32_t services_page_of(struct slice name, uint32_t pages)
{
    return (uint32_t)hash_slice(SEED_PAGE, name) & (pages - 1);
}

unsigned services_shift(size_t fullest, size_t in_order)
{
    unsigned shift = SERVICES_SHIFT_LEAST;

    while (fullest > (size_t)1 << shift || in_order > (size_t)(PAGE_SERVICES_MOST - SERVICES_DEALT_MOST)
                                                          << shift) {
        shift++;
    }
    return shift;
}

void services_build(struct page_builder *builder, uint32_t first, unsigned shift, uint32_t pages,
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
    stored->pages = pages;
    stored->unused = 0;
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
