/*
 * fallback.c - the certificate for names that have none: ECDSA on P-256, signed by itself, believed by nobody.
 */
#include <errno.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "common/tls/tls_words.h"
#include "master/tls/vault_inner.h"

#define YEARS_SECONDS (10L * 365 * 86400)
#define COMMON_NAME "weir default certificate"

static EVP_PKEY *make_key(void)
{
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    EVP_PKEY *key = EVP_PKEY_new();

    if (ec == NULL || key == NULL || EC_KEY_generate_key(ec) != 1 || EVP_PKEY_set1_EC_KEY(key, ec) != 1) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    EC_KEY_free(ec);
    return key;
}

/* Nobody asks for that name; a certificate without one is refused by some clients before they look whether to trust it. */
static bool add_name(X509 *certificate)
{
    uint8_t random[16];
    char name[64], *at = name + sizeof("DNS:") - 1;

    RAND_bytes(random, sizeof(random));
    (void)snprintf(name, sizeof(name), "DNS:");
    for (size_t i = 0; i < sizeof(random); i++) {
        at += snprintf(at, 3, "%02x", random[i]);
    }
    (void)snprintf(at, sizeof(name) - (size_t)(at - name), ".weir.default");

    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, NULL, NID_subject_alt_name, name);
    bool good = extension && X509_add_ext(certificate, extension, -1) == 1;

    X509_EXTENSION_free(extension);
    return good;
}

static bool fill(X509 *certificate, EVP_PKEY *key)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    uint64_t serial;

    RAND_bytes((uint8_t *)&serial, sizeof(serial));
    return X509_set_version(certificate, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -86400) &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), YEARS_SECONDS) &&
           X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (const uint8_t *)COMMON_NAME, -1,
                                      -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
           add_name(certificate) && X509_sign(certificate, key, EVP_sha256()) > 0;
}

int fallback_make(struct keypair *out, struct error *why)
{
    EVP_PKEY *key = make_key();
    X509 *certificate = X509_new();
    int rc;

    if (key && certificate && fill(certificate, key)) {
        rc = keypair_wrap(certificate, key, out, why);
    } else {
        rc = error_set(why, -EIO, "BoringSSL does not make it: %s", tls_error_words());
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
    return rc;
}
