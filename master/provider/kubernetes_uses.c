/*
 * kubernetes_uses.c - what a load noted: for each Service that it asked for pods, who asked, and the slices that there are.
 *
 * All of it lies in struct k8s_refresh, in groups by Service; objects that are read anew later replace their uses there.
 */
#include "master/provider/kubernetes_refresh.h"

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

/* ---- groups ---- */
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

struct k8s_slice *k8s_group_slices(const struct k8s_group *group, struct pool *pool)
{
    struct k8s_slice *slices = pool_alloc(pool, (group->piece_count + 1) * sizeof(*slices));

    for (size_t i = 0; i < group->piece_count; i++) {
        slices[i] = k8s_slice_of(group->pieces[i].object);
    }
    k8s_sort_slices(slices, group->piece_count);
    return slices;
}

const struct k8s_slice *k8s_refresh_slices(struct k8s *k8s, struct slice namespace, struct slice service,
                                           size_t *count)
{
    const struct k8s_group *group = k8s_group_of(k8s->refresh, namespace, service);

    if (group == NULL) {
        return NULL;
    }
    *count = group->piece_count;
    return k8s_group_slices(group, k8s->scratch);
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
