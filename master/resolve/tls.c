/*
 * tls.c - which TLS options and certificates make sense, by what is written; and what routers that name options get.
 *
 * Error texts that Traefik has too are worded as there: they are seen in the API. Not here: what is in the files that
 * certificates name (nothing reads them yet).
 */
#include "master/resolve/resolver.h"
#include "master/tls/library.h"

#define NOTHING ((struct slice){NULL, 0})
#define DEFAULT SLICE("default")

static const char *const versions[] = {"VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13", NULL};

static const char *const curves[] = {"secp256r1",
                                     "CurveP256",
                                     "secp384r1",
                                     "CurveP384",
                                     "secp521r1",
                                     "CurveP521",
                                     "x25519",
                                     "X25519",
                                     "x25519mlkem768",
                                     "X25519MLKEM768",
                                     "secp256r1mlkem768",
                                     "SecP256r1MLKEM768",
                                     "secp384r1mlkem1024",
                                     "SecP384r1MLKEM1024",
                                     NULL};

static bool among(const char *const *names, struct slice name)
{
    for (size_t i = 0; names[i]; i++) {
        if (slice_eq(name, slice_cstr(names[i]))) {
            return true;
        }
    }
    return false;
}

static const struct slice *first_unknown(const char *const *names, const struct list *list)
{
    const struct slice *items = list->items;

    for (size_t i = 0; i < list->count; i++) {
        if (!among(names, items[i])) {
            return &items[i];
        }
    }
    return NULL;
}

static void version_check(struct resolver *resolver, struct tls_options *options, const char *key,
                          struct slice version)
{
    if (version.len && !among(versions, version)) {
        element_error(resolver->model, &options->element, false,
                      "%s \"%.*s\" is passed over: VersionTLS10, VersionTLS11, VersionTLS12 and VersionTLS13 "
                      "are known",
                      key, SLICE_ARG(version));
    }
}

static void options_check(struct resolver *resolver, struct tls_options *options)
{
    const struct tls_options_config *config = &options->config;
    const struct tls_client_auth *auth = &config->client_auth;
    const struct slice *unknown;

    version_check(resolver, options, "minVersion", config->min_version);
    version_check(resolver, options, "maxVersion", config->max_version);
    if (auth->ca_files.count == 0 && (slice_eq(auth->type, SLICE("VerifyClientCertIfGiven")) ||
                                      slice_eq(auth->type, SLICE("RequireAndVerifyClientCert")))) {
        element_error(resolver->model, &options->element, true,
                      "building TLS config: invalid clientAuthType: %.*s, CAFiles is required",
                      SLICE_ARG(auth->type));
    }
    if ((unknown = tls_ciphers_unknown(&config->cipher_suites)) != NULL) {
        element_error(resolver->model, &options->element, true,
                      "building TLS config: invalid CipherSuite: %.*s", SLICE_ARG(*unknown));
    }
    if ((unknown = first_unknown(curves, &config->curve_preferences)) != NULL) {
        element_error(resolver->model, &options->element, true,
                      "building TLS config: invalid CurveID in curvePreferences: %.*s", SLICE_ARG(*unknown));
    }
}

static void certificate_check(struct resolver *resolver, struct tls_keypair *certificate)
{
    if (certificate->element.status == ELEMENT_DISABLED) {
        return;
    }
    if (certificate->config.cert_file.len == 0) {
        element_error(resolver->model, &certificate->element, true, "certFile is missing");
    }
    if (certificate->config.key_file.len == 0) {
        element_error(resolver->model, &certificate->element, true, "keyFile is missing");
    }
}

static void store_check(struct resolver *resolver, struct tls_store *store)
{
    const struct tls_certificate_file *pair = store->config.default_certificate;

    if (pair && (pair->cert_file.len == 0 || pair->key_file.len == 0)) {
        element_error(resolver->model, &store->element, true, "defaultCertificate.%s is missing",
                      pair->cert_file.len ? "keyFile" : "certFile");
    }
}

struct slice tls_options_name(struct pool *pool, struct slice name, struct slice provider)
{
    return name.len == 0 || slice_eq(name, DEFAULT) ? DEFAULT : qualified(pool, name, provider);
}

struct slice tls_options_use(struct resolver *resolver, struct slice name, struct slice provider)
{
    struct pool *pool = resolver->model->pool;
    struct slice full = tls_options_name(pool, name, provider);
    const struct tls_options *options = layer4_find(resolver->model, TLS_OPTIONS, full);

    if (options == NULL && slice_eq(full, DEFAULT)) {
        return NOTHING; /* those of the house */
    }
    if (options == NULL) {
        return pool_printf(pool, "unknown TLS options: %.*s", SLICE_ARG(full));
    }
    return options->element.status == ELEMENT_DISABLED ? errors_joined(pool, &options->element) : NOTHING;
}

void tls_check_all(struct resolver *resolver)
{
    const struct layer4_objects *all = resolver->model->layer4;

    for (size_t i = 0; i < all[TLS_OPTIONS].count; i++) {
        options_check(resolver, (struct tls_options *)all[TLS_OPTIONS].items[i]);
    }
    for (size_t i = 0; i < all[TLS_CERTIFICATE].count; i++) {
        certificate_check(resolver, (struct tls_keypair *)all[TLS_CERTIFICATE].items[i]);
    }
    for (size_t i = 0; i < all[TLS_STORE].count; i++) {
        store_check(resolver, (struct tls_store *)all[TLS_STORE].items[i]);
    }
}
