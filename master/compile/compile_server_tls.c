/*
 * compile_server_tls.c - settings of TLS towards servers: one row for each transport (and for whoever else asks by TLS).
 *
 * What is wrong stays with its owner: settings that cannot be had are replaced as a whole by those that hold where nothing
 * is set, as Traefik does, which believe the system's authorities only. An authority or a client certificate that cannot be
 * read is left out; where all authorities are, no server is believed.
 *
 * Not here: reading files (master/tls/vault.h), the secrets page that the keys go to (compile_secrets.c).
 */
#include "common/base/hash.h"
#include "master/compile/compiler.h"
#include "master/tls/library.h"
#include "master/tls/vault.h"

#define SEED_TLS 0x746c73ULL
#define SETS_COMPARED 8
#define VERSION_TLS12 0x0303
#define VERSION_TLS13 0x0304

struct server_tls_compile {
    struct server_tls *rows;
    size_t count, capacity;
    struct list *sets; /* of struct authority; the first is the system's, filled in at the end */
    size_t set_count, set_capacity;
    const struct keypair **pairs; /* client certificates, by number in the secrets page */
    size_t pair_count, pair_capacity;
};

static struct server_tls_compile *of(struct compiler *compiler)
{
    if (compiler->server_tls == NULL) {
        struct server_tls_compile *made = pool_zalloc(compiler->pool, sizeof(*made));

        made->sets = pool_grow(compiler->pool, NULL, 0, &made->set_capacity, sizeof(*made->sets));
        made->sets[made->set_count++] = (struct list){NULL, 0};
        compiler->server_tls = made;
    }
    return compiler->server_tls;
}

/* ---- words ---- */
/* 0 for none; UINT16_MAX: unknown. */
static uint16_t version_number(struct slice name)
{
    static const char *const names[] = {"VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (slice_eq(name, slice_cstr(names[i]))) {
            return (uint16_t)(0x0301 + i);
        }
    }
    return name.len ? UINT16_MAX : 0;
}

/* False, with an error: the settings cannot be had. */
static bool take_versions(struct compiler *compiler, struct element *owner,
                          const struct server_tls_wish *wish, struct server_tls *row)
{
    row->min_version = version_number(wish->min_version);
    row->max_version = version_number(wish->max_version);
    if (row->min_version == UINT16_MAX || row->max_version == UINT16_MAX) {
        compile_note(compiler, owner, false, "invalid TLS %s version: %.*s",
                     row->min_version == UINT16_MAX ? "minimum" : "maximum",
                     SLICE_ARG(row->min_version == UINT16_MAX ? wish->min_version : wish->max_version));
        return false;
    }
    if (row->max_version && row->min_version > row->max_version) {
        compile_note(compiler, owner, false, "TLS minimum version %.*s is above the maximum version %.*s",
                     SLICE_ARG(wish->min_version), SLICE_ARG(wish->max_version));
        return false;
    }
    if (row->min_version == 0) {
        row->min_version =
            row->max_version && row->max_version < VERSION_TLS12 ? row->max_version : VERSION_TLS12;
    }
    return true;
}

static bool take_ciphers(struct compiler *compiler, struct element *owner, const struct server_tls_wish *wish,
                         struct server_tls *row)
{
    struct tls_names names;
    const struct slice *unknown;

    if (wish->cipher_suites.count == 0) {
        row->ciphers = tls_ciphers_default();
        return true;
    }
    unknown = tls_ciphers_unknown(&wish->cipher_suites);
    if (unknown) {
        compile_note(compiler, owner, false, "invalid CipherSuite: %.*s", SLICE_ARG(*unknown));
        return false;
    }
    names = tls_ciphers(compiler->pool, &wish->cipher_suites);
    if (names.missing.len) {
        compile_note(compiler, owner, false,
                     "the BoringSSL that is linked lacks the cipher suite %.*s: it is left out (`make "
                     "boringssl` builds a full one)",
                     SLICE_ARG(names.missing));
    }
    row->ciphers = names.text;
    if (names.text.len == 0) { /* nothing is left for TLS 1.2 */
        row->min_version = VERSION_TLS13;
        if (row->max_version && row->max_version < VERSION_TLS13) {
            compile_note(compiler, owner, false, "no cipher suite is left for the maximum version %.*s",
                         SLICE_ARG(wish->max_version));
            return false;
        }
    }
    return true;
}

