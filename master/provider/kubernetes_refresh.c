/*
 * kubernetes_refresh.c - what changed in a cluster without a load: here, what a change of an EndpointSlice comes to.
 *
 * A load notes for each Service that it asked for pods what became of them: servers of one load balancer as they are, or
 * something that only a load can tell (several Services mixed, TCP and UDP). For those Services the slices that there are now
 * are kept here; an event changes them, and the lists of that Service's load balancers are made anew by the code of the load.
 * Where no servers are an error, the first that comes and the last that goes are a matter of who asked: they are read anew.
 *
 * What was noted (kubernetes_uses.c) and the slices of the load lie in its store, which its model holds. Not here: what changed
 * (master/kube/table.h), changes of other objects (kubernetes_patch.c).
 */
#include "master/provider/kubernetes_refresh.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/memory.h"

/* ---- events ---- */
static size_t piece_at(const struct k8s_group *group, const struct kube_object *object)
{
    size_t at = 0;

    while (at < group->piece_count && !slice_eq(group->pieces[at].object->name, object->name)) {
        at++;
    }
    return at;
}

static void take_slice(struct k8s_refresh *refresh, struct kube_batch *batch, bool there)
{
    const struct kube_object *object = &batch->objects[0];
    const struct k8s_slice slice = k8s_slice_of(object);
    struct k8s_group *group = k8s_group_of(refresh, slice.namespace, slice.service);

    if (group == NULL) {
        return;
    }
    size_t at = piece_at(group, object);

    group->touched = true;
    if (at < group->piece_count) {
        batch_unref(group->pieces[at].batch);
        group->pieces[at] = group->pieces[--group->piece_count];
    }
    if (there) {
        group->pieces = pool_grow(refresh->pool, group->pieces, group->piece_count, &group->piece_capacity,
                                  sizeof(*group->pieces));
        group->pieces[group->piece_count++] = (struct k8s_piece){object, batch_ref(batch)};
    }
}

/* False: an Endpoints object counts where there is no slice, and only a load knows how. */
static bool take_endpoints(const struct k8s_refresh *refresh, const struct kube_object *object)
{
    const struct k8s_group *group = k8s_group_of(refresh, object->namespace, object->name);

    return group == NULL || group->piece_count > 0;
}

static bool take_change(struct k8s_refresh *refresh, const struct kube_change *change)
{
    struct kube_batch *any = change->now ? change->now : change->before;

    if (slice_eq(any->objects[0].kind, SLICE("Endpoints"))) {
        return take_endpoints(refresh, &any->objects[0]);
    }
    if (change->before) {
        take_slice(refresh, change->before, false); /* it may have belonged to another Service */
    }
    if (change->now) {
        take_slice(refresh, change->now, true);
    }
    return true;
}

/* ---- what they come to ---- */
struct found {
    struct provider_servers *items;
    size_t count, capacity;
};

static void found_free(struct found *found)
{
    for (size_t i = 0; i < found->count; i++) {
        pool_free(found->items[i].pool);
    }
    free(found->items);
}

static bool same_servers(const struct list *a, const struct list *b)
{
    const struct server_config *left = a->items, *right = b->items;

    for (size_t i = 0; a->count == b->count && i < a->count; i++) {
        if (!slice_eq(left[i].url, right[i].url) || left[i].fenced != right[i].fenced) {
            return false;
        }
    }
    return a->count == b->count;
}

/* Where there is no slice an Endpoints object may count. */
static bool use_is_stale(const struct k8s_use *use, struct list servers, size_t slice_count)
{
    return use->balancer == NULL || slice_count == 0 ||
           (!use->empty_fine && use->empty != (servers.count == 0));
}

static int refresh_use(const struct k8s_use *use, const struct k8s_slice *slices, size_t count,
                       struct pool *scratch, struct found *found)
{
    struct pool *pool = pool_new(256, 0);
    struct list servers = k8s_servers_of_slices(pool, scratch, use, slices, count);

    if (use_is_stale(use, servers, count)) {
        pool_free(pool);
        return -EAGAIN;
    }
    if (use->target == NULL || same_servers(&servers, &use->target->config.load_balancer->servers)) {
        pool_free(pool);
        return 0;
    }
    if (found->count == found->capacity) {
        found->capacity = found->capacity ? 2 * found->capacity : 4;
        found->items = xrealloc(found->items, found->capacity * sizeof(*found->items));
    }
    found->items[found->count++] = (struct provider_servers){use->target, servers, pool};
    return 0;
}

