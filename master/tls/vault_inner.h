/*
 * vault_inner.h - what the files of the vault share: vault.c (pairs), vault_kept.c (memfd), vault_files.c
 * (files), vault_texts.c (texts that a reader took), vault_authorities.c.
 */
#ifndef WEIR_MASTER_TLS_VAULT_INNER_H
#define WEIR_MASTER_TLS_VAULT_INNER_H

#include <limits.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdatomic.h>

#include "common/base/text.h"
#include "master/tls/vault.h"

struct file_state { /* another one means another content */
    uint64_t device, inode, size;
    int64_t changed_ns, modified_ns;
    bool exists;
};

struct vault_file {
    char *path;
    struct file_state state;
    bool otherwise; /* it was not, or not only, read for who may refuse it (vault_accepted()) */
};

struct vault_files {
    atomic_uint references;
    size_t count, capacity;
    struct vault_file *items; /* each path once */
    uint32_t *slots;          /* by path: position + 1, 0: free; a power of two */
    size_t size;
};

struct vault_pair {
    struct vault_pair *next;             /* in its bucket */
    uint8_t place[SHA256_DIGEST_LENGTH]; /* paths or texts */
    uint8_t state[SHA256_DIGEST_LENGTH]; /* and the state of files */
    uint64_t round;                      /* of the compile that used it last */
    struct keypair pair;
    struct error why; /* pair.pool NULL: why there is none */
};

struct vault_text {          /* what a reader took last */
    struct vault_text *next; /* in its bucket */
    uint64_t hash;           /* of path */
    char *path;
    vault_accept *accept;
    uint64_t round; /* of the compile that used it last */
    char *text;
    size_t len;
};

struct vault_authorities {
    struct vault_authorities *next;
    uint64_t hash; /* of place */
    char *place;   /* the path or the text */
    size_t place_len;
    struct file_state state;
    uint64_t round;
    struct pool *pool; /* what the list lies in; NULL: nothing was read */
    struct list list;  /* struct authority */
    struct error why;  /* of the last try; empty: it was good */
};

struct kept {
    int64_t made; /* when the newest ticket key was, seconds since 1970 */
    size_t ticket_count;
    struct ticket_key tickets[TICKET_KEYS];
    struct keypair fallback; /* pool NULL: not made yet */
    struct text learned;     /* learned_pack() */
    size_t staples_len,
        staples_base;  /* of the OCSP answers: bytes that lie there, and when all were written last */
    bool staples_torn; /* the last ones could not be written: nobody reads what stood behind them */
};

struct vault {
    struct vault_pair **buckets;
    size_t size, count;
    struct vault_text **texts; /* buckets, by path; NULL: none yet */
    size_t text_size, text_count;
    struct staples *staples;
    struct learned *learned;
    struct vault_authorities *authorities;
    uint64_t round;
    bool fallback;                    /* kept.fallback may be made */
    struct vault_files *using, *used; /* of the compile under way, of the last one */
    pthread_mutex_t mutex;            /* over what follows, and `used` */
    int fd;                           /* -1: nothing outlives us */
    struct kept kept;
};

/* vault_files.c: of a path, as it is now; noted as used. */
void files_state(const char *path, struct file_state *out);
void files_add(struct vault_files *files, const char *path, const struct file_state *state, bool otherwise);
struct vault_files *files_new(void);
/* Those that are as they were into `same`, the paths of the others (struct slice, in the pool) into *changed; false: one of
 * these was read otherwise. */
bool files_part(const struct vault_files *files, struct vault_files *same, struct pool *pool,
                struct list *changed);
int files_read(const char *path, struct pool *pool, struct slice *out, struct error *why);

/* vault_texts.c: forgets those that the last compile did not use. */
void texts_sweep(struct vault *vault);
void texts_free(struct vault *vault);

/* vault_authorities.c: the same. */
void authorities_sweep(struct vault *vault);
void authorities_free(struct vault *vault);

/* vault.c: whether the value is a path, and which. */
bool vault_path(struct slice value, char path[PATH_MAX]);

/* vault_kept.c */
/* Its mutex is held by the caller of either. */
void kept_store(const struct vault *vault);   /* keys, certificate, sets */
void kept_store_staples(struct vault *vault); /* what is new of OCSP answers */
void kept_free(struct kept *kept);

/* fallback.c: a certificate signed by itself, for nobody's name. */
int fallback_make(struct keypair *out, struct error *why);

#endif
