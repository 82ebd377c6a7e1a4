/*
 * tls_inner.h - what context.c and session.c of common/tls share: the context's inside.
 */
#ifndef WEIR_COMMON_TLS_TLS_INNER_H
#define WEIR_COMMON_TLS_TLS_INNER_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "common/tls/tls.h"
#include "common/tls/tls_words.h"

struct tls_context {
    atomic_uint references;
    SSL_CTX *ssl;
    bool verify;
};

#endif
