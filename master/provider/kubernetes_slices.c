/*
 * kubernetes_slices.c - which EndpointSlices are of a Service, and in which order they count.
 *
 * Not here: the servers that they hold (kubernetes_server.c).
 */
#include "master/provider/kubernetes.h"

#include <stdlib.h>

#define SERVICE_NAME_LABEL "kubernetes.io/service-name"

static int slice_order(const void *a, const void *b)
{
    const struct k8s_slice *left = a, *right = b;
    int order = slice_cmp(left->namespace, right->namespace);

    if (order == 0) {
        order = slice_cmp(left->service, right->service);
    }
    if (order == 0) {
        order = slice_cmp(left->created, right->created);
    }
    return order ? order : slice_cmp(left->name, right->name);
}

struct k8s_slice k8s_slice_of(const struct kube_object *object)
{
    const struct doc *metadata = doc_get(object->doc, "metadata");

    return (struct k8s_slice){
        .namespace = object->namespace,
        .service = doc_text(doc_path(metadata, "labels", SERVICE_NAME_LABEL, NULL), SLICE("")),
        .created = doc_text(doc_get(metadata, "creationTimestamp"), SLICE("")),
        .name = object->name,
        .object = object,
    };
}

void k8s_sort_slices(struct k8s_slice *slices, size_t count)
{
    qsort(slices, count, sizeof(*slices), slice_order);
}

void k8s_index_slices(struct k8s *k8s)
{
    const struct kube_object **objects;
    size_t count = kube_list(k8s->store, "EndpointSlice", &objects);

    k8s->slices = pool_alloc(k8s->scratch, (count + 1) * sizeof(*k8s->slices));
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(objects[i]->group, SLICE("discovery.k8s.io"))) {
            k8s->slices[k8s->slice_count++] = k8s_slice_of(objects[i]);
        }
    }
    k8s_sort_slices(k8s->slices, k8s->slice_count);
}

static bool same_service(const struct k8s_slice *slice, struct slice namespace, struct slice service)
{
    return slice_eq(slice->namespace, namespace) && slice_eq(slice->service, service);
}

const struct k8s_slice *k8s_slices(struct k8s *k8s, struct slice namespace, struct slice service,
                                   size_t *count)
{
    struct k8s_slice key = {.namespace = namespace, .service = service};
    const struct k8s_slice *known = k8s->refresh ? k8s_refresh_slices(k8s, namespace, service, count) : NULL;
    size_t low = 0, high;

    if (known) {
        return known;
    }
    if (k8s->slices == NULL) {
        k8s_index_slices(k8s);
    }
    high = k8s->slice_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_order(&k8s->slices[middle], &key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    high = low;
    while (high < k8s->slice_count && same_service(&k8s->slices[high], namespace, service)) {
        high++;
    }
    *count = high - low;
    return &k8s->slices[low];
}
