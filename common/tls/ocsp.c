/*
 * ocsp.c - see ocsp.h. BoringSSL has no OCSP: DER is taken apart here, with its parser; its X.509 and signatures are used.
 */
#include "common/tls/ocsp.h"

#include <errno.h>
#include <limits.h>
#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/obj.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <time.h>

#define SKEW_SECONDS 300 /* clocks differ */

#define CONTEXT(number) (CBS_ASN1_CONTEXT_SPECIFIC | (number))
#define CONTEXT_CONSTRUCTED(number) (CBS_ASN1_CONSTRUCTED | CONTEXT(number))

static const uint8_t oid_sha1[] = {0x2b, 0x0e, 0x03, 0x02, 0x1a};
static const uint8_t oid_basic[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01};

struct subject { /* the certificate that is asked about */
    X509 *certificate, *issuer;
    uint8_t issuer_name[SHA_DIGEST_LENGTH], issuer_key[SHA_DIGEST_LENGTH];
};

static X509 *parse(struct slice der)
{
    const uint8_t *at = (const uint8_t *)der.ptr;

    return der.len && der.len <= LONG_MAX ? d2i_X509(NULL, &at, (long)der.len) : NULL;
}

static void subject_free(struct subject *subject)
{
    X509_free(subject->certificate);
    X509_free(subject->issuer);
    ERR_clear_error();
}

static int subject_read(struct subject *subject, struct slice certificate, struct slice issuer,
                        struct error *why)
{
    const ASN1_BIT_STRING *key;
    const uint8_t *name;
    size_t len;

    *subject = (struct subject){.certificate = parse(certificate), .issuer = parse(issuer)};
    if (subject->certificate == NULL || subject->issuer == NULL ||
        X509_NAME_get0_der(X509_get_subject_name(subject->issuer), &name, &len) != 1 ||
        (key = X509_get0_pubkey_bitstr(subject->issuer)) == NULL) {
        subject_free(subject);
        return error_set(why, -EINVAL, "the certificate or that of its issuer is malformed");
    }
    SHA1(name, len, subject->issuer_name);
    SHA1(ASN1_STRING_get0_data(key), (size_t)ASN1_STRING_length(key), subject->issuer_key);
    return 0;
}

size_t ocsp_responders(struct slice certificate, struct pool *pool, struct slice out[OCSP_RESPONDERS_MOST])
{
    X509 *parsed = parse(certificate);
    STACK_OF(OPENSSL_STRING) *urls = parsed ? X509_get1_ocsp(parsed) : NULL;
    size_t count = urls ? sk_OPENSSL_STRING_num(urls) : 0;

    count = count < OCSP_RESPONDERS_MOST ? count : OCSP_RESPONDERS_MOST;
    for (size_t i = 0; i < count; i++) {
        out[i] = pool_copy(pool, slice_cstr(sk_OPENSSL_STRING_value(urls, i)));
    }
    X509_email_free(urls);
    X509_free(parsed);
    ERR_clear_error();
    return count;
}

/* ---- the question ---- */

/* CertID, with SHA-1 as everybody has it: nothing depends on its strength. */
static bool put_id(CBB *to, const struct subject *subject)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(subject->certificate);
    CBB id, algorithm, oid, null;
    uint8_t *number = NULL;
    int len = i2d_ASN1_INTEGER((ASN1_INTEGER *)(uintptr_t)serial, &number);
    bool good =
        len > 0 && CBB_add_asn1(to, &id, CBS_ASN1_SEQUENCE) &&
        CBB_add_asn1(&id, &algorithm, CBS_ASN1_SEQUENCE) && CBB_add_asn1(&algorithm, &oid, CBS_ASN1_OBJECT) &&
        CBB_add_bytes(&oid, oid_sha1, sizeof(oid_sha1)) && CBB_add_asn1(&algorithm, &null, CBS_ASN1_NULL) &&
        CBB_add_asn1_octet_string(&id, subject->issuer_name, sizeof(subject->issuer_name)) &&
        CBB_add_asn1_octet_string(&id, subject->issuer_key, sizeof(subject->issuer_key)) &&
        CBB_add_bytes(&id, number, (size_t)len) && CBB_flush(to);

    OPENSSL_free(number);
    return good;
}

