/*
 * jwk.c - see jwk.h. Messages name a key by its place and kid, never by its content.
 */
#include "common/http/jwk.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#define RSA_LEAST 2048 /* bits */
#define RSA_MOST 8192
#define PACKED_HEAD 16

/* ---- what a key is for ---- */
static uint32_t algorithms_of(const EVP_PKEY *key, struct error *why)
{
    int bits = EVP_PKEY_bits(key);

    switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_RSA:
        if (bits < RSA_LEAST || bits > RSA_MOST) {
            error_set(why, -EINVAL, "an RSA key of %d bits: %d to %d are taken", bits, RSA_LEAST, RSA_MOST);
            return 0;
        }
        return JWT_RSA;
    case EVP_PKEY_ED25519:
        return JWT_BIT(EdDSA);
    case EVP_PKEY_EC:
        switch (EC_GROUP_get_curve_name(EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key)))) {
        case NID_X9_62_prime256v1:
            return JWT_BIT(ES256);
        case NID_secp384r1:
            return JWT_BIT(ES384);
        case NID_secp521r1:
            return JWT_BIT(ES512);
        default:
            break;
        }
        break;
    default:
        break;
    }
    error_set(why, -EINVAL, "a key of a kind that signs no tokens: RSA, P-256, P-384, P-521, Ed25519 do");
    return 0;
}

/* Takes the key over. */
static int take_key(struct pool *pool, EVP_PKEY *key, struct jwk *out, struct error *why)
{
    uint8_t *der = NULL;
    size_t len = 0;
    CBB cbb;

    out->algorithms = algorithms_of(key, why);
    if (out->algorithms && CBB_init(&cbb, 512)) {
        if (EVP_marshal_public_key(&cbb, key) && CBB_finish(&cbb, &der, &len)) {
            out->material = pool_copy(pool, slice_of((const char *)der, len));
        } else {
            CBB_cleanup(&cbb);
            error_set(why, -EINVAL, "the key cannot be used");
        }
    }
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    return len ? 0 : -EINVAL;
}

/* ---- PEM ---- */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
    (void)buffer, (void)size, (void)writing, (void)context;
    return 0;
}

int jwk_read_pem(struct pool *pool, struct slice pem, struct jwk *out, struct error *why)
{
    BIO *bio = pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
    EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL) : NULL;

    BIO_free(bio);
    if (key == NULL) {
        BIO *again = pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
        X509 *certificate = again ? PEM_read_bio_X509(again, NULL, no_passphrase, NULL) : NULL;

        key = certificate ? X509_get_pubkey(certificate) : NULL;
        X509_free(certificate);
        BIO_free(again);
    }
    ERR_clear_error();
    if (key == NULL) {
        return error_set(why, -EINVAL,
                         "it holds no public key (-----BEGIN PUBLIC KEY-----) and no certificate");
    }
    *out = (struct jwk){.any_kid = true};
    return take_key(pool, key, out, why);
}

/* ---- key sets ---- */
struct reading {
    struct pool *pool;
    const struct doc *node;
    struct error *why;
};

static BIGNUM *number(const struct reading *at, const char *name)
{
    struct slice bytes;

    if (!base64url_decode(at->pool, doc_text(doc_get(at->node, name), SLICE("")), &bytes) || bytes.len == 0) {
        error_set(at->why, -EINVAL, "%s is missing, or no base64url", name);
        return NULL;
    }
    return BN_bin2bn((const uint8_t *)bytes.ptr, bytes.len, NULL);
}

static EVP_PKEY *read_rsa(const struct reading *at)
{
    BIGNUM *n = number(at, "n"), *e = n ? number(at, "e") : NULL;
    RSA *rsa = RSA_new();
    EVP_PKEY *key = EVP_PKEY_new();

    if (n && e && rsa && key && RSA_set0_key(rsa, n, e, NULL)) {
        n = e = NULL;
        if (RSA_check_key(rsa) == 1 && EVP_PKEY_set1_RSA(key, rsa)) {
            RSA_free(rsa);
            return key;
        }
        error_set(at->why, -EINVAL, "n and e are no RSA key");
    }
    BN_free(n);
    BN_free(e);
    RSA_free(rsa);
    EVP_PKEY_free(key);
    return NULL;
}

static EVP_PKEY *read_ec(const struct reading *at, int curve)
{
    BIGNUM *x = number(at, "x"), *y = x ? number(at, "y") : NULL;
    EC_KEY *ec = EC_KEY_new_by_curve_name(curve);
    EVP_PKEY *key = EVP_PKEY_new();
    bool good = x && y && ec && key && EC_KEY_set_public_key_affine_coordinates(ec, x, y) == 1 &&
                EVP_PKEY_set1_EC_KEY(key, ec) == 1;

    if (!good && x && y) {
        error_set(at->why, -EINVAL, "x and y are no point of the curve");
    }
    BN_free(x);
    BN_free(y);
    EC_KEY_free(ec);
    if (!good) {
        EVP_PKEY_free(key);
    }
    return good ? key : NULL;
}

