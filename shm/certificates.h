/*
 * certificates.h - pages of certificates with their keys, and which name gets which: CERTIFICATE_GROUPS pages in every
 * generation.
 *
 * A name stands on the page that a hash of it says, a certificate on that of the first of its names. A name says which
 * certificates it gets by their ids, which are made of names and so outlive a renewal: a certificate that is renewed, or has
 * another OCSP answer, rewrites one page, whatever else there is; one that is new the pages of its names.
 *
 * No process writes such a mapping into a core dump (page.c). Built by master/compile/compile_secrets.c.
 *
 * Not here: certificates that are for no name, keys of session tickets (secrets.h); parsing of certificates (master/tls).
 */
#ifndef WEIR_SHM_CERTIFICATES_H
#define WEIR_SHM_CERTIFICATES_H

#include "shm/page.h"

/* For one name there may be one of each; a client gets the first that it can verify. */
enum certificate_kind { CERTIFICATE_ECDSA, CERTIFICATE_RSA, CERTIFICATE_ED25519, CERTIFICATE_KINDS };

struct certificate_row { /* stored as it is given */
    struct list chain;   /* struct slice: DER, the certificate itself first */
    struct slice key;    /* DER (PKCS #8) */
    struct slice staple; /* an OCSP response for it (DER); empty: none */
    int64_t not_after;   /* seconds since 1970 */
    uint64_t identity;   /* of chain, key and staple: contexts made of it outlive generations */
    uint64_t id;         /* certificate_id(); 0: it has no name */
    uint32_t kind;       /* enum certificate_kind */
    uint32_t reserved;
};

/* Names as they stand in certificates, in lower case, with their dot-less end; "*.example.com" is for one label. IP addresses in
 * their canonical text. */
struct certificate_name {
    struct slice name;
    uint64_t certificates[CERTIFICATE_KINDS]; /* ids, 0: none of that kind */
};

/* Which of the pages a name stands on. */
unsigned certificates_group(struct slice name);
/* The id of a certificate: of a digest of its names and its kind, which nobody can make another certificate fit, and of the first
 * of its names. Never 0. */
uint64_t certificate_id(uint64_t digest, struct slice first);
/* Which of the pages it stands on. */
unsigned certificate_id_group(uint64_t id);

/* One page. */
struct certificates_input {
    const struct certificate_row *rows; /* each id once */
    size_t row_count;
    const struct certificate_name *names; /* each name once */
    size_t name_count;
};

void certificates_build(struct page_builder *builder, const struct certificates_input *input);
int certificates_check(const struct page *page, struct error *why);

/* Rows of any page: shared with secrets.h. */
struct list certificate_rows_store(struct page_builder *builder, const struct certificate_row *rows,
                                   size_t count);
bool certificate_rows_good(const struct page *page, struct list stored);

/* What a name gets, by kind; NULL: none of that. Views, good while the generation is. */
struct certificate_choice {
    const struct certificate_row *rows[CERTIFICATE_KINDS];
    const struct page *pages[CERTIFICATE_KINDS]; /* that the rows lie on */
};

/* Those for a server name in lower case (or an address as text): of the name itself, else of the wildcard that covers it.
 * pages: of a generation, by place. False: there is none. */
bool certificates_find(struct page *const *pages, struct slice name, struct certificate_choice *out);

#endif
