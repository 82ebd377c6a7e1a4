/*
 * store.c - Kubernetes objects by kind, namespace and name; see store.h and source.h.
 *
 * One array sorted by kind, namespace, name, group answers lists; kube_get() is a binary search in it. Objects point into
 * the documents of their batch. Not here: batches (batch.c), where the documents come from (manifests.c).
 */
#include "master/source/store.h"

#include <stdlib.h>

#include "common/base/memory.h"

struct kube_store {
    atomic_uint references;
    struct kube_batch **batches; /* sorted by file */
    size_t batch_count;
    const struct kube_object **objects;
    size_t count;
    struct pool *pool; /* texts of notices made here */
    struct notice *notices;
    size_t notice_count, notice_capacity;
};

int store_order(const struct kube_object *a, const struct kube_object *b)
{
    int order = slice_cmp(a->kind, b->kind);

    if (order == 0) {
        order = slice_cmp(a->namespace, b->namespace);
    }
    if (order == 0) {
        order = slice_cmp(a->name, b->name);
    }
    return order ? order : slice_cmp(a->group, b->group);
}

struct ranked { /* qsort is not stable: the place in the order of files decides between equal keys */
    const struct kube_object *object;
    size_t rank;
    bool kept; /* from a batch that was kept: loses against what the file says now, silently */
};

static int ranked_compare(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;
    int order = store_order(left->object, right->object);

    if (order == 0) {
        order = (int)left->kept - (int)right->kept;
    }
    return order ? order : (left->rank > right->rank) - (left->rank < right->rank);
}

static void store_notice(struct kube_store *store, const struct notice *notice)
{
    store->notices = pool_grow(store->pool, store->notices, store->notice_count, &store->notice_capacity,
                               sizeof(*store->notices));
    store->notices[store->notice_count++] = *notice;
}

static void notice_duplicate(struct kube_store *store, const struct kube_object *loser,
                             const struct kube_object *winner)
{
    struct notice notice = {
        .is_error = true,
        .origin = loser->origin,
        .text = pool_printf(store->pool, "is written twice: the one at %.*s:%u is used, remove the other",
                            SLICE_ARG(winner->origin.file), winner->origin.line),
    };

    store_notice(store, &notice);
}

static int by_file(const void *a, const void *b)
{
    return slice_cmp((*(struct kube_batch *const *)a)->file, (*(struct kube_batch *const *)b)->file);
}

struct kube_store *store_build(struct kube_batch **batches, size_t count)
{
    struct kube_store *store = xcalloc(1, sizeof(*store));
    size_t total = 0, rank = 0;

    atomic_init(&store->references, 1);
    store->pool = pool_new(1024, 0);
    store->batches = xcalloc(count ? count : 1, sizeof(struct kube_batch *));
    store->batch_count = count;
    for (size_t i = 0; i < count; i++) {
        store->batches[i] = batches[i];
        for (const struct kube_batch *batch = batches[i]; batch; batch = batch->kept) {
            total += batch->count;
        }
        for (size_t j = 0; j < batches[i]->notice_count; j++) {
            store_notice(store, &batches[i]->notices[j]);
        }
    }

    struct ranked *ranked = xcalloc(total ? total : 1, sizeof(*ranked));

    for (size_t i = 0; i < count; i++) {
        for (const struct kube_batch *batch = batches[i]; batch; batch = batch->kept) {
            for (size_t j = 0; j < batch->count; j++, rank++) {
                ranked[rank] = (struct ranked){&batch->objects[j], rank, batch != batches[i]};
            }
        }
    }
    qsort(ranked, total, sizeof(*ranked), ranked_compare);
    store->objects = xcalloc(total ? total : 1, sizeof(struct kube_object *));
    for (size_t i = 0; i < total; i++) {
        if (store->count && store_order(store->objects[store->count - 1], ranked[i].object) == 0) {
            if (!ranked[i].kept) {
                notice_duplicate(store, ranked[i].object, store->objects[store->count - 1]);
            }
            continue;
        }
        store->objects[store->count++] = ranked[i].object;
    }
    free(ranked);
    qsort(store->batches, count, sizeof(*store->batches), by_file);
    return store;
}

