/*
 * kubernetes_refresh.c - other servers of load balancers without a load: what a change of an EndpointSlice comes to.
 *
 * A load notes for each Service that it asked for pods what became of them: servers of one load balancer as they are, or
 * something that only a load can tell (no servers, several Services mixed, TCP and UDP). For those Services the slices that there are now
 * are kept here; an event changes them, and the lists of that Service's load balancers are made anew by the code of the load.
 *
 * What was noted and the slices of the load lie in its store, which its model holds. Not here: what changed
 * (master/kube/table.h).
 */
#include "master/provider/kubernetes.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/memory.h"

struct piece { /* a slice as it is now */
    const struct kube_object *object;
    struct kube_batch *batch; /* that it lies in, one reference; NULL: in the load's store */
};

struct group { /* a Service */
    struct slice namespace, service;
    struct k8s_use *uses;
    size_t use_count;
    struct piece *pieces;
    size_t piece_count, piece_capacity;
    bool touched;
};

struct k8s_refresh {
    struct pool *pool;
    struct k8s_use *uses; /* sorted by Service, as the groups are */
    size_t use_count;
    struct group *groups;
    size_t group_count;
};

void k8s_note_use(struct k8s *k8s, const struct k8s_use *use)
{
    k8s->uses = pool_grow(k8s->scratch, k8s->uses, k8s->use_count, &k8s->use_capacity, sizeof(*k8s->uses));
    k8s->uses[k8s->use_count++] = *use;
}

/* ---- after a load ---- */
static int by_balancer(const void *left, const void *right)
{
    uintptr_t a = (uintptr_t)((const struct k8s_use *)left)->balancer;
    uintptr_t b = (uintptr_t)((const struct k8s_use *)right)->balancer;

    return (a > b) - (a < b);
}

static int by_service(const void *left, const void *right)
{
    const struct k8s_use *a = left, *b = right;
    int order = slice_cmp(a->namespace, b->namespace);

    return order ? order : slice_cmp(a->service, b->service);
}

/* A load balancer may have been made and then not taken: its use stays without a target, and counts for its errors. */
static void find_targets(struct k8s *k8s, struct k8s_refresh *refresh)
{
    qsort(refresh->uses, refresh->use_count, sizeof(*refresh->uses), by_balancer);
    for (size_t i = 0; i < k8s->model->service_count; i++) {
        struct http_service *service = k8s->model->services[i];
        const struct k8s_use key = {.balancer = service->config.load_balancer};
        struct k8s_use *use = key.balancer ? bsearch(&key, refresh->uses, refresh->use_count,
                                                     sizeof(*refresh->uses), by_balancer)
                                           : NULL;

        if (use) {
            use->target = service;
        }
    }
    qsort(refresh->uses, refresh->use_count, sizeof(*refresh->uses), by_service);
}

static void take_pieces(struct k8s *k8s, struct k8s_refresh *refresh, struct group *group)
{
    const struct k8s_slice *slices = k8s_slices(k8s, group->namespace, group->service, &group->piece_count);

    group->piece_capacity = group->piece_count;
    group->pieces = pool_alloc(refresh->pool, (group->piece_count + 1) * sizeof(*group->pieces));
    for (size_t i = 0; i < group->piece_count; i++) {
        group->pieces[i] = (struct piece){.object = slices[i].object};
    }
}

struct k8s_refresh *k8s_refresh_new(struct k8s *k8s)
{
    struct k8s_refresh *refresh = xcalloc(1, sizeof(*refresh));

    refresh->pool = pool_new(4096, 0);
    refresh->use_count = k8s->use_count;
    refresh->uses = pool_alloc(refresh->pool, (k8s->use_count + 1) * sizeof(*refresh->uses));
    if (k8s->use_count) {
        memcpy(refresh->uses, k8s->uses, k8s->use_count * sizeof(*refresh->uses));
        find_targets(k8s, refresh);
    }
    refresh->groups = pool_alloc(refresh->pool, (refresh->use_count + 1) * sizeof(*refresh->groups));
    for (size_t i = 0; i < refresh->use_count; i++) {
        struct k8s_use *use = &refresh->uses[i];

        use->scheme = pool_copy(refresh->pool, use->scheme);
        use->port = pool_copy(refresh->pool, use->port);
        if (i > 0 && by_service(use, use - 1) == 0) {
            refresh->groups[refresh->group_count - 1].use_count++;
            continue;
        }
        struct group *group = &refresh->groups[refresh->group_count++];

        *group =
            (struct group){.namespace = use->namespace, .service = use->service, .uses = use, .use_count = 1};
        take_pieces(k8s, refresh, group);
    }
    return refresh;
}

