/*
 * tls_inner.h - what context.c and session.c of common/tls share: the context's inside and words for errors.
 */
#ifndef WEIR_COMMON_TLS_TLS_INNER_H
#define WEIR_COMMON_TLS_TLS_INNER_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "common/tls/tls.h"

struct tls_context {
    atomic_uint references;
    SSL_CTX *ssl;
    bool verify;
};

/* The newest word of BoringSSL's error queue, which is emptied. A static text or one of the thread's. */
const char *tls_error_words(void);

#endif
