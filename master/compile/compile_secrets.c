/*
 * compile_secrets.c - the pages of certificates and the secrets page: certificates that can be used, the names they are for, keys
 * of session tickets.
 *
 * What is wrong with a certificate stays with it: the others serve, and the default one stands in. One that is the best for none
 * of its names is left out.
 *
 * Of those on the secrets page the ones that are shown to servers come first (compile_server_tls.c).
 *
 * Not here: reading (master/tls/vault.h), options of handshakes (compile_tls.c).
 */
#include <stdlib.h>
#include <time.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "common/model/layer4.h"
#include "master/compile/compiler.h"
#include "master/tls/staples.h"
#include "master/tls/vault.h"
#include "shm/secrets.h"

#define DEFAULT SLICE("default")

struct claim { /* a certificate is for a name */
    struct slice name;
    uint32_t certificate;
};

struct served { /* a name with the best of each kind: numbers, or CERTIFICATE_NONE */
    struct slice name;
    uint32_t certificates[CERTIFICATE_KINDS];
};

struct secrets_compile {
    struct compiler *compiler;
    struct pool *pool;
    struct vault *vault;
    const struct keypair **pairs; /* that are for names */
    size_t count, capacity;
    struct claim *claims;
    size_t claim_count, claim_capacity;
    struct served *served; /* by name */
    size_t served_count;
    struct certificate_row *rows; /* of those that are the best for a name, by id */
    size_t row_count;
    struct certificate_row *own; /* on the secrets page */
    size_t own_count, own_capacity;
};

/* ---- certificates ---- */
/* With the OCSP answer for it, if there is one by now; whoever is asked about it is asked from now on. */
static struct certificate_row row_of(struct secrets_compile *secrets, const struct keypair *pair)
{
    const struct ocsp_config *ocsp = secrets->compiler->config->ocsp;
    struct staples *staples = vault_staples(secrets->vault);
    struct certificate_row row = pair->row;

    if (staples && ocsp) {
        row.staple = staples_for(staples, pair, &ocsp->responder_overrides, secrets->pool);
        row.identity = hash_slice(row.identity, row.staple);
    }
    return row;
}

static uint32_t add_own(struct secrets_compile *secrets, const struct keypair *pair)
{
    secrets->own = pool_grow(secrets->pool, secrets->own, secrets->own_count, &secrets->own_capacity,
                             sizeof(*secrets->own));
    secrets->own[secrets->own_count] = row_of(secrets, pair);
    return (uint32_t)secrets->own_count++;
}

static bool in_default_store(const struct tls_certificate *config)
{
    const struct slice *stores = config->stores.items;

    for (size_t i = 0; i < config->stores.count; i++) {
        if (slice_eq(stores[i], DEFAULT)) {
            return true;
        }
    }
    return config->stores.count == 0;
}

static void warn_expired(struct secrets_compile *secrets, struct element *element, const struct keypair *pair)
{
    time_t end = (time_t)pair->row.not_after;
    char text[32] = "";
    struct tm tm;

    if (pair->row.not_after < (int64_t)time(NULL) && gmtime_r(&end, &tm)) {
        (void)strftime(text, sizeof(text), "%Y-%m-%d", &tm);
        compile_note(secrets->compiler, element, false,
                     "the certificate expired on %s; it is served all the same", text);
    }
}

static void note_kept(struct secrets_compile *secrets, struct element *element, const struct error *why)
{
    if (why->text[0]) {
        compile_note(secrets->compiler, element, false, "%s; what was there before is served", why->text);
    }
}

static void add_claims(struct secrets_compile *secrets, const struct keypair *pair)
{
    const struct list *names = &pair->names;
    uint32_t number = (uint32_t)secrets->count++;

    secrets->pairs =
        pool_grow(secrets->pool, secrets->pairs, number, &secrets->capacity, sizeof(*secrets->pairs));
    secrets->pairs[number] = pair;
    for (size_t i = 0; i < names->count; i++) {
        secrets->claims = pool_grow(secrets->pool, secrets->claims, secrets->claim_count,
                                    &secrets->claim_capacity, sizeof(*secrets->claims));
        secrets->claims[secrets->claim_count++] =
            (struct claim){.name = ((const struct slice *)names->items)[i], .certificate = number};
    }
}

