/*
 * vault.h - the master's certificates and keys over its compiles: what was read is not read again, what must outlive a
 * master lies in a memfd that the guard keeps.
 *
 * pairs     certificate and key by where they stand (a path with the file's state, or the text): a compile asks for all
 *           that it uses between vault_begin() and vault_end(), which forgets the others. So a change costs the certificates
 *           that changed.
 * kept      keys of session tickets (the newest seals, the older ones still open) and the certificate for names that have
 *           none: the same in all workers, over reloads, masters and upgrades.
 * authorities   of servers, in the same way
 * texts     of files whose reader may refuse them: the last one that it took.
 * files     whose content came from disk: vault_files_changed() tells whether to compile again.
 *
 * The compile runs on a thread of the master and the tending on its loop: a mutex guards what is kept, the pairs are the
 * compile's alone.
 */
#ifndef WEIR_MASTER_TLS_VAULT_H
#define WEIR_MASTER_TLS_VAULT_H

#include "master/tls/keypair.h"

struct vault;

/* fallback: it may make a certificate for names that have none (vault_default()). */
struct vault *vault_new(bool fallback);
void vault_free(struct vault *vault); /* NULL is fine */
/* A memfd with what an earlier master kept, or an empty one; taken over. Before the first compile. */
void vault_adopt(struct vault *vault, int fd);

void vault_begin(struct vault *vault);
/* What stands in `certificate` and `key` (each a path, or PEM text). It stays good until the next compile's
 * vault_end(). A file that cannot be read any more leaves the pair as it was, with the reason in *why, which else is
 * empty. NULL: there is none, with the reason. */
const struct keypair *vault_pair(struct vault *vault, struct slice certificate, struct slice key,
                                 struct error *why);
/* The content of a path, or the text itself, in the pool; its file counts as used too. */
int vault_text(struct vault *vault, struct slice path_or_text, struct pool *pool, struct slice *out,
               struct error *why);
/* The authorities (struct authority) in a path or text, which stay good until the next compile's vault_end(); parsed anew only
 * when the file is another. A file that cannot be read any more leaves them as they were, with the reason in *why, which else is
 * empty. A negative errno: there are none, with the reason. */
int vault_authorities(struct vault *vault, struct slice path_or_text, struct list *out, struct error *why);
/* The same for those of the system: SSL_CERT_FILE, else Debian's file. */
int vault_system_authorities(struct vault *vault, struct list *out, struct error *why);
/* A file whose reader may refuse what stands in it (users): accept() gets the text, in the pool, and returns a negative
 * errno with the reason. When the file cannot be read or is refused, accept() gets the text that it took last of that
 * path. 0; 1: it was that older one, *why says why; or what is wrong. A file that was written just now is left alone until
 * it is whole: the older text counts until then. A vault that is NULL remembers nothing. */
typedef int vault_accept(void *context, struct slice text, struct error *why);
int vault_accepted(struct vault *vault, struct slice path, struct pool *pool, vault_accept *accept,
                   void *context, struct error *why);
void vault_end(struct vault *vault);
/* How many compiles began: pairs that one of them was given may be gone when there was another one. */
uint64_t vault_round(const struct vault *vault);
/* Instead of the two, when the last compile's certificates are served with the OCSP answers of now: these are kept, too. */
void vault_keep_staples(struct vault *vault);

/* Instead of those two, where nothing but files that vault_accepted() read have changed since: their paths (struct slice, in
 * the pool), each of which is to be read again before vault_amended(); all else of the last compile stays in use. -EAGAIN:
 * another file has changed, too. good: what was read counts as used; else it is as if there had been no vault_amend(). */
int vault_amend(struct vault *vault, struct pool *pool, struct list *changed);
void vault_amended(struct vault *vault, bool good);

/* For names that have no certificate, when the user gave none: made here. NULL when that fails or is not allowed. */
const struct keypair *vault_default(struct vault *vault);
/* The newest first; returns how many. */
size_t vault_tickets(struct vault *vault, struct ticket_key out[TICKET_KEYS]);
/* Makes a new key when the newest is old enough. True: they are others now. now: seconds since 1970. */
bool vault_rotate(struct vault *vault, int64_t now);

/* OCSP answers for certificates; NULL in a vault that may make no certificate of its own: nobody would ask. */
struct staples;
struct staples *vault_staples(struct vault *vault);
/* Sets of keys by URL, maps of Redis Clusters; NULL in the same vaults. */
struct learned;
struct learned *vault_learned(struct vault *vault);
/* Some is other: the next master is to have them. */
void vault_keep_learned(struct vault *vault);

/* The files that the last finished compile read, with their state then; shared with a thread. NULL: none. */
struct vault_files;
struct vault_files *vault_files(struct vault *vault); /* the caller's reference */
struct vault_files *vault_files_ref(struct vault_files *files);
size_t vault_files_count(const struct vault_files *files);
bool vault_files_changed(const struct vault_files *files);
/* Watches the folders that they lie in; from then on vault_watch_told(), which does not wait, says whether anything
 * happened in one since it was asked last. A descriptor, the caller's; -1: there are too many of them, or one cannot be
 * watched. */
int vault_files_watch(const struct vault_files *files);
bool vault_watch_told(int fd);
void vault_files_unref(struct vault_files *files); /* NULL is fine */

#endif
