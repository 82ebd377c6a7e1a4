/*
 * tls_live.c - live contexts: an SSL_CTX for each pair of options and certificate that clients ask for.
 *
 * Made when the first client asks, known by the content of both, so a change of the configuration that does not touch them
 * leaves them alone; at most LIVE_MOST are kept, the one that was not used for longest goes first. A connection holds a
 * reference until its handshake is over and longer, so none is taken away from under it.
 */
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/tls/tls_words.h"
#include "worker/tls_inner.h"

#define LIVE_MOST 256
#define SESSION_SECONDS (24 * 3600)

static bool set_certificate(struct tls_live *live, const struct page *page, const struct certificate_row *row)
{
    bool good = tls_chain_set(page, row, live->ssl, NULL, &live->key);

    if (good && row->staple.len) {
        struct slice staple = page_text(page, row->staple);

        good = SSL_CTX_set_ocsp_response(live->ssl, (const uint8_t *)staple.ptr, staple.len) == 1;
    }
    return good;
}

/* ---- clients' certificates ---- */
static enum ssl_verify_result_t accept_any(SSL *ssl, uint8_t *alert)
{
    (void)ssl;
    (void)alert;
    return ssl_verify_ok;
}

/* Named to clients, so that they choose a certificate of theirs; and, where certificates are checked, believed. */
static bool add_authorities(SSL_CTX *ssl, const struct page *page, const struct tls_options_row *options)
{
    const struct slice *authorities = page_at(page, options->authorities.items);
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);

    for (size_t i = 0; i < options->authorities.count; i++) {
        struct slice der = page_text(page, authorities[i]);
        const uint8_t *at = (const uint8_t *)der.ptr;
        X509 *authority = der.len <= LONG_MAX ? d2i_X509(NULL, &at, (long)der.len) : NULL;
        bool good = authority && X509_STORE_add_cert(store, authority) == 1 &&
                    SSL_CTX_add_client_CA(ssl, authority) == 1;

        X509_free(authority);
        if (!good) {
            return false;
        }
    }
    /* an authority that is itself signed by another one is trusted as it stands, as Go does */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ssl), X509_V_FLAG_PARTIAL_CHAIN);
    return true;
}

static bool set_client_auth(SSL_CTX *ssl, const struct page *page, const struct tls_options_row *options)
{
    switch ((enum tls_client_auth_mode)options->client_auth) {
    case TLS_CLIENT_REQUEST:
        SSL_CTX_set_custom_verify(ssl, SSL_VERIFY_PEER, accept_any);
        break;
    case TLS_CLIENT_REQUIRE_ANY:
        SSL_CTX_set_custom_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, accept_any);
        break;
    case TLS_CLIENT_VERIFY_IF_GIVEN:
        SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
        break;
    case TLS_CLIENT_REQUIRE_AND_VERIFY:
        SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        break;
    case TLS_CLIENT_NONE:
    case TLS_CLIENT_MODES:
        return true;
    }
    return add_authorities(ssl, page, options);
}

/* ---- protocols ---- */
static void add_alpn(struct alpn *list, struct slice named)
{
    if (list->len + named.len <= sizeof(list->bytes)) {
        memcpy(list->bytes + list->len, named.ptr, named.len);
        list->len += named.len;
    }
}

static void copy_alpn(struct tls_live *live, struct slice wanted)
{
    while (wanted.len) {
        struct slice named = slice_head(wanted, 1 + (size_t)(unsigned char)wanted.ptr[0]);

        add_alpn(&live->wanted, named);
        if (tls_protocol_served(slice_from(named, 1))) {
            add_alpn(&live->served, named);
        }
        wanted = slice_from(wanted, named.len);
    }
}

bool tls_protocols_differ(struct slice wanted, bool served_only, const struct tls_hello *hello)
{
    bool some = wanted.len && hello->alpn.len, h2 = false;

    while (wanted.len) {
        struct slice name = slice_of(wanted.ptr + 1, (unsigned char)wanted.ptr[0]);

        wanted = slice_from(wanted, 1 + name.len);
        if (served_only && !tls_protocol_served(name)) {
            continue;
        }
        if (tls_hello_offers(hello, name)) {
            return false;
        }
        h2 = h2 || slice_eq(name, SLICE("h2"));
    }
    return some && !(h2 && tls_hello_offers(hello, SLICE("http/1.1")));
}

