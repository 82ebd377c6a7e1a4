/*
 * learned.h - what other servers tell about middlewares, by the question: the last good answer of each, and when it is asked
 * again. Sets of keys that verify tokens (RFC 7517), by URL; maps of Redis Clusters (common/net/redis_cluster.h), by
 * endpoints.
 *
 * The compile, on its thread, says which questions there are and takes the answers; the loop of the master asks
 * (master/master/key_fetch.c, cluster_fetch.c). A mutex guards all of it. It is asked again when the time of an answer is over,
 * which its server says (30 s at least, a day at most, an hour when it says nothing); who does not answer, or with something that
 * is none, is asked again soon, as often as `retries` says, then, as often each time, after 2 s, after twice as long, up to 5
 * minutes, and a little more so that not all are asked at once. What came last stays in force meanwhile. A worker for whom it was
 * not enough says so on the board; then it is asked for at once, because of that no sooner again than the kind says.
 *
 * Times are of process_clock_ns().
 */
#ifndef WEIR_MASTER_TLS_LEARNED_H
#define WEIR_MASTER_TLS_LEARNED_H

#include "common/base/error.h"
#include "common/base/pool.h"
#include "common/base/text.h"
#include "common/tls/tls.h"
#include "shm/board.h"

#define KEY_SET_MOST ((size_t)1 << 20) /* bytes of a set of keys */

struct learned;

struct learned_kind {
    const char *who, *what; /* in the log: "WHO: no WHAT from ..." */
    /* Whether it is what was asked for; NULL: who asked has looked. */
    int (*check)(struct slice answer, struct error *why);
    int64_t again_ns,
        again_most_ns; /* because a worker missed something: twice as long each time that it changed */
    int64_t retry_most_ns;
};

extern const struct learned_kind learned_keys, learned_clusters;

struct learned_way { /* how it is asked for */
    const struct learned_kind *kind;
    struct tls_client_options tls;
    struct slice username, password; /* of a cluster */
    int64_t timeout_ns;              /* for one answer */
    unsigned retries;
};

struct learned_question {
    struct pool *pool; /* the caller's, what the rest lies in */
    struct slice key, url;
    unsigned turn; /* how often it was asked in vain: who can be asked elsewhere takes the next one */
    struct learned_way way;
};

struct learned *learned_new(void);
void learned_free(struct learned *learned); /* NULL is fine */

/* ---- a compile ---- */
void learned_begin(struct learned *learned);
/* key: the URL, of a cluster redis:// or rediss:// and the endpoints with commas; where it is asked in a way of its own
 * also a line end and what tells that way from all others (never its secrets). What it gave last, which was good, in the
 * pool; empty: nothing yet. `way` is copied. */
struct slice learned_for(struct learned *learned, struct slice key, const struct learned_way *way,
                         struct pool *pool);
/* Workers for whom it was not enough make this word another than zero. After learned_for(). */
void learned_heed(struct learned *learned, struct slice key, struct board_ref word);
/* Forgets those that were not asked about since learned_begin(). */
void learned_end(struct learned *learned);

/* ---- the loop ---- */
/* Looks at the words, and zeroes them. */
void learned_listen(struct learned *learned, struct board *board);
/* What of that kind is to be asked now, if anything: learned_answered() is owed for it. */
bool learned_next(struct learned *learned, const struct learned_kind *kind, int64_t now_ns,
                  struct learned_question *out);
/* rc < 0: there was no answer, why says why. max_age_s: how long the answer is good, -1 when it does not say. */
void learned_answered(struct learned *learned, const struct learned_question *question, int rc,
                      struct slice answer, int64_t max_age_s, int64_t now_ns, const struct error *why);
/* Answers came or are others that no compile has seen; true once for each. */
bool learned_take_changed(struct learned *learned);

/* ---- over masters ---- */
#define LEARNED_KEPT ((size_t)4 << 20) /* bytes; what is beyond is left out */
/* All answers that are there and used, as bytes; they may hold secrets. */
void learned_pack(struct learned *learned, struct text *out);
/* Takes what an earlier master packed: each is asked for again once it is used, and in force until then. Bytes that are
 * not whole are left out. Before the first compile. */
void learned_unpack(struct learned *learned, struct slice bytes);

/* The URL of a key without what may be secret in it, for logs. */
struct slice learned_name(struct slice key);

#endif
