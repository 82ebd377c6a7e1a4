/*
 * secrets.h - the secrets page: certificates with their keys, which name gets which, the keys of session tickets.
 *
 * Apart from all other pages, so that no change of routes rewrites it; no process writes its mapping into a core dump
 * (page.c). Built by master/compile/compile_secrets.c, read by worker/tls_live.c.
 *
 * Not here: options of handshakes (tls_options.h), parsing of certificates (master/tls).
 */
#ifndef WEIR_SHM_SECRETS_H
#define WEIR_SHM_SECRETS_H

#include "shm/page.h"

/* For one name there may be one of each; a client gets the first that it can verify. */
enum certificate_kind { CERTIFICATE_ECDSA, CERTIFICATE_RSA, CERTIFICATE_ED25519, CERTIFICATE_KINDS };

#define CERTIFICATE_NONE UINT32_MAX

struct certificate_row { /* stored as it is given */
    struct list chain;   /* struct slice: DER, the certificate itself first */
    struct slice key;    /* DER (PKCS #8) */
    struct slice staple; /* an OCSP response for it (DER); empty: none */
    int64_t not_after;   /* seconds since 1970 */
    uint64_t identity;   /* of chain, key and staple: contexts made of it outlive generations */
    uint32_t kind;       /* enum certificate_kind */
    uint32_t reserved;
};

/* Names as they stand in certificates, in lower case, with their dot-less end; "*.example.com" is for one label. IP addresses in
 * their canonical text. */
struct certificate_name {
    struct slice name;
    uint32_t certificates[CERTIFICATE_KINDS]; /* numbers, CERTIFICATE_NONE */
    uint32_t reserved;
};

#define TICKET_NAME_SIZE 16
#define TICKET_KEY_SIZE 32
#define TICKET_KEYS 4

struct ticket_key {
    uint8_t name[TICKET_NAME_SIZE];
    uint8_t key[TICKET_KEY_SIZE];
};

struct secrets_input {
    const struct certificate_row *certificates;
    size_t certificate_count;
    const struct certificate_name *names; /* each name once */
    size_t name_count;
    const struct ticket_key *tickets;     /* the newest first: that one seals, all open */
    size_t ticket_count;                  /* at most TICKET_KEYS */
    uint32_t fallback[CERTIFICATE_KINDS]; /* for all other names */
};

void secrets_build(struct page_builder *builder, const struct secrets_input *input);
int secrets_check(const struct page *page, struct error *why);

uint32_t certificates_count(const struct page *page);
const struct certificate_row *certificates_at(const struct page *page, uint32_t number);
/* Those for a server name in lower case (or an address as text): of the name itself, else of the wildcard that covers it; NULL:
 * there is none. An array of CERTIFICATE_KINDS numbers. */
const uint32_t *certificates_find(const struct page *page, struct slice name);
const uint32_t *certificates_fallback(const struct page *page);
const struct ticket_key *tickets_at(const struct page *page, size_t *count);

#endif
