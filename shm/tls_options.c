/*
 * tls_options.c - building, checking and reading the TLS page.
 */
#include "shm/tls_options.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "shm/slots.h"

#define NAME_MOST 255

struct tls_options_root {
    struct list options;  /* struct tls_options_row */
    struct list hosts;    /* struct tls_host */
    struct list slots;    /* over hosts */
    struct list tls_only; /* uint8_t */
    uint32_t fallback, reserved;
};

static uint64_t host_hash(uint32_t entry_point, struct slice host)
{
    return hash_slice(entry_point, host);
}

uint64_t tls_options_id(struct slice name)
{
    return hash_slice(0, name);
}

/* ---- building ---- */
static struct list store_bytes(struct page_builder *builder, const void *items, size_t count, size_t size)
{
    uint64_t at = count ? builder_alloc(builder, count * size, PAGE_ALIGN) : 0;

    if (count) {
        memcpy(builder_at(builder, at), items, count * size);
    }
    return (struct list){stored_pointer(at), count};
}

static struct list store_texts(struct page_builder *builder, struct list texts)
{
    const struct slice *given = texts.items;
    uint64_t at = texts.count ? builder_alloc(builder, texts.count * sizeof(*given), PAGE_ALIGN) : 0;

    for (size_t i = 0; i < texts.count; i++) {
        struct slice text = builder_text(builder, given[i]);

        ((struct slice *)builder_at(builder, at))[i] = text;
    }
    return (struct list){stored_pointer(at), texts.count};
}

static struct list store_options(struct page_builder *builder, const struct tls_options_input *input)
{
    size_t count = input->option_count;
    uint64_t at = count ? builder_alloc(builder, count * sizeof(struct tls_options_row), PAGE_ALIGN) : 0;

    for (size_t i = 0; i < count; i++) {
        struct tls_options_row row = input->options[i];

        row.name = builder_text(builder, row.name);
        row.ciphers = builder_text(builder, row.ciphers);
        row.alpn = builder_text(builder, row.alpn);
        row.curves = builder_text(builder, row.curves);
        row.authorities = store_texts(builder, row.authorities);
        ((struct tls_options_row *)builder_at(builder, at))[i] = row;
    }
    return (struct list){stored_pointer(at), count};
}

static void store_hosts(struct page_builder *builder, const struct tls_options_input *input, uint64_t root)
{
    size_t count = input->host_count;
    uint64_t at = count ? builder_alloc(builder, count * sizeof(struct tls_host), PAGE_ALIGN) : 0;
    uint64_t *hashes = xcalloc(count + 1, sizeof(*hashes));

    for (size_t i = 0; i < count; i++) {
        struct tls_host row = input->hosts[i];

        hashes[i] = host_hash(row.entry_point, row.host);
        row.host = builder_text(builder, row.host);
        ((struct tls_host *)builder_at(builder, at))[i] = row;
    }

    struct list slots = slots_build(builder, hashes, count);
    struct tls_options_root *stored = builder_at(builder, root);

    stored->hosts = (struct list){stored_pointer(at), count};
    stored->slots = slots;
    free(hashes);
}

void tls_options_build(struct page_builder *builder, const struct tls_options_input *input)
{
    uint64_t root = builder_alloc(builder, sizeof(struct tls_options_root), PAGE_ALIGN);
    struct list options = store_options(builder, input);
    struct list tls_only = store_bytes(builder, input->tls_only, input->entry_point_count, 1);

    store_hosts(builder, input, root);

    struct tls_options_root *stored = builder_at(builder, root);

    stored->options = options;
    stored->tls_only = tls_only;
    stored->fallback = input->fallback;
    builder_set_root(builder, root);
}

/* ---- checking ---- */
static bool alpn_good(struct slice alpn)
{
    while (alpn.len) {
        size_t len = (unsigned char)alpn.ptr[0];

        if (len == 0 || len >= alpn.len) {
            return false;
        }
        alpn = slice_from(alpn, 1 + len);
    }
    return true;
}

