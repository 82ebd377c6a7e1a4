/*
 * kubernetes_refresh.h - what kubernetes_uses.c keeps of a load, kubernetes_refresh.c (servers) and kubernetes_patch.c
 * (objects) bring up to date; nobody else includes it.
 */
#ifndef WEIR_MASTER_PROVIDER_KUBERNETES_REFRESH_H
#define WEIR_MASTER_PROVIDER_KUBERNETES_REFRESH_H

#include "master/provider/kubernetes.h"

struct k8s_piece { /* a slice as it is now */
    const struct kube_object *object;
    struct kube_batch *batch; /* that it lies in, one reference; NULL: in the provider's store */
};

struct k8s_group { /* a Service */
    struct slice namespace, service;
    struct k8s_use *uses;
    size_t use_count;
    struct k8s_piece *pieces;
    size_t piece_count, piece_capacity;
    bool touched;
    bool stale; /* who asked for its pods has to be read anew: their servers alone do not tell */
};

struct k8s_refresh {
    struct pool *pool;
    struct k8s_group *groups; /* sorted by Service */
    size_t group_count, group_capacity;
    struct k8s_made *made; /* malloc'd */
    size_t made_count;
    bool parents; /* some route names parents */
};

/* NULL: no route asked for its pods. */
struct k8s_group *k8s_group_of(const struct k8s_refresh *refresh, struct slice namespace,
                               struct slice service);
/* Its slices, in the pool, in the order of a load. */
struct k8s_slice *k8s_group_slices(const struct k8s_group *group, struct pool *pool);
/* Which services of the model the uses became: their targets. The uses are sorted by Service afterwards. */
void k8s_find_targets(const struct model *model, struct k8s_use *uses, size_t count);
/* Uses of these objects (sorted by address) are forgotten, those of the load k8s take their place. */
void k8s_replace_uses(struct k8s_refresh *refresh, const struct kube_object *const *objects, size_t count,
                      struct k8s *k8s);

/* kubernetes_patch.c: the objects behind changes of other kinds than slices, and those that asked for the pods of a stale
 * group, by the store that came with them or that of before (k8s->store).
 * -EAGAIN: only a load can tell. */
int k8s_patch_make(struct k8s *k8s, struct k8s_refresh *refresh, const struct kube_change *changes,
                   size_t count, struct model_patch *out);

#endif
