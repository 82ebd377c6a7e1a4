/*
 * verdict.h - what became of the objects of a cluster, and what is to be said of it there. Pure: no clock, no network.
 *
 * A provider judges its objects after each configuration that is in force; whoever writes (writer.h) takes the whole set,
 * which replaces the one before. kube_verdict_needs() says what is new in it.
 */
#ifndef WEIR_MASTER_KUBE_VERDICT_H
#define WEIR_MASTER_KUBE_VERDICT_H

#include "common/base/text.h"
#include "master/kube/object.h"
#include "master/kube/table.h"

#define VERDICT_NOTE_MOST 1000 /* bytes of a message: an Event's note holds 1024 */

struct kube_verdict {
    const struct kube_object *object; /* of the set's store */
    const struct kube_resource *resource;
    enum kube_accepted accepted;
    const char *reason;      /* "Accepted", "Refused"...; static */
    struct slice message;    /* valid UTF-8 */
    struct slice balancer;   /* JSON: status.loadBalancer.ingress; empty: is left as it is */
    struct kube_words words; /* of all that; observed is not set */
};

struct kube_verdicts { /* made by kube_verdicts_new() */
    struct pool *pool;
    struct kube_store *store; /* one reference */
    struct kube_verdict *items;
    size_t count, capacity;
};

/* Takes a reference to the store over. */
struct kube_verdicts *kube_verdicts_new(struct kube_store *store);
void kube_verdicts_free(struct kube_verdicts *verdicts); /* NULL is fine */
/* The message is copied and cut; balancer: a list or NULL. */
void kube_verdict_add(struct kube_verdicts *verdicts, const struct kube_object *object,
                      const struct kube_resource *resource, enum kube_accepted accepted, const char *reason,
                      struct slice message, const struct doc *balancer);

struct kube_needs {
    bool status, event;
};
/* Compared with what we wrote in this term, else with what the object carries. */
struct kube_needs kube_verdict_needs(const struct kube_verdict *verdict, const struct kube_note *note,
                                     uint64_t term);

/* "/apis/GROUP/VERSION/namespaces/NS/PLURAL/NAME" and what follows. */
void kube_verdict_target(const struct kube_verdict *verdict, const char *rest, struct text *out);
/* The body of a server-side apply of the status. lastTransitionTime stays what it was while `accepted` does. */
void kube_verdict_body(const struct kube_verdict *verdict, const struct kube_note *note, uint64_t term,
                       int64_t now_s, struct text *out);
/* An Event (events.k8s.io/v1). Its name says object, words and time of the last change, so what was told before a restart
 * is there already (409). instance: who says it. */
void kube_verdict_event(const struct kube_verdict *verdict, const struct kube_note *note,
                        struct slice instance, int64_t now_us, struct text *out);

#endif
