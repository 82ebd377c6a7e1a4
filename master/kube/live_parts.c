/*
 * live_parts.c - what a live source reads: whole kinds, what stands in for those that cannot be read, single objects.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "master/kube/live_inner.h"

#define FIRST_STAND_IN                                                                                       \
    500000u                   /* owners of the table: whole kinds below, what stands in for them from here, */
#define FIRST_SINGLE 1000000u /* single objects from here */

static const struct kube_resource single_kinds[] = {
    {.group = "", .version = "v1", .plural = "secrets", .kind = "Secret"},
    {.group = "", .version = "v1", .plural = "configmaps", .kind = "ConfigMap"},
};

static void on_off(void *context, enum kube_off off);

static struct part *part_start(struct kube_live *live, const struct kube_resource *resource,
                               struct kube_name name, uint32_t owner)
{
    struct part *part = xcalloc(1, sizeof(*part));
    const struct kube_question question = {.resource = resource,
                                           .namespace = name.namespace,
                                           .name = name.name,
                                           .selector = live->options.selector};

    part->live = live;
    part->resource = resource;
    part->owner = owner;
    part->sink = (struct kube_sink){.table = live->table,
                                    .owner = owner,
                                    .changed = live_changed,
                                    .synced = live_synced,
                                    .off = on_off,
                                    .context = part};
    part->reflector = kube_reflector_join(kube_hub_reflectors(live->hub), &question, &part->sink);
    return part;
}

static void part_stop(struct part *part, bool forget)
{
    kube_reflector_leave(part->reflector, &part->sink, forget);
    kube_name_free(part->name);
    free(part);
}

static const struct kube_resource *stand_in_of(const struct kube_live *live,
                                               const struct kube_resource *resource)
{
    for (const struct kube_resource *at = live->options.resources; at->kind; at++) {
        if (at->stands_in_for && strcmp(at->stands_in_for, resource->kind) == 0) {
            return at;
        }
    }
    return NULL;
}

static void stand_in_start(struct part *part, const struct kube_resource *resource)
{
    struct kube_live *live = part->live;
    struct kube_name name = {.namespace = part->namespace};
    struct part *other = part_start(live, resource, name, FIRST_STAND_IN + part->owner);

    part->stand_in = other;
    pthread_mutex_lock(&live->mutex);
    live->parts[live->part_count++] = other; /* there is room: live_parts_start() */
    pthread_mutex_unlock(&live->mutex);
}

static void stand_in_stop(struct part *part)
{
    struct kube_live *live = part->live;
    struct part *other = part->stand_in;
    size_t at = 0;

    pthread_mutex_lock(&live->mutex);
    while (live->parts[at] != other) {
        at++;
    }
    live->parts[at] = live->parts[--live->part_count];
    pthread_mutex_unlock(&live->mutex);
    part->stand_in = NULL;
    part_stop(other, true);
    live_changed(part);
}

static void on_off(void *context, enum kube_off off)
{
    struct part *part = context;
    const struct kube_resource *other = stand_in_of(part->live, part->resource);

    if (off != KUBE_ON && other && part->stand_in == NULL) {
        stand_in_start(part, other);
    }
    live_off(part, off);
    if (off == KUBE_ON && part->stand_in) {
        stand_in_stop(part);
    }
}

static bool left_out(const struct kube_live *live, const struct kube_resource *resource)
{
    return resource->stands_in_for || (resource->cluster_scoped && live->options.no_cluster_scope) ||
           (live->options.without && strcmp(resource->kind, live->options.without) == 0);
}

void live_parts_start(struct kube_live *live)
{
    const struct slice *namespaces = live->options.namespaces.items;
    size_t spaces = live->options.namespaces.count, kinds = 0;

    while (live->options.resources[kinds].kind) {
        kinds++;
    }
    live->next_owner = FIRST_SINGLE;
    live->parts =
        xcalloc(kinds * (spaces ? spaces : 1), sizeof(struct part *)); /* stand-ins are kinds, too */
    for (size_t i = 0; i < kinds; i++) {
        const struct kube_resource *resource = &live->options.resources[i];
        size_t times = spaces && !resource->cluster_scoped ? spaces : 1;

        if (left_out(live, resource)) {
            continue;
        }
        for (size_t j = 0; j < times; j++) {
            struct kube_name name = {.namespace =
                                         spaces && !resource->cluster_scoped ? namespaces[j] : SLICE("")};

            struct part *part = part_start(live, resource, name, (uint32_t)live->part_count);

            part->namespace = name.namespace;
            live->parts[live->part_count++] = part;
        }
    }
}

/* Takes it out. *at: behind the one that was found last. Mostly they are wanted in the order in which they stand, so it
 * is there. */
static struct part *take_single(struct kube_live *live, struct kube_name name, size_t *at)
{
    for (size_t walked = 0; walked < live->single_count; walked++) {
        size_t place = (*at + walked) % live->single_count;
        struct part *single = live->singles[place];

        if (single && kube_name_eq(single->name, name)) {
            live->singles[place] = NULL;
            *at = place + 1;
            return single;
        }
    }
    return NULL;
}

void live_singles_apply(struct kube_live *live, struct kube_name *wanted, size_t count)
{
    struct part **next = xcalloc(count + 1, sizeof(struct part *));
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        next[i] = take_single(live, wanted[i], &at);
        if (next[i] == NULL) {
            const struct kube_resource *kind = &single_kinds[strcmp(wanted[i].kind, "Secret") == 0 ? 0 : 1];

            next[i] = part_start(live, kind, wanted[i], live->next_owner++);
            next[i]->name = kube_name_copy(wanted[i]);
        }
    }
    for (size_t j = 0; j < live->single_count; j++) {
        if (live->singles[j]) { /* nobody names it any more */
            part_stop(live->singles[j], true);
        }
    }
    free(live->singles);
    live->singles = next;
    live->single_count = count;
}

static void stop_all(struct part **parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        part_stop(parts[i], false);
    }
    free(parts);
}

void live_parts_stop(struct kube_live *live)
{
    stop_all(live->parts, live->part_count);
    stop_all(live->singles, live->single_count);
    live->parts = live->singles = NULL;
    live->part_count = live->single_count = 0;
}
