/*
 * store.h - how a source fills a store: batches of objects, shared between the stores that follow one another.
 *
 * A batch is what one file gave (or, from an API server, one list): its documents, objects and notices in one pool. It
 * is counted by reference, so an unchanged file is neither read into documents again nor copied when others change.
 * A store is immutable; whoever keeps views into its documents (a model) holds a reference to it.
 */
#ifndef WEIR_MASTER_SOURCE_STORE_H
#define WEIR_MASTER_SOURCE_STORE_H

#include <stdatomic.h>

#include "master/source/source.h"

struct kube_carried;

struct kube_batch {
    atomic_uint references;
    struct pool *pool;
    struct slice file;
    uint64_t hash; /* of the file's content; with length */
    size_t length;
    bool broken;                 /* had unreadable parts: objects of the batch before it were kept */
    bool unread;                 /* the file could not be read, which may pass without a change of it */
    struct kube_batch *kept;     /* that batch, one reference; NULL mostly */
    struct kube_object *objects; /* in the order of the file */
    size_t count, capacity;
    struct notice *notices;
    size_t notice_count, notice_capacity;
    const struct kube_carried
        *carried; /* from an API server: what its status said (kube/carried.h); may be NULL */
};

struct kube_batch *batch_new(struct slice file);
struct kube_batch *
batch_new_single(size_t bytes); /* for one object, whose document takes so much; of no file */
struct kube_batch *batch_ref(struct kube_batch *batch);
void batch_unref(struct kube_batch *batch); /* NULL is fine */
void batch_notice(struct kube_batch *batch, bool is_error, uint32_t line, struct slice object,
                  const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Takes one document: an object, or a list of objects which is opened. The document lives in the batch's pool. */
void batch_add_document(struct kube_batch *batch, struct doc *document);
/* The same for what is one object, whatever its kind. */
void batch_add_object(struct kube_batch *batch, struct doc *object);

/* Takes over the references to the batches (in order: of the objects with one key the first wins). Adds notices about
 * those that lost. */
struct kube_store *store_build(struct kube_batch **batches, size_t count);
/* The same, or a further reference to `previous` (NULL is fine) when it was built of these very batches. */
struct kube_store *store_rebuild(struct kube_store *previous, struct kube_batch **batches, size_t count);
/* For batches with one object each, given in the store's order without duplicates: nothing is sorted. A reference to each
 * is taken. */
struct kube_store *store_from_sorted(struct kube_batch *const *batches, size_t count);
/* The order of stores: kind, namespace, name, group. */
int store_order(const struct kube_object *a, const struct kube_object *b);
/* The batch that a file gave, or NULL. Not for stores made by store_from_sorted(). */
struct kube_batch *store_batch(const struct kube_store *store, struct slice file);
/* All of them, sorted by file; how many. The store's. */
size_t store_batches(const struct kube_store *store, struct kube_batch *const **out);

#endif
