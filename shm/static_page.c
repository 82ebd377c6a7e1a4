/*
 * static_page.c - building, checking and reading the static page.
 */
#include "shm/static_page.h"

#include <errno.h>

#include "common/base/log.h"
#include "shm/page_inner.h"

static uint64_t pack_cidrs(struct page_builder *builder, const struct cidr *ranges, size_t count)
{
    uint64_t at = count ? builder_alloc(builder, count * sizeof(*ranges), PAGE_ALIGN) : 0;

    for (size_t i = 0; i < count; i++) {
        struct cidr *stored = (struct cidr *)builder_at(builder, at) + i;

        *stored = ranges[i];
    }
    return at;
}

void static_page_build(struct page_builder *builder, const struct entry_point_input *rows, size_t count,
                       const struct static_root *root)
{
    uint64_t at_root = builder_alloc(builder, sizeof(struct static_root), PAGE_ALIGN);
    uint64_t items = count ? builder_alloc(builder, count * sizeof(struct entry_point_row), PAGE_ALIGN) : 0;
    struct slice host_name = builder_text(builder, root->host_name);
    struct static_root *stored;

    for (size_t i = 0; i < count; i++) {
        uint64_t at = items + i * sizeof(struct entry_point_row);
        struct slice name = builder_text(builder, rows[i].name);
        uint64_t trusted = pack_cidrs(builder, rows[i].trusted, rows[i].trusted_count);
        struct slice proxies = builder_text(builder, rows[i].proxies);
        const struct trusted_peers *peers = rows[i].config->proxy_protocol;
        struct entry_point_row *row;

        pack_into(builder, &entry_point_schema, rows[i].config,
                  at + offsetof(struct entry_point_row, config));
        row = builder_at(builder, at);
        row->name = name;
        row->trusted = (struct list){stored_pointer(trusted), rows[i].trusted_count};
        row->proxies = proxies;
        row->proxy_protocol = peers != NULL;
        row->proxy_insecure = peers && peers->insecure;
        row->port = rows[i].port;
        row->internal = rows[i].internal;
        row->acme_taken = rows[i].acme_taken;
    }
    stored = builder_at(builder, at_root);
    stored->entry_points = (struct list){stored_pointer(items), count};
    stored->host_name = host_name;
    stored->log_level = root->log_level; /* field by field: pages are compared, and padding is anything */
    stored->log_format = root->log_format;
    stored->stopping_status = root->stopping_status;
    builder_set_root(builder, at_root);
}

static bool cidrs_good(const struct page *page, struct list stored)
{
    const struct cidr *ranges;

    if (!page_holds_list(page, stored, sizeof(*ranges), PAGE_ALIGN)) {
        return false;
    }
    ranges = page_at(page, stored.items);
    for (size_t i = 0; i < stored.count; i++) {
        if (!(ranges[i].family == 4 && ranges[i].bits <= 32) &&
            !(ranges[i].family == 6 && ranges[i].bits <= 128)) {
            return false;
        }
    }
    return true;
}

int static_page_check(const struct page *page, struct error *why)
{
    const struct static_root *root = page_root(page);
    const struct entry_point_row *rows;

    if (!root || !page_holds(page, page_offset(page, root), 1, sizeof(*root), PAGE_ALIGN) ||
        !page_holds_list(page, root->entry_points, sizeof(*rows), PAGE_ALIGN) ||
        !page_holds_text(page, root->host_name) || root->log_level > LOG_LEVEL_NONE ||
        root->log_format > LOG_FORMAT_JSON || root->stopping_status < 200 || root->stopping_status > 599) {
        return error_set(why, -EBADMSG, "static page: its root is damaged");
    }
    rows = page_at(page, root->entry_points.items);
    for (size_t i = 0; i < root->entry_points.count; i++) {
        int rc;

        if (!page_holds_text(page, rows[i].name) || !cidrs_good(page, rows[i].trusted) ||
            !page_holds_text(page, rows[i].proxies) || !page_holds_bool(&rows[i].proxy_protocol) ||
            !page_holds_bool(&rows[i].proxy_insecure) || !page_holds_bool(&rows[i].internal) ||
            !page_holds_bool(&rows[i].acme_taken)) {
            return error_set(why, -EBADMSG, "static page: entry point %zu is damaged", i);
        }
        if ((rc = page_check(page, &entry_point_schema, page_offset(page, &rows[i].config), why)) < 0) {
            error_prefix(why, "static page: entry point %zu", i);
            return rc;
        }
    }
    return 0;
}

uint32_t entry_points_count(const struct page *page)
{
    return (uint32_t)((const struct static_root *)page_root(page))->entry_points.count;
}

const struct entry_point_row *entry_points_at(const struct page *page, uint32_t number)
{
    const struct list *rows = &((const struct static_root *)page_root(page))->entry_points;

    return number < rows->count ? (const struct entry_point_row *)page_at(page, rows->items) + number : NULL;
}
