/*
 * staples.h - OCSP answers for certificates: which are wanted, which are there, when each is asked for again.
 *
 * The compile, on its thread, says which certificates there are and takes the answers; the loop of the master asks
 * (master/master/stapling.c). A mutex guards all of it. An answer is renewed after half of its time, as Traefik does, and
 * dropped when that is over; who does not answer is asked again after 30 s, then after twice as long, up to an hour.
 */
#ifndef WEIR_MASTER_TLS_STAPLES_H
#define WEIR_MASTER_TLS_STAPLES_H

#include "common/base/text.h"
#include "common/schema/schema.h"
#include "master/tls/keypair.h"

struct staples;

struct staple_question {
    uint64_t id;
    struct pool *pool; /* the caller's, what the rest lies in */
    struct slice url, request;
    struct slice name; /* of the certificate, for the log */
};

struct staples *staples_new(void);
void staples_free(struct staples *staples); /* NULL is fine */

/* ---- a compile ---- */
void staples_begin(struct staples *staples);
/* The answer for it, in the pool; empty: there is none yet, or nobody to ask. overrides: responders by the URL of another one. */
struct slice staples_for(struct staples *staples, const struct keypair *pair,
                         const struct string_map *overrides, struct pool *pool);
/* Forgets those that were not asked about since staples_begin(). */
void staples_end(struct staples *staples);

/* ---- the loop; now: seconds since 1970 ---- */
/* What is to be asked now, if anything: staples_answered() is owed for it. */
bool staples_next(struct staples *staples, int64_t now, struct staple_question *out);
/* rc < 0: there was no answer, why says why. */
void staples_answered(struct staples *staples, const struct staple_question *question, int rc,
                      struct slice answer, int64_t now, const struct error *why);
/* Answers came or went that no compile has seen; true once for each. */
bool staples_take_changed(struct staples *staples);

/* ---- over masters ---- */
#define STAPLES_KEPT ((size_t)32 << 20) /* bytes; what is beyond is left out, and asked for anew */
/* Answers came or went since this was asked last. */
bool staples_take_unkept(struct staples *staples);
/* Answers as bytes, one record behind the other: all that are there, or those that were not packed yet. */
void staples_pack(struct staples *staples, bool all, struct text *out);
/* Takes what an earlier master packed: each is in force, and asked for again, when it would have been there; of two records of
 * one the later holds. What is over is left out, and what no compile has used by its end is forgotten. Before the first compile.
 * Returns how many bytes are whole records. */
size_t staples_unpack(struct staples *staples, struct slice bytes, int64_t now);

#endif
