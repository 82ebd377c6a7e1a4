/*
 * keypair.c - see keypair.h.
 */
#include "master/tls/keypair.h"

#include <errno.h>
#include <limits.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/net/addr.h"
#include "common/tls/tls_words.h"

#define POOL_FIRST 8192
#define CHAIN_MOST 16

static struct slice copy_bytes(struct pool *pool, const uint8_t *bytes, size_t len)
{
    return pool_copy(pool, slice_of((const char *)bytes, len));
}

/* ---- chains ---- */
static bool add_der(struct pool *pool, struct list *chain, size_t *capacity, X509 *certificate)
{
    uint8_t *der = NULL;
    int len = i2d_X509(certificate, &der);

    if (len <= 0) {
        return false;
    }
    struct slice *items = pool_grow(pool, chain->items, chain->count, capacity, sizeof(*items));

    items[chain->count] = copy_bytes(pool, der, (size_t)len);
    *chain = (struct list){items, chain->count + 1};
    OPENSSL_free(der);
    return true;
}

/* Up to `most`. *leaf, when asked for, is the caller's. */
static int read_chain(struct slice pem, struct pool *pool, size_t most, struct list *out, X509 **leaf,
                      struct error *why)
{
    BIO *bio = tls_memory(pem);
    X509 *certificate;
    size_t capacity = 0;
    bool good = bio != NULL;

    *out = (struct list){NULL, 0};
    while (good && out->count < most &&
           (certificate = PEM_read_bio_X509(bio, NULL, tls_no_passphrase, NULL)) != NULL) {
        good = add_der(pool, out, &capacity, certificate);
        if (out->count == 1 && leaf) {
            *leaf = certificate;
        } else {
            X509_free(certificate);
        }
    }
    BIO_free(bio);
    if (!good || (out->count < most && !tls_at_end_of_pem())) {
        return error_set(why, -EINVAL, "malformed (%s; PEM is expected)", tls_error_words());
    }
    return out->count ? 0 : error_set(why, -EINVAL, "there is no certificate in it (PEM is expected)");
}

int certificates_read(struct slice pem, struct pool *pool, struct list *out, struct error *why)
{
    return read_chain(pem, pool, SIZE_MAX, out, NULL, why);
}

static uint64_t subject_of(struct slice der)
{
    const uint8_t *at = (const uint8_t *)der.ptr, *name;
    X509 *certificate = d2i_X509(NULL, &at, (long)der.len);
    uint64_t subject = 0;
    size_t len;

    if (certificate && X509_NAME_get0_der(X509_get_subject_name(certificate), &name, &len)) {
        subject = authority_subject(slice_of((const char *)name, len));
    }
    X509_free(certificate);
    return subject;
}

int authorities_read(struct slice pem, struct pool *pool, struct list *out, struct error *why)
{
    struct list chain;
    struct authority *all;
    int rc = read_chain(pem, pool, SIZE_MAX, &chain, NULL, why);

    if (rc < 0) {
        return rc;
    }
    all = pool_alloc(pool, chain.count * sizeof(*all));
    for (size_t i = 0; i < chain.count; i++) {
        struct slice der = ((const struct slice *)chain.items)[i];

        all[i] = (struct authority){.subject = subject_of(der), .der = der};
    }
    *out = (struct list){all, chain.count};
    return 0;
}

/* ---- names ---- */
static void add_name(struct keypair *pair, size_t *capacity, struct slice name)
{
    const struct slice *known = pair->names.items;
    struct slice copy = pool_copy(pair->pool, name);

    while (copy.len && copy.ptr[copy.len - 1] == '.') {
        copy.len--;
    }
    for (size_t i = 0; i < copy.len; i++) {
        ((char *)(uintptr_t)copy.ptr)[i] = (char)ascii_lower((unsigned char)copy.ptr[i]);
    }
    for (size_t i = 0; i < pair->names.count; i++) {
        if (slice_eq(known[i], copy)) {
            return;
        }
    }
    if (copy.len == 0) {
        return;
    }
    struct slice *items =
        pool_grow(pair->pool, pair->names.items, pair->names.count, capacity, sizeof(*items));

    items[pair->names.count] = copy;
    pair->names = (struct list){items, pair->names.count + 1};
}

static void add_address(struct keypair *pair, size_t *capacity, const ASN1_OCTET_STRING *stored)
{
    struct address address = {.family = stored->length == 4 ? 4 : 6};
    char text[ADDRESS_TEXT_SIZE];

    if (stored->length == 4 || stored->length == 16) {
        memcpy(address.bytes, stored->data, (size_t)stored->length);
        add_name(pair, capacity, slice_of(text, address_format(&address, text)));
    }
}

static struct slice text_of(const ASN1_STRING *stored)
{
    return slice_of((const char *)ASN1_STRING_get0_data(stored), (size_t)ASN1_STRING_length(stored));
}

static void add_common_name(struct keypair *pair, size_t *capacity, X509 *certificate)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    if (at >= 0) {
        add_name(pair, capacity, text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
    }
}

/* As in Traefik the CN counts beside the other names. */
static void read_names(struct keypair *pair, X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    size_t capacity = 0;

    add_common_name(pair, &capacity, certificate);
    for (size_t i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_DNS) {
            add_name(pair, &capacity, text_of(name->d.dNSName));
        } else if (name->type == GEN_IPADD) {
            add_address(pair, &capacity, name->d.iPAddress);
        }
    }
    GENERAL_NAMES_free(names);
}

