/*
 * asking.h - questions to other servers whose answers make another generation (OCSP, sets of keys): a few at once, from the
 * heart. Whoever takes long to answer is waited for (the kind says how long) without holding up the next ones, up to a bound.
 * Answers that come together make one generation: the reload waits until nobody else is about to answer, for a few seconds at the
 * most.
 *
 * Who is to be asked, when, and what becomes of an answer is the kind's; it keeps the answers itself.
 */
#ifndef WEIR_MASTER_MASTER_ASKING_H
#define WEIR_MASTER_MASTER_ASKING_H

#include "common/base/pool.h"
#include "master/master/fetch.h"

struct master;
struct asking;

struct asking_kind {
    size_t question; /* bytes of one */
    /* What is to be asked now, if anything: answered() is owed for it. Its texts lie in the pool; freed behind the answer. */
    bool (*next)(struct master *master, void *question, struct pool **pool, struct fetch_request *request);
    void (*answered)(struct master *master, const void *question, const struct fetch_result *result);
    /* Answers came that no compile has seen; true once for each. */
    bool (*changed)(struct master *master);
    void (*reload)(struct master *master); /* then: reload_request(), or less than that */
};

struct asking *asking_new(const struct asking_kind *kind);
void asking_tend(struct asking *asking, struct master *master); /* from the heart */
/* Closes what is under way; its handles close with the loop's. */
void asking_stop(struct asking *asking);
void asking_free(struct asking *asking); /* NULL is fine */

#endif
