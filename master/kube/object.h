/*
 * object.h - from a piece of an API server's answer to an object of the store: read, cut to what somebody reads, compact.
 *
 * What nobody reads (managedFields, annotations of others, heartbeats of nodes, status of routes) is cut off before it
 * is compared, so its changes are none. Not here: where the pieces come from (reflector.c).
 */
#ifndef WEIR_MASTER_KUBE_OBJECT_H
#define WEIR_MASTER_KUBE_OBJECT_H

#include "master/kube/carried.h"
#include "master/source/store.h"

struct kube_resource { /* a kind of object as the API names it */
    const char *group; /* "" for core */
    const char *version, *plural, *kind;
    bool cluster_scoped;
    bool selectable;              /* the provider's labelSelector counts for it */
    bool optional;                /* that it is not installed or not permitted is no reason to warn */
    enum kube_status_form status; /* what weir says there: cut off, and kept in the batch's `carried` */
    const char
        *stands_in_for; /* asked for only while this kind of the same namespace cannot be read; or NULL */
    const char *vital;  /* of kinds of which one must be readable: what there is none of without; or NULL */
};

enum watch_type { WATCH_ADDED, WATCH_MODIFIED, WATCH_DELETED, WATCH_BOOKMARK, WATCH_ERROR };

struct watch_event {
    enum watch_type type;
    struct kube_batch
        *batch;        /* ADDED, MODIFIED, DELETED: one object, one reference for the caller; else NULL */
    char version[64];  /* resourceVersion of the object or bookmark; may be empty */
    int64_t code;      /* WATCH_ERROR: the Status' code, 410 for "too old" */
    char message[256]; /* WATCH_ERROR */
};

/* An item of a list. *out is a batch with one object. version gets its resourceVersion. */
int kube_object_read(const struct kube_resource *resource, struct slice text, struct kube_batch **out,
                     char version[64], struct error *why);
/* An event of a watch. */
int kube_event_read(const struct kube_resource *resource, struct slice text, struct watch_event *out,
                    struct error *why);
/* Lines and columns of a stream or of a kept file say nothing to anybody. */
void kube_object_forget_places(struct doc *node);
/* The same to whoever reads it. */
bool kube_object_same(const struct kube_batch *a, const struct kube_batch *b);

#endif
