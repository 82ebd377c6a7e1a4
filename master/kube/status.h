/*
 * status.h - tells a cluster what became of its objects, if this weir is the one that does: elector and writer together,
 * on the thread of a live source (live.c).
 *
 * Off until kube_status_enable(): tools that read a cluster never write there.
 */
#ifndef WEIR_MASTER_KUBE_STATUS_H
#define WEIR_MASTER_KUBE_STATUS_H

#include "master/kube/api.h"
#include "master/kube/table.h"
#include "master/kube/verdict.h"

struct kube_status;

/* From now on sources of this process may write. instance: tells this weir from another one on the same host. The Lease is
 * in the namespace POD_NAMESPACE, or that of the service account; holder and reporter is POD_NAME, or the host's name,
 * with the instance behind it. */
void kube_status_enable(uint64_t instance);

struct kube_status_options {
    struct uv_loop_s *loop;
    struct kube_api *api;
    struct kube_table *table;
    struct slice lease;           /* its name; outlives the status */
    void (*leads)(void *context); /* verdicts are wanted; on the loop */
    void *context;
};

/* NULL when nothing is to be written: not enabled, or no namespace for the Lease, which is said. */
struct kube_status *kube_status_new(const struct kube_status_options *options);
/* From any thread. Whether verdicts are of use; NULL: no. */
bool kube_status_leads(const struct kube_status *status);
/* From any thread: the newest set, which is taken over. */
void kube_status_give(struct kube_status *status, struct kube_verdicts *verdicts);
/* On the loop: gives the Lease back, then calls closed(), at once for NULL. Memory goes with the loop's next turns. */
void kube_status_close(struct kube_status *status, void (*closed)(void *context), void *context);

#endif
