/*
 * hold.h - whether the first generation of a master is held back, and for what.
 *
 * Two things may be missing from it. A provider waits for its cluster: workers that serve what an earlier master (of an
 * earlier build too) published keep it for as long as that takes (stale is better than nothing), others wait 10 s, then the
 * other providers are served without it, or with what it kept of its cluster (stateDir). Or a provider cannot be read, wholly
 * or in part: workers keep what an earlier master published as long as nothing else changes, and then for 60 s more, in which
 * whoever writes a file in two goes, or has made a mistake in it, comes back.
 *
 * After the first generation nothing is held back any more.
 */
#ifndef WEIR_MASTER_MASTER_HOLD_H
#define WEIR_MASTER_MASTER_HOLD_H

#include <stdbool.h>
#include <stdint.h>

struct master;

enum hold_why { HOLD_NONE, HOLD_CLUSTER, HOLD_UNREAD };

struct hold {              /* the loop's */
    enum hold_why why;     /* of the last job */
    int64_t cluster_until; /* clock: not longer for a cluster when there is no earlier master; 0: not begun */
    int64_t unread_since;  /* clock; 0: nothing is held back for what cannot be read */
    bool changed;          /* something did since then */
};

struct hold_rule {       /* as it is when a job begins */
    bool first, earlier; /* this master has published nothing yet; another one had */
    bool cluster;        /* it may be held back for a cluster */
};

/* On the loop, before a job. */
struct hold_rule hold_begin(struct master *master);
/* On the loop, when something has changed that is not what a provider could not read. */
void hold_changed(struct master *master);
/* On the thread, after providers were loaded: it waits for a cluster, so there is no use in going on. `enabled`: by input. */
bool hold_for_cluster(const struct master *master, const struct hold_rule *rule, const bool *enabled);
/* On the loop, when the job is back. True: what it found is not published. Says so once. */
bool hold_back(struct master *master, const struct hold_rule *rule, const bool *enabled, bool for_cluster);
/* For how long at most from now on, in milliseconds, until a job should look again. */
uint64_t hold_left_ms(const struct master *master, uint64_t most);

#endif
