/*
 * object.c - objects and events out of an API server's answers; contract in object.h.
 */
#include "master/kube/object.h"

#include <errno.h>
#include <stdio.h>

#include "common/doc/doc.h"

static void drop(struct doc *map, const char *key)
{
    struct slice name = slice_cstr(key);

    for (size_t i = 0; map && map->kind == DOC_MAP && i < map->map.count; i++) {
        if (slice_eq(map->map.entries[i].key, name)) {
            memmove(&map->map.entries[i], &map->map.entries[i + 1],
                    (map->map.count - i - 1) * sizeof(map->map.entries[0]));
            map->map.count--;
            return;
        }
    }
}

static void keep_only(struct doc *map, const char *key)
{
    struct slice name = slice_cstr(key);

    for (size_t i = 0; map && map->kind == DOC_MAP && i < map->map.count; i++) {
        if (slice_eq(map->map.entries[i].key, name)) {
            map->map.entries[0] = map->map.entries[i];
            map->map.count = 1;
            return;
        }
    }
    if (map && map->kind == DOC_MAP) {
        map->map.count = 0;
    }
}

/* Those that anybody reads here: of ours, of Traefik's, of Ingresses of any controller. */
static bool annotation_read(struct slice key)
{
    ptrdiff_t slash = slice_find(key, '/');
    struct slice domain = slash < 0 ? SLICE("") : slice_of(key.ptr, (size_t)slash);

    return slice_has_prefix(key, SLICE("traefik.")) || slice_eq(domain, SLICE("weir.dev")) ||
           slice_eq(domain, SLICE("kubernetes.io")) || slice_find_slice(domain, SLICE("ingress")) >= 0;
}

/* Other controllers write theirs at all times. */
static void prune_annotations(struct doc *metadata)
{
    struct doc *annotations = doc_get(metadata, "annotations");
    size_t kept = 0;

    if (annotations == NULL || annotations->kind != DOC_MAP) {
        return;
    }
    for (size_t i = 0; i < annotations->map.count; i++) {
        if (annotation_read(annotations->map.entries[i].key)) {
            annotations->map.entries[kept++] = annotations->map.entries[i];
        }
    }
    annotations->map.count = kept;
    if (kept == 0) {
        drop(metadata, "annotations");
    }
}

/* Cuts what nobody reads. */
static void prune(const struct kube_resource *resource, struct doc *object)
{
    static const char *const unread[] = {"managedFields", "resourceVersion", "generation", "selfLink", NULL};
    struct doc *metadata = doc_get(object, "metadata");
    struct slice kind = slice_cstr(resource->kind);

    for (size_t i = 0; unread[i]; i++) {
        drop(metadata, unread[i]);
    }
    prune_annotations(metadata);
    if (slice_eq(kind, SLICE("EndpointSlice")) || slice_eq(kind, SLICE("Endpoints"))) {
        drop(metadata, "annotations"); /* times of the last change, leases of elections */
    } else if (slice_eq(kind, SLICE("Node"))) {
        drop(metadata, "annotations");
        keep_only(doc_get(object, "status"), "addresses"); /* the rest is heartbeats */
    } else if (resource->status != KUBE_STATUS_NONE) {
        drop(object, "status"); /* written by ourselves */
    }
}

void kube_object_forget_places(struct doc *node)
{
    node->line = node->column = 0;
    node->file = SLICE("");
    for (size_t i = 0; node->kind == DOC_LIST && i < node->list.count; i++) {
        kube_object_forget_places(node->list.items[i]);
    }
    for (size_t i = 0; node->kind == DOC_MAP && i < node->map.count; i++) {
        node->map.entries[i].line = 0;
        kube_object_forget_places(node->map.entries[i].value);
    }
}

static void take_version(const struct doc *object, char version[64])
{
    if (!slice_to_cstr(doc_text(doc_path(object, "metadata", "resourceVersion", NULL), SLICE("")), version,
                       64)) {
        version[0] = '\0';
    }
}

