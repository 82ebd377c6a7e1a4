/*
 * compile_tls.c - the TLS page: options of handshakes, and the hosts that routers name with which options.
 *
 * A router that names options which cannot be had makes its hosts broken: nobody gets a handshake there, as in Traefik;
 * other options would be weaker than what the user wanted.
 *
 * Not here: certificates (compile_secrets.c), who disagrees with whom about a host (master/resolve/tls_conflicts.c).
 */
#include <openssl/sha.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/model/layer4.h"
#include "common/rule/rule.h"
#include "master/compile/compiler.h"
#include "master/tls/library.h"
#include "master/tls/vault.h"
#include "shm/tls_options.h"

#define DEFAULT SLICE("default")
#define VERSION_TLS12 0x0303
#define VERSION_TLS13 0x0304

struct tls_compile {
    struct compiler *compiler;
    struct pool *pool;
    struct vault *vault;
    struct tls_options_row *rows;
    size_t count;
    struct tls_host *hosts;
    size_t host_count, host_capacity;
};

/* ---- options ---- */
static uint16_t version_number(struct slice name)
{
    static const char *const names[] = {"VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (slice_eq(name, slice_cstr(names[i]))) {
            return (uint16_t)(0x0301 + i);
        }
    }
    return 0;
}

static uint32_t auth_mode(const struct tls_client_auth *auth)
{
    static const char *const names[TLS_CLIENT_MODES] = {"NoClientCert", "RequestClientCert",
                                                        "RequireAnyClientCert", "VerifyClientCertIfGiven",
                                                        "RequireAndVerifyClientCert"};

    for (uint32_t i = 0; i < TLS_CLIENT_MODES; i++) {
        if (slice_eq(auth->type, slice_cstr(names[i]))) {
            return i;
        }
    }
    return auth->ca_files.count ? TLS_CLIENT_REQUIRE_AND_VERIFY : TLS_CLIENT_NONE;
}

static struct slice alpn_wire(struct pool *pool, const struct list *protocols)
{
    const struct slice *items = protocols->items;
    struct slice wire = {NULL, 0};

    for (size_t i = 0; i < protocols->count; i++) {
        if (items[i].len > 0 && items[i].len <= TLS_ALPN_MOST) {
            wire = pool_printf(pool, "%.*s%c%.*s", SLICE_ARG(wire), (int)items[i].len, SLICE_ARG(items[i]));
        }
    }
    return wire;
}

static void say_missing(struct tls_compile *tls, struct element *element, const char *what, struct slice name)
{
    if (name.len) {
        compile_note(tls->compiler, element, false,
                     "the BoringSSL that is linked lacks the %s %.*s: it is left out (`make boringssl` "
                     "builds a full one)",
                     what, SLICE_ARG(name));
    }
}

/* False: an authority cannot be read, and without it other clients would be let in or kept out than is wanted. */
static bool read_authorities(struct tls_compile *tls, struct tls_options *options, struct list *out)
{
    const struct list *files = &options->config.client_auth.ca_files;
    const struct slice *items = files->items;
    size_t capacity = 0;

    for (size_t i = 0; i < files->count; i++) {
        struct slice text, *all;
        struct list found;
        struct error why;

        if (vault_text(tls->vault, items[i], tls->pool, &text, &why) < 0 ||
            certificates_read(text, tls->pool, &found, &why) < 0) {
            compile_note(tls->compiler, &options->element, true,
                         "building TLS config: clientAuth.caFiles[%zu]: %s", i, why.text);
            return false;
        }
        for (size_t k = 0; k < found.count; k++) {
            all = pool_grow(tls->pool, out->items, out->count, &capacity, sizeof(*all));
            all[out->count] = ((const struct slice *)found.items)[k];
            *out = (struct list){all, out->count + 1};
        }
    }
    return true;
}

static void add_text(SHA256_CTX *sum, struct slice text)
{
    SHA256_Update(sum, &text.len, sizeof(text.len));
    SHA256_Update(sum, text.ptr, text.len);
}

/* Sessions are resumed by it, also by the workers of the build and the board that come after this one: so not by board_hash(),
 * and yet nobody may find other options that have it. */
static uint64_t identity_of(const struct tls_options_row *row)
{
    const struct slice *authorities = row->authorities.items;
    uint64_t fixed[] = {row->id,          row->min_version, row->max_version,
                        row->client_auth, row->sni_strict,  row->tickets};
    uint64_t digest[SHA256_DIGEST_LENGTH / sizeof(uint64_t)];
    SHA256_CTX sum;

    SHA256_Init(&sum);
    SHA256_Update(&sum, fixed, sizeof(fixed));
    add_text(&sum, row->ciphers);
    add_text(&sum, row->curves);
    add_text(&sum, row->alpn);
    for (size_t i = 0; i < row->authorities.count; i++) {
        add_text(&sum, authorities[i]);
    }
    SHA256_Final((uint8_t *)digest, &sum);
    return digest[0];
}

