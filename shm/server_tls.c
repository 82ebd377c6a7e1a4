/*
 * server_tls.c - building, checking and reading settings of TLS towards servers. See server_tls.h.
 */
#include "shm/server_tls.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "shm/page_inner.h"
#include "shm/transports.h"

#define SEED_SUBJECT 0x7375626a656374ULL

_Static_assert(sizeof(struct server_tls) == 8 + 4 * sizeof(struct slice) + 16, "copied as it is");

uint64_t authority_subject(struct slice name)
{
    return hash_slice(SEED_SUBJECT, name);
}

/* ---- building ---- */
static struct list store_numbers(struct page_builder *builder, struct list numbers)
{
    size_t size = numbers.count * sizeof(uint32_t);
    uint64_t at = size ? builder_alloc(builder, size, PAGE_ALIGN) : 0;

    if (size) {
        memcpy(builder_at(builder, at), numbers.items, size);
    }
    return (struct list){stored_pointer(at), numbers.count};
}

static struct list store_sans(struct page_builder *builder, struct list sans)
{
    const struct server_san *given = sans.items;
    uint64_t at = sans.count ? builder_alloc(builder, sans.count * sizeof(*given), PAGE_ALIGN) : 0;

    for (size_t i = 0; i < sans.count; i++) {
        struct slice value = builder_text(builder, given[i].value);

        ((struct server_san *)builder_at(builder, at))[i] = (struct server_san){value, given[i].is_uri};
    }
    return (struct list){stored_pointer(at), sans.count};
}

static struct list store_rows(struct page_builder *builder, const struct server_tls_input *input)
{
    uint64_t at =
        input->count ? builder_alloc(builder, input->count * sizeof(struct server_tls), PAGE_ALIGN) : 0;

    for (size_t i = 0; i < input->count; i++) {
        struct server_tls row = input->rows[i];

        row.server_name = builder_text(builder, row.server_name);
        row.ciphers = builder_text(builder, row.ciphers);
        row.certificates = store_numbers(builder, row.certificates);
        row.sans = store_sans(builder, row.sans);
        memset(row.reserved, 0, sizeof(row.reserved));
        ((struct server_tls *)builder_at(builder, at))[i] = row;
    }
    return (struct list){stored_pointer(at), input->count};
}

static int by_subject(const void *a, const void *b)
{
    const struct authority *left = a, *right = b;

    if (left->subject != right->subject) {
        return left->subject < right->subject ? -1 : 1;
    }
    return slice_cmp(left->der, right->der);
}

static struct list store_set(struct page_builder *builder, struct list set)
{
    size_t size = set.count * sizeof(struct authority);
    uint64_t at = size ? builder_alloc(builder, size, PAGE_ALIGN) : 0;
    struct authority *sorted = xmalloc(size + 1);

    if (size) {
        memcpy(sorted, set.items, size);
        qsort(sorted, set.count, sizeof(*sorted), by_subject);
    }
    for (size_t i = 0; i < set.count; i++) {
        struct slice der = builder_text(builder, sorted[i].der); /* once, whatever sets it is in */

        ((struct authority *)builder_at(builder, at))[i] = (struct authority){sorted[i].subject, der};
    }
    free(sorted);
    return (struct list){stored_pointer(at), set.count};
}

void server_tls_build(struct page_builder *builder, const struct server_tls_input *input, uint64_t at)
{
    struct list rows = store_rows(builder, input);
    uint64_t sets =
        input->set_count ? builder_alloc(builder, input->set_count * sizeof(struct list), PAGE_ALIGN) : 0;

    for (size_t i = 0; i < input->set_count; i++) {
        struct list set = store_set(builder, input->sets[i]);

        ((struct list *)builder_at(builder, sets))[i] = set;
    }
    *(struct server_tls_root *)builder_at(builder, at) = (struct server_tls_root){
        .rows = rows,
        .sets = {stored_pointer(sets), input->set_count},
    };
}

/* ---- checking ---- */
static bool row_good(const struct page *page, const struct server_tls *row, size_t sets)
{
    const struct server_san *sans;

    if (!page_holds_text(page, row->server_name) || !page_holds_text(page, row->ciphers) ||
        !page_holds_list(page, row->certificates, sizeof(uint32_t), PAGE_ALIGN) ||
        !page_holds_list(page, row->sans, sizeof(*sans), PAGE_ALIGN) || !page_holds_bool(&row->insecure) ||
        row->authorities >= sets) {
        return false;
    }
    sans = page_at(page, row->sans.items);
    for (size_t i = 0; i < row->sans.count; i++) {
        if (!page_holds_text(page, sans[i].value)) {
            return false;
        }
    }
    return true;
}

static bool set_good(const struct page *page, struct list set)
{
    const struct authority *all;

    if (!page_holds_list(page, set, sizeof(*all), PAGE_ALIGN)) {
        return false;
    }
    all = page_at(page, set.items);
    for (size_t i = 0; i < set.count; i++) {
        if (!page_holds_text(page, all[i].der) || (i > 0 && all[i].subject < all[i - 1].subject)) {
            return false;
        }
    }
    return true;
}

int server_tls_check(const struct page *page, const struct server_tls_root *root, struct error *why)
{
    const struct server_tls *rows;
    const struct list *sets;

    if (!page_holds_list(page, root->rows, sizeof(*rows), PAGE_ALIGN) || root->rows.count > UINT32_MAX ||
        !page_holds_list(page, root->sets, sizeof(*sets), PAGE_ALIGN)) {
        return error_set(why, -EBADMSG, "transports page: its settings of TLS lie outside");
    }
    rows = page_at(page, root->rows.items);
    for (size_t i = 0; i < root->rows.count; i++) {
        if (!row_good(page, &rows[i], root->sets.count)) {
            return error_set(why, -EBADMSG, "transports page: settings of TLS %zu are damaged", i);
        }
    }
    sets = page_at(page, root->sets.items);
    for (size_t i = 0; i < root->sets.count; i++) {
        if (!set_good(page, sets[i])) {
            return error_set(why, -EBADMSG, "transports page: authorities %zu are damaged", i);
        }
    }
    return 0;
}

/* ---- reading ---- */
uint32_t server_tls_count(const struct page *page)
{
    return (uint32_t)transports_tls(page)->rows.count;
}

const struct server_tls *server_tls_at(const struct page *page, uint32_t number)
{
    const struct list *rows = &transports_tls(page)->rows;

    return number < rows->count ? (const struct server_tls *)page_at(page, rows->items) + number : NULL;
}

const struct authority *authorities_find(const struct page *page, uint32_t set, uint64_t subject,
                                         size_t *count)
{
    const struct list *all = (const struct list *)page_at(page, transports_tls(page)->sets.items) + set;
    const struct authority *items = page_at(page, all->items);
    size_t low = 0, high = all->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (items[middle].subject < subject) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (*count = 0; low + *count < all->count && items[low + *count].subject == subject; (*count)++) {
    }
    return *count ? items + low : NULL;
}
