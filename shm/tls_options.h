/*
 * tls_options.h - the TLS page: options of handshakes in the form that workers need, and which host gets which.
 *
 * Options are known by a number in the page and, over generations, by two hashes: `id` of their name (what routers ask
 * for, see struct route), `identity` of their content (a context that was made of it can go on being used).
 */
#ifndef WEIR_SHM_TLS_OPTIONS_H
#define WEIR_SHM_TLS_OPTIONS_H

#include "shm/page.h"

enum tls_client_auth_mode { /* in the order of Traefik's names */
                            TLS_CLIENT_NONE,
                            TLS_CLIENT_REQUEST,
                            TLS_CLIENT_REQUIRE_ANY,
                            TLS_CLIENT_VERIFY_IF_GIVEN,
                            TLS_CLIENT_REQUIRE_AND_VERIFY,
                            TLS_CLIENT_MODES
};

#define TLS_OPTIONS_BROKEN UINT32_MAX /* what a router names cannot be had: its hosts get no handshake */
#define TLS_ALPN_MOST 255

/* Cipher suites of TLS 1.2 and below that take a key of ECDSA or Ed25519, by their numbers on the wire. */
#define TLS_ECDSA_CIPHERS 0xc02b, 0xc02c, 0xcca9, 0xc009, 0xc00a, 0xc023, 0xc024

struct tls_options_row { /* stored as it is given */
    struct slice name;
    uint64_t id, identity;
    uint16_t min_version, max_version; /* as on the wire; 0: the library's */
    uint32_t client_auth;              /* enum tls_client_auth_mode */
    struct slice ciphers;              /* of TLS 1.2, as BoringSSL reads them; empty: its own choice */
    struct slice curves;               /* the same: "X25519:P-256"; empty: its own choice */
    struct list authorities;           /* struct slice: DER */
    struct slice alpn; /* as on the wire: length, name, length, name ... in order of preference */
    bool sni_strict, tickets;
    uint8_t ecdsa_ciphers; /* bit i: `ciphers` has number i of TLS_ECDSA_CIPHERS */
    uint8_t reserved[5];
};

struct tls_host {
    struct slice host; /* "a.example.com", "*.example.com" (one label) */
    uint32_t entry_point;
    uint32_t options; /* a number, or TLS_OPTIONS_BROKEN */
};

struct tls_options_input {
    const struct tls_options_row *options;
    size_t option_count;
    const struct tls_host *hosts; /* each (entry point, host) once */
    size_t host_count;
    uint32_t fallback;       /* options of all other hosts, or TLS_OPTIONS_BROKEN */
    const uint8_t *tls_only; /* by entry point: it has routers with TLS and none without */
    size_t entry_point_count;
};

void tls_options_build(struct page_builder *builder, const struct tls_options_input *input);
int tls_options_check(const struct page *page, struct error *why);

/* Of a name without which there are no TLS routers too: "default". */
uint64_t tls_options_id(struct slice name);
uint32_t tls_options_count(const struct page *page);
const struct tls_options_row *tls_options_at(const struct page *page,
                                             uint32_t number); /* NULL when out of range */
/* For a server name in lower case (may be empty): its own, those of the wildcard that covers it, else those of all. */
uint32_t tls_options_find(const struct page *page, uint32_t entry_point, struct slice host);
/* Whether a router names that host, itself or by a wildcard. */
bool tls_options_named(const struct page *page, uint32_t entry_point, struct slice host);
bool tls_options_only(const struct page *page, uint32_t entry_point);

#endif
