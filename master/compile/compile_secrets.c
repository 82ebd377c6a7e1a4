/*
 * compile_secrets.c - the secrets page: certificates that can be used, the names they are for, keys of session tickets.
 *
 * What is wrong with a certificate stays with it: the others serve, and the default one stands in.
 *
 * Certificates that are shown to servers come first (compile_server_tls.c).
 *
 * Not here: reading (master/tls/vault.h), options of handshakes (compile_tls.c).
 */
#include <stdlib.h>
#include <time.h>

#include "common/base/memory.h"
#include "common/model/layer4.h"
#include "master/compile/compiler.h"
#include "master/tls/vault.h"
#include "shm/secrets.h"

#define DEFAULT SLICE("default")

struct claim { /* a certificate is for a name */
    struct slice name;
    uint32_t certificate;
};

struct secrets_compile {
    struct compiler *compiler;
    struct pool *pool;
    struct vault *vault;
    struct certificate_row *rows;
    const struct keypair **pairs; /* of the rows */
    size_t count, capacity;
    struct claim *claims;
    size_t claim_count, claim_capacity;
};

/* ---- certificates ---- */
static uint32_t add_row(struct secrets_compile *secrets, const struct keypair *pair)
{
    size_t capacity = secrets->capacity;

    secrets->rows =
        pool_grow(secrets->pool, secrets->rows, secrets->count, &secrets->capacity, sizeof(*secrets->rows));
    secrets->pairs =
        pool_grow(secrets->pool, secrets->pairs, secrets->count, &capacity, sizeof(*secrets->pairs));
    secrets->rows[secrets->count] = pair->row;
    secrets->pairs[secrets->count] = pair;
    return (uint32_t)secrets->count++;
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

static void add_claims(struct secrets_compile *secrets, uint32_t number)
{
    const struct list *names = &secrets->pairs[number]->names;

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
        (void)add_row(secrets, pairs[i]);
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
        add_claims(secrets, add_row(secrets, pair));
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
        fallback[pair->row.kind] = add_row(secrets, pair);
    }
}

/* ---- names ---- */
static int by_text(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* All names of a certificate, sorted: Traefik's key of it. */
static struct slice names_joined(struct pool *pool, const struct keypair *pair)
{
    size_t count = pair->names.count, len = 0;
    struct slice *names = pool_alloc(pool, (count + 1) * sizeof(*names));
    char *text, *at;

    memcpy(names, pair->names.items, count * sizeof(*names));
    qsort(names, count, sizeof(*names), by_text);
    for (size_t i = 0; i < count; i++) {
        len += names[i].len + 1;
    }
    text = at = pool_alloc(pool, len + 1);
    for (size_t i = 0; i < count; i++) {
        at = mempcpy(at, names[i].ptr, names[i].len);
        *at++ = ',';
    }
    return slice_of(text, len ? len - 1 : 0);
}

/* Two certificates of one kind for the same name: the one whose names come later counts, as in Traefik; for the very same
 * names the first. */
static void claim_place(struct secrets_compile *secrets, uint32_t *place, uint32_t number)
{
    if (*place == CERTIFICATE_NONE || slice_cmp(names_joined(secrets->pool, secrets->pairs[number]),
                                                names_joined(secrets->pool, secrets->pairs[*place])) > 0) {
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

static struct certificate_name *names_make(struct secrets_compile *secrets, size_t *count)
{
    struct certificate_name *names = pool_zalloc(secrets->pool, (secrets->claim_count + 1) * sizeof(*names));

    *count = 0;
    if (secrets->claim_count) {
        qsort(secrets->claims, secrets->claim_count, sizeof(*secrets->claims), by_name);
    }
    for (size_t i = 0; i < secrets->claim_count; i++) {
        const struct claim *claim = &secrets->claims[i];
        struct certificate_name *name = &names[*count];

        if (*count == 0 || !slice_eq(names[*count - 1].name, claim->name)) {
            name->name = claim->name;
            for (size_t k = 0; k < CERTIFICATE_KINDS; k++) {
                name->certificates[k] = CERTIFICATE_NONE;
            }
            (*count)++;
        }
        name = &names[*count - 1];
        claim_place(secrets, &name->certificates[secrets->rows[claim->certificate].kind], claim->certificate);
    }
    return names;
}

struct page_builder *compile_secrets(struct compiler *compiler, struct vault *vault)
{
    struct secrets_compile secrets = {.compiler = compiler, .pool = compiler->pool, .vault = vault};
    struct page_builder *builder = builder_new(PAGE_SECRETS);
    struct ticket_key tickets[TICKET_KEYS];
    struct secrets_input input = {.tickets = tickets, .ticket_count = vault_tickets(vault, tickets)};

    add_clients(&secrets);
    add_certificates(&secrets);
    add_fallback(&secrets, input.fallback);
    input.names = names_make(&secrets, &input.name_count);
    input.certificates = secrets.rows;
    input.certificate_count = secrets.count;
    secrets_build(builder, &input);
    explicit_bzero(tickets, sizeof(tickets));
    return builder;
}