/* ---- authorities ---- */
static bool sets_equal(const struct list *a, const struct list *b)
{
    const struct authority *left = a->items, *right = b->items;

    for (size_t i = 0; i < a->count && a->count == b->count; i++) {
        if (left[i].subject != right[i].subject || !slice_eq(left[i].der, right[i].der)) {
            return false;
        }
    }
    return a->count == b->count;
}

static uint32_t set_number(struct compiler *compiler, struct list set)
{
    struct server_tls_compile *tls = of(compiler);

    /* mostly neighbours have the same ones; whoever differs pays with a few bytes for each authority */
    for (size_t i = tls->set_count > SETS_COMPARED ? tls->set_count - SETS_COMPARED : 1; i < tls->set_count;
         i++) {
        if (sets_equal(&tls->sets[i], &set)) {
            return (uint32_t)i;
        }
    }
    tls->sets = pool_grow(compiler->pool, tls->sets, tls->set_count, &tls->set_capacity, sizeof(*tls->sets));
    tls->sets[tls->set_count] = set;
    return (uint32_t)tls->set_count++;
}

static uint32_t take_authorities(struct compiler *compiler, struct element *owner,
                                 const struct server_tls_wish *wish, uint64_t *hash)
{
    const struct slice *places = wish->root_cas.items;
    struct list all = {NULL, 0};
    size_t capacity = 0;

    if (wish->root_cas.count == 0 && !wish->spiffe) {
        *hash = hash_step(*hash, 1);
        return AUTHORITIES_SYSTEM;
    }
    for (size_t i = 0; i < wish->root_cas.count; i++) {
        struct list found;
        struct error why;

        if (vault_authorities(compiler->vault, places[i], &found, &why) < 0) {
            compile_note(compiler, owner, false, "rootCAs[%zu]: %s: it is left out", i, why.text);
            continue;
        }
        if (why.text[0]) {
            compile_note(compiler, owner, false, "rootCAs[%zu]: %s; what was there before holds", i,
                         why.text);
        }
        for (size_t k = 0; k < found.count; k++) {
            struct authority *items =
                pool_grow(compiler->pool, all.items, all.count, &capacity, sizeof(*items));

            items[all.count] = ((const struct authority *)found.items)[k];
            all = (struct list){items, all.count + 1};
            *hash = board_hash(compiler->board, *hash, items[all.count - 1].der);
        }
    }
    return set_number(compiler, all);
}

/* ---- client certificates ---- */
static uint32_t pair_number(struct compiler *compiler, const struct keypair *pair)
{
    struct server_tls_compile *tls = of(compiler);

    tls->pairs =
        pool_grow(compiler->pool, tls->pairs, tls->pair_count, &tls->pair_capacity, sizeof(*tls->pairs));
    tls->pairs[tls->pair_count] = pair;
    return (uint32_t)tls->pair_count++;
}

static struct list take_certificates(struct compiler *compiler, struct element *owner,
                                     const struct server_tls_wish *wish, uint64_t *hash)
{
    const struct tls_certificate_file *files = wish->certificates.items;
    uint32_t *numbers = pool_alloc(compiler->pool, (wish->certificates.count + 1) * sizeof(*numbers));
    size_t count = 0;

    for (size_t i = 0; i < wish->certificates.count; i++) {
        struct error why;
        const struct keypair *pair = vault_pair(compiler->vault, files[i].cert_file, files[i].key_file, &why);

        if (pair == NULL) {
            compile_note(compiler, owner, false, "certificates[%zu]: %s: it is left out", i, why.text);
            continue;
        }
        if (why.text[0]) {
            compile_note(compiler, owner, false, "certificates[%zu]: %s; what was there before is shown", i,
                         why.text);
        }
        *hash = hash_bytes(*hash, &pair->row.identity, sizeof(pair->row.identity));
        numbers[count++] = pair_number(compiler, pair);
    }
    return (struct list){numbers, count};
}

