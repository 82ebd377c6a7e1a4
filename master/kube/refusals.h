/*
 * refusals.h - which kinds of objects an API server lets nobody write to: said once each, and when they are tried again.
 *
 * A kind whose status does not exist or may not be written, and Events, are left alone for 5 s, at last for 10 minutes.
 * Not here: requests (writer.c).
 */
#ifndef WEIR_MASTER_KUBE_REFUSALS_H
#define WEIR_MASTER_KUBE_REFUSALS_H

#include "master/kube/object.h"

#define REFUSALS_KINDS 32

struct kube_refusals { /* all zero at first */
    struct refusal {
        const struct kube_resource *resource; /* NULL: Events */
        bool off;                             /* said */
        uint64_t until;                       /* loop time: then it is tried again */
        unsigned times;
    } kinds[REFUSALS_KINDS];
    size_t count;
};

/* resource: NULL for Events; now: loop time in milliseconds. */
bool kube_refusals_may(struct kube_refusals *refusals, const struct kube_resource *resource, uint64_t now);
/* The API server answered `status` with that body. */
void kube_refusals_add(struct kube_refusals *refusals, const struct kube_resource *resource, unsigned status,
                       struct slice body, uint64_t now);
/* It took something of that kind. */
void kube_refusals_end(struct kube_refusals *refusals, const struct kube_resource *resource);
/* When the next kind is tried again; false: none is off. */
bool kube_refusals_next(const struct kube_refusals *refusals, uint64_t *until);

#endif
