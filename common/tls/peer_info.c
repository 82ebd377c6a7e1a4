/*
 * peer_info.c - see peer_info.h. What a client wrote into its certificate is read here: BoringSSL parses, lengths are its.
 */
#include "common/tls/peer_info.h"

#include <openssl/base64.h>
#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/mem.h>
#include <openssl/pool.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/base/memory.h"
#include "common/http/url.h"
#include "common/net/addr.h"

static struct slice text_of(const ASN1_STRING *stored)
{
    return slice_of((const char *)ASN1_STRING_get0_data(stored), (size_t)ASN1_STRING_length(stored));
}

/* ---- PEM ---- */
static void add_base64(struct text *out, const CRYPTO_BUFFER *der)
{
    size_t len = CRYPTO_BUFFER_len(der), room;

    if (!EVP_EncodedLength(&room, len)) {
        return;
    }

    uint8_t *text = xmalloc(room);

    text_add(out, slice_of((const char *)text, EVP_EncodeBlock(text, CRYPTO_BUFFER_data(der), len)));
    free(text);
}

void peer_pem(const STACK_OF(CRYPTO_BUFFER) * chain, struct text *out)
{
    for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(chain); i++) {
        if (i) {
            text_add_char(out, ',');
        }
        add_base64(out, sk_CRYPTO_BUFFER_value(chain, i));
    }
}

/* ---- names ---- */
static void add_part(struct text *out, const char *prefix, const ASN1_STRING *value, bool empty_too)
{
    unsigned char *utf8 = NULL;
    int len = ASN1_STRING_to_UTF8(&utf8, value);

    if (len > 0 || (len == 0 && empty_too)) {
        text_add_cstr(out, prefix);
        text_add(out, slice_of((const char *)utf8, (size_t)len));
        text_add_char(out, ',');
    }
    OPENSSL_free(utf8);
}

static const struct {
    int nid;
    uint32_t part;
    const char *prefix;
    bool all, empty_too; /* each one of it; else the last one */
} parts[] = {
    /* in the order in which they are written */
    {NID_domainComponent, PEER_DOMAIN_COMPONENT, "DC=", true, true},
    {NID_countryName, PEER_COUNTRY, "C=", true, false},
    {NID_stateOrProvinceName, PEER_PROVINCE, "ST=", true, false},
    {NID_localityName, PEER_LOCALITY, "L=", true, false},
    {NID_organizationName, PEER_ORGANIZATION, "O=", true, false},
    {NID_organizationalUnitName, PEER_ORGANIZATIONAL_UNIT, "OU=", true, false},
    {NID_serialNumber, PEER_SERIAL, "SN=", false, false},
    {NID_commonName, PEER_COMMON_NAME, "CN=", false, false},
};

static void add_parts(struct text *out, X509_NAME *name, uint32_t wanted)
{
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        int at = -1, next;

        if (!(wanted & parts[i].part)) {
            continue;
        }
        while ((next = X509_NAME_get_index_by_NID(name, parts[i].nid, at)) >= 0) {
            at = next;
            if (parts[i].all) {
                add_part(out, parts[i].prefix, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)),
                         parts[i].empty_too);
            }
        }
        if (at >= 0 && !parts[i].all) {
            add_part(out, parts[i].prefix, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)), false);
        }
    }
}

/* ---- fields ---- */
struct fields { /* of one certificate */
    struct text *out;
    size_t start;
};

static void begin_field(struct fields *fields, const char *name)
{
    if (fields->out->len != fields->start) {
        text_add_char(fields->out, ';');
    }
    text_add_cstr(fields->out, name);
    text_add_cstr(fields->out, "=\"");
}

static void add_name(struct fields *fields, const char *field, X509_NAME *name, uint32_t wanted)
{
    struct text value;

    text_init(&value);
    add_parts(&value, name, wanted);
    if (value.len) {
        begin_field(fields, field);
        text_add(fields->out, slice_head(text_slice(&value), value.len - 1)); /* without the last comma */
        text_add_char(fields->out, '"');
    }
    text_free(&value);
}

