/*
 * tls_choose.c - what a client that said hello is served with: the TLS options of its name, a certificate that it can verify.
 * See tls_accept.c.
 */
#include "worker/h1_client.h"
#include "worker/tcp_session.h"
#include "worker/tls_inner.h"

bool tls_hello_name(const struct client *client, const struct tls_hello *hello, char space[TLS_NAME_SIZE],
                    struct slice *name, bool *sent)
{
    struct address local;

    *sent = hello->server_name.len != 0;
    if (*sent) {
        if (hello->server_name.len >= TLS_NAME_SIZE) {
            return false;
        }
        for (size_t i = 0; i < hello->server_name.len; i++) {
            space[i] = (char)ascii_lower((unsigned char)hello->server_name.ptr[i]);
        }
        *name = slice_of(space, hello->server_name.len);
        return true;
    }
    *name = slice_of(space, 0);
    client_local(client, &local);
    name->len = local.family ? address_format(&local, space) : 0;
    return true;
}

static bool lists_any(struct slice list, const uint16_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (tls_hello_lists(list, numbers[i])) {
            return true;
        }
    }
    return false;
}

/* Whether client and options have a cipher suite in common that an ECDSA key can be used with. */
static bool ecdsa_is_possible(const struct tls_hello *hello, const struct tls_options_row *options)
{
    static const uint16_t ciphers[] = {TLS_ECDSA_CIPHERS};
    bool newest = options->max_version == 0 || options->max_version >= TLS1_3_VERSION;

    if (newest && tls_hello_lists(hello->versions, TLS1_3_VERSION)) {
        return true; /* those of TLS 1.3 are for all keys */
    }
    for (size_t i = 0; i < ARRAY_LEN(ciphers); i++) {
        if ((options->ecdsa_ciphers >> i & 1) && tls_hello_lists(hello->ciphers, ciphers[i])) {
            return true;
        }
    }
    return false;
}

/* Whether the client can verify such a certificate. RSA is what all can, or must be let fail with. */
static bool client_takes(const struct tls_hello *hello, const struct tls_options_row *options,
                         enum certificate_kind kind)
{
    static const uint16_t ecdsa_signatures[] = {0x0403, 0x0503, 0x0603, 0x0203};
    static const uint16_t ed25519_signatures[] = {0x0807};

    if (kind == CERTIFICATE_RSA) {
        return true;
    }
    if (!ecdsa_is_possible(hello, options)) {
        return false;
    }
    if (kind == CERTIFICATE_ED25519) {
        return lists_any(hello->signatures, ed25519_signatures, ARRAY_LEN(ed25519_signatures));
    }
    return hello->signatures.len == 0 ||
           lists_any(hello->signatures, ecdsa_signatures, ARRAY_LEN(ecdsa_signatures));
}

bool tls_hello_prefers_chacha20(const struct tls_hello *hello)
{
    struct slice rest = hello->ciphers;
    uint16_t first = 0;

    do {
        if (!tls_hello_next(&rest, &first)) {
            return false;
        }
    } while ((first & 0x0f0f) == 0x0a0a); /* none at all: RFC 8701 */
    return first == 0x1303 || first == 0xcca8 || first == 0xcca9;
}

/* CERTIFICATE_KINDS: there is none. */
static size_t choose(const struct certificate_choice *there, const struct tls_hello *hello,
                     const struct tls_options_row *options)
{
    static const enum certificate_kind order[] = {CERTIFICATE_ECDSA, CERTIFICATE_RSA, CERTIFICATE_ED25519};
    size_t any = CERTIFICATE_KINDS;

    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        if (there->rows[order[i]] == NULL) {
            continue;
        }
        if (client_takes(hello, options, order[i])) {
            return order[i];
        }
        any = any == CERTIFICATE_KINDS ? order[i] : any;
    }
    return any;
}

/* NULL, always. */
static struct tls_live *refused(struct tls_refusal *refusal, uint8_t alert, const char *why)
{
    *refusal = (struct tls_refusal){.alert = alert, .why = why};
    return NULL;
}

/* As Go says it, who looks for the certificate last. */
static struct tls_live *without_certificate(const struct client *client, struct slice protocols,
                                            const struct tls_hello *hello, struct tls_refusal *refusal)
{
    if (tls_protocols_differ(protocols, client->tcp == NULL, hello)) {
        return refused(refusal, SSL_AD_NO_APPLICATION_PROTOCOL, "no protocol (ALPN) in common");
    }
    return refused(refusal, SSL_AD_UNRECOGNIZED_NAME, "there is no certificate for that name (sniStrict)");
}

struct tls_live *tls_choose(const struct client *client, const struct tls_hello *hello,
                            struct tls_refusal *refusal)
{
    const struct entry_options *entry = &client->listener->options;
    const struct generation *generation = client->tcp ? tcp_session_generation(client) : entry->generation;
    const struct page *options_page = generation->pages[PAGE_TLS];
    const struct tls_options_row *options;
    struct certificate_choice there;
    char space[TLS_NAME_SIZE];
    struct slice name;
    bool sent;

    if (!tls_hello_name(client, hello, space, &name, &sent)) {
        return refused(refusal, SSL_AD_DECODE_ERROR, "the server name is too long");
    }
    options = tls_options_at(
        options_page, client->tcp ? (uint32_t)tcp_session_tls_options(client)
                                  : tls_options_find(options_page, entry->number, sent ? name : SLICE("")));
    if (options == NULL) {
        return refused(refusal, SSL_AD_HANDSHAKE_FAILURE, "the TLS options of that name cannot be used");
    }
    if (tls_hello_offers(hello, TLS_ACME_PROTOCOL)) { /* no other one may be taken for a challenge's */
        return refused(refusal, SSL_AD_UNRECOGNIZED_NAME, "there is no certificate for challenges of ACME");
    }
    if (!certificates_find(generation->pages, name, &there)) {
        if (options->sni_strict) {
            return without_certificate(client, page_text(options_page, options->alpn), hello, refusal);
        }
        secrets_fallback(generation->pages[PAGE_SECRETS], &there);
    }

    size_t kind = choose(&there, hello, options);
    struct tls_live *live =
        kind < CERTIFICATE_KINDS
            ? tls_live_get(client->conn.worker, options_page, options, there.pages[kind], there.rows[kind])
            : NULL;

    return live ? live
                : refused(refusal, SSL_AD_INTERNAL_ERROR, "there is no certificate, or it cannot be used");
}
