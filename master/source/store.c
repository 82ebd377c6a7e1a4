/*
 * store.c - Kubernetes objects by kind, namespace and name; see store.h and source.h.
 *
 * One array sorted by kind, namespace, name, group answers lists; kube_get() is a binary search in it. Objects point into
 * the documents of their batch. Not here: where the documents come from (manifests.c).
 */
#include "master/source/store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"

#define ORIGIN_TEXT 128u /* where it came from, in words: mostly less */

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

/* Kinds without a namespace: they get none, so that messages and look-ups say what kubectl says. */
static const char *const cluster_kinds[] = {
    "Node",
    "Namespace",
    "PersistentVolume",
    "IngressClass",
    "GatewayClass",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "StorageClass",
    "PriorityClass",
    "APIService",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
};

static struct kube_batch *batch_with(struct pool *pool)
{
    struct kube_batch *batch = xcalloc(1, sizeof(*batch));

    atomic_init(&batch->references, 1);
    batch->pool = pool;
    return batch;
}

/* A cluster has many: each takes what it needs and no more. */
struct kube_batch *batch_new_single(size_t bytes)
{
    struct kube_batch *batch = batch_with(pool_new(bytes + sizeof(struct kube_object) + ORIGIN_TEXT, 0));

    batch->objects = pool_alloc(batch->pool, sizeof(*batch->objects));
    batch->capacity = 1;
    return batch;
}

struct kube_batch *batch_new(struct slice file)
{
    struct kube_batch *batch = batch_with(pool_new(4096, 0));

    batch->file = pool_copy(batch->pool, file);
    return batch;
}

struct kube_batch *batch_ref(struct kube_batch *batch)
{
    atomic_fetch_add_explicit(&batch->references, 1, memory_order_relaxed);
    return batch;
}

void batch_unref(struct kube_batch *batch)
{
    if (batch && atomic_fetch_sub_explicit(&batch->references, 1, memory_order_acq_rel) == 1) {
        batch_unref(batch->kept);
        pool_free(batch->pool);
        free(batch);
    }
}

static struct slice text_printed(struct pool *pool, const char *format, va_list args)
{
    char buf[1024];
    int len = vsnprintf(buf, sizeof(buf), format, args);

    return pool_copy(pool, slice_of(buf, len < 0                     ? 0
                                         : (size_t)len < sizeof(buf) ? (size_t)len
                                                                     : sizeof(buf) - 1));
}

void batch_notice(struct kube_batch *batch, bool is_error, uint32_t line, struct slice object,
                  const char *format, ...)
{
    va_list args;

    batch->notices = pool_grow(batch->pool, batch->notices, batch->notice_count, &batch->notice_capacity,
                               sizeof(*batch->notices));
    struct notice *notice = &batch->notices[batch->notice_count++];

    va_start(args, format);
    *notice = (struct notice){
        .is_error = is_error,
        .origin = {.file = batch->file, .line = line, .object = object},
        .text = text_printed(batch->pool, format, args),
    };
    va_end(args);
}

static bool cluster_scoped(struct slice kind)
{
    for (size_t i = 0; i < ARRAY_LEN(cluster_kinds); i++) {
        if (slice_eq(kind, slice_cstr(cluster_kinds[i]))) {
            return true;
        }
    }
    return false;
}

static struct slice string_at(const struct doc *map, const char *key)
{
    const struct doc *node = doc_get(map, key);

    return node && node->kind == DOC_STRING ? node->text : SLICE("");
}

void batch_add_object(struct kube_batch *batch, struct doc *doc)
{
    struct slice api = string_at(doc, "apiVersion"), kind = string_at(doc, "kind");
    const struct doc *metadata = doc_get(doc, "metadata");
    struct slice name = string_at(metadata, "name"), namespace = string_at(metadata, "namespace");
    ptrdiff_t slash = slice_find(api, '/');

    if (api.len == 0 || kind.len == 0) {
        batch_notice(batch, true, doc->line, SLICE(""), "is no Kubernetes object: %s is missing",
                     api.len == 0 ? "apiVersion" : "kind");
        return;
    }
    if (name.len == 0) {
        name = string_at(metadata, "generateName");
    }
    if (name.len == 0) {
        batch_notice(batch, true, doc->line, kind, "metadata.name: is missing%s",
                     doc_path(doc, "metadata", "name", NULL) ? " (it must be a string: put it in quotes)"
                                                             : "");
        return;
    }
    if (namespace.len == 0 && doc_get(metadata, "namespace") &&
        doc_get(metadata, "namespace")->kind != DOC_NULL &&
        doc_get(metadata, "namespace")->kind != DOC_STRING) {
        batch_notice(batch, true, doc_get(metadata, "namespace")->line, kind,
                     "metadata.namespace: must be a string: put it in quotes");
        return;
    }
    if (cluster_scoped(kind)) {
        namespace = SLICE("");
    } else if (namespace.len == 0) {
        namespace = SLICE("default");
    }
    batch->objects =
        pool_grow(batch->pool, batch->objects, batch->count, &batch->capacity, sizeof(*batch->objects));
    batch->objects[batch->count++] = (struct kube_object){
        .group = slash < 0 ? SLICE("") : slice_of(api.ptr, (size_t)slash),
        .version = slash < 0 ? api : slice_of(api.ptr + slash + 1, api.len - (size_t)slash - 1),
        .kind = kind,
        .namespace = namespace,
        .name = name,
        .doc = doc,
        .origin =
            {
                .file = batch->file,
                .line = doc->line,
                .object = namespace.len
                              ? pool_printf(batch->pool, "%.*s %.*s/%.*s", SLICE_ARG(kind),
                                            SLICE_ARG(namespace), SLICE_ARG(name))
                              : pool_printf(batch->pool, "%.*s %.*s", SLICE_ARG(kind), SLICE_ARG(name)),
            },
    };
}

void batch_add_document(struct kube_batch *batch, struct doc *document)
{
    if (document->kind == DOC_NULL) {
        return;
    }
    if (document->kind != DOC_MAP) {
        batch_notice(batch, true, document->line, SLICE(""),
                     "is no Kubernetes object: a mapping with apiVersion and "
                     "kind is expected");
        return;
    }
    struct doc *items = doc_get(document, "items");

    if (items == NULL || !slice_has_suffix(string_at(document, "kind"), SLICE("List"))) {
        batch_add_object(batch, document);
        return;
    }
    if (items->kind == DOC_NULL) {
        return;
    }
    if (items->kind != DOC_LIST) {
        batch_notice(batch, true, items->line, string_at(document, "kind"), "items: must be a list");
        return;
    }
    for (size_t i = 0; i < items->list.count; i++) {
        batch_add_document(batch, items->list.items[i]);
    }
}

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
