/*
 * body_replay.h - the body of a request as a middleware keeps it, to give it to those behind, once or more often.
 *
 * What is kept is given first, a piece of time in each turn of the loop; what the client has still to send follows by itself. It
 * belongs to the middleware's filter: its on_request_wanted asks body_replay_wanted(), its on_request_body keeps.
 */
#ifndef WEIR_WORKER_BODY_REPLAY_H
#define WEIR_WORKER_BODY_REPLAY_H

#include "common/http/headers.h"
#include "worker/body_store.h"
#include "worker/timers.h"

struct exchange;
struct body_filter;

struct body_replay {
    struct exchange *ex;
    struct body_filter *filter;
    struct body_store store;
    struct body_place at;
    struct headers trailers;
    struct timer timer; /* gives, in the next turn: not within calls of others */
    bool whole;         /* the client has sent all of it */
    bool given;         /* those behind have had all of it */
    bool *over;         /* set when the exchange ends while bytes are passed */
};

/* In the exchange's pool. */
void body_replay_init(struct body_replay *replay, struct exchange *ex, struct body_filter *filter);
/* Copies. False: no memory may be used for it. */
bool body_replay_keep(struct body_replay *replay, struct slice data);
/* No more follows. trailers may be NULL. */
void body_replay_whole(struct body_replay *replay, const struct headers *trailers);
/* Those behind have had what was kept so far: it was passed to them as it came. */
void body_replay_skip(struct body_replay *replay);
/* From the beginning. */
void body_replay_restart(struct body_replay *replay);
/* Some of what was kept has not been given: what comes unasked belongs behind it. */
bool body_replay_waits(const struct body_replay *replay);
/* True: bytes come from here. */
bool body_replay_wanted(struct body_replay *replay);
/* At the end of the exchange. */
void body_replay_end(struct body_replay *replay);

#endif
