/*
 * server_tls.h - how TLS is spoken to servers: rows of the transports page by number, and the authorities that they believe.
 *
 * Whatever connects to a server by TLS names a row: transports of HTTP and of TCP, what middlewares ask. Private keys stand
 * in the secrets page alone; a row has the numbers of its certificates there. Authorities are sets, so that the system's
 * hundred and more are there once; in a set they are found by their subject and parsed when a server was signed by one.
 */
#ifndef WEIR_SHM_SERVER_TLS_H
#define WEIR_SHM_SERVER_TLS_H

#include "shm/page.h"

#define AUTHORITIES_SYSTEM 0u /* the set of the system; empty when nothing on the page wants it */

struct server_san { /* stored */
    struct slice value;
    uint64_t is_uri; /* 1: a URI; 0: a DNS name or an address */
};

struct server_tls { /* stored as it is given */
    uint64_t
        identity; /* of its content, certificates and authorities with it: contexts and sessions made of it outlive
                        * generations; the system's set counts as itself whatever stands in it */
    struct slice server_name; /* asked for and verified; empty: the host of the server */
    struct slice ciphers;     /* of TLS 1.2, as BoringSSL reads them; empty: its own choice */
    struct list certificates; /* uint32_t: numbers in the secrets page; shown to a server that asks */
    struct list sans;     /* struct server_san: when there are any, the certificate must have one of them */
    uint32_t authorities; /* number of a set */
    uint16_t min_version, max_version; /* as on the wire; max 0: the library's */
    bool insecure;                     /* any certificate will do */
    uint8_t reserved[7];
};

struct authority {    /* stored */
    uint64_t subject; /* authority_subject() */
    struct slice der;
};

struct server_tls_input {
    const struct server_tls *rows;
    size_t count;
    const struct list *sets; /* each a list of struct authority, in any order; the system's first */
    size_t set_count;
};

struct server_tls_root { /* within the root of the transports page (transports.c) */
    struct list rows;
    struct list sets; /* struct list of struct authority, by subject */
};

/* The row at that offset is found by it: `at` is where the root lies in the builder. */
void server_tls_build(struct page_builder *builder, const struct server_tls_input *input, uint64_t at);
int server_tls_check(const struct page *page, const struct server_tls_root *root, struct error *why);

uint64_t authority_subject(struct slice name); /* of the name's DER */

uint32_t server_tls_count(const struct page *page);
const struct server_tls *server_tls_at(const struct page *page, uint32_t number); /* NULL when out of range */
/* Those of the set with that subject: the first, and how many follow it; NULL: none. */
const struct authority *authorities_find(const struct page *page, uint32_t set, uint64_t subject,
                                         size_t *count);

#endif
