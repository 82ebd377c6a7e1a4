/*
 * kubernetes_source.h - where a Kubernetes provider has its objects from: manifests or an API server; and what it needs
 * beyond whole kinds: single Secrets and ConfigMaps, as its objects name them.
 */
#ifndef WEIR_MASTER_PROVIDER_KUBERNETES_SOURCE_H
#define WEIR_MASTER_PROVIDER_KUBERNETES_SOURCE_H

#include "master/kube/live.h"
#include "master/source/source.h"

struct kubernetes_source { /* kept between loads; zeroed at first */
    struct kube_store *store;
    struct kube_live *live; /* NULL: manifests */
    bool complete;          /* everything that was needed has been there once */
};

struct kubernetes_needs {
    struct pool *pool;
    struct kube_name *names; /* in the order in which they were first needed, none twice */
    size_t count, capacity;
};

/* Brings source->store up to date. manifests empty: from the API server; then -EAGAIN means "later": who listens
 * (kube_live_listen) is told. */
int kubernetes_source_load(struct kubernetes_source *source, struct slice manifests,
                           const struct kube_live_options *options, struct error *why);
/* kind: "Secret" or "ConfigMap", static. The store has it when the API server was asked for it before. */
void kubernetes_need(struct kubernetes_needs *needs, const char *kind, struct slice namespace,
                     struct slice name);
/* After the objects were read: asks for what they need. -EAGAIN only while the first load of all lacks some of it. */
int kubernetes_source_settle(struct kubernetes_source *source, const struct kubernetes_needs *needs,
                             struct error *why);
void kubernetes_source_close(struct kubernetes_source *source);

#endif
