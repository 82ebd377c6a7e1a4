/*
 * jwt.h - JSON Web Tokens (RFC 7515, 7519): what one says, and whether a key signed it.
 *
 * A key is bound to algorithms: what the token says of its algorithm only chooses among those. `none` is no algorithm. Base64url
 * and JSON are read strictly. Not here: key sets (jwk.h), which claims must hold (worker/middleware/jwt.c).
 */
#ifndef WEIR_COMMON_HTTP_JWT_H
#define WEIR_COMMON_HTTP_JWT_H

#include <openssl/evp.h>

#include "common/doc/doc.h"

#define JWT_MOST 16384       /* bytes of a token */
#define JWT_HEADER_MOST 4096 /* of its header: that is read before anything is verified */

#define JWT_ALGORITHMS(ALGORITHM)                                                                            \
    ALGORITHM(HS256)                                                                                         \
    ALGORITHM(HS384)                                                                                         \
    ALGORITHM(HS512)                                                                                         \
    ALGORITHM(RS256)                                                                                         \
    ALGORITHM(RS384)                                                                                         \
    ALGORITHM(RS512)                                                                                         \
    ALGORITHM(PS256)                                                                                         \
    ALGORITHM(PS384)                                                                                         \
    ALGORITHM(PS512)                                                                                         \
    ALGORITHM(ES256)                                                                                         \
    ALGORITHM(ES384)                                                                                         \
    ALGORITHM(ES512)                                                                                         \
    ALGORITHM(EdDSA)

enum jwt_algorithm {
#define ALGORITHM(name) JWT_##name,
    JWT_ALGORITHMS(ALGORITHM)
#undef ALGORITHM
        JWT_ALGORITHM_COUNT
};
#define JWT_BIT(name) (1u << JWT_##name)
#define JWT_HS (JWT_BIT(HS256) | JWT_BIT(HS384) | JWT_BIT(HS512))
#define JWT_RSA                                                                                              \
    (JWT_BIT(RS256) | JWT_BIT(RS384) | JWT_BIT(RS512) | JWT_BIT(PS256) | JWT_BIT(PS384) | JWT_BIT(PS512))

/* False: there is none of that name. */
bool jwt_algorithm_of(struct slice name, enum jwt_algorithm *out);

struct jwt_token {
    enum jwt_algorithm algorithm;
    bool has_kid;
    struct slice kid;
    struct slice signed_part, signature; /* the latter decoded */
    struct slice payload;                /* still in base64url */
};

/* Splits a token and reads its header. False: it is none, or none that may be believed (crit). Texts lie in the token or in the
 * pool. */
bool jwt_read(struct pool *pool, struct slice text, struct jwt_token *out);
/* The claims, a DOC_MAP; NULL when they are none. To be asked for when the signature is good. */
struct doc *jwt_claims(struct pool *pool, const struct jwt_token *token);

/* secret: of one of JWT_HS. */
bool jwt_verify_secret(const struct jwt_token *token, struct slice secret);
/* key: of one of the others; false when it is none for the token's algorithm. */
bool jwt_verify_key(const struct jwt_token *token, EVP_PKEY *key);

/* Unpadded, no other characters, no stray bits at the end. */
bool base64url_decode(struct pool *pool, struct slice text, struct slice *out);

#endif
