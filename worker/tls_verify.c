/*
 * tls_verify.c - who a server is: by whom its certificate was signed, for which name, until when; and which certificate of
 * ours it gets to see.
 *
 * Authorities are found on the transports page by the names that the server's chain mentions, and only those are parsed: the
 * system's hundred and more cost nothing while nobody needs them. As in Go a name stands in the SANs, never in the CN, and an
 * authority is trusted as it stands, whoever signed it. See tls_upstream.h.
 */
#include <openssl/err.h>
#include <openssl/pool.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <strings.h>
#include <time.h>

#include "worker/tls_inner.h"

#define CHAIN_MOST 16
#define FOUND_MOST 8 /* authorities of one name */
#define NAMES_SHOWN 3
#define NAME_SHOWN 64
#define SESSION_SECONDS 3600

static struct conn *conn_of(const SSL *ssl)
{
    return BIO_get_data(SSL_get_rbio(ssl));
}

/* ---- authorities ---- */
static bool add_named(const struct tls_meeting *meeting, X509_STORE *store, X509_NAME *name)
{
    const uint8_t *bytes;
    size_t len, count;

    if (!X509_NAME_get0_der(name, &bytes, &len)) {
        return false;
    }
    const struct authority *found =
        authorities_find(meeting->transports, meeting->settings->authorities,
                         authority_subject(slice_of((const char *)bytes, len)), &count);

    for (size_t i = 0; i < count && i < FOUND_MOST; i++) {
        struct slice der = page_text(meeting->transports, found[i].der);
        const uint8_t *at = (const uint8_t *)der.ptr;
        X509 *authority = d2i_X509(NULL, &at, (long)der.len);
        bool good = authority && X509_STORE_add_cert(store, authority) == 1; /* twice is fine */

        X509_free(authority);
        if (!good) {
            return false;
        }
    }
    return true;
}

/* The authorities that may have signed any of the chain, or stand in it themselves. NULL: no memory. */
static X509_STORE *store_for(const struct tls_meeting *meeting, const STACK_OF(X509) * chain)
{
    X509_STORE *store = X509_STORE_new();

    for (size_t i = 0; store && i < sk_X509_num(chain); i++) {
        X509 *each = sk_X509_value(chain, i);

        if (!add_named(meeting, store, X509_get_issuer_name(each)) ||
            !add_named(meeting, store, X509_get_subject_name(each))) {
            X509_STORE_free(store);
            store = NULL;
        }
    }
    return store;
}

/* ---- words ---- */
/* What a server says of itself goes into a log: printable characters only. */
static void add_shown(struct error *why, size_t *used, const ASN1_STRING *text)
{
    const unsigned char *bytes = ASN1_STRING_get0_data(text);
    size_t len = (size_t)ASN1_STRING_length(text);

    for (size_t i = 0; i < len && i < NAME_SHOWN && *used + 1 < sizeof(why->text); i++) {
        why->text[(*used)++] = (char)(bytes[i] > ' ' && bytes[i] < 0x7f ? bytes[i] : '?');
    }
    why->text[*used] = '\0';
}

static void add_words(struct error *why, size_t *used, const char *words)
{
    size_t len = strlen(words), room = sizeof(why->text) - 1 - *used;

    len = len < room ? len : room;
    memcpy(why->text + *used, words, len);
    *used += len;
    why->text[*used] = '\0';
}

static void say_other_name(struct error *why, const struct tls_meeting *meeting, X509 *leaf)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    unsigned shown = 0;
    size_t used;

    error_set(why, 0, "its certificate is not for %s", meeting->name);
    used = strlen(why->text);
    for (size_t i = 0; names && i < sk_GENERAL_NAME_num(names) && shown < NAMES_SHOWN; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_DNS) {
            add_words(why, &used, shown++ ? ", " : " but for ");
            add_shown(why, &used, name->d.dNSName);
        }
    }
    GENERAL_NAMES_free(names);
    if (shown == 0) {
        add_words(why, &used,
                  meeting->address.family ? " (no such address among its SANs)"
                                          : " (no name among its SANs)");
    }
}