static void add_number(struct fields *fields, const ASN1_INTEGER *number)
{
    BIGNUM *big = ASN1_INTEGER_to_BN(number, NULL);
    char *digits = big ? BN_bn2dec(big) : NULL;

    if (digits) {
        begin_field(fields, "SerialNumber");
        text_add_cstr(fields->out, digits);
        text_add_char(fields->out, '"');
    }
    OPENSSL_free(digits);
    BN_free(big);
}

static void add_time(struct fields *fields, const char *field, const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days, seconds;

    if (epoch && ASN1_TIME_diff(&days, &seconds, epoch, time)) {
        begin_field(fields, field);
        text_printf(fields->out, "%llu\"", (unsigned long long)((int64_t)days * 86400 + seconds));
    }
    ASN1_TIME_free(epoch);
}

/* ---- alternative names ---- */
static void add_address(struct text *out, const ASN1_OCTET_STRING *stored)
{
    struct slice bytes = text_of(stored);
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct address address;
    char text[ADDRESS_TEXT_SIZE];

    if (bytes.len == sizeof(in.sin_addr)) {
        memcpy(&in.sin_addr, bytes.ptr, bytes.len);
        address_from_sockaddr((const struct sockaddr *)&in, &address);
    } else if (bytes.len == sizeof(in6.sin6_addr)) {
        memcpy(&in6.sin6_addr, bytes.ptr, bytes.len);
        address_from_sockaddr((const struct sockaddr *)&in6, &address);
    } else {
        return;
    }
    text_add(out, slice_of(text, address_format(&address, text)));
    text_add_char(out, ',');
}

static void add_uri(struct text *out, const ASN1_IA5STRING *stored)
{
    struct pool *pool = pool_new(512, 0);
    struct slice uri;

    if (url_normalise(pool, text_of(stored), &uri) == PATH_OK) {
        text_add(out, uri);
        text_add_char(out, ',');
    }
    pool_free(pool);
}

static void add_alternatives(struct text *out, const GENERAL_NAMES *names, int type)
{
    for (size_t i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type != type) {
            continue;
        }
        if (type == GEN_IPADD) {
            add_address(out, name->d.iPAddress);
        } else if (type == GEN_URI) {
            add_uri(out, name->d.uniformResourceIdentifier);
        } else {
            text_add(out, text_of(name->d.ia5));
            text_add_char(out, ',');
        }
    }
}

static void add_sans(struct fields *fields, X509 *certificate)
{
    static const int types[] = {GEN_DNS, GEN_EMAIL, GEN_IPADD, GEN_URI}; /* in this order */
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    struct text value;

    text_init(&value);
    for (size_t i = 0; names && i < ARRAY_LEN(types); i++) {
        add_alternatives(&value, names, types[i]);
    }
    if (value.len) {
        begin_field(fields, "SAN");
        text_add(fields->out, slice_head(text_slice(&value), value.len - 1));
        text_add_char(fields->out, '"');
    }
    text_free(&value);
    GENERAL_NAMES_free(names);
}

static void add_certificate(struct text *out, X509 *certificate, uint32_t wanted)
{
    struct fields fields = {.out = out, .start = out->len};

    add_name(&fields, "Subject", X509_get_subject_name(certificate), wanted & 0xff);
    add_name(&fields, "Issuer", X509_get_issuer_name(certificate), wanted >> 8 & 0xff);
    if (wanted & PEER_NUMBER) {
        add_number(&fields, X509_get0_serialNumber(certificate));
    }
    if (wanted & PEER_NOT_BEFORE) {
        add_time(&fields, "NB", X509_get0_notBefore(certificate));
    }
    if (wanted & PEER_NOT_AFTER) {
        add_time(&fields, "NA", X509_get0_notAfter(certificate));
    }
    if (wanted & PEER_SANS) {
        add_sans(&fields, certificate);
    }
}

void peer_info(const STACK_OF(CRYPTO_BUFFER) * chain, uint32_t wanted, struct text *out)
{
    for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(chain); i++) {
        X509 *certificate = X509_parse_from_buffer(sk_CRYPTO_BUFFER_value(chain, i));

        if (i) {
            text_add_char(out, ',');
        }
        if (certificate) {
            add_certificate(out, certificate, wanted);
        }
        X509_free(certificate);
    }
}
