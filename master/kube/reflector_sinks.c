/*
 * reflector_sinks.c - who is given what a reflector finds. A sink that joins one that has begun is given in the loop's next
 * turn what the tables of the others hold, and then told what they were told.
 */
#include "master/kube/reflector_inner.h"

void reflector_put(struct kube_reflector *reflector, struct kube_batch *batch)
{
    for (struct kube_sink *sink = reflector->sinks; sink; sink = sink->next) {
        if (kube_table_put(sink->table, batch_ref(batch), sink->owner, reflector->round)) {
            sink->dirty = true;
        }
    }
    batch_unref(batch);
}

void reflector_remove(struct kube_reflector *reflector, const struct kube_object *object)
{
    for (struct kube_sink *sink = reflector->sinks; sink; sink = sink->next) {
        if (kube_table_remove(sink->table, object)) {
            sink->dirty = true;
        }
    }
}

void reflector_sweep(struct kube_reflector *reflector, uint32_t round)
{
    for (struct kube_sink *sink = reflector->sinks; sink; sink = sink->next) {
        if (kube_table_sweep(sink->table, sink->owner, round)) {
            sink->dirty = true;
        }
    }
}

static void tell_dirty(struct kube_sink *sink)
{
    if (sink->dirty) {
        sink->dirty = false;
        sink->changed(sink->context);
    }
}

void reflector_tell_changed(struct kube_reflector *reflector)
{
    for (struct kube_sink *sink = reflector->sinks; sink; sink = sink->next) {
        if (!sink->fresh) {
            tell_dirty(sink);
        }
    }
}

void reflector_tell_synced(struct kube_reflector *reflector)
{
    if (reflector->synced) {
        return;
    }
    reflector->synced = true;
    for (struct kube_sink *sink = reflector->sinks; sink; sink = sink->next) {
        if (!sink->fresh) {
            sink->synced(sink->context);
        }
    }
}

void reflector_tell_off(struct kube_reflector *reflector, enum kube_off off)
{
    reflector->off = off;
    for (struct kube_sink *sink = reflector->sinks; sink; sink = sink->next) {
        if (!sink->fresh) {
            sink->off(sink->context, off);
        }
    }
}

/* One that has everything so far. The first sink of all begins as one. */
static const struct kube_sink *full(const struct kube_reflector *reflector)
{
    const struct kube_sink *sink = reflector->sinks;

    while (sink->fresh) {
        sink = sink->next;
    }
    return sink;
}

static void greet(struct kube_reflector *reflector, struct kube_sink *sink)
{
    const struct kube_sink *from = full(reflector);

    sink->dirty |= kube_table_copy(from->table, from->owner, sink->table, sink->owner);
    sink->fresh = false;
    if (reflector->off != KUBE_ON) {
        sink->off(sink->context, reflector->off);
    }
    tell_dirty(sink);
    if (reflector->synced) {
        sink->synced(sink->context);
    }
}

void reflector_greet(struct kube_reflector *reflector)
{
    for (struct kube_sink *sink = reflector->sinks; sink; sink = sink->next) {
        if (sink->fresh) {
            greet(reflector, sink);
        }
    }
}

static void on_greet(uv_timer_t *timer)
{
    const struct kube_reflectors *all = timer->data;

    for (struct kube_reflector *at = all->first; at; at = at->next) {
        reflector_greet(at);
    }
}

void reflector_add_sink(struct kube_reflector *reflector, struct kube_sink *sink)
{
    sink->fresh = reflector->sinks != NULL;
    sink->dirty = false;
    sink->next = reflector->sinks;
    reflector->sinks = sink;
    if (sink->fresh) {
        (void)uv_timer_start(&reflector->all->greet, on_greet, 0, 0);
    }
}

void reflector_drop_sink(struct kube_reflector *reflector, struct kube_sink *sink)
{
    struct kube_sink **link = &reflector->sinks;
    bool was_fresh = sink->fresh;

    if (!was_fresh) {
        reflector_greet(reflector); /* it may be the one that has everything */
    }
    while (*link != sink) {
        link = &(*link)->next;
    }
    *link = sink->next;
}
