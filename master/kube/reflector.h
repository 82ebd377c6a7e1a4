/*
 * reflector.h - keeps the objects of one kind (in one namespace, or all) in a table as an API server has them (I2).
 *
 * life   list, page by page -> sweep what is gone -> watch from there -> (watch ends) watch on
 *        410: list again; what did not change is not touched. Anything else that fails: again after a while, with backoff
 *        and jitter, and the table stays as it is. 403 and 404: the kind is off, said once, asked for again.
 */
#ifndef WEIR_MASTER_KUBE_REFLECTOR_H
#define WEIR_MASTER_KUBE_REFLECTOR_H

#include "master/kube/api.h"
#include "master/kube/object.h"
#include "master/kube/table.h"

struct kube_reflector;

struct kube_reflector_options {
    struct uv_loop_s *loop;
    struct kube_api *api;
    struct kube_table *table;
    uint32_t owner; /* of its objects in the table */
    const struct kube_resource *resource;
    struct slice namespace;         /* empty: all */
    struct slice name;              /* one object only; empty: all */
    struct slice selector;          /* labelSelector; empty: none */
    void (*changed)(void *context); /* the table has changed */
    void (*synced)(void *context);  /* once: it was listed, or is known to be off */
    void (*off)(void *context,
                bool off); /* the kind cannot be read (before `synced`), and when it can again */
    void *context;
};

struct kube_reflector *kube_reflector_start(const struct kube_reflector_options *options);
/* Its objects leave the table when `forget`. No callback comes any more; memory goes with the next turn of the loop. */
void kube_reflector_stop(struct kube_reflector *reflector, bool forget);

#endif