int ocsp_request(struct slice certificate, struct slice issuer, struct pool *pool, struct slice *out,
                 struct error *why)
{
    struct subject subject;
    CBB whole, request, body, list, one;
    uint8_t *der = NULL;
    size_t len = 0;
    int rc = subject_read(&subject, certificate, issuer, why);

    if (rc < 0) {
        return rc;
    }
    CBB_zero(&whole);
    if (CBB_init(&whole, 128) && CBB_add_asn1(&whole, &request, CBS_ASN1_SEQUENCE) &&
        CBB_add_asn1(&request, &body, CBS_ASN1_SEQUENCE) && CBB_add_asn1(&body, &list, CBS_ASN1_SEQUENCE) &&
        CBB_add_asn1(&list, &one, CBS_ASN1_SEQUENCE) && put_id(&one, &subject) &&
        CBB_finish(&whole, &der, &len)) {
        *out = pool_copy(pool, slice_of((const char *)der, len));
    } else {
        CBB_cleanup(&whole);
        rc = error_set(why, -ENOMEM, "the question cannot be put together");
    }
    OPENSSL_free(der);
    subject_free(&subject);
    return rc;
}

/* ---- the answer ---- */

static int64_t two_digits(const uint8_t *at)
{
    return (at[0] - '0') * 10 + (at[1] - '0');
}

/* GeneralizedTime as DER has it: "YYYYMMDDHHMMSSZ". */
static bool get_time(CBS *from, int64_t *out)
{
    const uint8_t *at;
    struct tm tm = {0};
    CBS text;

    if (!CBS_get_asn1(from, &text, CBS_ASN1_GENERALIZEDTIME) || CBS_len(&text) != 15) {
        return false;
    }
    at = CBS_data(&text);
    for (size_t i = 0; i < 14; i++) {
        if (at[i] < '0' || at[i] > '9') {
            return false;
        }
    }
    tm.tm_year = (int)(two_digits(at) * 100 + two_digits(at + 2) - 1900);
    tm.tm_mon = (int)two_digits(at + 4) - 1;
    tm.tm_mday = (int)two_digits(at + 6);
    tm.tm_hour = (int)two_digits(at + 8);
    tm.tm_min = (int)two_digits(at + 10);
    tm.tm_sec = (int)two_digits(at + 12);
    *out = (int64_t)timegm(&tm);
    return at[14] == 'Z' && tm.tm_mon >= 0 && tm.tm_mon < 12 && tm.tm_mday >= 1 && tm.tm_mday <= 31;
}

/* An issuer's name and key as one of the usual digests has them; a digest that is not known fits nothing. */
static bool same_issuer(const struct subject *subject, CBS *algorithm, const CBS *name, const CBS *key)
{
    CBS oid;
    const EVP_MD *digest =
        CBS_get_asn1(algorithm, &oid, CBS_ASN1_OBJECT) ? EVP_get_digestbynid(OBJ_cbs2nid(&oid)) : NULL;
    const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(subject->issuer);
    uint8_t hash[EVP_MAX_MD_SIZE];
    const uint8_t *der;
    unsigned size;
    size_t len;

    return digest && X509_NAME_get0_der(X509_get_subject_name(subject->issuer), &der, &len) == 1 &&
           EVP_Digest(der, len, hash, &size, digest, NULL) == 1 && CBS_mem_equal(name, hash, size) &&
           EVP_Digest(ASN1_STRING_get0_data(bits), (size_t)ASN1_STRING_length(bits), hash, &size, digest,
                      NULL) == 1 &&
           CBS_mem_equal(key, hash, size);
}

static bool same_serial(const struct subject *subject, const CBS *element)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(subject->certificate);
    uint8_t *der = NULL;
    int len = i2d_ASN1_INTEGER((ASN1_INTEGER *)(uintptr_t)serial, &der);
    bool same = len > 0 && CBS_mem_equal(element, der, (size_t)len);

    OPENSSL_free(der);
    return same;
}

