/*
 * transports.c - building, checking and reading the transports page.
 */
#include "shm/transports.h"

#include <errno.h>
#include <stddef.h>

#include "shm/page_inner.h"

struct transports_root {
    struct list transports; /* struct transport */
    struct server_tls_root tls;
};

_Static_assert(sizeof(struct transport) == sizeof(struct slice) + 9 * sizeof(int64_t), "copied as it is");

void transports_build(struct page_builder *builder, const struct transport *transports, size_t count,
                      const struct server_tls_input *tls)
{
    static const struct server_tls_input none;
    uint64_t root = builder_alloc(builder, sizeof(struct transports_root), PAGE_ALIGN);
    uint64_t rows = count ? builder_alloc(builder, count * sizeof(*transports), PAGE_ALIGN) : 0;

    for (size_t i = 0; i < count; i++) {
        struct slice name = builder_text(builder, transports[i].name);
        struct transport *stored = (struct transport *)builder_at(builder, rows) + i;

        *stored = transports[i]; /* no padding: see the assertion above */
        stored->name = name;
    }
    ((struct transports_root *)builder_at(builder, root))->transports =
        (struct list){stored_pointer(rows), count};
    server_tls_build(builder, tls ? tls : &none, root + offsetof(struct transports_root, tls));
    builder_set_root(builder, root);
}

int transports_check(const struct page *page, struct error *why)
{
    const struct transports_root *root = page_root(page);
    const struct transport *transports;

    if (!root || !page_holds(page, page_offset(page, root), 1, sizeof(*root), PAGE_ALIGN) ||
        !page_holds_list(page, root->transports, sizeof(*transports), PAGE_ALIGN) ||
        root->transports.count > UINT32_MAX) {
        return error_set(why, -EBADMSG, "transports page: its table lies outside");
    }
    transports = page_at(page, root->transports.items);
    for (size_t i = 0; i < root->transports.count; i++) {
        if (!page_holds_text(page, transports[i].name)) {
            return error_set(why, -EBADMSG, "transports page: transport %zu is damaged", i);
        }
    }
    return server_tls_check(page, &root->tls, why);
}

const struct server_tls_root *transports_tls(const struct page *page)
{
    return &((const struct transports_root *)page_root(page))->tls;
}

uint32_t transports_count(const struct page *page)
{
    return (uint32_t)((const struct transports_root *)page_root(page))->transports.count;
}

const struct transport *transports_at(const struct page *page, uint32_t number)
{
    const struct list *rows = &((const struct transports_root *)page_root(page))->transports;

    return number < rows->count ? (const struct transport *)page_at(page, rows->items) + number : NULL;
}
