/*
 * tls_ticket.c - session tickets: sealed with AES-256-GCM under the newest key of the secrets page, opened with any of them.
 *
 * A ticket is the name of its key, a nonce, the sealed session. All workers of all generations have the same keys, so a session
 * that one has begun goes on with any other.
 */
#include <openssl/aead.h>
#include <openssl/rand.h>

#include "worker/tls_inner.h"

#define NONCE_SIZE 12
#define TAG_SIZE 16
#define OVERHEAD (TICKET_NAME_SIZE + NONCE_SIZE + TAG_SIZE)

static struct tls_worker *worker_of(SSL *ssl)
{
    const struct conn *conn = BIO_get_data(SSL_get_rbio(ssl));

    return conn->worker->tls;
}

static size_t max_overhead(SSL *ssl)
{
    (void)ssl;
    return OVERHEAD;
}

static int seal(SSL *ssl, uint8_t *out, size_t *out_len, size_t max_out_len, const uint8_t *in, size_t in_len)
{
    const struct tls_worker *tls = worker_of(ssl);
    const struct ticket_cipher *cipher = &tls->tickets[0];
    uint8_t *nonce = out + TICKET_NAME_SIZE, *sealed = nonce + NONCE_SIZE;
    size_t len;

    if (tls->ticket_count == 0 || max_out_len < in_len + OVERHEAD) {
        return 0;
    }
    memmove(sealed, in, in_len); /* it may be the same place */
    memcpy(out, cipher->name, TICKET_NAME_SIZE);
    RAND_bytes(nonce, NONCE_SIZE);
    if (EVP_AEAD_CTX_seal(&cipher->aead, sealed, &len, max_out_len - TICKET_NAME_SIZE - NONCE_SIZE, nonce,
                          NONCE_SIZE, sealed, in_len, NULL, 0) != 1) {
        return 0;
    }
    *out_len = TICKET_NAME_SIZE + NONCE_SIZE + len;
    return 1;
}

static enum ssl_ticket_aead_result_t open_ticket(SSL *ssl, uint8_t *out, size_t *out_len, size_t max_out_len,
                                                 const uint8_t *in, size_t in_len)
{
    const struct tls_worker *tls = worker_of(ssl);
    const uint8_t *nonce = in + TICKET_NAME_SIZE, *sealed = nonce + NONCE_SIZE;

    if (in_len < OVERHEAD) {
        return ssl_ticket_aead_ignore_ticket;
    }
    for (size_t i = 0; i < tls->ticket_count; i++) {
        const struct ticket_cipher *cipher = &tls->tickets[i];

        if (memcmp(cipher->name, in, TICKET_NAME_SIZE) == 0 &&
            EVP_AEAD_CTX_open(&cipher->aead, out, out_len, max_out_len, nonce, NONCE_SIZE, sealed,
                              in_len - TICKET_NAME_SIZE - NONCE_SIZE, NULL, 0) == 1) {
            return ssl_ticket_aead_success;
        }
    }
    return ssl_ticket_aead_ignore_ticket;
}

const SSL_TICKET_AEAD_METHOD tls_ticket_method = {
    .max_overhead = max_overhead,
    .seal = seal,
    .open = open_ticket,
};

void tls_tickets_set(struct tls_worker *tls, const struct page *secrets)
{
    const struct ticket_key *keys = NULL;
    size_t count = 0;

    if (secrets) {
        keys = tickets_at(secrets, &count);
    }
    for (size_t i = 0; i < tls->ticket_count; i++) {
        EVP_AEAD_CTX_cleanup(&tls->tickets[i].aead);
    }
    tls->ticket_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct ticket_cipher *cipher = &tls->tickets[tls->ticket_count];

        memcpy(cipher->name, keys[i].name, sizeof(cipher->name));
        tls->ticket_count += EVP_AEAD_CTX_init(&cipher->aead, EVP_aead_aes_256_gcm(), keys[i].key,
                                               TICKET_KEY_SIZE, TAG_SIZE, NULL) == 1;
    }
}
