/*
 * services.c - checking and reading the services pages.
 *
 * Not here: building them (services_build.c).
 */
#include "shm/services.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "shm/page_inner.h"

#define SEQUENCE_MAX 65536u
#define SHIFT_MOST 31u
#define SEED_STICKY 0x737469636b79ULL

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
            !addresses_good(page, server->addresses) ||
            !page_holds_list(page, server->failures, sizeof(struct board_ref), PAGE_ALIGN) ||
            !page_holds_bool(&server->preserve_path) || !page_holds_bool(&server->tls) ||
            !page_holds_bool(&server->h2c)) {
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
    return kind == SERVICE_LOAD_BALANCER ? service->servers.count : service->children.count;
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
        strategy >= STRATEGY_COUNT || !page_holds_bool(&service->pass_host_header) ||
        !page_holds_bool(&service->checked) || !page_holds_bool(&service->mirror_body) ||
        !page_holds_text(page, service->statuses) ||
        !page_holds_list(page, service->middlewares, sizeof(uint32_t), PAGE_ALIGN)) {
        return error_set(why, -EBADMSG, "bad name or kind");
    }
    if (kind == SERVICE_FAILOVER && service->children.count != 2) {
        return error_set(why, -EBADMSG, "no fallback");
    }
    if (kind == SERVICE_MIRRORING && service->children.count == 0) {
        return error_set(why, -EBADMSG, "nobody to mirror");
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

/* Children of service `number`; how many in *count. NULL: there is no such service. */
static const struct service_child *children_of(const struct services *services, uint32_t number,
                                               size_t *count)
{
    const struct page *page;
    const struct service *service = services_at(services, number, &page);

    *count = service ? service->children.count : 0;
    return service ? page_at(page, service->children.items) : NULL;
}

/* No number is out of proportion to what there is: tables are made of that many. */
static bool in_order(const struct services *services)
{
    bool room_is_used = services->shift <= SERVICES_SHIFT_LEAST;

    for (uint32_t i = 0; i < services->page_count; i++) {
        const struct services_root *root = root_of(services, i);

        if (root->shift != services->shift || root->first != (uint64_t)i << services->shift ||
            root->pages != services->page_count) {
            return false;
        }
        room_is_used = room_is_used || root->services.count > (uint64_t)1 << (services->shift - 1);
    }
    return room_is_used;
}

bool services_cover(const struct services *now, const struct services *before)
{
    bool all = before->shift == now->shift && before->page_count <= now->page_count;

    for (uint32_t i = 0; all && i < before->page_count; i++) {
        all = root_of(before, i)->services.count <= root_of(now, i)->services.count;
    }
    return all;
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
            const struct page *ignored;

            if (!services_at(services, children[j].service, &ignored)) {
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
    bool weighted = false, covered;

    if (page_count == 0 || page_count > PAGE_SERVICES_MOST) {
        return error_set(why, -EBADMSG, "%zu services pages", page_count);
    }
    last = root_of(&services, page_count - 1);
    services.shift = last->shift;
    services.count = last->first + (uint32_t)last->services.count;
    if (!in_order(&services)) {
        return error_set(why, -EBADMSG, "services pages that do not belong together");
    }
    covered = before && services_cover(&services, before);
    for (uint32_t i = 0; i < services.page_count; i++) {
        bool known = covered && i < before->page_count && before->pages[i] == pages[i];
        int rc = known ? 0 : references_check(&services, i, transport_count, &weighted, why);

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
    return number - root->first < root->services.count
               ? (const struct service *)page_at(*page, root->services.items) + (number - root->first)
               : NULL;
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