/* Shown to servers, for no name: their numbers are known already. */
static void add_clients(struct secrets_compile *secrets)
{
    size_t count;
    const struct keypair **pairs = compile_client_pairs(secrets->compiler, &count);

    for (size_t i = 0; i < count; i++) {
        (void)add_own(secrets, pairs[i]);
    }
}

static void add_certificates(struct secrets_compile *secrets)
{
    const struct layer4_objects *all = &secrets->compiler->model->layer4[TLS_CERTIFICATE];

    for (size_t i = 0; i < all->count; i++) {
        struct tls_keypair *object = (struct tls_keypair *)all->items[i];
        const struct keypair *pair;
        struct error why;

        if (object->element.status == ELEMENT_DISABLED || !in_default_store(&object->config)) {
            continue;
        }
        pair = vault_pair(secrets->vault, object->config.cert_file, object->config.key_file, &why);
        if (pair == NULL) {
            compile_note(secrets->compiler, &object->element, true, "%s", why.text);
            continue;
        }
        note_kept(secrets, &object->element, &why);
        warn_expired(secrets, &object->element, pair);
        add_claims(secrets, pair);
    }
}

/* That of the store "default", else the one made here. */
static void add_fallback(struct secrets_compile *secrets, uint32_t fallback[CERTIFICATE_KINDS])
{
    struct tls_store *store = layer4_find(secrets->compiler->model, TLS_STORE, DEFAULT);
    const struct tls_certificate_file *given =
        store && store->element.status != ELEMENT_DISABLED ? store->config.default_certificate : NULL;
    const struct keypair *pair = NULL;
    struct error why;

    if (given) {
        pair = vault_pair(secrets->vault, given->cert_file, given->key_file, &why);
        if (pair == NULL) {
            compile_note(secrets->compiler, &store->element, true, "defaultCertificate: %s", why.text);
        } else {
            note_kept(secrets, &store->element, &why);
            warn_expired(secrets, &store->element, pair);
        }
    }
    if (store && store->config.default_generated_cert) {
        compile_note(secrets->compiler, &store->element, false,
                     "defaultGeneratedCert is not yet served by this build");
    }
    pair = pair ? pair : vault_default(secrets->vault);
    for (size_t i = 0; i < CERTIFICATE_KINDS; i++) {
        fallback[i] = CERTIFICATE_NONE;
    }
    if (pair) {
        fallback[pair->row.kind] = add_own(secrets, pair);
    }
}

/* ---- names ---- */
/* Two certificates of one kind for the same name: the one whose names come later counts, as in Traefik; for the very same
 * names the first. */
static void claim_place(const struct secrets_compile *secrets, uint32_t *place, uint32_t number)
{
    if (*place == CERTIFICATE_NONE ||
        slice_cmp(secrets->pairs[number]->joined, secrets->pairs[*place]->joined) > 0) {
        *place = number;
    }
}

static int by_name(const void *a, const void *b)
{
    const struct claim *left = a, *right = b;
    int order = slice_cmp(left->name, right->name);

    return order ? order
                 : (left->certificate > right->certificate) - (left->certificate < right->certificate);
}

static void serve_names(struct secrets_compile *secrets)
{
    struct served *at = pool_zalloc(secrets->pool, (secrets->claim_count + 1) * sizeof(*at));

    secrets->served = at;
    if (secrets->claim_count) {
        qsort(secrets->claims, secrets->claim_count, sizeof(*secrets->claims), by_name);
    }
    for (size_t i = 0; i < secrets->claim_count; i++) {
        const struct claim *claim = &secrets->claims[i];

        if (i == 0 || !slice_eq(at->name, claim->name)) {
            at = &secrets->served[secrets->served_count++];
            at->name = claim->name;
            for (size_t kind = 0; kind < CERTIFICATE_KINDS; kind++) {
                at->certificates[kind] = CERTIFICATE_NONE;
            }
        }
        claim_place(secrets, &at->certificates[secrets->pairs[claim->certificate]->row.kind],
                    claim->certificate);
    }
}

