/*
 * target.h - where an API server has the objects of a kind: paths and queries.
 */
#ifndef WEIR_MASTER_KUBE_TARGET_H
#define WEIR_MASTER_KUBE_TARGET_H

#include "master/kube/reflector.h"

/* "/apis/GROUP/VERSION/namespaces/NS/PLURAL?labelSelector=...&": path and the fixed part of the query, ending in '?' or
 * '&'. malloc'd. */
char *kube_target(const struct kube_question *question);
/* Appends the value of a query, escaped. */
void kube_add_escaped(struct text *out, struct slice value);

#endif
