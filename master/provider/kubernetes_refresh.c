/*
 * kubernetes_refresh.c - what changed in a cluster without a load: here, what a change of an EndpointSlice comes to.
 *
 * A load notes for each Service that it asked for pods what became of them: servers of one load balancer as they are, or
 * something that only a load can tell (several Services mixed, TCP and UDP). For those Services the slices that there are now
 * are kept here; an event changes them, and the lists of that Service's load balancers are made anew by the code of the load.
 * Where no servers are an error, the first that comes and the last that goes are a matter of who asked: they are read anew.
 *
 * What was noted and the slices of the load lie in its store, which its model holds. Not here: what changed
 * (master/kube/table.h), changes of other objects (kubernetes_patch.c).
 */
#include "master/provider/kubernetes_refresh.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/memory.h"

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
void k8s_find_targets(const struct model *model, struct k8s_use *uses, size_t count)
{
    if (count == 0) {
        return;
    }
    qsort(uses, count, sizeof(*uses), by_balancer);
    for (size_t i = 0; i < model->service_count; i++) {
        struct http_service *service = model->services[i];
        const struct k8s_use key = {.balancer = service->config.load_balancer};
        struct k8s_use *use = key.balancer ? bsearch(&key, uses, count, sizeof(*uses), by_balancer) : NULL;

        if (use) {
            use->target = service;
        }
    }
    qsort(uses, count, sizeof(*uses), by_service);
}

static void take_pieces(struct k8s *k8s, struct k8s_refresh *refresh, struct k8s_group *group)
{
    const struct k8s_slice *slices = k8s_slices(k8s, group->namespace, group->service, &group->piece_count);

    group->piece_capacity = group->piece_count;
    group->pieces = pool_alloc(refresh->pool, (group->piece_count + 1) * sizeof(*group->pieces));
    for (size_t i = 0; i < group->piece_count; i++) {
        group->pieces[i] = (struct k8s_piece){.object = slices[i].object};
    }
}

static void keep_texts(struct k8s_refresh *refresh, struct k8s_use *use)
{
    use->scheme = pool_copy(refresh->pool, use->scheme);
    use->port = pool_copy(refresh->pool, use->port);
}

struct k8s_refresh *k8s_refresh_new(struct k8s *k8s)
{
    struct k8s_refresh *refresh = xcalloc(1, sizeof(*refresh));
    size_t count = k8s->use_count;
    struct k8s_use *uses;