static EVP_PKEY *read_ed25519(const struct reading *at)
{
    struct slice x;
    EVP_PKEY *key = NULL;

    if (base64url_decode(at->pool, doc_text(doc_get(at->node, "x"), SLICE("")), &x) && x.len == 32) {
        key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const uint8_t *)x.ptr, x.len);
    }
    if (key == NULL) {
        error_set(at->why, -EINVAL, "x is no Ed25519 key");
    }
    return key;
}

static int curve_of(struct slice name)
{
    return slice_eq(name, SLICE("P-256"))   ? NID_X9_62_prime256v1
           : slice_eq(name, SLICE("P-384")) ? NID_secp384r1
           : slice_eq(name, SLICE("P-521")) ? NID_secp521r1
                                            : 0;
}

/* 1: taken, 0: of a kind that is none of ours. */
static int read_kind(const struct reading *at, struct jwk *out)
{
    struct slice kind = doc_text(doc_get(at->node, "kty"), SLICE(""));
    struct slice curve = doc_text(doc_get(at->node, "crv"), SLICE(""));
    EVP_PKEY *key;

    if (slice_eq(kind, SLICE("oct"))) {
        out->algorithms = JWT_HS;
        if (!base64url_decode(at->pool, doc_text(doc_get(at->node, "k"), SLICE("")), &out->material) ||
            out->material.len == 0) {
            return error_set(at->why, -EINVAL, "k is missing, or no base64url");
        }
        return 1;
    }
    if (slice_eq(kind, SLICE("RSA"))) {
        key = read_rsa(at);
    } else if (slice_eq(kind, SLICE("EC")) && curve_of(curve)) {
        key = read_ec(at, curve_of(curve));
    } else if (slice_eq(kind, SLICE("OKP")) && slice_eq(curve, SLICE("Ed25519"))) {
        key = read_ed25519(at);
    } else {
        return 0;
    }
    ERR_clear_error();
    if (key == NULL) {
        return -EINVAL;
    }
    return take_key(at->pool, key, out, at->why) < 0 ? -EINVAL : 1;
}

static int read_one(const struct reading *at, struct jwk *out)
{
    struct slice use = doc_text(doc_get(at->node, "use"), SLICE("sig"));
    const struct doc *named = doc_get(at->node, "alg");
    enum jwt_algorithm algorithm;
    int rc;

    *out = (struct jwk){.kid = doc_text(doc_get(at->node, "kid"), SLICE(""))};
    if (!slice_eq(use, SLICE("sig")) || (named && !jwt_algorithm_of(named->text, &algorithm))) {
        return 0;
    }
    rc = read_kind(at, out);
    if (rc > 0 && named) {
        out->algorithms &= 1u << algorithm;
        if (out->algorithms == 0) {
            return error_set(at->why, -EINVAL, "alg %.*s is not for such a key", SLICE_ARG(named->text));
        }
    }
    return rc;
}

int jwk_read_set(struct pool *pool, struct slice name, struct slice json, struct jwk **out, size_t *count,
                 struct error *why)
{
    const struct doc *keys;
    struct doc *set;
    int rc = doc_read_json(pool, name, json, &set, why);

    if (rc < 0) {
        return rc;
    }
    keys = doc_get(set, "keys");
    if (keys == NULL || keys->kind != DOC_LIST || keys->list.count > JWK_KEYS_MOST) {
        return error_set(why, -EINVAL, "a key set is {\"keys\": [...]} with at most %d keys", JWK_KEYS_MOST);
    }
    *out = pool_zalloc(pool, (keys->list.count + 1) * sizeof(**out));
    *count = 0;
    for (size_t i = 0; i < keys->list.count; i++) {
        struct reading at = {.pool = pool, .node = keys->list.items[i], .why = why};

        rc = read_one(&at, &(*out)[*count]);
        if (rc < 0) {
            error_prefix(why, "keys[%zu]", i);
            return rc;
        }
        *count += rc > 0;
    }
    return *count ? 0 : error_set(why, -EINVAL, "it holds no key that signs tokens");
}

/* ---- packed ---- */
struct slice jwk_pack(struct pool *pool, const struct jwk *key)
{
    char *bytes = pool_alloc(pool, PACKED_HEAD + key->material.len);
    uint8_t digest[SHA256_DIGEST_LENGTH];
    uint32_t any_kid = key->any_kid;

    SHA256((const uint8_t *)key->material.ptr, key->material.len, digest);
    memcpy(bytes, digest, 8);
    memcpy(bytes + 8, &key->algorithms, 4);
    memcpy(bytes + 12, &any_kid, 4);
    memcpy(bytes + PACKED_HEAD, key->material.ptr, key->material.len);
    return slice_of(bytes, PACKED_HEAD + key->material.len);
}

bool jwk_unpack(struct slice bytes, struct jwk_packed *out)
{
    uint32_t any_kid;

    if (bytes.len <= PACKED_HEAD) {
        return false;
    }
    memcpy(&out->identity, bytes.ptr, 8);
    memcpy(&out->algorithms, bytes.ptr + 8, 4);
    memcpy(&any_kid, bytes.ptr + 12, 4);
    out->any_kid = any_kid != 0;
    out->material = slice_from(bytes, PACKED_HEAD);
    return true;
}
