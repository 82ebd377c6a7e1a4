/*
 * carried.h - what the status of an object says of weir's own words, apart from the object: nobody who routes reads it.
 *
 * An object whose status alone changes is the same object (object.h). What it carries is kept beside it in the table, so
 * that a status is written only when it would say something else.
 */
#ifndef WEIR_MASTER_KUBE_CARRIED_H
#define WEIR_MASTER_KUBE_CARRIED_H

#include "common/doc/doc.h"

enum kube_status_form {
    KUBE_STATUS_NONE,       /* weir writes none; it is read as the rest of the object is */
    KUBE_STATUS_CONDITIONS, /* custom resources: status.conditions, type Accepted */
    KUBE_STATUS_BALANCER,   /* Ingresses: status.loadBalancer.ingress */
};

enum kube_accepted { KUBE_ACCEPTED_UNKNOWN, KUBE_ACCEPTED, KUBE_REFUSED };

struct kube_words {              /* what was said, or is to be said */
    enum kube_accepted accepted; /* UNKNOWN: nothing was */
    uint64_t hash;               /* kube_words_hash() of the condition; 0: there is none */
    int64_t observed;            /* observedGeneration */
    uint64_t balancer;           /* kube_balancer_hash(); 0: empty */
};

struct kube_carried {
    int64_t generation; /* metadata.generation; 0: none */
    int64_t since_s;    /* lastTransitionTime, seconds since 1970; 0: none */
    struct kube_words words;
};

/* Of an object as the API server gave it, before anything is cut off. */
void kube_carried_read(enum kube_status_form form, const struct doc *object, struct kube_carried *out);

uint64_t kube_words_hash(enum kube_accepted accepted, struct slice reason, struct slice message);
/* Of a list as in status.loadBalancer.ingress: addresses, names, ports; their order does not matter. */
uint64_t kube_balancer_hash(const struct doc *list);

#endif