/* ---- keys ---- */
static bool kind_of(const EVP_PKEY *key, uint32_t *kind)
{
    switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_EC:
        *kind = CERTIFICATE_ECDSA;
        return true;
    case EVP_PKEY_RSA:
        *kind = CERTIFICATE_RSA;
        return true;
    case EVP_PKEY_ED25519:
        *kind = CERTIFICATE_ED25519;
        return true;
    default:
        return false;
    }
}

static bool store_key(struct keypair *pair, const EVP_PKEY *key)
{
    uint8_t *der = NULL;
    size_t len = 0;
    CBB cbb;

    if (!CBB_init(&cbb, 1024) || !EVP_marshal_private_key(&cbb, key) || !CBB_finish(&cbb, &der, &len)) {
        CBB_cleanup(&cbb);
        return false;
    }
    pair->row.key = copy_bytes(pair->pool, der, len);
    OPENSSL_cleanse(der, len);
    OPENSSL_free(der);
    return true;
}

/* ---- what it is known by ---- */
static int by_text(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static struct slice join(struct pool *pool, const struct slice *names, size_t count)
{
    size_t len = 0;
    char *text, *at;

    for (size_t i = 0; i < count; i++) {
        len += names[i].len + 1;
    }
    text = at = pool_alloc(pool, len + 1);
    for (size_t i = 0; i < count; i++) {
        at = mempcpy(at, names[i].ptr, names[i].len);
        *at++ = ',';
    }
    return slice_of(text, len ? len - 1 : 0);
}

static void set_id(struct keypair *pair)
{
    size_t count = pair->names.count;
    struct slice *names = pool_alloc(pair->pool, (count + 1) * sizeof(*names));
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX sha;
    uint64_t sum;

    if (count == 0) {
        return;
    }
    memcpy(names, pair->names.items, count * sizeof(*names));
    qsort(names, count, sizeof(*names), by_text);
    pair->joined = join(pair->pool, names, count);
    SHA256_Init(&sha);
    SHA256_Update(&sha, &pair->row.kind, sizeof(pair->row.kind));
    for (size_t i = 0; i < count; i++) {
        SHA256_Update(&sha, &names[i].len, sizeof(names[i].len));
        SHA256_Update(&sha, names[i].ptr, names[i].len);
    }
    SHA256_Final(digest, &sha);
    memcpy(&sum, digest, sizeof(sum));
    pair->row.id = certificate_id(sum, names[0]);
}

static int64_t end_of(X509 *certificate)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    bool known = epoch && ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(certificate)) == 1;

    ASN1_TIME_free(epoch);
    return known ? (int64_t)days * 86400 + seconds : INT64_MAX;
}

static int complete(struct keypair *pair, X509 *leaf, EVP_PKEY *key, struct error *why)
{
    const struct slice *chain = pair->row.chain.items;

    if (!kind_of(key, &pair->row.kind)) {
        return error_set(why, -EINVAL, "keys of that kind are not served (RSA, ECDSA, Ed25519 are)");
    }
    if (X509_check_private_key(leaf, key) != 1) {
        ERR_clear_error();
        return error_set(why, -EINVAL, "the key is not that of the certificate");
    }
    if (!store_key(pair, key)) {
        return error_set(why, -EINVAL, "the key cannot be stored (%s)", tls_error_words());
    }
    read_names(pair, leaf);
    set_id(pair);
    pair->row.not_after = end_of(leaf);
    for (size_t i = 0; i < pair->row.chain.count; i++) {
        pair->row.identity = hash_slice(pair->row.identity, chain[i]);
    }
    pair->row.identity = hash_slice(pair->row.identity, pair->row.key);
    ERR_clear_error();
    return 0;
}

static int read_key(struct slice pem, EVP_PKEY **out, struct error *why)
{
    BIO *bio = tls_memory(pem);

    *out = bio ? PEM_read_bio_PrivateKey(bio, NULL, tls_no_passphrase, NULL) : NULL;
    BIO_free(bio);
    if (*out == NULL) {
        return error_set(why, -EINVAL, "the key is malformed or has a pass phrase (%s)", tls_error_words());
    }
    return 0;
}

void keypair_free(struct keypair *pair)
{
    if (pair && pair->pool) {
        if (pair->row.key.len) {
            OPENSSL_cleanse((void *)(uintptr_t)pair->row.key.ptr, pair->row.key.len);
        }
        pool_free(pair->pool);
        *pair = (struct keypair){.pool = NULL};
    }
}

int keypair_read(struct slice certificate, struct slice key, struct keypair *out, struct error *why)
{
    X509 *leaf = NULL;
    EVP_PKEY *parsed = NULL;

    *out = (struct keypair){.pool = pool_new(POOL_FIRST, 0)};
    ERR_clear_error();

    int rc = read_chain(certificate, out->pool, CHAIN_MOST, &out->row.chain, &leaf, why);

    if (rc < 0) {
        error_prefix(why, "the certificate");
    } else if ((rc = read_key(key, &parsed, why)) == 0) {
        rc = complete(out, leaf, parsed, why);
    }
    EVP_PKEY_free(parsed);
    X509_free(leaf);
    if (rc < 0) {
        keypair_free(out);
    }
    return rc;
}

int keypair_wrap(X509 *certificate, EVP_PKEY *key, struct keypair *out, struct error *why)
{
    size_t capacity = 0;
    int rc;

    *out = (struct keypair){.pool = pool_new(POOL_FIRST, 0)};
    rc = add_der(out->pool, &out->row.chain, &capacity, certificate)
             ? complete(out, certificate, key, why)
             : error_set(why, -EINVAL, "the certificate cannot be stored (%s)", tls_error_words());
    if (rc < 0) {
        keypair_free(out);
    }
    return rc;
}
