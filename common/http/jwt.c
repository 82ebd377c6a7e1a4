/*
 * jwt.c - see jwt.h.
 */
#include "common/http/jwt.h"

#include <openssl/bn.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/rsa.h>

/* ---- base64url ---- */
static int digit_of(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '-'             ? 62
           : c == '_'             ? 63
                                  : -1;
}

bool base64url_decode(struct pool *pool, struct slice text, struct slice *out)
{
    uint8_t *bytes;
    size_t len = 0;
    uint32_t bits = 0;
    unsigned held = 0;

    if (text.len % 4 == 1) {
        return false;
    }
    bytes = pool_try_alloc(pool, text.len / 4 * 3 + 3);
    if (bytes == NULL) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_of(text.ptr[i]);

        if (digit < 0) {
            return false;
        }
        bits = (bits << 6 | (uint32_t)digit) & 0xffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            bytes[len++] = (uint8_t)(bits >> held);
        }
    }
    if (bits & ((1u << held) - 1)) {
        return false;
    }
    *out = slice_of((const char *)bytes, len);
    return true;
}

/* ---- reading ---- */
bool jwt_algorithm_of(struct slice name, enum jwt_algorithm *out)
{
    static const struct slice names[] = {
#define ALGORITHM(name) SLICE_INIT(#name),
        JWT_ALGORITHMS(ALGORITHM)
#undef ALGORITHM
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (slice_eq(names[i], name)) {
            *out = (enum jwt_algorithm)i;
            return true;
        }
    }
    return false;
}

static struct doc *read_json(struct pool *pool, struct slice coded)
{
    struct slice json;
    struct doc *doc;
    struct error why;

    if (!base64url_decode(pool, coded, &json) || doc_read_json(pool, SLICE("token"), json, &doc, &why) < 0) {
        return NULL;
    }
    return doc->kind == DOC_MAP ? doc : NULL;
}

static bool read_header(struct pool *pool, struct slice coded, struct jwt_token *out)
{
    const struct doc *header = read_json(pool, coded), *algorithm = doc_get(header, "alg");
    const struct doc *kid = doc_get(header, "kid");

    if (algorithm == NULL || algorithm->kind != DOC_STRING || doc_get(header, "crit") ||
        !jwt_algorithm_of(algorithm->text, &out->algorithm) || (kid && kid->kind != DOC_STRING)) {
        return false;
    }
    out->has_kid = kid != NULL;
    out->kid = kid ? kid->text : slice_of(NULL, 0);
    return true;
}

bool jwt_read(struct pool *pool, struct slice text, struct jwt_token *out)
{
    struct slice rest = text, header, signature;

    if (text.len > JWT_MOST) {
        return false;
    }
    header = slice_split(&rest, '.');
    if (rest.ptr == NULL || header.len > JWT_HEADER_MOST) {
        return false;
    }
    out->payload = slice_split(&rest, '.');
    if (rest.ptr == NULL || slice_find(rest, '.') >= 0) {
        return false;
    }
    signature = rest;
    out->signed_part = slice_head(text, text.len - signature.len - 1);
    return signature.len && base64url_decode(pool, signature, &out->signature) &&
           read_header(pool, header, out);
}

struct doc *jwt_claims(struct pool *pool, const struct jwt_token *token)
{
    return read_json(pool, token->payload);
}

/* ---- signatures ---- */
static const EVP_MD *hash_of(enum jwt_algorithm algorithm)
{
    switch (algorithm) {
    case JWT_HS256:
    case JWT_RS256:
    case JWT_PS256:
    case JWT_ES256:
        return EVP_sha256();
    case JWT_HS384:
    case JWT_RS384:
    case JWT_PS384:
    case JWT_ES384:
        return EVP_sha384();
    case JWT_HS512:
    case JWT_RS512:
    case JWT_PS512:
    case JWT_ES512:
        return EVP_sha512();
    case JWT_EdDSA:
    case JWT_ALGORITHM_COUNT:
        break;
    }
    return NULL;
}

static const uint8_t *bytes_of(struct slice text)
{
    return (const uint8_t *)text.ptr;
}

bool jwt_verify_secret(const struct jwt_token *token, struct slice secret)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (!((1u << token->algorithm) & JWT_HS) ||
        !HMAC(hash_of(token->algorithm), secret.ptr, secret.len, bytes_of(token->signed_part),
              token->signed_part.len, digest, &len)) {
        return false;
    }
    return len == token->signature.len && CRYPTO_memcmp(digest, token->signature.ptr, len) == 0;
}

/* r and s side by side, each as long as the curve's order. */
static bool verify_ecdsa(const struct jwt_token *token, EVP_PKEY *key)
{
    static const struct {
        enum jwt_algorithm algorithm;
        int curve;
        size_t size;
    } curves[] = {{JWT_ES256, NID_X9_62_prime256v1, 32},
                  {JWT_ES384, NID_secp384r1, 48},
                  {JWT_ES512, NID_secp521r1, 66}};
    const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key);
    const uint8_t *bytes = bytes_of(token->signature);
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len;
    bool good = false;

    for (size_t i = 0; ec && i < ARRAY_LEN(curves); i++) {
        if (curves[i].algorithm != token->algorithm || token->signature.len != 2 * curves[i].size ||
            EC_GROUP_get_curve_name(EC_KEY_get0_group(ec)) != curves[i].curve ||
            !EVP_Digest(token->signed_part.ptr, token->signed_part.len, digest, &len,
                        hash_of(token->algorithm), NULL)) {
            continue;
        }

        ECDSA_SIG *signature = ECDSA_SIG_new();
        BIGNUM *r = BN_bin2bn(bytes, curves[i].size, NULL),
               *s = BN_bin2bn(bytes + curves[i].size, curves[i].size, NULL);

        if (signature && r && s && ECDSA_SIG_set0(signature, r, s)) {
            r = s = NULL;
            good = ECDSA_do_verify(digest, len, signature, ec) == 1;
        }
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(signature);
    }
    return good;
}

static bool verify_digest(const struct jwt_token *token, EVP_PKEY *key)
{
    bool pss = (1u << token->algorithm) & (JWT_BIT(PS256) | JWT_BIT(PS384) | JWT_BIT(PS512));
    EVP_MD_CTX context;
    EVP_PKEY_CTX *options;
    bool good;

    EVP_MD_CTX_init(&context);
    good = EVP_DigestVerifyInit(&context, &options, hash_of(token->algorithm), NULL, key) == 1 &&
           (!pss || (EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
                     EVP_PKEY_CTX_set_rsa_pss_saltlen(options, -1) == 1)) &&
           EVP_DigestVerify(&context, bytes_of(token->signature), token->signature.len,
                            bytes_of(token->signed_part), token->signed_part.len) == 1;
    EVP_MD_CTX_cleanup(&context);
    return good;
}

bool jwt_verify_key(const struct jwt_token *token, EVP_PKEY *key)
{
    unsigned bit = 1u << token->algorithm;
    bool good = false;

    switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_RSA:
        good = (bit & JWT_RSA) && verify_digest(token, key);
        break;
    case EVP_PKEY_ED25519:
        good = token->algorithm == JWT_EdDSA && verify_digest(token, key);
        break;
    case EVP_PKEY_EC:
        good = verify_ecdsa(token, key);
        break;
    default:
        break;
    }
    ERR_clear_error();
    return good;
}