struct kube_store *store_rebuild(struct kube_store *previous, struct kube_batch **batches, size_t count)
{
    bool same = previous && previous->batch_count == count;

    for (size_t i = 0; same && i < count; i++) {
        same = store_batch(previous, batches[i]->file) == batches[i];
    }
    if (!same) {
        return store_build(batches, count);
    }
    for (size_t i = 0; i < count; i++) {
        batch_unref(batches[i]);
    }
    return kube_store_ref(previous);
}

struct kube_store *store_from_sorted(struct kube_batch *const *batches, size_t count)
{
    struct kube_store *store = xcalloc(1, sizeof(*store));

    atomic_init(&store->references, 1);
    store->pool = pool_new(64, 0);
    store->batches = xcalloc(count ? count : 1, sizeof(struct kube_batch *));
    store->objects = xcalloc(count ? count : 1, sizeof(struct kube_object *));
    store->batch_count = store->count = count;
    for (size_t i = 0; i < count; i++) {
        store->batches[i] = batch_ref(batches[i]);
        store->objects[i] = &batches[i]->objects[0];
    }
    return store;
}

struct kube_store *kube_store_ref(struct kube_store *store)
{
    atomic_fetch_add_explicit(&store->references, 1, memory_order_relaxed);
    return store;
}

void kube_store_free(struct kube_store *store)
{
    if (store == NULL || atomic_fetch_sub_explicit(&store->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < store->batch_count; i++) {
        batch_unref(store->batches[i]);
    }
    free(store->batches);
    free(store->objects);
    pool_free(store->pool);
    free(store);
}

struct kube_batch *store_batch(const struct kube_store *store, struct slice file)
{
    struct kube_batch key = {.file = file}, *wanted = &key, **found;

    if (store == NULL) {
        return NULL;
    }
    found = bsearch(&wanted, store->batches, store->batch_count, sizeof(*store->batches), by_file);
    return found ? *found : NULL;
}

size_t store_batches(const struct kube_store *store, struct kube_batch *const **out)
{
    *out = store ? store->batches : NULL;
    return store ? store->batch_count : 0;
}

/* The first object that is not before the key; count when there is none. */
static size_t lower_bound(const struct kube_store *store, const struct kube_object *key)
{
    size_t low = 0, high = store->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (store_order(store->objects[middle], key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

size_t kube_list(const struct kube_store *store, const char *kind, const struct kube_object ***out)
{
    struct kube_object key = {.kind = slice_cstr(kind)};
    size_t from = lower_bound(store, &key), to = from;

    while (to < store->count && slice_eq(store->objects[to]->kind, key.kind)) {
        to++;
    }
    *out = store->objects + from;
    return to - from;
}

const struct kube_object *kube_get(const struct kube_store *store, const char *group, const char *kind,
                                   struct slice namespace, struct slice name)
{
    struct kube_object key = {
        .group = slice_cstr(group), .kind = slice_cstr(kind), .namespace = namespace, .name = name};
    size_t at = lower_bound(store, &key);

    return at < store->count && store_order(store->objects[at], &key) == 0 ? store->objects[at] : NULL;
}

size_t kube_objects(const struct kube_store *store, const struct kube_object ***out)
{
    *out = store->objects;
    return store->count;
}

bool kube_store_gaps(const struct kube_store *store)
{
    for (size_t i = 0; i < store->batch_count; i++) {
        const struct kube_batch *batch = store->batches[i];

        if ((batch->broken || batch->length == SIZE_MAX) && batch->kept == NULL) {
            return true;
        }
    }
    return false;
}

bool kube_store_unread(const struct kube_store *store)
{
    for (size_t i = 0; i < store->batch_count; i++) {
        if (store->batches[i]->unread) {
            return true;
        }
    }
    return false;
}

size_t kube_notices(const struct kube_store *store, const struct notice **out)
{
    *out = store->notices;
    return store->notice_count;
}
