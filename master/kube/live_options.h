/*
 * live_options.h - options of a live source and names of single objects: copied, compared. Private to live.c.
 */
#ifndef WEIR_MASTER_KUBE_LIVE_OPTIONS_H
#define WEIR_MASTER_KUBE_LIVE_OPTIONS_H

#include "master/kube/live.h"

/* Texts go into the pool. */
void kube_options_copy(struct pool *pool, const struct kube_live_options *options,
                       struct kube_live_options *out);
bool kube_options_same(const struct kube_live_options *a, const struct kube_live_options *b);

/* malloc'd: kube_name_free(). */
struct kube_name kube_name_copy(struct kube_name name);
void kube_name_free(struct kube_name name);
bool kube_name_eq(struct kube_name a, struct kube_name b);
void kube_names_free(struct kube_name *names, size_t count); /* and the array */

#endif