static int object_take(const struct kube_resource *resource, struct pool *scratch, struct doc *object,
                       struct kube_batch **out, char version[64], struct error *why)
{
    struct kube_batch *batch;
    struct kube_carried carried;

    if (object == NULL || object->kind != DOC_MAP) {
        return error_set(why, -EPROTO, "an object of kind %s is no object", resource->kind);
    }
    take_version(object, version);
    kube_carried_read(resource->status, object, &carried);
    prune(resource, object);
    /* items of a list do not say what they are */
    doc_map_set(scratch, object, SLICE("kind"), doc_new_string(scratch, slice_cstr(resource->kind)));
    doc_map_set(scratch, object, SLICE("apiVersion"),
                doc_new_string(scratch, pool_printf(scratch, "%s%s%s", resource->group,
                                                    resource->group[0] ? "/" : "", resource->version)));
    batch = batch_new_single(doc_clone_bytes(object));
    object = doc_clone(batch->pool, object);
    kube_object_forget_places(object);
    batch_add_object(batch, object);
    if (batch->count != 1) {
        (void)error_set(why, -EPROTO, "an object of kind %s: %.*s", resource->kind,
                        SLICE_ARG(batch->notice_count ? batch->notices[0].text : SLICE("is none")));
        batch_unref(batch);
        return -EPROTO;
    }
    if (resource->status != KUBE_STATUS_NONE) {
        struct kube_carried *kept = pool_alloc(batch->pool, sizeof(*kept));

        *kept = carried;
        batch->carried = kept;
    }
    *out = batch;
    return 0;
}

int kube_object_read(const struct kube_resource *resource, struct slice text, struct kube_batch **out,
                     char version[64], struct error *why)
{
    struct pool *scratch = pool_new(16384, 0);
    struct doc *object = NULL;
    int rc = doc_read_json(scratch, SLICE("answer"), text, &object, why);

    if (rc == 0) {
        rc = object_take(resource, scratch, object, out, version, why);
    }
    pool_free(scratch);
    return rc;
}

static int event_type(struct slice name, enum watch_type *out)
{
    static const char *const names[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (slice_eq(name, slice_cstr(names[i]))) {
            *out = (enum watch_type)i;
            return 0;
        }
    }
    return -EPROTO;
}

static int event_take(const struct kube_resource *resource, struct pool *scratch, const struct doc *event,
                      struct watch_event *out, struct error *why)
{
    struct slice type = doc_text(doc_get(event, "type"), SLICE(""));
    struct doc *object = doc_get(event, "object");

    if (event_type(type, &out->type) < 0) {
        return error_set(why, -EPROTO, "an event of unknown type \"%.*s\"", SLICE_ARG(slice_head(type, 40)));
    }
    switch (out->type) {
    case WATCH_ADDED:
    case WATCH_MODIFIED:
    case WATCH_DELETED:
        return object_take(resource, scratch, object, &out->batch, out->version, why);
    case WATCH_BOOKMARK:
        take_version(object, out->version);
        return 0;
    case WATCH_ERROR:
        (void)doc_int(doc_get(object, "code"), &out->code);
        (void)snprintf(out->message, sizeof(out->message), "%.*s",
                       SLICE_ARG(slice_head(doc_text(doc_get(object, "message"), SLICE("")), 250)));
        return 0;
    }
    return 0;
}

int kube_event_read(const struct kube_resource *resource, struct slice text, struct watch_event *out,
                    struct error *why)
{
    struct pool *scratch = pool_new(16384, 0);
    struct doc *event = NULL;
    int rc = doc_read_json(scratch, SLICE("event"), text, &event, why);

    *out = (struct watch_event){0};
    if (rc == 0) {
        rc = event_take(resource, scratch, event, out, why);
    }
    pool_free(scratch);
    return rc;
}

bool kube_object_same(const struct kube_batch *a, const struct kube_batch *b)
{
    return doc_equal(a->objects[0].doc, b->objects[0].doc);
}
