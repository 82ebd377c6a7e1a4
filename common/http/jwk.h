/*
 * jwk.h - keys that tokens are verified with: of PEM texts and of key sets (RFC 7517), with the algorithms that each is for.
 */
#ifndef WEIR_COMMON_HTTP_JWK_H
#define WEIR_COMMON_HTTP_JWK_H

#include "common/http/jwt.h"

#define JWK_KEYS_MOST 256

struct jwk {
    struct slice kid;
    bool any_kid;        /* the token's kid does not matter */
    uint32_t algorithms; /* JWT_BIT()s */
    struct slice
        material; /* bytes of a secret, when it is for some of JWT_HS; else SubjectPublicKeyInfo in DER */
};

/* A public key or a certificate. *out lies in the pool. */
int jwk_read_pem(struct pool *pool, struct slice pem, struct jwk *out, struct error *why);
/* {"keys": [...]}, in the pool. Keys of other uses, kinds and algorithms are passed over; one that is broken is an error, and
 * so is a set without any key left. */
int jwk_read_set(struct pool *pool, struct slice name, struct slice json, struct jwk **out, size_t *count,
                 struct error *why);

/* One key as bytes that workers read without parsing; identity: a hash of what it verifies with. */
struct slice jwk_pack(struct pool *pool, const struct jwk *key);
struct jwk_packed {
    uint64_t identity;
    uint32_t algorithms;
    bool any_kid;
    struct slice material;
};
bool jwk_unpack(struct slice bytes, struct jwk_packed *out);

#endif
