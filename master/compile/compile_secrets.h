/*
 * compile_secrets.h - between which certificates are served (compile_secrets.c) and the pages of them (compile_secrets_pages.c).
 */
#ifndef WEIR_MASTER_COMPILE_COMPILE_SECRETS_H
#define WEIR_MASTER_COMPILE_COMPILE_SECRETS_H

#include "master/compile/compiler.h"
#include "master/tls/keypair.h"
#include "shm/secrets.h"

/* Kept over compile_patch(), for when OCSP answers or keys of tickets alone are others. The pairs are the vault's. */
struct secrets_chosen {
    uint64_t round;               /* vault_round() then */
    const struct keypair **pairs; /* for names, by id: those of one page lie together */
    uint64_t *identities;         /* of their rows, when the pages were made last; NULL: they never were */
    size_t count;
    struct certificate_name *names;        /* those of one page behind each other, by name; */
    size_t starts[CERTIFICATE_GROUPS + 1]; /* where those of each page begin */
    const struct keypair **own; /* on the secrets page: those that are shown to servers come first */
    size_t own_count;
    uint32_t fallback[CERTIFICATE_KINDS]; /* numbers of these, or CERTIFICATE_NONE */
};

/* Of compiler->secrets. all: those that did not change, too. */
void secrets_pages(struct compiler *compiler, struct vault *vault, bool all, struct compiled *out);

#endif