/* One SingleResponse; *ours: it is about the certificate. False: malformed. */
static bool single_read(CBS *single, const struct subject *subject, struct ocsp_answer *out, bool *ours)
{
    CBS id, algorithm, name, key, serial, status, next;
    unsigned tag;
    int has_next;

    if (!CBS_get_asn1(single, &id, CBS_ASN1_SEQUENCE) || !CBS_get_asn1(&id, &algorithm, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&id, &name, CBS_ASN1_OCTETSTRING) || !CBS_get_asn1(&id, &key, CBS_ASN1_OCTETSTRING) ||
        !CBS_get_any_asn1_element(&id, &serial, &tag, NULL) || tag != CBS_ASN1_INTEGER || CBS_len(&id) ||
        !CBS_get_any_asn1(single, &status, &tag) || !get_time(single, &out->produced) ||
        !CBS_get_optional_asn1(single, &next, &has_next, CONTEXT_CONSTRUCTED(0)) ||
        (has_next && (!get_time(&next, &out->until) || CBS_len(&next)))) {
        return false;
    }
    if (!has_next) {
        out->until = INT64_MAX;
    }
    out->status = tag == CONTEXT(0) ? OCSP_GOOD : tag == CONTEXT_CONSTRUCTED(1) ? OCSP_REVOKED : OCSP_UNKNOWN;
    *ours = same_serial(subject, &serial) && same_issuer(subject, &algorithm, &name, &key);
    return true;
}

/* ResponseData: looks for the certificate among what it is about. */
static const char *data_read(CBS data, const struct subject *subject, struct ocsp_answer *out)
{
    CBS version, responder, produced, list, single;
    bool ours = false;
    unsigned tag;

    if (!CBS_get_asn1(&data, &data, CBS_ASN1_SEQUENCE) ||
        !CBS_get_optional_asn1(&data, &version, NULL, CONTEXT_CONSTRUCTED(0)) ||
        !CBS_get_any_asn1(&data, &responder, &tag) ||
        !CBS_get_asn1(&data, &produced, CBS_ASN1_GENERALIZEDTIME) ||
        !CBS_get_asn1(&data, &list, CBS_ASN1_SEQUENCE)) {
        return "it is malformed";
    }
    while (!ours && CBS_len(&list)) {
        if (!CBS_get_asn1(&list, &single, CBS_ASN1_SEQUENCE) || !single_read(&single, subject, out, &ours)) {
            return "it is malformed";
        }
    }
    return ours ? NULL : "it is about another certificate";
}

static bool signature_good(EVP_PKEY *key, CBS algorithm, const CBS *signature, const CBS *data)
{
    EVP_MD_CTX context;
    int digest = NID_undef, kind = NID_undef;
    const EVP_MD *md = NULL;
    bool good;
    CBS oid;

    if (!CBS_get_asn1(&algorithm, &oid, CBS_ASN1_OBJECT) ||
        !OBJ_find_sigid_algs(OBJ_cbs2nid(&oid), &digest, &kind) || kind != EVP_PKEY_id(key) ||
        (digest != NID_undef && (md = EVP_get_digestbynid(digest)) == NULL)) {
        return false;
    }
    EVP_MD_CTX_init(&context);
    good = EVP_DigestVerifyInit(&context, NULL, md, NULL, key) == 1 &&
           EVP_DigestVerify(&context, CBS_data(signature), CBS_len(signature), CBS_data(data),
                            CBS_len(data)) == 1;
    EVP_MD_CTX_cleanup(&context);
    return good;
}

/* One of the certificates that came along: the issuer lets it answer. */
static bool delegate_good(X509 *delegate, const struct subject *subject, EVP_PKEY *issuer_key)
{
    return X509_verify(delegate, issuer_key) == 1 &&
           X509_NAME_cmp(X509_get_issuer_name(delegate), X509_get_subject_name(subject->issuer)) == 0 &&
           (X509_get_extension_flags(delegate) & EXFLAG_XKUSAGE) &&
           (X509_get_extended_key_usage(delegate) & XKU_OCSP_SIGN) &&
           X509_cmp_current_time(X509_get0_notBefore(delegate)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(delegate)) > 0;
}

static bool delegate_signed(const struct subject *subject, EVP_PKEY *issuer_key, CBS algorithm,
                            const CBS *signature, const CBS *data, CBS certificates)
{
    bool good = false;
    CBS der;

    while (!good && CBS_len(&certificates) && CBS_get_asn1_element(&certificates, &der, CBS_ASN1_SEQUENCE)) {
        X509 *delegate = parse(slice_of((const char *)CBS_data(&der), CBS_len(&der)));
        EVP_PKEY *key = delegate ? X509_get_pubkey(delegate) : NULL;

        good = key && delegate_good(delegate, subject, issuer_key) &&
               signature_good(key, algorithm, signature, data);
        EVP_PKEY_free(key);
        X509_free(delegate);
    }
    return good;
}

