/*
 * batch.c - the objects, notices and documents of one file, or of one object of an API server; see store.h.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "master/source/store.h"

#define MESSAGE_MOST 1023u
#define ORIGIN_TEXT 128u /* where it came from, in words: mostly less */

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
        .text = pool_vprintf(batch->pool, MESSAGE_MOST, format, args),
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
