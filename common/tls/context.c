/*
 * context.c - TLS contexts: authorities, own certificate, what is allowed; contract in tls.h.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/tls/tls_inner.h"

#define SYSTEM_AUTHORITIES "/etc/ssl/certs/ca-certificates.crt"

static int add_authorities(SSL_CTX *ssl, struct slice pem, struct error *why)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    BIO *bio = tls_memory(pem);
    X509 *certificate;
    unsigned count = 0;

    while (bio && (certificate = PEM_read_bio_X509(bio, NULL, tls_no_passphrase, NULL)) != NULL) {
        count += X509_STORE_add_cert(store, certificate) == 1;
        X509_free(certificate);
    }
    BIO_free(bio);
    if (!tls_at_end_of_pem()) {
        return error_set(why, -EINVAL, "certificate authority: malformed PEM (%s)", tls_error_words());
    }
    if (count == 0) {
        return error_set(why, -EINVAL,
                         "certificate authority: there is no certificate in it (PEM is expected)");
    }
    return 0;
}

static int add_system_authorities(SSL_CTX *ssl, struct error *why)
{
    const char *file = getenv("SSL_CERT_FILE");

    if (file == NULL || file[0] == '\0') {
        file = SYSTEM_AUTHORITIES;
    }
    if (SSL_CTX_load_verify_locations(ssl, file, NULL) != 1) {
        ERR_clear_error();
        return error_set(why, -ENOENT, "no certificate authority is given, and %s cannot be read", file);
    }
    return 0;
}

static int use_chain(SSL_CTX *ssl, struct slice pem, struct error *why)
{
    BIO *bio = tls_memory(pem);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, tls_no_passphrase, NULL) : NULL;
    bool good = certificate && SSL_CTX_use_certificate(ssl, certificate) == 1;

    X509_free(certificate);
    while (good && (certificate = PEM_read_bio_X509(bio, NULL, tls_no_passphrase, NULL)) != NULL) {
        good = SSL_CTX_add0_chain_cert(ssl, certificate) == 1; /* takes it over */
        if (!good) {
            X509_free(certificate);
        }
    }
    BIO_free(bio);
    if (!good || !tls_at_end_of_pem()) {
        return error_set(why, -EINVAL, "client certificate: malformed (%s; PEM is expected)",
                         tls_error_words());
    }
    return 0;
}

static int use_key(SSL_CTX *ssl, struct slice pem, struct error *why)
{
    BIO *bio = tls_memory(pem);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, tls_no_passphrase, NULL) : NULL;
    bool good = key && SSL_CTX_use_PrivateKey(ssl, key) == 1;

    EVP_PKEY_free(key);
    BIO_free(bio);
    if (!good) {
        return error_set(why, -EINVAL,
                         "client key: malformed, with a pass phrase, or not that of the certificate (%s)",
                         tls_error_words());
    }
    return 0;
}

static int fill(SSL_CTX *ssl, const struct tls_client_options *options, struct error *why)
{
    int rc = 0;

    if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1) {
        return error_set(why, -EINVAL, "TLS 1.2 is not to be had");
    }
    if (!options->insecure) {
        /* An authority that is itself signed by another one is trusted as it stands, as Go does. */
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ssl), X509_V_FLAG_PARTIAL_CHAIN);
        SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
        rc = options->ca.len ? add_authorities(ssl, options->ca, why) : add_system_authorities(ssl, why);
    }
    if (rc == 0 && options->h2 && SSL_CTX_set_alpn_protos(ssl, (const uint8_t *)"\002h2", 3) != 0) {
        rc = error_set(why, -ENOMEM, "HTTP/2 cannot be offered");
    }
    if (rc == 0 && (options->certificate.len == 0) != (options->key.len == 0)) {
        rc = error_set(why, -EINVAL, "client certificate and client key go together: one of them is missing");
    }
    if (rc == 0 && options->certificate.len) {
        rc = use_chain(ssl, options->certificate, why);
        if (rc == 0) {
            rc = use_key(ssl, options->key, why);
        }
    }
    return rc;
}

int tls_context_client(const struct tls_client_options *options, struct tls_context **out, struct error *why)
{
    SSL_CTX *ssl = SSL_CTX_new(TLS_client_method());
    int rc;

    if (ssl == NULL) {
        return error_set(why, -ENOMEM, "cannot make a TLS context: %s", tls_error_words());
    }
    rc = fill(ssl, options, why);
    ERR_clear_error();
    if (rc < 0) {
        SSL_CTX_free(ssl);
        return rc;
    }

    struct tls_context *context = xcalloc(1, sizeof(*context));

    atomic_init(&context->references, 1);
    context->ssl = ssl;
    context->verify = !options->insecure;
    *out = context;
    return 0;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    if (context && atomic_fetch_sub_explicit(&context->references, 1, memory_order_acq_rel) == 1) {
        SSL_CTX_free(context->ssl);
        free(context);
    }
}
