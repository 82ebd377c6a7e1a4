/*
 * library.h - Go's names of cipher suites and curves in the words of the BoringSSL that is linked.
 *
 * Debian's BoringSSL lacks some that a full build has. Names that nobody knows are an error of the object, told by
 * master/resolve/tls.c; here everything is known by name.
 */
#ifndef WEIR_MASTER_TLS_LIBRARY_H
#define WEIR_MASTER_TLS_LIBRARY_H

#include "common/base/pool.h"
#include "common/schema/schema.h"

struct tls_names {
    struct slice text;    /* "A:B:C" for BoringSSL; empty: none of them is to be had */
    struct slice missing; /* the first that this BoringSSL lacks, in Go's words; empty: it has all */
};

/* Of TLS 1.2 and below, in the order in which Go chooses; those of 1.3 cannot be chosen and are passed over.
 * names: struct slice. */
struct tls_names tls_ciphers(struct pool *pool, const struct list *names);
struct tls_names tls_curves(struct pool *pool, const struct list *names);
/* The first name that is none of a cipher suite; NULL: all are. */
const struct slice *tls_ciphers_unknown(const struct list *names);
/* When the user names none: as Go chooses. */
struct slice tls_ciphers_default(void);
/* Which numbers of TLS_ECDSA_CIPHERS (shm/tls_options.h) such a text has: bit i for the i-th. */
uint8_t tls_ciphers_ecdsa(struct slice text);
struct slice tls_curves_default(struct pool *pool);

#endif
