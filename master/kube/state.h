/*
 * state.h - the objects of a cluster in a file, for a start while its API server is away (stateDir).
 *
 * DIR/kubernetes/PROVIDER.jsonl: a line that says what it is, one line for each object as it stands in the table, a line
 * with their number and hash. Secrets are never among them. The folder "kubernetes" and the file belong to the user that
 * weir runs as and are open to nobody else (0700, 0600); DIR itself may be a volume of somebody else's.
 *
 * A file is replaced by a whole one or not at all. Both functions wait for the disk: not for loops.
 */
#ifndef WEIR_MASTER_KUBE_STATE_H
#define WEIR_MASTER_KUBE_STATE_H

#include "master/source/store.h"

#define KUBE_STATE_MAX (256u << 20) /* bytes of a file */

struct kube_state_place {
    struct slice dir;     /* made when it is not there, its parent is not */
    const char *provider; /* "kubernetescrd" */
    struct slice source;  /* which API server: what was kept of another one is not read */
};

/* unix_s: when. -EBUSY: another weir writes there now. */
int kube_state_write(const struct kube_state_place *place, const struct kube_store *store, int64_t unix_s,
                     struct error *why);
/* One reference to a store. -ENOENT: there is none. Anything damaged, written by others, open to others, or of another
 * API server is refused whole; *why names the file. */
int kube_state_read(const struct kube_state_place *place, struct kube_store **out, int64_t *unix_s,
                    struct error *why);

#endif
