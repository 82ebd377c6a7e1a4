/*
 * library.c - see library.h.
 */
#include "master/tls/library.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "shm/tls_options.h"

struct known_cipher {
    const char *name;
    uint16_t number; /* of its registration; 0: one of TLS 1.3 or no cipher */
};

/* In the order in which they are chosen, which is Go's: that of the names in a configuration does not count. */
static const struct known_cipher ciphers[] = {
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", 0xc02b},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", 0xc02f},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", 0xc02c},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 0xc030},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", 0xcca9},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", 0xcca9},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", 0xcca8},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", 0xcca8},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", 0xc009},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", 0xc013},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", 0xc00a},
    {"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", 0xc014},
    {"TLS_RSA_WITH_AES_128_GCM_SHA256", 0x009c},
    {"TLS_RSA_WITH_AES_256_GCM_SHA384", 0x009d},
    {"TLS_RSA_WITH_AES_128_CBC_SHA", 0x002f},
    {"TLS_RSA_WITH_AES_256_CBC_SHA", 0x0035},
    {"TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", 0xc012},
    {"TLS_RSA_WITH_3DES_EDE_CBC_SHA", 0x000a},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", 0xc023},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", 0xc027},
    {"TLS_RSA_WITH_AES_128_CBC_SHA256", 0x003c},
    {"TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", 0xc007},
    {"TLS_ECDHE_RSA_WITH_RC4_128_SHA", 0xc011},
    {"TLS_RSA_WITH_RC4_128_SHA", 0x0005},
    {"TLS_AES_128_GCM_SHA256", 0},
    {"TLS_AES_256_GCM_SHA384", 0},
    {"TLS_CHACHA20_POLY1305_SHA256", 0},
    {"TLS_FALLBACK_SCSV", 0},
};

static const struct {
    const char *names[2]; /* both of Go's */
    const char *own;
} curves[] = {
    {{"secp256r1", "CurveP256"}, "P-256"},
    {{"secp384r1", "CurveP384"}, "P-384"},
    {{"secp521r1", "CurveP521"}, "P-521"},
    {{"x25519", "X25519"}, "X25519"},
    {{"x25519mlkem768", "X25519MLKEM768"}, "X25519MLKEM768"},
    {{"secp256r1mlkem768", "SecP256r1MLKEM768"}, "SecP256r1MLKEM768"},
    {{"secp384r1mlkem1024", "SecP384r1MLKEM1024"}, "SecP384r1MLKEM1024"},
};

static void add(struct pool *pool, struct tls_names *out, const char *own)
{
    struct slice rest = out->text, each;

    while (rest.ptr && rest.len) {
        each = slice_split(&rest, ':');
        if (slice_eq(each, slice_cstr(own))) {
            return; /* under its other name */
        }
    }
    out->text = out->text.len ? pool_printf(pool, "%.*s:%s", SLICE_ARG(out->text), own)
                              : pool_copy(pool, slice_cstr(own));
}

static void miss(struct tls_names *out, struct slice name)
{
    if (out->missing.len == 0) {
        out->missing = name;
    }
}

/* ---- ciphers ---- */
static const struct known_cipher *cipher_named(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(ciphers); i++) {
        if (slice_eq(name, slice_cstr(ciphers[i].name))) {
            return &ciphers[i];
        }
    }
    return NULL;
}

const struct slice *tls_ciphers_unknown(const struct list *names)
{
    const struct slice *items = names->items;

    for (size_t i = 0; i < names->count; i++) {
        if (cipher_named(items[i]) == NULL) {
            return &items[i];
        }
    }
    return NULL;
}

/* BoringSSL knows some by number only: whether it also takes them is tried. */
static const char *cipher_own(SSL_CTX *scratch, uint16_t number)
{
    const SSL_CIPHER *cipher = SSL_get_cipher_by_value(number);
    const char *own = cipher ? SSL_CIPHER_get_name(cipher) : NULL;

    if (own && SSL_CTX_set_strict_cipher_list(scratch, own) != 1) {
        own = NULL;
    }
    ERR_clear_error();
    return own;
}

static const struct slice *listed(const struct list *names, const char *name)
{
    const struct slice *items = names->items;

    for (size_t i = 0; i < names->count; i++) {
        if (slice_eq(items[i], slice_cstr(name))) {
            return &items[i];
        }
    }
    return NULL;
}

struct tls_names tls_ciphers(struct pool *pool, const struct list *names)
{
    SSL_CTX *scratch = SSL_CTX_new(TLS_method());
    struct tls_names out = {{NULL, 0}, {NULL, 0}};

    for (size_t i = 0; i < ARRAY_LEN(ciphers) && scratch; i++) {
        const struct slice *name = ciphers[i].number ? listed(names, ciphers[i].name) : NULL;
        const char *own = name ? cipher_own(scratch, ciphers[i].number) : NULL;

        if (own) {
            add(pool, &out, own);
        } else if (name) {
            miss(&out, *name);
        }
    }
    SSL_CTX_free(scratch);
    return out;
}

struct slice tls_ciphers_default(void)
{
    return SLICE("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                 "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                 "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
                 "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA");
}

static bool text_has(struct slice text, struct slice name)
{
    while (text.ptr) {
        if (slice_eq(slice_split(&text, ':'), name)) {
            return true;
        }
    }
    return false;
}

uint8_t tls_ciphers_ecdsa(struct slice text)
{
    static const uint16_t numbers[] = {TLS_ECDSA_CIPHERS};
    uint8_t bits = 0;

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        const SSL_CIPHER *cipher = SSL_get_cipher_by_value(numbers[i]);

        if (cipher && text_has(text, slice_cstr(SSL_CIPHER_get_name(cipher)))) {
            bits |= (uint8_t)(1u << i);
        }
    }
    return bits;
}

/* ---- curves ---- */
static const char *curve_own(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
        if (slice_eq(name, slice_cstr(curves[i].names[0])) ||
            slice_eq(name, slice_cstr(curves[i].names[1]))) {
            return curves[i].own;
        }
    }
    return NULL;
}

struct tls_names tls_curves(struct pool *pool, const struct list *names)
{
    SSL_CTX *scratch = SSL_CTX_new(TLS_method());
    const struct slice *items = names->items;
    struct tls_names out = {{NULL, 0}, {NULL, 0}};

    for (size_t i = 0; i < names->count && scratch; i++) {
        const char *own = curve_own(items[i]);

        if (own && SSL_CTX_set1_curves_list(scratch, own) == 1) {
            add(pool, &out, own);
        } else if (own) {
            miss(&out, items[i]);
        }
        ERR_clear_error();
    }
    SSL_CTX_free(scratch);
    return out;
}

struct slice tls_curves_default(struct pool *pool)
{
    static const struct slice go[] = {SLICE_INIT("X25519MLKEM768"), SLICE_INIT("X25519"),
                                      SLICE_INIT("CurveP256"), SLICE_INIT("CurveP384"),
                                      SLICE_INIT("CurveP521")};
    struct list names = {(void *)(uintptr_t)go, ARRAY_LEN(go)};

    return tls_curves(pool, &names).text;
}