static void choose_ciphers(struct tls_compile *tls, struct tls_options *options, struct tls_options_row *row)
{
    struct tls_names names = tls_ciphers(tls->pool, &options->config.cipher_suites);

    say_missing(tls, &options->element, "cipher suite", names.missing);
    row->ciphers = names.text;
    if (options->config.cipher_suites.count == 0) {
        row->ciphers = tls_ciphers_default();
    } else if (names.text.len == 0) { /* nothing is left for TLS 1.2 */
        row->min_version = VERSION_TLS13;
    }
    row->ecdsa_ciphers = tls_ciphers_ecdsa(row->ciphers);
}

/* Of what is left, which a missing cipher suite may have cut: BoringSSL takes no empty range. */
static bool versions_check(struct tls_compile *tls, struct tls_options *options,
                           const struct tls_options_row *row)
{
    static const char *const names[] = {"VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"};

    if (row->max_version == 0 || row->min_version <= row->max_version) {
        return true;
    }
    const char *highest = names[row->max_version - 0x0301];

    if (row->ciphers.len == 0) {
        compile_note(tls->compiler, &options->element, true,
                     "no version of TLS is left: none of the cipher suites is one of %s or below", highest);
    } else {
        compile_note(tls->compiler, &options->element, true,
                     "no version of TLS is left: %s to %s, where minVersion is VersionTLS12 unless it is set",
                     names[row->min_version - 0x0301], highest);
    }
    return false;
}

static bool options_row(struct tls_compile *tls, struct tls_options *options, struct tls_options_row *row)
{
    const struct tls_options_config *config = &options->config;
    struct tls_names curves = tls_curves(tls->pool, &config->curve_preferences);

    say_missing(tls, &options->element, "curve", curves.missing);
    *row = (struct tls_options_row){
        .name = options->element.name,
        .id = tls_options_id(options->element.name),
        .min_version = version_number(config->min_version),
        .max_version = version_number(config->max_version),
        .client_auth = auth_mode(&config->client_auth),
        .curves = curves.text.len ? curves.text : tls_curves_default(tls->pool),
        .alpn = alpn_wire(tls->pool, &config->alpn_protocols),
        .sni_strict = config->sni_strict,
        .tickets = !config->disable_session_tickets,
    };
    row->min_version = row->min_version ? row->min_version : VERSION_TLS12;
    choose_ciphers(tls, options, row);
    if (!versions_check(tls, options, row) || !read_authorities(tls, options, &row->authorities)) {
        return false;
    }
    row->identity = identity_of(row);
    return true;
}

/* Those of the house, when the user wrote none of that name. */
static void add_default(struct tls_compile *tls)
{
    struct tls_options house = {.element = {.name = DEFAULT}};

    schema_defaults(&tls_options_schema, tls->pool, &house.config);
    (void)options_row(tls, &house, &tls->rows[tls->count++]);
}

static void add_options(struct tls_compile *tls)
{
    const struct layer4_objects *all = &tls->compiler->model->layer4[TLS_OPTIONS];

    tls->rows = pool_zalloc(tls->pool, (all->count + 1) * sizeof(*tls->rows));
    for (size_t i = 0; i < all->count; i++) {
        struct tls_options *options = (struct tls_options *)all->items[i];

        if (options->element.status != ELEMENT_DISABLED &&
            options_row(tls, options, &tls->rows[tls->count])) {
            tls->count++;
        }
    }
    if (layer4_find(tls->compiler->model, TLS_OPTIONS, DEFAULT) == NULL) {
        add_default(tls);
    }
}

static uint32_t options_number(const struct tls_compile *tls, struct slice name)
{
    for (size_t i = 0; i < tls->count; i++) {
        if (slice_eq(tls->rows[i].name, name)) {
            return (uint32_t)i;
        }
    }
    return TLS_OPTIONS_BROKEN;
}

