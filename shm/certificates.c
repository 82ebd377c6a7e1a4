/*
 * certificates.c - building, checking and reading the pages of certificates.
 */
#include "shm/certificates.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "shm/slots.h"

#define NAME_MOST 255
#define GROUP_SHIFT 59

_Static_assert(UINT64_MAX >> GROUP_SHIFT == CERTIFICATE_GROUPS - 1,
               "the highest bits of an id are its group");

struct certificates_root {
    struct list rows;      /* struct certificate_row */
    struct list row_slots; /* over rows, by id */
    struct list names;     /* struct certificate_name */
    struct list name_slots;
};

/* ---- who stands where ---- */
unsigned certificates_group(struct slice name)
{
    return (unsigned)(hash_finish(hash_slice(0, name)) >> GROUP_SHIFT);
}

uint64_t certificate_id(uint64_t digest, struct slice first)
{
    return (uint64_t)certificates_group(first) << GROUP_SHIFT | digest >> (64 - GROUP_SHIFT) | 1;
}

unsigned certificate_id_group(uint64_t id)
{
    return (unsigned)(id >> GROUP_SHIFT);
}

/* ---- building ---- */
static struct list store_chain(struct page_builder *builder, struct list chain)
{
    const struct slice *given = chain.items;
    uint64_t at = chain.count ? builder_alloc(builder, chain.count * sizeof(*given), PAGE_ALIGN) : 0;

    for (size_t i = 0; i < chain.count; i++) {
        struct slice text = builder_text(builder, given[i]); /* an authority's own is there once a page */

        ((struct slice *)builder_at(builder, at))[i] = text;
    }
    return (struct list){stored_pointer(at), chain.count};
}

struct list certificate_rows_store(struct page_builder *builder, const struct certificate_row *rows,
                                   size_t count)
{
    uint64_t at = count ? builder_alloc(builder, count * sizeof(*rows), PAGE_ALIGN) : 0;

    for (size_t i = 0; i < count; i++) {
        struct certificate_row row = rows[i];

        row.chain = store_chain(builder, row.chain);
        row.key = builder_text(builder, row.key);
        row.staple = builder_text(builder, row.staple);
        ((struct certificate_row *)builder_at(builder, at))[i] = row;
    }
    return (struct list){stored_pointer(at), count};
}

static struct list store_row_slots(struct page_builder *builder, const struct certificates_input *input)
{
    uint64_t *hashes = xcalloc(input->row_count + 1, sizeof(*hashes));

    for (size_t i = 0; i < input->row_count; i++) {
        hashes[i] = input->rows[i].id >> 1; /* the lowest bit is the same in all */
    }

    struct list slots = slots_build(builder, hashes, input->row_count);

    free(hashes);
    return slots;
}

static struct list store_names(struct page_builder *builder, const struct certificates_input *input,
                               struct list *slots)
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
    *slots = slots_build(builder, hashes, count);
    free(hashes);
    return (struct list){stored_pointer(at), count};
}

void certificates_build(struct page_builder *builder, const struct certificates_input *input)
{
    uint64_t root = builder_alloc(builder, sizeof(struct certificates_root), PAGE_ALIGN);
    struct certificates_root made;

    made.rows = certificate_rows_store(builder, input->rows, input->row_count);
    made.row_slots = store_row_slots(builder, input);
    made.names = store_names(builder, input, &made.name_slots);
    *(struct certificates_root *)builder_at(builder, root) = made;
    builder_set_root(builder, root);
}

/* ---- checking ---- */
static bool row_good(const struct page *page, const struct certificate_row *row)
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

bool certificate_rows_good(const struct page *page, struct list stored)
{
    const struct certificate_row *rows;

    if (!page_holds_list(page, stored, sizeof(*rows), PAGE_ALIGN)) {
        return false;
    }
    rows = page_at(page, stored.items);
    for (size_t i = 0; i < stored.count; i++) {
        if (!row_good(page, &rows[i])) {
            return false;
        }
    }
    return true;
}

/* Ids that nobody has are no damage: such a name gets nothing. */
int certificates_check(const struct page *page, struct error *why)
{
    const struct certificates_root *root = page_root(page);
    const struct certificate_name *names;

    if (!root || !page_holds(page, page_offset(page, root), 1, sizeof(*root), PAGE_ALIGN) ||
        !page_holds_list(page, root->names, sizeof(*names), PAGE_ALIGN) ||
        !slots_good(page, root->row_slots, root->rows.count) ||
        !slots_good(page, root->name_slots, root->names.count)) {
        return error_set(why, -EBADMSG, "certificates page: its root is damaged");
    }
    if (!certificate_rows_good(page, root->rows)) {
        return error_set(why, -EBADMSG, "certificates page: a certificate is damaged");
    }
    names = page_at(page, root->names.items);
    for (size_t i = 0; i < root->names.count; i++) {
        if (!page_holds_text(page, names[i].name)) {
            return error_set(why, -EBADMSG, "certificates page: name %zu is damaged", i);
        }
    }
    return 0;
}

/* ---- reading ---- */
static const struct certificate_name *find_name(struct page *const *pages, struct slice name)
{
    const struct page *page = pages[PAGE_CERTIFICATES + certificates_group(name)];
    const struct certificates_root *root = page_root(page);
    const struct certificate_name *names = page_at(page, root->names.items);
    uint32_t row;

    for (size_t at = hash_slice(0, name); (row = slots_next(page, &root->name_slots, &at)) != 0;) {
        if (slice_eq(page_text(page, names[row - 1].name), name)) {
            return &names[row - 1];
        }
    }
    return NULL;
}

static const struct certificate_row *find_row(const struct page *page, uint64_t id)
{
    const struct certificates_root *root = page_root(page);
    const struct certificate_row *rows = page_at(page, root->rows.items);
    uint32_t row;

    for (size_t at = id >> 1; (row = slots_next(page, &root->row_slots, &at)) != 0;) {
        if (rows[row - 1].id == id) {
            return &rows[row - 1];
        }
    }
    return NULL;
}

static const struct certificate_name *find_wildcard(struct page *const *pages, struct slice name)
{
    ptrdiff_t dot = slice_find(name, '.');
    char wildcard[NAME_MOST + 1];

    if (dot < 0 || name.len - (size_t)dot >= sizeof(wildcard)) {
        return NULL;
    }
    wildcard[0] = '*';
    memcpy(wildcard + 1, name.ptr + dot, name.len - (size_t)dot);
    return find_name(pages, slice_of(wildcard, name.len - (size_t)dot + 1));
}

bool certificates_find(struct page *const *pages, struct slice name, struct certificate_choice *out)
{
    const struct certificate_name *found = name.len ? find_name(pages, name) : NULL;

    found = found ? found : find_wildcard(pages, name);
    if (found == NULL) {
        return false;
    }
    for (size_t kind = 0; kind < CERTIFICATE_KINDS; kind++) {
        uint64_t id = found->certificates[kind];

        out->pages[kind] = pages[PAGE_CERTIFICATES + certificate_id_group(id)];
        out->rows[kind] = id ? find_row(out->pages[kind], id) : NULL;
    }
    return true;
}
