/*
 * nonces.h - the nonces that digestAuth gave out, in a table of the board: which counts of one were used, over all workers.
 *
 * A nonce carries a mark that only we can make, so that one of ours that was forgotten is told from one that somebody made
 * up: the client of the former is asked to begin anew ("stale"), without asking its user. A count is taken once. Table full:
 * a nonce that nobody logged in with gives way first, then the one that was used longest ago.
 */
#ifndef WEIR_SHM_NONCES_H
#define WEIR_SHM_NONCES_H

#include "shm/tables.h"

#define NONCE_RANDOM 16 /* bytes */
#define NONCE_LEN 32    /* characters */
#define NONCE_MARK_LEN 16

enum nonce_verdict {
    NONCE_TAKEN, /* the count is the caller's */
    NONCE_USED,  /* it was taken before: somebody says again what another said */
    NONCE_STALE, /* later counts were taken, or the nonce is forgotten */
    NONCE_ALIEN, /* none of ours */
};

/* Makes one of that randomness and remembers it. False: there is no table. now_ns: of the monotonic clock. */
bool nonce_make(struct board *board, struct table_ref ref, const uint8_t random[NONCE_RANDOM], int64_t now_ns,
                char out[NONCE_LEN]);
/* Takes a count of a nonce as a client sent it. count: not 0. */
enum nonce_verdict nonce_take(struct board *board, struct table_ref ref, struct slice nonce, uint32_t count,
                              int64_t now_ns);
/* A text that is always the same for the middleware, and hard to guess: its opaque. */
void nonce_mark(struct board *board, struct table_ref ref, char out[NONCE_MARK_LEN]);

#endif
