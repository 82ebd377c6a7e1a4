/*
 * tcp_page.c - building, checking and reading the TCP page. See tcp_page.h.
 */
#include "shm/tcp_page.h"

#include <errno.h>

#include "common/net/ranges.h"
#include "shm/page_inner.h"

struct tcp_page_root {
    struct list points;      /* uint8_t */
    struct list ways;        /* struct tcp_way */
    struct list middlewares; /* struct tcp_middleware_row */
    uint32_t first_service, unused;
};

_Static_assert(sizeof(struct tcp_way) == 32, "copied as they are");

/* ---- building ---- */
static struct list store(struct page_builder *builder, const void *items, size_t count, size_t size)
{
    uint64_t to = count ? builder_alloc(builder, count * size, PAGE_ALIGN) : 0;

    if (count) {
        memcpy(builder_at(builder, to), items, count * size);
    }
    return (struct list){stored_pointer(to), count};
}

static struct list store_middlewares(struct page_builder *builder, const struct tcp_page_input *input)
{
    size_t count = input->middleware_count;
    uint64_t to = count ? builder_alloc(builder, count * sizeof(*input->middlewares), PAGE_ALIGN) : 0;

    for (size_t i = 0; i < count; i++) {
        const struct tcp_middleware_row *from = &input->middlewares[i];
        struct slice name = builder_text(builder, from->name);
        struct slice allowed = builder_text(builder, from->allowed);
        struct tcp_middleware_row *row = (struct tcp_middleware_row *)builder_at(builder, to) + i;

        row->name = name;
        row->allowed = allowed;
        row->amount = from->amount;
        row->table = from->table;
        row->kind = from->kind;
    }
    return (struct list){stored_pointer(to), count};
}

void tcp_page_build(struct page_builder *builder, const struct tcp_page_input *input)
{
    uint64_t root = builder_alloc(builder, sizeof(struct tcp_page_root), PAGE_ALIGN);
    struct list points = store(builder, input->points, input->point_count, 1);
    struct list ways = store(builder, input->ways, input->way_count, sizeof(*input->ways));
    struct list middlewares = store_middlewares(builder, input);
    struct tcp_page_root *stored = builder_at(builder, root);

    stored->points = points;
    stored->ways = ways;
    stored->middlewares = middlewares;
    stored->first_service = input->first_service;
    builder_set_root(builder, root);
}

/* ---- checking ---- */
int tcp_page_check(const struct page *page, struct error *why)
{
    const struct tcp_page_root *root = page_root(page);
    const struct tcp_middleware_row *rows;
    const struct tcp_way *ways;

    if (!root || !page_holds(page, page_offset(page, root), 1, sizeof(*root), PAGE_ALIGN) ||
        !page_holds_list(page, root->points, 1, 1) ||
        !page_holds_list(page, root->ways, sizeof(*ways), PAGE_ALIGN) ||
        !page_holds_list(page, root->middlewares, sizeof(*rows), PAGE_ALIGN) ||
        root->ways.count > UINT32_MAX || root->middlewares.count > UINT32_MAX) {
        return error_set(why, -EBADMSG, "TCP page: its tables lie outside");
    }
    ways = page_at(page, root->ways.items);
    for (size_t i = 0; i < root->ways.count; i++) {
        if (ways[i].proxy_protocol > 2 || ways[i].dial_timeout < 0) {
            return error_set(why, -EBADMSG, "TCP page: way %zu is damaged", i);
        }
    }
    rows = page_at(page, root->middlewares.items);
    for (size_t i = 0; i < root->middlewares.count; i++) {
        if (!page_holds_text(page, rows[i].name) || !page_holds_text(page, rows[i].allowed) ||
            rows[i].kind >= TCP_MIDDLEWARE_KINDS) {
            return error_set(why, -EBADMSG, "TCP page: middleware %zu is damaged", i);
        }
    }
    return 0;
}

/* ---- reading ---- */
static const struct tcp_page_root *root_of(const struct page *page)
{
    return page_root(page);
}

unsigned tcp_point_flags(const struct page *page, uint32_t entry_point)
{
    const struct list *points = &root_of(page)->points;

    return entry_point < points->count ? ((const uint8_t *)page_at(page, points->items))[entry_point] : 0;
}

const struct tcp_way *tcp_way_of(const struct page *page, uint32_t service)
{
    const struct tcp_page_root *root = root_of(page);
    uint32_t number = service - root->first_service;

    return service >= root->first_service && number < root->ways.count
               ? (const struct tcp_way *)page_at(page, root->ways.items) + number
               : NULL;
}

uint32_t tcp_middlewares_count(const struct page *page)
{
    return (uint32_t)root_of(page)->middlewares.count;
}

const struct tcp_middleware_row *tcp_middleware_at(const struct page *page, uint32_t number)
{
    const struct list *rows = &root_of(page)->middlewares;

    return number < rows->count ? (const struct tcp_middleware_row *)page_at(page, rows->items) + number
                                : NULL;
}
