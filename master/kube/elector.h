/*
 * elector.h - holds a Lease in a cluster, or waits for it (lease.h): which one of several weirs may write.
 *
 * While it runs it renews every 2 s, which is one write; that is the price of knowing who leads. A Lease that may not be
 * had (403, no such namespace) is said once and tried again after a while, and nobody leads.
 * On the loop of its API.
 */
#ifndef WEIR_MASTER_KUBE_ELECTOR_H
#define WEIR_MASTER_KUBE_ELECTOR_H

#include "master/kube/api.h"

struct kube_elector;

struct kube_elector_options {
    struct uv_loop_s *loop;
    struct kube_api *api;
    struct slice namespace, name, identity; /* they outlive it */
    void (*changed)(void *context, bool leads);
    void *context;
};

struct kube_elector *kube_elector_new(const struct kube_elector_options *options);
/* Gives the Lease back when it holds it, which takes two seconds at most; then closed() is called, and the memory goes with
 * the loop's next turns. changed() is not called any more. */
void kube_elector_close(struct kube_elector *elector, void (*closed)(void *context), void *context);

#endif