/* ---- hosts ---- */
static void add_hosts(struct tls_compile *tls, const struct rule *rule, uint32_t entry_point,
                      uint32_t options)
{
    if (rule->op != RULE_PREDICATE) {
        add_hosts(tls, rule->left, entry_point, options);
        if (rule->right) {
            add_hosts(tls, rule->right, entry_point, options);
        }
        return;
    }
    if (rule->predicate != RULE_HOST && rule->predicate != RULE_HOST_SUFFIX) {
        return;
    }
    struct slice host =
        rule->predicate == RULE_HOST ? rule->value : pool_printf(tls->pool, "*%.*s", SLICE_ARG(rule->value));

    tls->hosts = pool_grow(tls->pool, tls->hosts, tls->host_count, &tls->host_capacity, sizeof(*tls->hosts));
    tls->hosts[tls->host_count++] =
        (struct tls_host){.host = host, .entry_point = entry_point, .options = options};
}

static void add_router(struct tls_compile *tls, const struct http_router *router)
{
    const struct slice *points = router->entry_points.items;

    if (router->config.tls == NULL || router->rule == NULL) {
        return;
    }
    for (size_t i = 0; i < router->entry_points.count; i++) {
        uint32_t number = entry_point_number(&tls->compiler->config->entry_points, points[i]);

        if (number != NUMBER_NONE) {
            add_hosts(tls, router->rule, number, options_number(tls, router->tls_options));
        }
    }
}

static int by_place(const void *a, const void *b)
{
    const struct tls_host *left = a, *right = b;

    if (left->entry_point != right->entry_point) {
        return left->entry_point < right->entry_point ? -1 : 1;
    }
    int order = slice_cmp(left->host, right->host);

    return order ? order : (left->options > right->options) - (left->options < right->options);
}

/* Routers agree about a host by now. */
static void hosts_unique(struct tls_compile *tls)
{
    size_t kept = 0;

    if (tls->host_count == 0) {
        return;
    }
    qsort(tls->hosts, tls->host_count, sizeof(*tls->hosts), by_place);
    for (size_t i = 1; i < tls->host_count; i++) {
        if (tls->hosts[i].entry_point != tls->hosts[kept].entry_point ||
            !slice_eq(tls->hosts[i].host, tls->hosts[kept].host)) {
            tls->hosts[++kept] = tls->hosts[i];
        }
    }
    tls->host_count = kept + 1;
}

/* ---- entry points ---- */
static void mark(uint8_t *marks, const uint32_t *entry_points, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        marks[entry_points[i]] = 1;
    }
}

/* Routers of HTTP and TCP: one of either that has no TLS serves plain clients. */
static uint8_t *find_tls_only(struct tls_compile *tls)
{
    const struct compiler *compiler = tls->compiler;
    size_t count = compiler->config->entry_points.count;
    uint8_t *only = pool_zalloc(tls->pool, count + 1), *plain = pool_zalloc(tls->pool, count + 1);

    for (size_t i = 0; i < compiler->plan_count; i++) {
        const struct plan *plan = &compiler->plans[i];
        const struct http_router *router = compiler->model->routers[plan->router];

        if (router->config.tls || !slice_eq(router->element.provider, SLICE("internal"))) {
            mark(router->config.tls ? only : plain, plan->entry_points, plan->entry_point_count);
        }
    }
    for (size_t i = 0; i < compiler->tcp_plan_count; i++) {
        const struct tcp_plan *plan = &compiler->tcp_plans[i];
        const struct tcp_router *router =
            (const struct tcp_router *)compiler->model->layer4[TCP_ROUTER].items[plan->router];

        mark(router->config.tls ? only : plain, plan->entry_points, plan->entry_point_count);
    }
    for (size_t i = 0; i < count; i++) {
        only[i] = only[i] && !plain[i];
    }
    return only;
}

uint64_t compile_tls_only_sum(struct compiler *compiler)
{
    struct tls_compile tls = {.compiler = compiler, .pool = compiler->pool};

    return hash_bytes(0, find_tls_only(&tls), compiler->config->entry_points.count);
}

struct page_builder *compile_tls(struct compiler *compiler, struct vault *vault)
{
    struct tls_compile tls = {.compiler = compiler, .pool = compiler->pool, .vault = vault};
    struct page_builder *builder = builder_new(PAGE_TLS);

    add_options(&tls);
    for (size_t i = 0; i < compiler->model->router_count; i++) {
        add_router(&tls, compiler->model->routers[i]);
    }
    hosts_unique(&tls);

    struct tls_options_input input = {
        .options = tls.rows,
        .option_count = tls.count,
        .hosts = tls.hosts,
        .host_count = tls.host_count,
        .fallback = options_number(&tls, DEFAULT),
        .tls_only = find_tls_only(&tls),
        .entry_point_count = compiler->config->entry_points.count,
    };

    tls_options_build(builder, &input);
    compiler->tls_options = tls.rows;
    compiler->tls_option_count = tls.count;
    return builder;
}
