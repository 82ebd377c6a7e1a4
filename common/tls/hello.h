/*
 * hello.h - looks at the beginning of a connection without consuming it: is it TLS, and what does the client ask for?
 *
 * Reads the ClientHello (RFC 8446 4.1.2) out of the first records, however it was cut into them. Everything found points into
 * the bytes that were given, or into the scratch that put the records together. What the handshake itself needs of it
 * BoringSSL reads again; here it is for choosing: which router (TCP), which options, which certificate.
 *
 * Not here: reading from a socket, waiting (worker/tls_accept.c).
 */
#ifndef WEIR_COMMON_TLS_HELLO_H
#define WEIR_COMMON_TLS_HELLO_H

#include <stdint.h>

#include "common/base/slice.h"

/* A ClientHello may have as many bytes; BoringSSL takes no more either. */
#define TLS_HELLO_MOST 16384

struct tls_hello {
    struct slice server_name; /* as sent, not checked: any bytes but NUL; empty: none */
    struct slice alpn;        /* as on the wire: length, name, length, name ...; empty: none */
    struct slice ciphers;     /* two bytes each */
    struct slice versions;    /* supported_versions, two bytes each; empty: up to TLS 1.2 */
    struct slice signatures;  /* signature_algorithms, two bytes each; empty: not sent */
    struct slice curves;      /* supported_groups, two bytes each */
};

enum tls_hello_result {
    TLS_HELLO_DONE,
    TLS_HELLO_MORE,  /* not all of it is there */
    TLS_HELLO_PLAIN, /* the first bytes are not those of TLS */
    TLS_HELLO_BAD    /* it is TLS, or tries to look so, and cannot be understood, or is too long */
};

/* scratch: TLS_HELLO_MOST bytes, for a hello that comes in several records. */
enum tls_hello_result tls_hello_read(struct slice bytes, char *scratch, struct tls_hello *hello);

/* Takes the next two-byte number off a list of them; false at its end. */
bool tls_hello_next(struct slice *list, uint16_t *number);
bool tls_hello_lists(struct slice list, uint16_t number);
/* Whether the ALPN list offers a protocol. */
bool tls_hello_offers(const struct tls_hello *hello, struct slice protocol);

#endif
