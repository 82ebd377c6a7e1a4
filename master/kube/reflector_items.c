/*
 * reflector_items.c - what the answers of an API server bring, piece by piece: items of a list, events of a watch.
 */
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/doc/doc.h"
#include "master/kube/reflector_inner.h"
#include "master/kube/unread.h"

static void passed_over(const struct kube_reflector *reflector, struct slice text, const struct error *why)
{
    char name[REFLECTOR_NAME];

    kube_unread_name(text, name, sizeof(name));
    log_error("%s%s: %s; it is passed over", reflector->question.resource->kind, name, why->text);
}

/* An object that was not asked for (by name) belongs to somebody else's table entries: it would leave with this one. */
static bool asked_for(const struct kube_reflector *reflector, const struct kube_object *object)
{
    const struct kube_question *question = &reflector->question;

    return (question->name.len == 0 || slice_eq(question->name, object->name)) &&
           (question->namespace.len == 0 || slice_eq(question->namespace, object->namespace));
}

/* Takes the batch. */
static void put(struct kube_reflector *reflector, struct kube_batch *batch)
{
    if (asked_for(reflector, &batch->objects[0])) {
        reflector_put(reflector, batch);
    } else {
        batch_unref(batch);
    }
}

static void list_item(struct kube_reflector *reflector, struct slice text)
{
    struct kube_batch *batch;
    char version[64];
    struct error why;

    if (kube_object_read(reflector->question.resource, text, &batch, version, &why) < 0) {
        passed_over(reflector, text, &why);
    } else {
        put(reflector, batch);
    }
}

static void watch_item(struct kube_reflector *reflector, struct slice text)
{
    struct watch_event event;
    struct error why;

    if (kube_event_read(reflector->question.resource, text, &event, &why) < 0) {
        passed_over(reflector, text, &why);
        return;
    }
    switch (event.type) {
    case WATCH_ADDED:
    case WATCH_MODIFIED:
        put(reflector, event.batch);
        break;
    case WATCH_DELETED:
        if (asked_for(reflector, &event.batch->objects[0])) {
            reflector_remove(reflector, &event.batch->objects[0]);
        }
        batch_unref(event.batch);
        break;
    case WATCH_BOOKMARK:
        break;
    case WATCH_ERROR:
        log_debug("%s: watch: %lld %s", reflector->question.resource->plural, (long long)event.code,
                  event.message);
        reflector->start_over = true; /* whatever it is: a list puts it right */
        return;
    }
    if (event.version[0]) {
        memcpy(reflector->version, event.version, sizeof(reflector->version));
    }
}

static void on_item(void *context, struct slice text)
{
    struct kube_reflector *reflector = context;

    if (reflector->watching) {
        watch_item(reflector, text);
    } else {
        list_item(reflector, text);
    }
}

static void on_member(void *context, struct slice key, struct slice text)
{
    struct kube_reflector *reflector = context;
    struct pool *pool;
    struct doc *metadata = NULL;
    struct slice token;

    if (slice_eq(key, SLICE("kind")) && slice_eq(text, SLICE("\"Status\""))) {
        reflector->no_list = true; /* with any status of HTTP: nothing is dropped for it */
    }
    if (!slice_eq(key, SLICE("metadata"))) {
        return;
    }
    pool = pool_new(1024, 0);
    if (doc_read_json(pool, SLICE("metadata"), text, &metadata, NULL) == 0) {
        token = doc_text(doc_get(metadata, "continue"), SLICE(""));
        free(reflector->next_token);
        reflector->next_token = token.len ? xstrndup(token.ptr, token.len) : NULL;
        (void)slice_to_cstr(doc_text(doc_get(metadata, "resourceVersion"), SLICE("")),
                            reflector->next_version, sizeof(reflector->next_version));
    }
    pool_free(pool);
}

static void on_oversize(void *context, size_t length)
{
    const struct kube_reflector *reflector = context;

    log_error("%s: an object of %zu bytes is passed over: more than %u are not read",
              reflector->question.resource->plural, length, OBJECT_MAX);
}

static const struct split_handlers split_handlers = {on_item, on_member, on_oversize};

void reflector_expect(struct kube_reflector *reflector)
{
    split_free(&reflector->split);
    split_init(&reflector->split, reflector->watching ? SPLIT_SEQUENCE : SPLIT_LIST, OBJECT_MAX,
               &split_handlers, reflector);
}
