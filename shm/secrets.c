/*
 * secrets.c - building, checking and reading the secrets page.
 */
#include "shm/secrets.h"

#include <errno.h>

#include "shm/page_inner.h"

struct secrets_root {
    struct list certificates; /* struct certificate_row */
    struct list tickets;      /* struct ticket_key */
    uint32_t fallback[CERTIFICATE_KINDS];
    uint32_t reserved;
};

/* ---- building ---- */
void secrets_build(struct page_builder *builder, const struct secrets_input *input)
{
    uint64_t root = builder_alloc(builder, sizeof(struct secrets_root), PAGE_ALIGN);
    struct list certificates = certificate_rows_store(builder, input->certificates, input->certificate_count);
    size_t tickets_size = input->ticket_count * sizeof(struct ticket_key);
    uint64_t tickets = tickets_size ? builder_alloc(builder, tickets_size, PAGE_ALIGN) : 0;

    if (tickets_size) {
        memcpy(builder_at(builder, tickets), input->tickets, tickets_size);
    }

    struct secrets_root *stored = builder_at(builder, root);

    stored->certificates = certificates;
    stored->tickets = (struct list){stored_pointer(tickets), input->ticket_count};
    memcpy(stored->fallback, input->fallback, sizeof(stored->fallback));
    builder_set_root(builder, root);
}

/* ---- checking ---- */
int secrets_check(const struct page *page, struct error *why)
{
    const struct secrets_root *root = page_root(page);

    if (!root || !page_holds(page, page_offset(page, root), 1, sizeof(*root), PAGE_ALIGN) ||
        !page_holds_list(page, root->tickets, sizeof(struct ticket_key), PAGE_ALIGN) ||
        root->tickets.count > TICKET_KEYS || root->certificates.count >= CERTIFICATE_NONE) {
        return error_set(why, -EBADMSG, "secrets page: its root is damaged");
    }
    if (!certificate_rows_good(page, root->certificates)) {
        return error_set(why, -EBADMSG, "secrets page: a certificate is damaged");
    }
    for (size_t i = 0; i < CERTIFICATE_KINDS; i++) {
        if (root->fallback[i] != CERTIFICATE_NONE && root->fallback[i] >= root->certificates.count) {
            return error_set(why, -EBADMSG, "secrets page: default certificate %u of %zu", root->fallback[i],
                             root->certificates.count);
        }
    }
    return 0;
}

/* ---- reading ---- */
static const struct secrets_root *root_of(const struct page *page)
{
    return page_root(page);
}

const struct certificate_row *secrets_certificate(const struct page *page, uint32_t number)
{
    const struct list *rows = &root_of(page)->certificates;

    return number < rows->count ? (const struct certificate_row *)page_at(page, rows->items) + number : NULL;
}

void secrets_fallback(const struct page *page, struct certificate_choice *out)
{
    for (size_t kind = 0; kind < CERTIFICATE_KINDS; kind++) {
        out->pages[kind] = page;
        out->rows[kind] = secrets_certificate(page, root_of(page)->fallback[kind]);
    }
}

const struct ticket_key *tickets_at(const struct page *page, size_t *count)
{
    *count = root_of(page)->tickets.count;
    return page_at(page, root_of(page)->tickets.items);
}
