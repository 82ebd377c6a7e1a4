/*
 * prepare_asked.c - what the master asks of other servers for a middleware (master/tls/learned.h): TLS, and what tells one way of
 * asking from another.
 */
#include <inttypes.h>
#include <openssl/sha.h>

#include "master/resolve/prepare.h"
#include "master/tls/vault.h"

/* One of the texts of a client's tls. */
static bool tls_text(struct preparation *at, const char *option, const char *name, struct slice text,
                     struct slice *out)
{
    struct error why;

    if (text.len && vault_text(at->resolver->vault, text, at->pool, out, &why) < 0) {
        prepare_wrong(at, "%s.%s: %s", option, name, why.text);
        return false;
    }
    return true;
}

bool prepare_client_tls(struct preparation *at, const char *option, const struct client_tls *from,
                        struct tls_client_options *out)
{
    struct tls_context *tried = NULL;
    struct error why;

    out->insecure = from->insecure_skip_verify;
    if ((from->cert.len > 0) != (from->key.len > 0)) {
        prepare_wrong(at, "%s: cert and key need each other", option);
        return false;
    }
    if (!tls_text(at, option, "ca", from->ca, &out->ca) ||
        !tls_text(at, option, "cert", from->cert, &out->certificate) ||
        !tls_text(at, option, "key", from->key, &out->key)) {
        return false;
    }
    if ((out->ca.len || out->certificate.len) && tls_context_client(out, &tried, &why) < 0) {
        prepare_wrong(at, "%s: %s", option, why.text);
        return false;
    }
    tls_context_unref(tried);
    return true;
}

/* What tells one way from another, whoever writes them: no fast hash. */
struct slice prepare_way_key(struct preparation *at, struct slice url, const struct client_tls *tls,
                             struct slice username, struct slice password)
{
    static const struct client_tls none = {.ca = {NULL, 0}};
    const struct client_tls *as = tls ? tls : &none;
    const struct slice texts[] = {as->ca, as->cert, as->key, username, password};
    uint64_t digest[SHA256_DIGEST_LENGTH / sizeof(uint64_t)];
    SHA256_CTX sum;

    SHA256_Init(&sum);
    SHA256_Update(&sum, &as->insecure_skip_verify, sizeof(as->insecure_skip_verify));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        SHA256_Update(&sum, &texts[i].len, sizeof(texts[i].len));
        SHA256_Update(&sum, texts[i].ptr, texts[i].len);
    }
    SHA256_Final((uint8_t *)digest, &sum);
    return pool_printf(at->pool, "%.*s\n%016" PRIx64 "%016" PRIx64, SLICE_ARG(url), digest[0], digest[1]);
}