/* The first of ours that the client has too. */
static int choose_protocol(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
                           unsigned in_len, void *context)
{
    const struct tls_live *live = context;
    bool served_only = SSL_get_app_data(ssl) == NULL;
    const struct alpn *ours = served_only ? &live->served : &live->wanted;
    const struct tls_hello offered = {.alpn = slice_of((const char *)in, in_len)};

    for (size_t at = 0; at < ours->len; at += 1u + ours->bytes[at]) {
        if (tls_hello_offers(&offered, slice_of((const char *)ours->bytes + at + 1, ours->bytes[at]))) {
            *out = ours->bytes + at + 1;
            *out_len = ours->bytes[at];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    struct slice wanted = slice_of((const char *)live->wanted.bytes, live->wanted.len);

    return tls_protocols_differ(wanted, served_only, &offered) ? SSL_TLSEXT_ERR_ALERT_FATAL
                                                               : SSL_TLSEXT_ERR_NOACK;
}

/* ---- making one ---- */
static bool set_list(SSL_CTX *ssl, struct slice text, int (*set)(SSL_CTX *ssl, const char *list))
{
    char *list;
    bool good;

    if (text.len == 0) {
        return true;
    }
    list = xstrndup(text.ptr, text.len);
    good = set(ssl, list) == 1;
    free(list);
    return good;
}

static bool set_options(struct tls_live *live, const struct page *page, const struct tls_options_row *options)
{
    SSL_CTX *ssl = live->ssl;

    if (!SSL_CTX_set_min_proto_version(ssl, options->min_version) ||
        !SSL_CTX_set_max_proto_version(ssl, options->max_version) ||
        !set_list(ssl, page_text(page, options->ciphers), SSL_CTX_set_strict_cipher_list) ||
        !set_list(ssl, page_text(page, options->curves), SSL_CTX_set1_curves_list) ||
        !set_client_auth(ssl, page, options) ||
        !SSL_CTX_set_session_id_context(ssl, (const uint8_t *)&live->options, sizeof(live->options))) {
        return false;
    }
    SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE | (options->tickets ? 0 : SSL_OP_NO_TICKET));
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF); /* tickets are for all workers */
    SSL_CTX_set_ticket_aead_method(ssl, &tls_ticket_method);
    SSL_CTX_set_num_tickets(ssl, 1);
    SSL_CTX_set_timeout(ssl, SESSION_SECONDS);
    SSL_CTX_set_session_psk_dhe_timeout(ssl, SESSION_SECONDS);
    copy_alpn(live, page_text(page, options->alpn));
    SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, live);
    return true;
}

static void live_free(struct tls_live *live)
{
    SSL_CTX_free(live->ssl);
    EVP_PKEY_free(live->key);
    free(live);
}

static struct tls_live *live_new(const struct page *options_page, const struct tls_options_row *options,
                                 const struct page *secrets, const struct certificate_row *certificate)
{
    struct tls_live *live = xcalloc(1, sizeof(*live));

    live->options = options->identity;
    live->certificate = certificate->identity;
    live->options_id = options->id;
    live->references = 1;
    live->ssl = SSL_CTX_new(TLS_server_method());
    ERR_clear_error();
    if (live->ssl == NULL || !set_certificate(live, secrets, certificate) ||
        !set_options(live, options_page, options)) {
        log_error("TLS options %.*s cannot be used with a certificate: %s",
                  SLICE_ARG(page_text(options_page, options->name)), tls_error_words());
        live_free(live);
        return NULL;
    }
    return live;
}

/* ---- keeping them ---- */
static struct tls_live **bucket_of(struct tls_worker *tls, uint64_t options, uint64_t certificate)
{
    return &tls->buckets[hash_finish(options ^ (certificate << 1)) % TLS_BUCKETS];
}

static void use_unlink(struct tls_worker *tls, struct tls_live *live)
{
    *(live->newer ? &live->newer->older : &tls->newest) = live->older;
    *(live->older ? &live->older->newer : &tls->oldest) = live->newer;
}

static void use_first(struct tls_worker *tls, struct tls_live *live)
{
    live->newer = NULL;
    live->older = tls->newest;
    *(tls->newest ? &tls->newest->newer : &tls->oldest) = live;
    tls->newest = live;
}

/* Connections that use it keep it. */
static void forget(struct tls_worker *tls, struct tls_live *live)
{
    struct tls_live **at = bucket_of(tls, live->options, live->certificate);

    while (*at != live) {
        at = &(*at)->next;
    }
    *at = live->next;
    use_unlink(tls, live);
    tls->live_count--;
    tls_live_unref(live);
}

void tls_live_unref(struct tls_live *live)
{
    if (live && --live->references == 0) {
        live_free(live);
    }
}

void tls_lives_drop(struct tls_worker *tls)
{
    while (tls->oldest) {
        forget(tls, tls->oldest);
    }
}

struct tls_live *tls_live_get(struct worker *worker, const struct page *options_page,
                              const struct tls_options_row *options, const struct page *secrets,
                              const struct certificate_row *certificate)
{
    struct tls_worker *tls = worker->tls;
    struct tls_live **bucket = bucket_of(tls, options->identity, certificate->identity), *live = *bucket;

    while (live && (live->options != options->identity || live->certificate != certificate->identity)) {
        live = live->next;
    }
    if (live) {
        use_unlink(tls, live);
    } else {
        live = live_new(options_page, options, secrets, certificate);
        if (live == NULL) {
            return NULL;
        }
        live->next = *bucket;
        *bucket = live;
        tls->live_count++;
    }
    use_first(tls, live);
    if (tls->live_count > LIVE_MOST) {
        forget(tls, tls->oldest);
    }
    live->references++;
    return live;
}