/* ---- pages ---- */
static int by_id(const void *a, const void *b)
{
    const struct certificate_row *left = a, *right = b;

    return (left->id > right->id) - (left->id < right->id);
}

static void make_rows(struct secrets_compile *secrets)
{
    bool *used = pool_zalloc(secrets->pool, secrets->count + 1);

    secrets->rows = pool_alloc(secrets->pool, (secrets->count + 1) * sizeof(*secrets->rows));
    for (size_t i = 0; i < secrets->served_count; i++) {
        for (size_t kind = 0; kind < CERTIFICATE_KINDS; kind++) {
            uint32_t number = secrets->served[i].certificates[kind];

            if (number != CERTIFICATE_NONE && !used[number]) {
                used[number] = true;
                secrets->rows[secrets->row_count++] = row_of(secrets, secrets->pairs[number]);
            }
        }
    }
    if (secrets->row_count) {
        qsort(secrets->rows, secrets->row_count, sizeof(*secrets->rows), by_id);
    }
}

static struct certificate_name name_of(const struct secrets_compile *secrets, const struct served *served)
{
    struct certificate_name name = {.name = served->name};

    for (size_t kind = 0; kind < CERTIFICATE_KINDS; kind++) {
        uint32_t number = served->certificates[kind];

        name.certificates[kind] = number == CERTIFICATE_NONE ? 0 : secrets->pairs[number]->row.id;
    }
    return name;
}

/* The names of each page behind each other, by name; starts[g] is where those of page g begin. */
static struct certificate_name *deal_names(struct secrets_compile *secrets,
                                           size_t starts[CERTIFICATE_GROUPS + 1])
{
    size_t count = secrets->served_count, places[CERTIFICATE_GROUPS];
    struct certificate_name *names = pool_alloc(secrets->pool, (count + 1) * sizeof(*names));

    memset(starts, 0, (CERTIFICATE_GROUPS + 1) * sizeof(*starts));
    for (size_t i = 0; i < count; i++) {
        starts[certificates_group(secrets->served[i].name) + 1]++;
    }
    for (size_t group = 0; group < CERTIFICATE_GROUPS; group++) {
        starts[group + 1] += starts[group];
        places[group] = starts[group];
    }
    for (size_t i = 0; i < count; i++) {
        names[places[certificates_group(secrets->served[i].name)]++] = name_of(secrets, &secrets->served[i]);
    }
    return names;
}

static void make_pages(struct secrets_compile *secrets, struct compiled *out)
{
    size_t starts[CERTIFICATE_GROUPS + 1], row = 0;
    const struct certificate_name *names = deal_names(secrets, starts);

    for (unsigned group = 0; group < CERTIFICATE_GROUPS; group++) {
        struct certificates_input input = {.rows = secrets->rows + row,
                                           .names = names + starts[group],
                                           .name_count = starts[group + 1] - starts[group]};

        while (row < secrets->row_count && certificate_id_group(secrets->rows[row].id) == group) {
            row++;
            input.row_count++;
        }
        out->pages[PAGE_CERTIFICATES + group] = builder_new(PAGE_CERTIFICATES);
        certificates_build(out->pages[PAGE_CERTIFICATES + group], &input);
    }
}

static void make_secrets_page(struct secrets_compile *secrets, struct compiled *out)
{
    struct ticket_key tickets[TICKET_KEYS];
    struct secrets_input input = {.tickets = tickets, .ticket_count = vault_tickets(secrets->vault, tickets)};

    add_clients(secrets);
    add_fallback(secrets, input.fallback);
    input.certificates = secrets->own;
    input.certificate_count = secrets->own_count;
    out->pages[PAGE_SECRETS] = builder_new(PAGE_SECRETS);
    secrets_build(out->pages[PAGE_SECRETS], &input);
    explicit_bzero(tickets, sizeof(tickets));
}

void compile_secrets(struct compiler *compiler, struct vault *vault, struct compiled *out)
{
    struct secrets_compile secrets = {.compiler = compiler, .pool = compiler->pool, .vault = vault};

    add_certificates(&secrets);
    serve_names(&secrets);
    make_rows(&secrets);
    make_pages(&secrets, out);
    make_secrets_page(&secrets, out);
}
