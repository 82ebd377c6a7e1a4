/*
 * compile_secrets_pages.c - the pages of the certificates that were chosen, with the OCSP answers that are there; the secrets
 * page.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "master/compile/compile_secrets.h"
#include "master/tls/staples.h"
#include "master/tls/vault.h"

#define POOL_FIRST (64u * 1024)

/* With the OCSP answer for it, if there is one by now; whoever is asked about it is asked from now on. */
static struct certificate_row row_of(const struct compiler *compiler, struct vault *vault,
                                     const struct keypair *pair, struct pool *pool)
{
    const struct ocsp_config *ocsp = compiler->config->ocsp;
    struct staples *staples = vault_staples(vault);
    struct certificate_row row = pair->row;

    if (staples && ocsp) {
        row.staple = staples_for(staples, pair, &ocsp->responder_overrides, pool);
        row.identity = hash_slice(row.identity, row.staple);
    }
    return row;
}

/* Whether a row is another than on the page that was made last. */
static bool note_identities(const struct certificate_row *rows, uint64_t *identities, size_t count)
{
    bool differ = false;

    for (size_t i = 0; i < count; i++) {
        differ = differ || identities[i] != rows[i].identity;
        identities[i] = rows[i].identity;
    }
    return differ;
}

static void certificates_pages(struct compiler *compiler, struct vault *vault, bool all, struct pool *pool,
                               struct compiled *out)
{
    struct secrets_chosen *chosen = compiler->secrets;
    size_t at = 0;

    for (unsigned group = 0; group < CERTIFICATE_GROUPS; group++) {
        struct certificate_row *rows = pool_alloc(pool, (chosen->count - at + 1) * sizeof(*rows));
        struct certificates_input input = {.rows = rows,
                                           .names = chosen->names + chosen->starts[group],
                                           .name_count = chosen->starts[group + 1] - chosen->starts[group]};
        size_t first = at;

        while (at < chosen->count && certificate_id_group(chosen->pairs[at]->row.id) == group) {
            rows[input.row_count++] = row_of(compiler, vault, chosen->pairs[at++], pool);
        }
        if (note_identities(rows, chosen->identities + first, input.row_count) || all) {
            out->pages[PAGE_CERTIFICATES + group] = builder_new(PAGE_CERTIFICATES);
            certificates_build(out->pages[PAGE_CERTIFICATES + group], &input);
        }
    }
}

static void secrets_page(struct compiler *compiler, struct vault *vault, struct pool *pool,
                         struct compiled *out)
{
    const struct secrets_chosen *chosen = compiler->secrets;
    struct certificate_row *rows = pool_alloc(pool, (chosen->own_count + 1) * sizeof(*rows));
    struct ticket_key tickets[TICKET_KEYS];
    struct secrets_input input = {rows, chosen->own_count, tickets, vault_tickets(vault, tickets), {0}};

    for (size_t i = 0; i < chosen->own_count; i++) {
        rows[i] = row_of(compiler, vault, chosen->own[i], pool);
    }
    memcpy(input.fallback, chosen->fallback, sizeof(input.fallback));
    out->pages[PAGE_SECRETS] = builder_new(PAGE_SECRETS);
    secrets_build(out->pages[PAGE_SECRETS], &input);
    explicit_bzero(tickets, sizeof(tickets));
}

void secrets_pages(struct compiler *compiler, struct vault *vault, bool all, struct compiled *out)
{
    struct secrets_chosen *chosen = compiler->secrets;
    struct pool *pool = pool_new(POOL_FIRST, 0);

    if (chosen->identities == NULL) {
        chosen->identities =
            pool_zalloc(compiler->lasting, (chosen->count + 1) * sizeof(*chosen->identities));
    }
    certificates_pages(compiler, vault, all, pool, out);
    secrets_page(compiler, vault, pool, out);
    pool_free(pool);
}

int compile_secrets_again(struct compiler *compiler, struct vault *vault, struct compiled *out)
{
    if (compiler->secrets == NULL || compiler->secrets->round != vault_round(vault)) {
        return -EAGAIN; /* certificates of that compile may be gone */
    }
    secrets_pages(compiler, vault, false, out);
    return 0;
}
