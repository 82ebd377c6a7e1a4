/*
 * kubernetes_source.c - manifests or an API server for a Kubernetes provider; contract in kubernetes_source.h.
 */
#include "master/provider/kubernetes_source.h"

#include <errno.h>

int kubernetes_source_load(struct kubernetes_source *source, struct slice manifests,
                           const struct kube_live_options *options, struct error *why)
{
    struct kube_store *store;
    int rc;

    if (manifests.len) {
        kube_live_close(source->live);
        source->live = NULL;
        rc = manifests_load(manifests, source->store, &store, why);
        if (rc < 0) {
            error_prefix(why, "manifests");
            return rc;
        }
    } else {
        rc = kube_live_ensure(options, &source->live, why);
        if (rc == 0) {
            rc = kube_live_store(source->live, &store, why);
        }
        if (rc < 0) {
            return rc;
        }
    }
    kube_store_free(source->store);
    source->store = store;
    return 0;
}

void kubernetes_need(struct kubernetes_needs *needs, const char *kind, struct slice namespace,
                     struct slice name)
{
    for (size_t i = 0; i < needs->count; i++) {
        const struct kube_name *there = &needs->names[i];

        if (strcmp(there->kind, kind) == 0 && slice_eq(there->namespace, namespace) &&
            slice_eq(there->name, name)) {
            return;
        }
    }
    needs->names =
        pool_grow(needs->pool, needs->names, needs->count, &needs->capacity, sizeof(*needs->names));
    needs->names[needs->count++] = (struct kube_name){kind, namespace, name};
}

int kubernetes_source_settle(struct kubernetes_source *source, const struct kubernetes_needs *needs,
                             struct error *why)
{
    if (source->live && !kube_live_need(source->live, needs->names, needs->count) && !source->complete) {
        return error_set(why, -EAGAIN, "the API server has not answered for every Secret yet");
    }
    source->complete = true;
    return 0;
}

void kubernetes_source_close(struct kubernetes_source *source)
{
    kube_live_close(source->live);
    kube_store_free(source->store);
}