/* By the issuer, or by one of the certificates that came along. */
static bool signed_by_whom_we_believe(const struct subject *subject, CBS algorithm, const CBS *signature,
                                      const CBS *data, CBS certificates)
{
    EVP_PKEY *issuer_key = X509_get_pubkey(subject->issuer);
    bool good =
        issuer_key && (signature_good(issuer_key, algorithm, signature, data) ||
                       delegate_signed(subject, issuer_key, algorithm, signature, data, certificates));

    EVP_PKEY_free(issuer_key);
    return good;
}

static const char *basic_read(CBS *basic, const struct subject *subject, struct ocsp_answer *out)
{
    CBS whole, data, algorithm, signature, wrapped, certificates;
    uint8_t unused_bits;
    int more;

    CBS_init(&certificates, NULL, 0);
    if (!CBS_get_asn1(basic, &whole, CBS_ASN1_SEQUENCE) || CBS_len(basic) ||
        !CBS_get_asn1_element(&whole, &data, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&whole, &algorithm, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&whole, &signature, CBS_ASN1_BITSTRING) || !CBS_get_u8(&signature, &unused_bits) ||
        unused_bits != 0 || !CBS_get_optional_asn1(&whole, &wrapped, &more, CONTEXT_CONSTRUCTED(0)) ||
        (more && !CBS_get_asn1(&wrapped, &certificates, CBS_ASN1_SEQUENCE)) || CBS_len(&whole)) {
        return "it is malformed";
    }
    if (!signed_by_whom_we_believe(subject, algorithm, &signature, &data, certificates)) {
        return "it is signed by nobody whom the issuer lets answer";
    }
    return data_read(data, subject, out);
}

/* OCSPResponse down to what is signed. */
static const char *answer_open(struct slice answer, CBS *basic)
{
    static const char *const refusals[] = {NULL,
                                           "the question is malformed",
                                           "it has an internal error",
                                           "it asks to try later",
                                           "it answers with a status that is none",
                                           "it wants a signature",
                                           "it does not answer us"};
    CBS all, whole, status, wrapped, bytes, type;
    uint8_t number;

    CBS_init(&all, (const uint8_t *)answer.ptr, answer.len);
    if (!CBS_get_asn1(&all, &whole, CBS_ASN1_SEQUENCE) || CBS_len(&all) ||
        !CBS_get_asn1(&whole, &status, CBS_ASN1_ENUMERATED) || CBS_len(&status) != 1 ||
        !CBS_get_u8(&status, &number)) {
        return "it is malformed";
    }
    if (number != 0) {
        return number < ARRAY_LEN(refusals) ? refusals[number] : refusals[4];
    }
    if (!CBS_get_asn1(&whole, &wrapped, CONTEXT_CONSTRUCTED(0)) ||
        !CBS_get_asn1(&wrapped, &bytes, CBS_ASN1_SEQUENCE) || !CBS_get_asn1(&bytes, &type, CBS_ASN1_OBJECT) ||
        !CBS_mem_equal(&type, oid_basic, sizeof(oid_basic)) ||
        !CBS_get_asn1(&bytes, basic, CBS_ASN1_OCTETSTRING)) {
        return "it is malformed";
    }
    return NULL;
}

int ocsp_answer_read(struct slice answer, struct slice certificate, struct slice issuer, int64_t now,
                     struct ocsp_answer *out, struct error *why)
{
    struct subject subject;
    const char *wrong;
    CBS basic;
    int rc = subject_read(&subject, certificate, issuer, why);

    if (rc < 0) {
        return rc;
    }
    *out = (struct ocsp_answer){.status = OCSP_UNKNOWN};
    wrong = answer_open(answer, &basic);
    if (wrong == NULL) {
        wrong = basic_read(&basic, &subject, out);
    }
    if (wrong == NULL && out->produced > now + SKEW_SECONDS) {
        wrong = "it is from the future";
    } else if (wrong == NULL && out->until <= now) {
        wrong = "it is no longer in force";
    }
    subject_free(&subject);
    return wrong ? error_set(why, -EBADMSG, "%s", wrong) : 0;
}