/* ---- names in the server's certificate ---- */
static struct list take_sans(struct compiler *compiler, const struct server_tls_wish *wish, uint64_t *hash)
{
    const struct peer_cert_san *from = wish->sans.items;
    struct server_san *out = pool_alloc(compiler->pool, (wish->sans.count + 2) * sizeof(*out));
    size_t count = 0;

    for (size_t i = 0; i < wish->sans.count; i++) {
        out[count++] = (struct server_san){from[i].value, slice_eq(from[i].type, SLICE("URI"))};
    }
    if (wish->peer_cert_uri.len) {
        out[count++] = (struct server_san){wish->peer_cert_uri, 1};
    }
    for (size_t i = 0; i < count; i++) {
        *hash = hash_step(board_hash(compiler->board, *hash, out[i].value), (unsigned char)out[i].is_uri);
    }
    return (struct list){out, count};
}

/* ---- rows ---- */
static void fill(struct compiler *compiler, struct element *owner, const struct server_tls_wish *wish,
                 struct server_tls *row)
{
    uint64_t hash = SEED_TLS;

    row->server_name = wish->server_name;
    row->insecure = wish->insecure;
    row->authorities = take_authorities(compiler, owner, wish, &hash);
    row->certificates = take_certificates(compiler, owner, wish, &hash);
    row->sans = take_sans(compiler, wish, &hash);

    const uint64_t numbers[] = {row->min_version, row->max_version, row->insecure, row->sans.count,
                                row->certificates.count};

    hash = board_hash(compiler->board, board_hash(compiler->board, hash, row->server_name), row->ciphers);
    row->identity = board_hash(compiler->board, hash, slice_of((const char *)numbers, sizeof(numbers)));
}

uint32_t compile_server_tls(struct compiler *compiler, struct element *owner,
                            const struct server_tls_wish *wish)
{
    static const struct server_tls_wish nothing, nobody = {.spiffe = true};
    struct server_tls_compile *tls = of(compiler);
    struct server_tls row = {0};

    if (wish->spiffe) { /* the rest alone would believe more than the identities that were asked for */
        compile_note(
            compiler, owner, false,
            "spiffe is not served by this build: no server is believed over it (rootCAs and peerCertURI "
            "instead of it ask for one identity)");
        wish = &nobody;
    }
    if (!take_versions(compiler, owner, wish, &row) || !take_ciphers(compiler, owner, wish, &row)) {
        compile_note(compiler, owner, false, "its settings of TLS cannot be had: those of no settings hold");
        row = (struct server_tls){.min_version = VERSION_TLS12, .ciphers = tls_ciphers_default()};
        wish = &nothing;
    }
    fill(compiler, owner, wish, &row);
    tls->rows = pool_grow(compiler->pool, tls->rows, tls->count, &tls->capacity, sizeof(*tls->rows));
    tls->rows[tls->count] = row;
    return (uint32_t)tls->count++;
}

void compile_server_tls_check(struct compiler *compiler, struct element *owner,
                              const struct server_tls_wish *wish)
{
    struct server_tls_compile *tls = of(compiler);
    size_t count = tls->count, set_count = tls->set_count, pair_count = tls->pair_count;

    (void)compile_server_tls(compiler, owner, wish);
    tls->count = count;
    tls->set_count = set_count;
    tls->pair_count = pair_count;
}

uint64_t compile_server_tls_identity(struct compiler *compiler, uint32_t number)
{
    return of(compiler)->rows[number].identity;
}

struct server_tls_input compile_server_tls_input(struct compiler *compiler, struct element *owner)
{
    struct server_tls_compile *tls = of(compiler);
    struct error why;

    if (compiler->system_wanted) {
        compiler->system_there = true;
        if (vault_system_authorities(compiler->vault, &tls->sets[AUTHORITIES_SYSTEM], &why) < 0) {
            compile_note(compiler, owner, false,
                         "the system's certificate authorities cannot be read, so no server is believed that "
                         "needs them: %s (SSL_CERT_FILE names another file)",
                         why.text);
        }
    }
    return (struct server_tls_input){tls->rows, tls->count, tls->sets, tls->set_count};
}

const struct keypair **compile_client_pairs(const struct compiler *compiler, size_t *count)
{
    const struct server_tls_compile *tls = compiler->server_tls;

    *count = tls ? tls->pair_count : 0;
    return tls ? tls->pairs : NULL;
}
