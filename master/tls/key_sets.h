/*
 * key_sets.h - sets of keys that verify tokens (RFC 7517), by the URL that each comes from: the last good one of each, and
 * when it is asked for again.
 *
 * The compile, on its thread, says which URLs there are and takes the sets; the loop of the master asks
 * (master/master/key_fetch.c). A mutex guards all of it. A set is asked for again when its time is over, which its server says
 * (30 s at least, a day at most, an hour when it says nothing); who does not answer, or with something that is no set, is asked
 * again soon, as often as `retries` says, then, as often each time, after 2 s, after twice as long, up to 5 minutes, and a little
 * more so that not all are asked at once. What came last stays in force meanwhile. A worker that sees a token whose key is not there says so on the board; then the set is asked
 * for at once, because of that every 30 s at the most.
 *
 * Times are of process_clock_ns().
 */
#ifndef WEIR_MASTER_TLS_KEY_SETS_H
#define WEIR_MASTER_TLS_KEY_SETS_H

#include "common/base/error.h"
#include "common/base/pool.h"
#include "common/base/text.h"
#include "common/tls/tls.h"
#include "shm/board.h"

#define KEY_SET_MOST ((size_t)1 << 20) /* bytes of an answer */

struct key_sets;

struct key_set_way { /* how it is asked for */
    struct tls_client_options tls;
    int64_t timeout_ns; /* for one answer */
    unsigned retries;
};

struct key_set_question {
    struct pool *pool; /* the caller's, what the rest lies in */
    struct slice key, url;
    struct key_set_way way;
};

struct key_sets *key_sets_new(void);
void key_sets_free(struct key_sets *sets); /* NULL is fine */

/* ---- a compile ---- */
void key_sets_begin(struct key_sets *sets);
/* key: the URL; where it is asked in a way of its own also a line end and what tells that way from all others (never its
 * secrets). The set that it gave last, which jwk_read_set() took, in the pool; empty: none yet. `way` is copied. */
struct slice key_sets_for(struct key_sets *sets, struct slice key, const struct key_set_way *way,
                          struct pool *pool);
/* Workers who miss a key of that set make this word another than zero. After key_sets_for(). */
void key_sets_heed(struct key_sets *sets, struct slice key, struct board_ref word);
/* Forgets those that were not asked about since key_sets_begin(). */
void key_sets_end(struct key_sets *sets);

/* ---- the loop ---- */
/* Looks at the words, and zeroes them. */
void key_sets_listen(struct key_sets *sets, struct board *board);
/* What is to be asked now, if anything: key_sets_answered() is owed for it. */
bool key_sets_next(struct key_sets *sets, int64_t now_ns, struct key_set_question *out);
/* rc < 0: there was no answer, why says why. max_age_s: how long the answer is good, -1 when it does not say. */
void key_sets_answered(struct key_sets *sets, const struct key_set_question *question, int rc,
                       struct slice answer, int64_t max_age_s, int64_t now_ns, const struct error *why);
/* Sets came or are others that no compile has seen; true once for each. */
bool key_sets_take_changed(struct key_sets *sets);

/* ---- over masters ---- */
#define KEY_SETS_KEPT ((size_t)4 << 20) /* bytes; what is beyond is left out */
/* All sets that are there and used, as bytes; they may hold secrets. */
void key_sets_pack(struct key_sets *sets, struct text *out);
/* Takes what an earlier master packed: each is asked for again once it is used, and in force until then. Bytes that are not whole are
 * left out. Before the first compile. */
void key_sets_unpack(struct key_sets *sets, struct slice bytes);

/* The URL of a key without what may be secret in it, for logs. */
struct slice key_set_name(struct slice key);

#endif
