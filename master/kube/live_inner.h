/*
 * live_inner.h - the inside of a live source. Private to live*.c.
 *
 * live.c          life, and what other threads ask
 * live_parts.c    the kinds and single objects that it reads, each by a reflector
 * live_tell.c     what changed: who is told, and when
 */
#ifndef WEIR_MASTER_KUBE_LIVE_INNER_H
#define WEIR_MASTER_KUBE_LIVE_INNER_H

#include <pthread.h>
#include <uv.h>

#include "master/kube/hub.h"
#include "master/kube/keeper.h"
#include "master/kube/live_options.h"
#include "master/kube/status.h"

struct part { /* one kind, in one namespace or all, or one object */
    struct kube_live *live;
    struct kube_reflector *reflector;
    struct kube_sink sink;
    const struct kube_resource *resource;
    struct slice namespace; /* of a whole kind; lives with the options */
    uint32_t owner;
    struct part *stand_in; /* while this kind cannot be read */
    struct kube_name name; /* of a single object, malloc'd; else empty */
    /* under the mutex */
    bool synced, read; /* what there is to know is known; it has been listed once */
    enum kube_off off;
};

struct kube_live {
    struct pool *pool; /* texts of options */
    struct kube_live_options options;
    struct kube_hub *hub;
    struct kube_table *table;
    /* the thread's */
    uv_loop_t *loop;
    uv_async_t wake;
    uv_timer_t throttle;
    uv_timer_t patience; /* for single objects that nobody has told of yet */
    uint64_t notified;   /* loop time of the last call of the listener; 0: never */
    struct kube_keeper *keeper;
    struct kube_status *status;     /* NULL: nothing is written */
    struct part **parts, **singles; /* these two change under the mutex */
    size_t part_count, single_count;
    uint32_t next_owner;
    unsigned handles; /* that are not closed yet */

    pthread_mutex_t mutex;
    pthread_cond_t progress;
    bool gone;                /* nothing of it is on the loop any more */
    struct kube_name *wanted; /* single objects, malloc'd; NULL: as before */
    size_t wanted_count;
    int64_t wanted_ns; /* process_clock_ns() when some of them were first missing */
    char *place;       /* stateDir, "": none, NULL: nothing was said yet; malloc'd */
    const char *place_provider;
    bool place_new;
    bool seen;  /* what routes are made of could be read once; under the mutex */
    bool blind; /* said; the thread's */
};

/* ---- live_tell.c; under the mutex, or on the thread ---- */
bool live_all_listed(const struct kube_live *live);
/* What no routes can be made without and this user may not read, although all has been asked for: "no objects with routes".
 * False, and no words: nothing of that sort. */
#define LIVE_BLIND 80
bool live_blind(const struct kube_live *live, char words[LIVE_BLIND]);
bool live_all_singles(const struct kube_live *live);
/* On the thread. */
void live_notify(struct kube_live *live); /* now */
void live_keep(struct kube_live *live);   /* what is known is other than what was kept */
void live_changed(void *part);
void live_synced(void *part);
void live_timers_init(struct kube_live *live);
/* Who listens is told when the time for single objects is over. */
void live_patience_start(struct kube_live *live);
void live_off(void *part, enum kube_off off);
void live_call_listener(void);

/* ---- live_parts.c; on the thread ---- */
void live_parts_start(struct kube_live *live);
/* Makes `singles` what is wanted. */
void live_singles_apply(struct kube_live *live, struct kube_name *wanted, size_t count);
void live_parts_stop(struct kube_live *live);

#endif