static void say(struct tls_meeting *meeting, X509 *leaf, int error, int depth, uint8_t *alert)
{
    const char *whose = depth == 0 ? "its certificate" : "an authority of its certificate";

    *alert = SSL_AD_BAD_CERTIFICATE;
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        *alert = SSL_AD_CERTIFICATE_EXPIRED;
        error_set(&meeting->why, 0, "%s has expired", whose);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        *alert = SSL_AD_CERTIFICATE_EXPIRED;
        error_set(&meeting->why, 0, "%s is not valid yet", whose);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        *alert = SSL_AD_UNKNOWN_CA;
        error_set(&meeting->why, 0, "its certificate is signed by an authority that is not believed");
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        say_other_name(&meeting->why, meeting, leaf);
        break;
    default:
        error_set(&meeting->why, 0, "%s: %s", whose, X509_verify_cert_error_string(error));
    }
}

/* ---- the chain ---- */
static bool set_param(const struct tls_meeting *meeting, X509_STORE_CTX *context)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(context);
    size_t size = meeting->address.family == 4 ? 4 : 16;

    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (!X509_STORE_CTX_set_default(context, "ssl_server")) {
        return false;
    }
    if (meeting->settings->insecure) {
        return true; /* the authorities count, for the sake of the SANs; the name does not */
    }
    return (meeting->address.family
                ? X509_VERIFY_PARAM_set1_ip(param, meeting->address.bytes, size)
                : X509_VERIFY_PARAM_set1_host(param, meeting->name, strlen(meeting->name))) == 1;
}

static bool chain_good(struct tls_meeting *meeting, STACK_OF(X509) * chain, uint8_t *alert)
{
    X509 *leaf = sk_X509_value(chain, 0);
    X509_STORE *store = store_for(meeting, chain);
    X509_STORE_CTX *context = store ? X509_STORE_CTX_new() : NULL;
    bool ready = context && X509_STORE_CTX_init(context, store, leaf, chain) && set_param(meeting, context);
    bool good = ready && X509_verify_cert(context) == 1;

    if (!ready) {
        *alert = SSL_AD_INTERNAL_ERROR;
        error_set(&meeting->why, 0,
                  "its certificate cannot be looked at (no memory, or no name to look for)");
    } else if (!good) {
        say(meeting, leaf, X509_STORE_CTX_get_error(context), X509_STORE_CTX_get_error_depth(context), alert);
    }
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return good;
}

/* ---- SANs that are asked for ---- */
static bool has_uri(const GENERAL_NAMES *names, struct slice uri)
{
    for (size_t i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_URI) {
            const ASN1_STRING *text = name->d.uniformResourceIdentifier;

            if (slice_eq_nocase(
                    slice_of((const char *)ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text)),
                    uri)) {
                return true;
            }
        }
    }
    return false;
}

static bool has_name(X509 *leaf, struct slice name)
{
    struct address address;

    if (address_parse(name, &address)) {
        return X509_check_ip(leaf, address.bytes, address.family == 4 ? 4 : 16, 0) == 1;
    }
    if (name.len && name.ptr[name.len - 1] == '.') { /* "a.test." is a.test, whole */
        name.len--;
    }
    return X509_check_host(leaf, name.ptr, name.len, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
}

static bool sans_good(struct tls_meeting *meeting, X509 *leaf, uint8_t *alert)
{
    const struct server_san *sans = page_at(meeting->transports, meeting->settings->sans.items);
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    bool good = meeting->settings->sans.count == 0;

    for (size_t i = 0; i < meeting->settings->sans.count && !good; i++) {
        struct slice value = page_text(meeting->transports, sans[i].value);

        good = sans[i].is_uri ? has_uri(names, value) : has_name(leaf, value);
    }
    GENERAL_NAMES_free(names);
    if (!good) {
        *alert = SSL_AD_BAD_CERTIFICATE;
        error_set(&meeting->why, 0, "its certificate has none of the SANs that are asked for (peerCertSANs)");
    }
    return good;
}

/* ---- all of it ---- */
static STACK_OF(X509) * parse_chain(const SSL *ssl)
{
    const STACK_OF(CRYPTO_BUFFER) *sent = SSL_get0_peer_certificates(ssl);
    STACK_OF(X509) *chain = sk_X509_new_null();
    bool good = chain && sent && sk_CRYPTO_BUFFER_num(sent) > 0;

    for (size_t i = 0; good && i < sk_CRYPTO_BUFFER_num(sent) && i < CHAIN_MOST; i++) {
        X509 *each = X509_parse_from_buffer(sk_CRYPTO_BUFFER_value(sent, i));

        good = each && sk_X509_push(chain, each);
        if (!good) {
            X509_free(each);
        }
    }
    if (!good) {
        sk_X509_pop_free(chain, X509_free);
        return NULL;
    }
    return chain;
}

/* Seconds since 1970; 0 when it says no time. */
static int64_t end_of(X509 *leaf)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    bool known = epoch && ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(leaf)) == 1;

    ASN1_TIME_free(epoch);
    return known ? (int64_t)days * 86400 + seconds : 0;
}