static int refresh_group(const struct k8s_group *group, struct pool *scratch, struct found *found)
{
    const struct k8s_slice *slices = k8s_group_slices(group, scratch);
    int rc = 0;

    for (size_t i = 0; i < group->use_count && rc == 0; i++) {
        rc = refresh_use(&group->uses[i], slices, group->piece_count, scratch, found);
    }
    return rc;
}

static int take_events(struct k8s_refresh *refresh, const struct kube_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (kube_change_is_servers(&changes[i]) && !take_change(refresh, &changes[i])) {
            return -EAGAIN;
        }
    }
    return 0;
}

/* The groups that a change touched; NULL: there is none, or the change is of something else. */
static void groups_of(const struct k8s_refresh *refresh, const struct kube_change *change,
                      struct k8s_group *out[2])
{
    struct kube_batch *batches[] = {change->before, change->now};

    for (size_t i = 0; i < ARRAY_LEN(batches); i++) {
        struct k8s_group *group = NULL;

        if (batches[i] && kube_change_is_servers(change)) {
            const struct k8s_slice slice = k8s_slice_of(&batches[i]->objects[0]);

            group = k8s_group_of(refresh, slice.namespace, slice.service);
        }
        out[i] = group && group->touched ? group : NULL;
    }
}

static bool group_is_stale(const struct k8s_group *group, struct pool *scratch)
{
    const struct k8s_slice *slices = k8s_group_slices(group, scratch);
    bool stale = false;

    for (size_t i = 0; i < group->use_count && !stale; i++) {
        struct list servers =
            k8s_servers_of_slices(scratch, scratch, &group->uses[i], slices, group->piece_count);

        stale = use_is_stale(&group->uses[i], servers, group->piece_count);
    }
    return stale;
}

static bool find_stale(const struct k8s_refresh *refresh, const struct kube_change *changes, size_t count,
                       struct pool *scratch)
{
    bool any = false;

    for (size_t i = 0; i < count; i++) {
        struct k8s_group *groups[2];

        groups_of(refresh, &changes[i], groups);
        for (size_t j = 0; j < ARRAY_LEN(groups); j++) {
            if (groups[j]) {
                groups[j]->stale = group_is_stale(groups[j], scratch);
                any = any || groups[j]->stale;
            }
        }
    }
    return any;
}

static int find_servers(const struct k8s_refresh *refresh, const struct kube_change *changes, size_t count,
                        struct pool *scratch, struct found *found)
{
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        struct k8s_group *groups[2];

        groups_of(refresh, &changes[i], groups);
        for (size_t j = 0; j < ARRAY_LEN(groups) && rc == 0; j++) {
            if (groups[j] && groups[j]->touched) {
                groups[j]->touched = groups[j]->stale = false;
                rc = refresh_group(groups[j], scratch, found);
            }
        }
    }
    return rc;
}

/* Slices first: objects that are read anew get their servers by them. now: NULL where nothing but slices changed. */
static int take_changes(struct k8s *k8s, struct k8s_refresh *refresh, const struct kube_change *changes,
                        size_t count, const struct kube_store *now, struct provider_changes *out)
{
    struct found found = {0};
    int rc = take_events(refresh, changes, count);

    if (rc == 0 && (find_stale(refresh, changes, count, k8s->scratch) || now)) {
        rc = k8s->alone ? k8s_patch_make(k8s, refresh, changes, count, &out->patch) : -EAGAIN;
    }
    rc = rc == 0 ? find_servers(refresh, changes, count, k8s->scratch, &found) : rc;
    if (rc < 0) {
        found_free(&found);
        model_patch_free(&out->patch);
        return rc;
    }
    out->servers = found.items;
    out->count = found.count;
    return 0;
}

int k8s_refresh(struct k8s *k8s, struct provider_state *state, struct provider_changes *out)
{
    struct k8s_live *live = k8s_state_live(state);
    struct kube_change *changes;
    struct kube_store *now = NULL;
    size_t count;
    int rc = -EAGAIN;

    *out = (struct provider_changes){.count = 0};
    if (live->refresh == NULL) {
        return -EAGAIN;
    }
    if (kube_live_changes(live->live, &changes, &count, &now)) {
        k8s->scratch = pool_new(4096, 0);
        k8s->store = now ? now : k8s_state_store(state);
        k8s->refresh = live->refresh;
        rc = take_changes(k8s, live->refresh, changes, count, now, out);
        k8s_end(k8s);
    }
    kube_changes_free(changes, count);
    if (rc < 0) {
        kube_store_free(now);
        k8s_refresh_free(live->refresh); /* it may be ahead of the model */
        live->refresh = NULL;
        return rc;
    }
    if (now) { /* slices that came with it may lie there alone */
        k8s_state_take_store(state, now);
    }
    return 0;
}
