/*
 * live_options.c - contract in live_options.h.
 */
#include "master/kube/live_options.h"

#include <stdlib.h>

#include "common/base/memory.h"

struct kube_name kube_name_copy(struct kube_name name)
{
    return (struct kube_name){
        .kind = name.kind,
        .namespace = slice_of(xstrndup(name.namespace.ptr, name.namespace.len), name.namespace.len),
        .name = slice_of(xstrndup(name.name.ptr, name.name.len), name.name.len),
    };
}

void kube_name_free(struct kube_name name)
{
    free((char *)(uintptr_t)name.namespace.ptr);
    free((char *)(uintptr_t)name.name.ptr);
}

bool kube_name_eq(struct kube_name a, struct kube_name b)
{
    return strcmp(a.kind, b.kind) == 0 && slice_eq(a.namespace, b.namespace) && slice_eq(a.name, b.name);
}

void kube_names_free(struct kube_name *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        kube_name_free(names[i]);
    }
    free(names);
}

static struct slice copied(struct pool *pool, struct slice text)
{
    return text.len ? pool_copy(pool, text) : SLICE("");
}

void kube_options_copy(struct pool *pool, const struct kube_live_options *options,
                       struct kube_live_options *out)
{
    size_t count = options->namespaces.count;
    struct slice *namespaces = pool_alloc(pool, (count + 1) * sizeof(*namespaces));

    *out = *options;
    out->access.endpoint = copied(pool, options->access.endpoint);
    out->access.token = copied(pool, options->access.token);
    out->access.ca_file = copied(pool, options->access.ca_file);
    out->selector = copied(pool, options->selector);
    out->lease = copied(pool, options->lease);
    for (size_t i = 0; i < count; i++) {
        namespaces[i] = copied(pool, ((const struct slice *)options->namespaces.items)[i]);
    }
    out->namespaces = (struct list){namespaces, count};
}

bool kube_options_same(const struct kube_live_options *a, const struct kube_live_options *b)
{
    const struct slice *left = a->namespaces.items, *right = b->namespaces.items;

    if (!slice_eq(a->access.endpoint, b->access.endpoint) || !slice_eq(a->access.token, b->access.token) ||
        !slice_eq(a->access.ca_file, b->access.ca_file) || !slice_eq(a->selector, b->selector) ||
        !slice_eq(a->lease, b->lease) || a->throttle_ns != b->throttle_ns ||
        a->no_cluster_scope != b->no_cluster_scope || a->without != b->without ||
        a->resources != b->resources || a->namespaces.count != b->namespaces.count) {
        return false;
    }
    for (size_t i = 0; i < a->namespaces.count; i++) {
        if (!slice_eq(left[i], right[i])) {
            return false;
        }
    }
    return true;
}
