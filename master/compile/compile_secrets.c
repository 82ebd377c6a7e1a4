/*
 * compile_secrets.c - which certificates are served: those that can be used, the best for each name, the default one.
 *
 * What is wrong with a certificate stays with it: the others serve, and the default one stands in. One that is the best for none
 * of its names is left out.
 *
 * Not here: the pages of them (compile_secrets_pages.c), reading (master/tls/vault.h), options of handshakes (compile_tls.c).
 */
#include <stdlib.h>
#include <time.h>

#include "common/model/layer4.h"
#include "master/compile/compile_secrets.h"
#include "master/tls/vault.h"

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
    struct secrets_chosen *chosen;
    size_t own_capacity;
};

/* ---- certificates ---- */
static uint32_t add_own(struct secrets_compile *secrets, const struct keypair *pair)
{
    struct secrets_chosen *chosen = secrets->chosen;

    chosen->own = pool_grow(secrets->compiler->lasting, chosen->own, chosen->own_count,
                            &secrets->own_capacity, sizeof(*chosen->own));
    chosen->own[chosen->own_count] = pair;
    return (uint32_t)chosen->own_count++;
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

/* ---- what is left ---- */
static int by_id(const void *a, const void *b)
{
    const struct keypair *left = *(const struct keypair *const *)a,
                         *right = *(const struct keypair *const *)b;

    return (left->row.id > right->row.id) - (left->row.id < right->row.id);
}

static void choose_pairs(struct secrets_compile *secrets)
{
    struct secrets_chosen *chosen = secrets->chosen;
    bool *used = pool_zalloc(secrets->pool, secrets->count + 1);

    chosen->pairs = pool_alloc(secrets->compiler->lasting, (secrets->count + 1) * sizeof(*chosen->pairs));
    for (size_t i = 0; i < secrets->served_count; i++) {
        for (size_t kind = 0; kind < CERTIFICATE_KINDS; kind++) {
            uint32_t number = secrets->served[i].certificates[kind];

            if (number != CERTIFICATE_NONE && !used[number]) {
                used[number] = true;
                chosen->pairs[chosen->count++] = secrets->pairs[number];
            }
        }
    }
    if (chosen->count) {
        qsort(chosen->pairs, chosen->count, sizeof(*chosen->pairs), by_id);
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

static void choose_names(struct secrets_compile *secrets)
{
    struct secrets_chosen *chosen = secrets->chosen;
    size_t count = secrets->served_count, places[CERTIFICATE_GROUPS];

    chosen->names = pool_alloc(secrets->compiler->lasting, (count + 1) * sizeof(*chosen->names));
    for (size_t i = 0; i < count; i++) {
        chosen->starts[certificates_group(secrets->served[i].name) + 1]++;
    }
    for (size_t group = 0; group < CERTIFICATE_GROUPS; group++) {
        chosen->starts[group + 1] += chosen->starts[group];
        places[group] = chosen->starts[group];
    }
    for (size_t i = 0; i < count; i++) {
        chosen->names[places[certificates_group(secrets->served[i].name)]++] =
            name_of(secrets, &secrets->served[i]);
    }
}

void compile_secrets(struct compiler *compiler, struct vault *vault, struct compiled *out)
{
    struct secrets_compile secrets = {.compiler = compiler, .pool = compiler->pool, .vault = vault};

    secrets.chosen = pool_zalloc(compiler->lasting, sizeof(*secrets.chosen));
    secrets.chosen->round = vault_round(vault);
    add_clients(&secrets);
    add_certificates(&secrets);
    add_fallback(&secrets, secrets.chosen->fallback);
    serve_names(&secrets);
    choose_pairs(&secrets);
    choose_names(&secrets);
    compiler->secrets = secrets.chosen;
    secrets_pages(compiler, vault, true, out);
}