void k8s_refresh_free(struct k8s_refresh *refresh)
{
    if (refresh == NULL) {
        return;
    }
    for (size_t i = 0; i < refresh->group_count; i++) {
        for (size_t j = 0; j < refresh->groups[i].piece_count; j++) {
            batch_unref(refresh->groups[i].pieces[j].batch);
        }
    }
    pool_free(refresh->pool);
    free(refresh);
}

/* ---- events ---- */
static struct group *group_of(const struct k8s_refresh *refresh, struct slice namespace, struct slice service)
{
    size_t low = 0, high = refresh->group_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct group *group = &refresh->groups[middle];
        int order = slice_cmp(group->namespace, namespace);

        order = order ? order : slice_cmp(group->service, service);
        if (order == 0) {
            return group;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL; /* no route asked for its pods */
}

static size_t piece_at(const struct group *group, const struct kube_object *object)
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
    struct group *group = group_of(refresh, slice.namespace, slice.service);

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
        group->pieces[group->piece_count++] = (struct piece){object, batch_ref(batch)};
    }
}

/* False: an Endpoints object counts where there is no slice, and only a load knows how. */
static bool take_endpoints(const struct k8s_refresh *refresh, const struct kube_object *object)
{
    const struct group *group = group_of(refresh, object->namespace, object->name);

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

static int refresh_use(const struct k8s_use *use, const struct k8s_slice *slices, size_t count,
                       struct pool *scratch, struct found *found)
{
    struct pool *pool = pool_new(256, 0);
    struct list servers = k8s_servers_of_slices(pool, scratch, use, slices, count);

    if (use->balancer == NULL || servers.count == 0) { /* none at all may be an error, or an end to one */
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

static int refresh_group(const struct group *group, struct pool *scratch, struct found *found)
{
    struct k8s_slice *slices = pool_alloc(scratch, (group->piece_count + 1) * sizeof(*slices));
    int rc = 0;

    for (size_t i = 0; i < group->piece_count; i++) {
        slices[i] = k8s_slice_of(group->pieces[i].object);
    }
    k8s_sort_slices(slices, group->piece_count);
    for (size_t i = 0; i < group->use_count && rc == 0; i++) {
        rc = refresh_use(&group->uses[i], slices, group->piece_count, scratch, found);
    }
    return rc;
}

static int take_changes(struct k8s_refresh *refresh, const struct kube_change *changes, size_t count,
                        struct found *found)
{
    struct pool *scratch = pool_new(4096, 0);
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = take_change(refresh, &changes[i]) ? 0 : -EAGAIN;
    }
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct kube_batch *batches[] = {changes[i].before, changes[i].now};

        for (size_t j = 0; j < ARRAY_LEN(batches) && rc == 0; j++) {
            const struct k8s_slice slice =
                batches[j] ? k8s_slice_of(&batches[j]->objects[0]) : (struct k8s_slice){0};
            struct group *group = batches[j] ? group_of(refresh, slice.namespace, slice.service) : NULL;

            if (group && group->touched) {
                group->touched = false;
                rc = refresh_group(group, scratch, found);
            }
        }
    }
    pool_free(scratch);
    return rc;
}

int k8s_refresh(struct provider_state *state, struct provider_servers **out, size_t *count)
{
    struct k8s_live *live = k8s_state_live(state);
    struct kube_change *changes;
    struct found found = {0};
    size_t change_count;
    int rc = -EAGAIN;

    if (live->refresh == NULL) {
        return -EAGAIN;
    }
    if (kube_live_changes(live->live, &changes, &change_count)) {
        rc = take_changes(live->refresh, changes, change_count, &found);
    }
    kube_changes_free(changes, change_count);
    if (rc < 0) {
        found_free(&found);
        k8s_refresh_free(live->refresh); /* it may be ahead of the model */
        live->refresh = NULL;
        return rc;
    }
    *out = found.items;
    *count = found.count;
    return 0;
}
