/*
 * middlewares.c - building, checking and reading the middlewares page.
 *
 * Not here: what the parameters of a kind mean (common/model/middlewares.h, worker/middleware/).
 */
#include "shm/middlewares.h"

#include <errno.h>

#include "common/model/prepared.h"
#include "shm/page_inner.h"

/* Plain items, copied. */
static struct list store_items(struct page_builder *builder, const void *items, size_t count, size_t size)
{
    uint64_t to = count ? builder_alloc(builder, count * size, PAGE_ALIGN) : 0;

    if (count) {
        memcpy(builder_at(builder, to), items, count * size);
    }
    return (struct list){stored_pointer(to), count};
}

/* Rows of one middleware stand behind each other. */
static uint64_t store_params(struct page_builder *builder, const struct middleware_input *rows, size_t i,
                             uint64_t before)
{
    return i > 0 && rows[i].params == rows[i - 1].params && rows[i].kind == rows[i - 1].kind
               ? before
               : pack(builder, middleware_stored_schema(rows[i].kind), rows[i].params);
}

void middlewares_build(struct page_builder *builder, const struct middleware_input *rows, size_t count)
{
    uint64_t root = builder_alloc(builder, sizeof(struct middlewares_root), PAGE_ALIGN);
    uint64_t items = count ? builder_alloc(builder, count * sizeof(struct middleware_row), PAGE_ALIGN) : 0;
    struct middlewares_root *stored;
    uint64_t params = 0;

    for (size_t i = 0; i < count; i++) {
        struct slice name = builder_text(builder, rows[i].name);
        struct list services =
            store_items(builder, rows[i].services, rows[i].service_count, sizeof(*rows[i].services));
        struct list words = store_items(builder, rows[i].words, rows[i].word_count, sizeof(*rows[i].words));

        params = store_params(builder, rows, i, params);

        struct middleware_row *row = builder_at(builder, items + i * sizeof(*row));

        row->name = name;
        row->kind = rows[i].kind;
        row->params = stored_pointer(params);
        row->services = services;
        row->words = words;
        row->table = rows[i].table;
    }
    stored = builder_at(builder, root);
    stored->rows = (struct list){stored_pointer(items), count};
    builder_set_root(builder, root);
}

static const struct list *rows_of(const struct page *page)
{
    return &((const struct middlewares_root *)page_root(page))->rows;
}

int middlewares_check(const struct page *page, struct error *why)
{
    const struct middlewares_root *root = page_root(page);
    const struct middleware_row *rows;

    if (!root || !page_holds(page, page_offset(page, root), 1, sizeof(*root), PAGE_ALIGN) ||
        !page_holds_list(page, root->rows, sizeof(*rows), PAGE_ALIGN)) {
        return error_set(why, -EBADMSG, "middlewares page: its table lies outside");
    }
    rows = page_at(page, root->rows.items);
    for (size_t i = 0; i < root->rows.count; i++) {
        uint32_t kind;
        int rc;

        memcpy(&kind, &rows[i].kind, sizeof(kind));
        if (!page_holds_text(page, rows[i].name) || kind >= MIDDLEWARE_KINDS ||
            !page_holds_list(page, rows[i].services, sizeof(uint32_t), PAGE_ALIGN) ||
            !page_holds_list(page, rows[i].words, sizeof(struct board_ref), PAGE_ALIGN)) {
            return error_set(why, -EBADMSG, "middlewares page: row %zu has a bad name, kind or list", i);
        }
        rc = page_check(page, middleware_stored_schema((enum middleware_kind)kind), (uintptr_t)rows[i].params,
                        why);
        if (rc < 0) {
            error_prefix(why, "middlewares page: row %zu", i);
            return rc;
        }
    }
    return 0;
}

uint32_t middlewares_count(const struct page *page)
{
    return (uint32_t)rows_of(page)->count;
}