static bool options_good(const struct page *page, const struct tls_options_row *row)
{
    const struct slice *authorities;

    if (!page_holds_text(page, row->name) || !page_holds_text(page, row->ciphers) ||
        !page_holds_text(page, row->alpn) || row->client_auth >= TLS_CLIENT_MODES ||
        !page_holds_text(page, row->curves) ||
        !page_holds_list(page, row->authorities, sizeof(*authorities), PAGE_ALIGN) ||
        !page_holds_bool(&row->sni_strict) || !page_holds_bool(&row->tickets) ||
        !alpn_good(page_text(page, row->alpn))) {
        return false;
    }
    authorities = page_at(page, row->authorities.items);
    for (size_t i = 0; i < row->authorities.count; i++) {
        if (!page_holds_text(page, authorities[i])) {
            return false;
        }
    }
    return true;
}

static bool number_good(uint32_t number, size_t options)
{
    return number == TLS_OPTIONS_BROKEN || number < options;
}

int tls_options_check(const struct page *page, struct error *why)
{
    const struct tls_options_root *root = page_root(page);
    const struct tls_options_row *rows;
    const struct tls_host *hosts;

    if (!root || !page_holds(page, page_offset(page, root), 1, sizeof(*root), PAGE_ALIGN) ||
        !page_holds_list(page, root->options, sizeof(*rows), PAGE_ALIGN) ||
        !page_holds_list(page, root->hosts, sizeof(*hosts), PAGE_ALIGN) ||
        !page_holds_list(page, root->tls_only, 1, PAGE_ALIGN) || root->options.count >= TLS_OPTIONS_BROKEN ||
        !slots_good(page, root->slots, root->hosts.count) ||
        !number_good(root->fallback, root->options.count)) {
        return error_set(why, -EBADMSG, "TLS page: its root is damaged");
    }
    rows = page_at(page, root->options.items);
    for (size_t i = 0; i < root->options.count; i++) {
        if (!options_good(page, &rows[i])) {
            return error_set(why, -EBADMSG, "TLS page: options %zu are damaged", i);
        }
    }
    hosts = page_at(page, root->hosts.items);
    for (size_t i = 0; i < root->hosts.count; i++) {
        if (!page_holds_text(page, hosts[i].host) || !number_good(hosts[i].options, root->options.count)) {
            return error_set(why, -EBADMSG, "TLS page: host %zu is damaged", i);
        }
    }
    return 0;
}

/* ---- reading ---- */
static const struct tls_options_root *root_of(const struct page *page)
{
    return page_root(page);
}

uint32_t tls_options_count(const struct page *page)
{
    return (uint32_t)root_of(page)->options.count;
}

const struct tls_options_row *tls_options_at(const struct page *page, uint32_t number)
{
    const struct list *rows = &root_of(page)->options;

    return number < rows->count ? (const struct tls_options_row *)page_at(page, rows->items) + number : NULL;
}

static const struct tls_host *find(const struct page *page, uint32_t entry_point, struct slice host)
{
    const struct tls_options_root *root = root_of(page);
    const struct tls_host *hosts = page_at(page, root->hosts.items);
    uint32_t row;

    for (size_t at = host_hash(entry_point, host); (row = slots_next(page, &root->slots, &at)) != 0;) {
        const struct tls_host *found = &hosts[row - 1];

        if (found->entry_point == entry_point && slice_eq(page_text(page, found->host), host)) {
            return found;
        }
    }
    return NULL;
}

static const struct tls_host *find_covering(const struct page *page, uint32_t entry_point, struct slice host)
{
    const struct tls_host *found = host.len ? find(page, entry_point, host) : NULL;
    ptrdiff_t dot = slice_find(host, '.');
    char wildcard[NAME_MOST + 1];

    if (found == NULL && dot >= 0 && host.len - (size_t)dot < sizeof(wildcard)) {
        wildcard[0] = '*';
        memcpy(wildcard + 1, host.ptr + dot, host.len - (size_t)dot);
        found = find(page, entry_point, slice_of(wildcard, host.len - (size_t)dot + 1));
    }
    return found;
}

uint32_t tls_options_find(const struct page *page, uint32_t entry_point, struct slice host)
{
    const struct tls_host *found = find_covering(page, entry_point, host);

    return found ? found->options : root_of(page)->fallback;
}

bool tls_options_named(const struct page *page, uint32_t entry_point, struct slice host)
{
    return find_covering(page, entry_point, host) != NULL;
}

bool tls_options_only(const struct page *page, uint32_t entry_point)
{
    const struct list *flags = &root_of(page)->tls_only;

    return entry_point < flags->count && ((const uint8_t *)page_at(page, flags->items))[entry_point] != 0;
}
