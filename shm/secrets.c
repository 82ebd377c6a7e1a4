/*
 * secrets.c - building, checking and reading the secrets page.
 */
#include "shm/secrets.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "shm/slots.h"

#define NAME_MOST 255

struct secrets_root {
    struct list certificates; /* struct certificate_row */
    struct list names;        /* struct certificate_name */
    struct list slots;        /* over names */
    struct list tickets;      /* struct ticket_key */
    uint32_t fallback[CERTIFICATE_KINDS];
    uint32_t reserved;
};

/* ---- building ---- */
static struct list store_chain(struct page_builder *builder, struct list chain)
{
    const struct slice *given = chain.items;
    uint64_t at = chain.count ? builder_alloc(builder, chain.count * sizeof(*given), PAGE_ALIGN) : 0;

    for (size_t i = 0; i < chain.count; i++) {
        struct slice text = builder_text(builder, given[i]); /* an authority's own is there once for all */

        ((struct slice *)builder_at(builder, at))[i] = text;
    }
    return (struct list){stored_pointer(at), chain.count};
}

static struct list store_certificates(struct page_builder *builder, const struct secrets_input *input)
{
    size_t count = input->certificate_count;
    uint64_t at = count ? builder_alloc(builder, count * sizeof(struct certificate_row), PAGE_ALIGN) : 0;

    for (size_t i = 0; i < count; i++) {
        struct certificate_row row = input->certificates[i];

        row.chain = store_chain(builder, row.chain);
        row.key = builder_text(builder, row.key);
        row.staple = builder_text(builder, row.staple);
        ((struct certificate_row *)builder_at(builder, at))[i] = row;
    }
    return (struct list){stored_pointer(at), count};
}

static void store_names(struct page_builder *builder, const struct secrets_input *input, uint64_t root)
{
    size_t count = input->name_count;
    uint64_t at = count ? builder_alloc(builder, count * sizeof(struct certificate_name), PAGE_ALIGN) : 0;
    uint64_t *hashes = xcalloc(count + 1, sizeof(*hashes));

    for (size_t i = 0; i < count; i++) {
        struct certificate_name row = input->names[i];

        hashes[i] = hash_slice(0, row.name);
        row.name = builder_text(builder, row.name);
        ((struct certificate_name *)builder_at(builder, at))[i] = row;
    }

    struct list slots = slots_build(builder, hashes, count);
    struct secrets_root *stored = builder_at(builder, root);

    stored->names = (struct list){stored_pointer(at), count};
    stored->slots = slots;
    free(hashes);
}

void secrets_build(struct page_builder *builder, const struct secrets_input *input)
{
    uint64_t root = builder_alloc(builder, sizeof(struct secrets_root), PAGE_ALIGN);
    struct list certificates = store_certificates(builder, input);
    size_t tickets_size = input->ticket_count * sizeof(struct ticket_key);
    uint64_t tickets = tickets_size ? builder_alloc(builder, tickets_size, PAGE_ALIGN) : 0;

    if (tickets_size) {
        memcpy(builder_at(builder, tickets), input->tickets, tickets_size);
    }
    store_names(builder, input, root);

    struct secrets_root *stored = builder_at(builder, root);

    stored->certificates = certificates;
    stored->tickets = (struct list){stored_pointer(tickets), input->ticket_count};
    memcpy(stored->fallback, input->fallback, sizeof(stored->fallback));
    builder_set_root(builder, root);
}

/* ---- checking ---- */
static bool numbers_good(const uint32_t *numbers, size_t certificates)
{
    for (size_t i = 0; i < CERTIFICATE_KINDS; i++) {
        if (numbers[i] != CERTIFICATE_NONE && numbers[i] >= certificates) {
            return false;
        }
    }
    return true;
}

static bool certificate_good(const struct page *page, const struct certificate_row *row)
{
    const struct slice *chain;

    if (!page_holds_list(page, row->chain, sizeof(*chain), PAGE_ALIGN) || row->chain.count == 0 ||
        !page_holds_text(page, row->key) || !page_holds_text(page, row->staple) ||
        row->kind >= CERTIFICATE_KINDS) {
        return false;
    }
    chain = page_at(page, row->chain.items);
    for (size_t i = 0; i < row->chain.count; i++) {
        if (!page_holds_text(page, chain[i])) {
            return false;
        }
    }
    return true;
}

int secrets_check(const struct page *page, struct error *why)
{
    const struct secrets_root *root = page_root(page);
    const struct certificate_row *rows;
    const struct certificate_name *names;

    if (!root || !page_holds(page, page_offset(page, root), 1, sizeof(*root), PAGE_ALIGN) ||
        !page_holds_list(page, root->certificates, sizeof(*rows), PAGE_ALIGN) ||
        !page_holds_list(page, root->names, sizeof(*names), PAGE_ALIGN) ||
        !page_holds_list(page, root->tickets, sizeof(struct ticket_key), PAGE_ALIGN) ||
        root->tickets.count > TICKET_KEYS || root->certificates.count >= CERTIFICATE_NONE ||
        !slots_good(page, root->slots, root->names.count) ||
        !numbers_good(root->fallback, root->certificates.count)) {
        return error_set(why, -EBADMSG, "secrets page: its root is damaged");
    }
    rows = page_at(page, root->certificates.items);
    for (size_t i = 0; i < root->certificates.count; i++) {
        if (!certificate_good(page, &rows[i])) {
            return error_set(why, -EBADMSG, "secrets page: certificate %zu is damaged", i);
        }
    }
    names = page_at(page, root->names.items);
    for (size_t i = 0; i < root->names.count; i++) {
        if (!page_holds_text(page, names[i].name) ||
            !numbers_good(names[i].certificates, root->certificates.count)) {
            return error_set(why, -EBADMSG, "secrets page: name %zu is damaged", i);
        }
    }
    return 0;
}

/* ---- reading ---- */
static const struct secrets_root *root_of(const struct page *page)
{
    return page_root(page);
}

uint32_t certificates_count(const struct page *page)
{
    return (uint32_t)root_of(page)->certificates.count;
}

const struct certificate_row *certificates_at(const struct page *page, uint32_t number)
{
    const struct list *rows = &root_of(page)->certificates;

    return number < rows->count ? (const struct certificate_row *)page_at(page, rows->items) + number : NULL;
}

static const uint32_t *find(const struct page *page, struct slice name)
{
    const struct secrets_root *root = root_of(page);
    const struct certificate_name *names = page_at(page, root->names.items);
    uint32_t row;

    for (size_t at = hash_slice(0, name); (row = slots_next(page, &root->slots, &at)) != 0;) {
        if (slice_eq(page_text(page, names[row - 1].name), name)) {
            return names[row - 1].certificates;
        }
    }
    return NULL;
}

const uint32_t *certificates_find(const struct page *page, struct slice name)
{
    const uint32_t *found = name.len ? find(page, name) : NULL;
    ptrdiff_t dot = slice_find(name, '.');
    char wildcard[NAME_MOST + 1];

    if (found || dot < 0 || name.len - (size_t)dot >= sizeof(wildcard)) {
        return found;
    }
    wildcard[0] = '*';
    memcpy(wildcard + 1, name.ptr + dot, name.len - (size_t)dot);
    return find(page, slice_of(wildcard, name.len - (size_t)dot + 1));
}

const uint32_t *certificates_fallback(const struct page *page)
{
    return root_of(page)->fallback;
}

const struct ticket_key *tickets_at(const struct page *page, size_t *count)
{
    *count = root_of(page)->tickets.count;
    return page_at(page, root_of(page)->tickets.items);
}
