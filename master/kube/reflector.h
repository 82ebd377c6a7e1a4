/*
 * reflector.h - keeps the objects of one kind (in one namespace, or all) in tables as an API server has them (I2).
 *
 * life   list, page by page -> sweep what is gone -> watch from there -> (watch ends) watch on
 *        410: list again; what did not change is not touched. Anything else that fails: again after a while, with backoff
 *        and jitter, and the tables stay as they are. 403 and 404: the kind is off, said once, asked for again.
 *
 * Who asks the same is given the same: one reflector, however many want its objects. Each is a sink, with a table of its
 * own; one that joins later is given what the others have.
 */
#ifndef WEIR_MASTER_KUBE_REFLECTOR_H
#define WEIR_MASTER_KUBE_REFLECTOR_H

#include <uv.h>

#include "master/kube/api.h"
#include "master/kube/object.h"
#include "master/kube/table.h"

struct kube_reflector;

struct kube_reflectors { /* all of one API server, on one loop */
    struct uv_loop_s *loop;
    struct kube_api *api;
    struct kube_reflector *first;
    uv_timer_t greet; /* sinks that have just joined */
};

enum kube_off { KUBE_ON, KUBE_MISSING, KUBE_FORBIDDEN }; /* 404, 403 */

struct kube_question { /* which objects; the resource is static */
    const struct kube_resource *resource;
    struct slice namespace; /* empty: all */
    struct slice name;      /* one object only; empty: all */
    struct slice selector;  /* labelSelector; empty: none */
};

struct kube_sink { /* the caller's memory until it has left */
    struct kube_table *table;
    uint32_t owner;                 /* of its objects there */
    void (*changed)(void *context); /* the table has changed */
    void (*synced)(void *context);  /* once: it was listed, or is known to be off */
    /* The kind cannot be read (before `synced`), and when it can again: it has been listed by then. */
    void (*off)(void *context, enum kube_off off);
    void *context;
    /* the reflector's */
    struct kube_sink *next;
    bool fresh; /* it is to be given what the others have */
    bool dirty; /* `changed` is owed */
};

/* On the loop. The calls must be over before the API client closes. */
void kube_reflectors_begin(struct kube_reflectors *all, struct uv_loop_s *loop, struct kube_api *api);
void kube_reflectors_end(
    struct kube_reflectors *all); /* nobody has one any more; memory goes with the loop */

/* One that asks this, shared when there is one. No callback comes before the loop's next turn. */
struct kube_reflector *kube_reflector_join(struct kube_reflectors *all, const struct kube_question *question,
                                           struct kube_sink *sink);
/* Its objects leave the table when `forget`. No callback comes any more; with the last sink the reflector stops, its memory
 * goes with the loop's next turn. */
void kube_reflector_leave(struct kube_reflector *reflector, struct kube_sink *sink, bool forget);

#endif
