/*
 * secrets.h - the secrets page: the keys of session tickets, and certificates that are for no name (the default ones, those
 * that are shown to servers).
 *
 * Small, so that new keys of tickets cost nothing; no process writes its mapping into a core dump (page.c). Built by
 * master/compile/compile_secrets.c, read by worker/tls_choose.c, tls_ticket.c and tls_verify.c.
 *
 * Not here: certificates for names (certificates.h), options of handshakes (tls_options.h).
 */
#ifndef WEIR_SHM_SECRETS_H
#define WEIR_SHM_SECRETS_H

#include "shm/certificates.h"

#define CERTIFICATE_NONE UINT32_MAX

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
    const struct ticket_key *tickets;     /* the newest first: that one seals, all open */
    size_t ticket_count;                  /* at most TICKET_KEYS */
    uint32_t fallback[CERTIFICATE_KINDS]; /* numbers, for names that have none; or CERTIFICATE_NONE */
};

void secrets_build(struct page_builder *builder, const struct secrets_input *input);
int secrets_check(const struct page *page, struct error *why);

/* NULL: there is none of that number. */
const struct certificate_row *secrets_certificate(const struct page *page, uint32_t number);
void secrets_fallback(const struct page *page, struct certificate_choice *out);
const struct ticket_key *tickets_at(const struct page *page, size_t *count);

#endif
