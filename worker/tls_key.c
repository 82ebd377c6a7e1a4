/*
 * tls_key.c - certificates with their keys out of the secrets page, for either side of a connection.
 *
 * Keys are used through BoringSSL's private-key method alone: a process of their own may hold them one day.
 */
#include <openssl/pool.h>
#include <openssl/rsa.h>

#include "worker/tls_inner.h"

#define CHAIN_MOST 16

static EVP_PKEY *key_of(SSL *ssl)
{
    const struct conn *conn = BIO_get_data(SSL_get_rbio(ssl));

    return conn->tls->live ? conn->tls->live->key : conn->tls->meeting->key;
}

static enum ssl_private_key_result_t key_sign(SSL *ssl, uint8_t *out, size_t *out_len, size_t max_out,
                                              uint16_t algorithm, const uint8_t *in, size_t in_len)
{
    EVP_MD_CTX digest;
    EVP_PKEY_CTX *options;
    size_t len = max_out;

    EVP_MD_CTX_init(&digest);

    bool good = EVP_DigestSignInit(&digest, &options, SSL_get_signature_algorithm_digest(algorithm), NULL,
                                   key_of(ssl)) == 1;

    if (good && SSL_is_signature_algorithm_rsa_pss(algorithm)) {
        good = EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(options, -1) == 1;
    }
    good = good && EVP_DigestSign(&digest, out, &len, in, in_len) == 1;
    EVP_MD_CTX_cleanup(&digest);
    *out_len = len;
    return good ? ssl_private_key_success : ssl_private_key_failure;
}

/* TLS 1.2 without a key exchange of its own, when the options allow that. */
static enum ssl_private_key_result_t key_decrypt(SSL *ssl, uint8_t *out, size_t *out_len, size_t max_out,
                                                 const uint8_t *in, size_t in_len)
{
    RSA *rsa = EVP_PKEY_get0_RSA(key_of(ssl));

    return rsa && RSA_decrypt(rsa, out_len, out, max_out, in, in_len, RSA_NO_PADDING) == 1
               ? ssl_private_key_success
               : ssl_private_key_failure;
}

static enum ssl_private_key_result_t key_complete(SSL *ssl, uint8_t *out, size_t *out_len, size_t max_out)
{
    (void)ssl;
    (void)out;
    (void)out_len;
    (void)max_out;
    return ssl_private_key_failure; /* the two above are done at once */
}

static const SSL_PRIVATE_KEY_METHOD key_method = {
    .sign = key_sign,
    .decrypt = key_decrypt,
    .complete = key_complete,
};

bool tls_chain_set(const struct page *page, const struct certificate_row *row, SSL_CTX *context, SSL *ssl,
                   EVP_PKEY **out)
{
    const struct slice *chain = page_at(page, row->chain.items);
    struct slice key = page_text(page, row->key);
    CRYPTO_BUFFER *buffers[CHAIN_MOST];
    size_t count = row->chain.count < CHAIN_MOST ? row->chain.count : CHAIN_MOST;
    bool good = true;
    CBS cbs;

    for (size_t i = 0; i < count; i++) {
        struct slice der = page_text(page, chain[i]);

        buffers[i] = CRYPTO_BUFFER_new((const uint8_t *)der.ptr, der.len, NULL);
        good = good && buffers[i] != NULL;
    }
    CBS_init(&cbs, (const uint8_t *)key.ptr, key.len);
    *out = EVP_parse_private_key(&cbs);
    good = good && *out &&
           (context ? SSL_CTX_set_chain_and_key(context, buffers, count, NULL, &key_method)
                    : SSL_set_chain_and_key(ssl, buffers, count, NULL, &key_method)) == 1;
    for (size_t i = 0; i < count; i++) {
        CRYPTO_BUFFER_free(buffers[i]);
    }
    return good;
}
