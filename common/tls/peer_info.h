/*
 * peer_info.h - what the certificates of a client say, as Traefik's passTLSClientCert writes it.
 *
 * Not here: where the certificates come from (worker/tls_peer.h), headers.
 */
#ifndef WEIR_COMMON_TLS_PEER_INFO_H
#define WEIR_COMMON_TLS_PEER_INFO_H

#include <openssl/ssl.h>

#include "common/base/text.h"

/* Parts of a name. */
enum peer_name {
    PEER_DOMAIN_COMPONENT = 1 << 0,
    PEER_COUNTRY = 1 << 1,
    PEER_PROVINCE = 1 << 2,
    PEER_LOCALITY = 1 << 3,
    PEER_ORGANIZATION = 1 << 4,
    PEER_ORGANIZATIONAL_UNIT = 1 << 5,
    PEER_SERIAL = 1 << 6,
    PEER_COMMON_NAME = 1 << 7,
};

/* What is told: parts of the subject in the lowest byte, those of the issuer in the next one. */
#define PEER_SUBJECT(parts) ((uint32_t)(parts))
#define PEER_ISSUER(parts) ((uint32_t)(parts) << 8)
#define PEER_NUMBER ((uint32_t)1 << 16)
#define PEER_NOT_BEFORE ((uint32_t)1 << 17)
#define PEER_NOT_AFTER ((uint32_t)1 << 18)
#define PEER_SANS ((uint32_t)1 << 19)

/* The certificates in base64, with commas between them. */
void peer_pem(const STACK_OF(CRYPTO_BUFFER) * chain, struct text *out);
/* Subject="..";Issuer="..";..., with commas between certificates; not escaped. What cannot be read is left out. */
void peer_info(const STACK_OF(CRYPTO_BUFFER) * chain, uint32_t wanted, struct text *out);

#endif
