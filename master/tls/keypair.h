/*
 * keypair.h - a certificate with its key out of PEM text: what workers need of it, checked once.
 *
 * Not here: where the text comes from and keeping what was read (vault.h).
 */
#ifndef WEIR_MASTER_TLS_KEYPAIR_H
#define WEIR_MASTER_TLS_KEYPAIR_H

#include <openssl/x509.h>

#include "common/base/error.h"
#include "common/base/pool.h"
#include "shm/secrets.h"
#include "shm/server_tls.h"

struct keypair {
    struct pool *pool; /* what the rest lies in; NULL: nothing was read */
    struct certificate_row row;
    struct list names;   /* struct slice: in lower case, each once; those of the certificate, its CN too */
    struct slice joined; /* these, sorted, with a comma between: Traefik's key of it */
};

/* The chain's first certificate must fit the key. On failure *out holds nothing; the text says what is wrong, never what
 * is in the key. */
int keypair_read(struct slice certificate, struct slice key, struct keypair *out, struct error *why);
/* The same from a certificate and a key that were made here. */
int keypair_wrap(X509 *certificate, EVP_PKEY *key, struct keypair *out, struct error *why);
void keypair_free(struct keypair *pair); /* NULL is fine */

/* All certificates of a PEM text as DER (struct slice) into the pool; at least one, or an error. */
int certificates_read(struct slice pem, struct pool *pool, struct list *out, struct error *why);
/* The same as struct authority. */
int authorities_read(struct slice pem, struct pool *pool, struct list *out, struct error *why);

#endif