enum ssl_verify_result_t tls_verify_server(SSL *ssl, uint8_t *alert)
{
    struct tls *tls = conn_of(ssl)->tls;
    struct tls_meeting *meeting = tls->meeting;
    const struct server_tls *settings = meeting->settings;
    int64_t hour = (int64_t)time(NULL) + SESSION_SECONDS;
    STACK_OF(X509) *chain = parse_chain(ssl);
    bool good = settings->insecure && settings->sans.count == 0;

    tls->until = hour;
    if (chain) {
        int64_t end = end_of(sk_X509_value(chain, 0));

        good =
            good || (chain_good(meeting, chain, alert) && sans_good(meeting, sk_X509_value(chain, 0), alert));
        tls->until = end < hour && !settings->insecure ? end : hour;
    } else if (!good) {
        *alert = SSL_AD_DECODE_ERROR;
        error_set(&meeting->why, 0, "its certificate cannot be read");
    }
    sk_X509_pop_free(chain, X509_free);
    ERR_clear_error();
    return good ? ssl_verify_ok : ssl_verify_invalid;
}

/* ---- our own certificate ---- */
static bool names_issuer(const SSL *ssl, const struct page *page, const struct certificate_row *row)
{
    const STACK_OF(CRYPTO_BUFFER) *wanted = SSL_get0_server_requested_CAs(ssl);
    const struct slice *chain = page_at(page, row->chain.items);

    if (wanted == NULL || sk_CRYPTO_BUFFER_num(wanted) == 0) {
        return true;
    }
    for (size_t i = 0; i < row->chain.count; i++) {
        struct slice der = page_text(page, chain[i]);
        const uint8_t *at = (const uint8_t *)der.ptr, *name = NULL;
        X509 *each = d2i_X509(NULL, &at, (long)der.len);
        bool found = false;
        size_t len = 0;

        if (each && X509_NAME_get0_der(X509_get_issuer_name(each), &name, &len)) {
            for (size_t k = 0; k < sk_CRYPTO_BUFFER_num(wanted) && !found; k++) {
                const CRYPTO_BUFFER *one = sk_CRYPTO_BUFFER_value(wanted, k);

                found = CRYPTO_BUFFER_len(one) == len && memcmp(CRYPTO_BUFFER_data(one), name, len) == 0;
            }
        }
        X509_free(each);
        if (found) {
            return true;
        }
    }
    return false;
}

/* Whether the server can verify a signature of such a key. */
static bool signs(const SSL *ssl, enum certificate_kind kind)
{
    static const int types[CERTIFICATE_KINDS] = {EVP_PKEY_EC, EVP_PKEY_RSA, EVP_PKEY_ED25519};
    const uint16_t *algorithms;
    size_t count = SSL_get0_peer_verify_algorithms(ssl, &algorithms);

    for (size_t i = 0; i < count; i++) {
        if (SSL_get_signature_algorithm_key_type(algorithms[i]) == types[kind]) {
            return true;
        }
    }
    return count == 0;
}

/* The server asks for one: the first that it can use, as Go chooses, else none. */
int tls_show_certificate(SSL *ssl, void *unused)
{
    struct tls_meeting *meeting = conn_of(ssl)->tls->meeting;
    const struct list *certificates = &meeting->settings->certificates;
    const uint32_t *numbers = page_at(meeting->transports, certificates->items);

    (void)unused;
    for (size_t i = 0; i < certificates->count && meeting->key == NULL; i++) {
        const struct certificate_row *row = secrets_certificate(meeting->secrets, numbers[i]);

        if (row && names_issuer(ssl, meeting->secrets, row) && signs(ssl, row->kind) &&
            !tls_chain_set(meeting->secrets, row, NULL, ssl, &meeting->key)) {
            error_set(&meeting->why, 0, "our own certificate cannot be shown to it");
            return 0;
        }
    }
    ERR_clear_error();
    return 1;
}