    refresh->pool = pool_new(4096, 0);
    refresh->parents = k8s->parents;
    refresh->made_count = k8s->made_count;
    refresh->made = xcalloc(k8s->made_count + 1, sizeof(*refresh->made));
    if (k8s->made_count) {
        memcpy(refresh->made, k8s->made, k8s->made_count * sizeof(*refresh->made));
    }
    uses = pool_alloc(refresh->pool, (count + 1) * sizeof(*uses));
    if (count) {
        memcpy(uses, k8s->uses, count * sizeof(*uses));
    }
    k8s_find_targets(k8s->model, uses, count);
    refresh->group_capacity = count + 1;
    refresh->groups = pool_alloc(refresh->pool, refresh->group_capacity * sizeof(*refresh->groups));
    for (size_t i = 0; i < count; i++) {
        struct k8s_use *use = &uses[i];

        keep_texts(refresh, use);
        if (i > 0 && by_service(use, use - 1) == 0) {
            refresh->groups[refresh->group_count - 1].use_count++;
            continue;
        }
        struct k8s_group *group = &refresh->groups[refresh->group_count++];

        *group = (struct k8s_group){
            .namespace = use->namespace, .service = use->service, .uses = use, .use_count = 1};
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
    free(refresh->made);
    free(refresh);
}

/* ---- events ---- */
/* Where the group of that Service is or belongs. */
static size_t group_at(const struct k8s_refresh *refresh, struct slice namespace, struct slice service,
                       bool *found)
{
    size_t low = 0, high = refresh->group_count;

    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct k8s_group *group = &refresh->groups[middle];
        int order = slice_cmp(group->namespace, namespace);

        order = order ? order : slice_cmp(group->service, service);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct k8s_group *k8s_group_of(const struct k8s_refresh *refresh, struct slice namespace,
                               struct slice service)
{
    bool found;
    size_t at = group_at(refresh, namespace, service, &found);

    return found ? &refresh->groups[at] : NULL;
}

const struct k8s_slice *k8s_refresh_slices(struct k8s *k8s, struct slice namespace, struct slice service,
                                           size_t *count)
{
    const struct k8s_group *group = k8s_group_of(k8s->refresh, namespace, service);
    struct k8s_slice *slices;

    if (group == NULL) {
        return NULL;
    }
    slices = pool_alloc(k8s->scratch, (group->piece_count + 1) * sizeof(*slices));
    for (size_t i = 0; i < group->piece_count; i++) {
        slices[i] = k8s_slice_of(group->pieces[i].object);
    }
    k8s_sort_slices(slices, group->piece_count);
    *count = group->piece_count;
    return slices;
}

/* ---- other uses ---- */
static int by_address(const void *left, const void *right)
{
    uintptr_t a = (uintptr_t) * (const struct kube_object *const *)left;
    uintptr_t b = (uintptr_t) * (const struct kube_object *const *)right;

    return (a > b) - (a < b);
}

static void forget_uses(struct k8s_group *group, const struct kube_object *const *objects, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < group->use_count; i++) {
        if (!bsearch(&group->uses[i].object, objects, count, sizeof(*objects), by_address)) {
            group->uses[kept++] = group->uses[i];
        }
    }
    group->use_count = kept;
}

static struct k8s_group *group_make(struct k8s_refresh *refresh, struct k8s *k8s, const struct k8s_use *use)
{
    bool found;
    size_t at = group_at(refresh, use->namespace, use->service, &found);
    struct k8s_group group = {.namespace = use->namespace, .service = use->service};

    if (!found) {
        group.namespace = pool_copy(refresh->pool, use->namespace);
        group.service = pool_copy(refresh->pool, use->service);
        take_pieces(k8s, refresh, &group);
        refresh->groups = pool_grow(refresh->pool, refresh->groups, refresh->group_count,
                                    &refresh->group_capacity, sizeof(*refresh->groups));
        memmove(&refresh->groups[at + 1], &refresh->groups[at],
                (refresh->group_count - at) * sizeof(*refresh->groups));
        refresh->groups[at] = group;
        refresh->group_count++;
    }
    return &refresh->groups[at];
}

void k8s_replace_uses(struct k8s_refresh *refresh, const struct kube_object *const *objects, size_t count,
                      struct k8s *k8s)
{
    for (size_t i = 0; i < refresh->group_count && count; i++) {
        forget_uses(&refresh->groups[i], objects, count);
    }
    k8s_find_targets(k8s->model, k8s->uses, k8s->use_count);
    for (size_t i = 0; i < k8s->use_count; i++) {
        struct k8s_group *group = group_make(refresh, k8s, &k8s->uses[i]);
        struct k8s_use *uses = pool_alloc(refresh->pool, (group->use_count + 1) * sizeof(*uses));

        if (group->use_count) {
            memcpy(uses, group->uses, group->use_count * sizeof(*uses));
        }
        uses[group->use_count] = k8s->uses[i];
        uses[group->use_count].namespace = group->namespace; /* the load's die with its objects */
        uses[group->use_count].service = group->service;
        keep_texts(refresh, &uses[group->use_count]);
        group->uses = uses;
        group->use_count++;
    }
}

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

static struct k8s_slice *slices_of(const struct k8s_group *group, struct pool *pool)
{
    struct k8s_slice *slices = pool_alloc(pool, (group->piece_count + 1) * sizeof(*slices));

    for (size_t i = 0; i < group->piece_count; i++) {
        slices[i] = k8s_slice_of(group->pieces[i].object);
    }
    k8s_sort_slices(slices, group->piece_count);
    return slices;
}

static int refresh_group(const struct k8s_group *group, struct pool *scratch, struct found *found)
{
    const struct k8s_slice *slices = slices_of(group, scratch);
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
    const struct k8s_slice *slices = slices_of(group, scratch);
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
