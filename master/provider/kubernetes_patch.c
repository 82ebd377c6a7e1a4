/*
 * kubernetes_patch.c - objects of a cluster that changed, read anew without all others: a patch of the last load's model.
 *
 * What is read anew is closed: the objects that changed, those that asked for a Service or a Secret that changed, and, over
 * and over, all that have a part in a name that one of these makes or made. Among them a load decides who wins, and of
 * everything else it would make what it made before. Where that cannot be told (notices, certificates, Secrets that nobody
 * asked for before, routes with parents, objects in two API groups, names that mean two objects) there is no patch.
 *
 * Not here: servers (kubernetes_refresh.c), how objects are read (kubernetes_crd.c).
 */
#include <errno.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "master/provider/kubernetes_refresh.h"

#define OBJECTS_MOST 256u /* read anew: beyond that a load is worth it */

struct member { /* an object that is read anew: as it was read last, as it is; NULL: not there */
    const struct kube_object *before, *now;
};

struct patch {
    struct k8s *k8s;
    struct k8s_refresh *refresh;
    struct member members[OBJECTS_MOST];
    size_t count;
    const struct kube_object *before[OBJECTS_MOST]; /* of the members, by address */
    size_t before_count;
    uint64_t *keys; /* sorted: names that they make or made; of scratch */
    size_t key_count, key_capacity;
};

/* ---- members ---- */
static const struct kube_object *any_of(const struct member *member)
{
    return member->now ? member->now : member->before;
}

static struct member *member_add(struct patch *patch)
{
    if (patch->count == OBJECTS_MOST) {
        return NULL;
    }
    patch->members[patch->count] = (struct member){NULL, NULL};
    return &patch->members[patch->count++];
}

/* Several changes of one object are one. */
static bool take_change(struct patch *patch, const struct kube_change *change)
{
    const struct kube_object *before = change->before ? change->before->objects : NULL;
    const struct kube_object *now = change->now ? change->now->objects : NULL;
    struct member *member = NULL;

    for (size_t i = 0; i < patch->count && member == NULL; i++) {
        if (store_order(any_of(&patch->members[i]), now ? now : before) == 0) {
            member = &patch->members[i];
        }
    }
    if (member == NULL) {
        if ((member = member_add(patch)) == NULL) {
            return false;
        }
        member->before = before;
    }
    if (now == NULL && member->before == NULL) { /* came and went */
        *member = patch->members[--patch->count];
        return true;
    }
    member->now = now;
    return true;
}

static int by_address(const void *left, const void *right)
{
    uintptr_t a = (uintptr_t) * (const void *const *)left, b = (uintptr_t) * (const void *const *)right;

    return (a > b) - (a < b);
}

static void sort_before(struct patch *patch)
{
    patch->before_count = 0;
    for (size_t i = 0; i < patch->count; i++) {
        if (patch->members[i].before) {
            patch->before[patch->before_count++] = patch->members[i].before;
        }
    }
    qsort(patch->before, patch->before_count, sizeof(*patch->before), by_address);
}

static bool is_before(const struct patch *patch, const struct kube_object *object)
{
    return bsearch(&object, patch->before, patch->before_count, sizeof(*patch->before), by_address) != NULL;
}

/* ---- keys ---- */
static int by_key(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static void key_add(struct patch *patch, uint64_t key)
{
    patch->keys = pool_grow(patch->k8s->scratch, patch->keys, patch->key_count, &patch->key_capacity,
                            sizeof(*patch->keys));
    patch->keys[patch->key_count++] = key;
}

static bool is_key(const struct patch *patch, uint64_t key)
{
    return bsearch(&key, patch->keys, patch->key_count, sizeof(key), by_key) != NULL;
}

/* Objects that have a part in one of the keys become members. False: too many, or one of them cannot be read alone. */
static bool take_sharers(struct patch *patch)
{
    if (patch->key_count > 1) {
        qsort(patch->keys, patch->key_count, sizeof(*patch->keys), by_key);
    }
    for (size_t i = 0; i < patch->refresh->made_count && patch->key_count; i++) {
        const struct k8s_made *made = &patch->refresh->made[i];

        if (is_key(patch, made->key) && !is_before(patch, made->object)) {
            struct member *member = made->object ? member_add(patch) : NULL;

            if (member == NULL) {
                return false;
            }
            *member = (struct member){made->object, made->object};
            sort_before(patch);
        }
    }
    return true;
}

/* ---- changes ---- */
/* Pods that came where none were, or went, make or end an error of who asked for them. */
static void take_stale(struct patch *patch)
{
    for (size_t i = 0; i < patch->refresh->group_count; i++) {
        const struct k8s_group *group = &patch->refresh->groups[i];

        if (group->stale) {
            key_add(patch, k8s_asked_key(group->namespace, group->service));
        }
    }
}

/* Who asked for a Service or a Secret that is another now is read anew with what is there now. */
static bool take_changes(struct patch *patch, const struct kube_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct kube_object *object = (changes[i].now ? changes[i].now : changes[i].before)->objects;

        if (kube_change_is_servers(&changes[i])) {
            continue; /* take_stale() */
        }
        if (slice_eq(object->kind, SLICE("Service"))) {
            key_add(patch, k8s_asked_key(object->namespace, object->name));
        } else if (slice_eq(object->kind, SLICE("Secret")) || slice_eq(object->kind, SLICE("ConfigMap"))) {
            key_add(patch, k8s_needed_key(object->kind, object->namespace, object->name));
        } else if (!take_change(patch, &changes[i])) {
            return false;
        }
    }
    take_stale(patch);
    sort_before(patch);
    return take_sharers(patch);
}

/* ---- reading ---- */
static int by_store(const void *left, const void *right)
{
    return store_order(*(const struct kube_object *const *)left, *(const struct kube_object *const *)right);
}

struct needs {
    uint64_t *keys; /* sorted, each once */
    size_t count;
};

/* Of members alone, of what was made before. False: of one that cannot be read alone, too. */
static bool needs_of(const struct patch *patch, const struct k8s_made *made, size_t count, bool before,
                     struct needs *out)
{
    size_t kept = 0;

    *out = (struct needs){pool_alloc(patch->k8s->scratch, (count + 1) * sizeof(*out->keys)), 0};
    for (size_t i = 0; i < count; i++) {
        if (made[i].kind != ASKED_SECRET || (before && !is_before(patch, made[i].object))) {
            continue;
        }
        if (made[i].object == NULL) {
            return false;
        }
        out->keys[out->count++] = made[i].key;
    }
    if (out->count > 1) {
        qsort(out->keys, out->count, sizeof(*out->keys), by_key);
    }
    for (size_t i = 0; i < out->count; i++) {
        if (i == 0 || out->keys[i] != out->keys[i - 1]) {
            out->keys[kept++] = out->keys[i];
        }
    }
    out->count = kept;
    return true;
}

/* Secrets are asked for one by one: only a load says which. */
static bool needs_are_same(const struct patch *patch)
{
    struct needs before, now;

    return needs_of(patch, patch->refresh->made, patch->refresh->made_count, true, &before) &&
           needs_of(patch, patch->k8s->made, patch->k8s->made_count, false, &now) &&
           before.count == now.count && memcmp(before.keys, now.keys, now.count * sizeof(*now.keys)) == 0;
}

static bool read_members(struct patch *patch)
{
    const struct kube_object *objects[OBJECTS_MOST];
    struct k8s *k8s = patch->k8s;
    size_t count = 0;

    for (size_t i = 0; i < patch->count; i++) {
        const struct member *member = &patch->members[i];

        if (!k8s->alone(k8s, any_of(member)) || (k8s->alone_unchanged && member->before != member->now)) {
            return false;
        }
        if (patch->members[i].now) {
            objects[count++] = patch->members[i].now;
        }
    }
    if (count > 1) {
        qsort(objects, count, sizeof(*objects), by_store);
    }
    k8s_model_begin(k8s);
    k8s->read(k8s, objects, count);
    return !k8s->parents && needs_are_same(patch) && k8s->model->notice_count == 0;
}

/* The names of all that the members make and made. */
static void find_keys(struct patch *patch)
{
    const struct k8s *k8s = patch->k8s;

    patch->key_count = 0;
    for (size_t i = 0; i < k8s->made_count; i++) {
        if (k8s->made[i].element) {
            key_add(patch, k8s->made[i].key);
        }
    }
    for (size_t i = 0; i < patch->refresh->made_count; i++) {
        const struct k8s_made *made = &patch->refresh->made[i];

        if (made->element && is_before(patch, made->object)) {
            key_add(patch, made->key);
        }
    }
}

/* ---- what names mean ---- */
struct meanings { /* of scratch */
    struct k8s_made *items;
    size_t count, capacity;
};

static int by_name(const void *left, const void *right)
{
    uint64_t a = ((const struct k8s_made *)left)->key, b = ((const struct k8s_made *)right)->key;

    return (a > b) - (a < b);
}

static void add_meant(const struct patch *patch, const struct k8s_made *made, size_t count, bool before,
                      struct meanings *out)
{
    for (size_t i = 0; i < count; i++) {
        if (made[i].kind == MEANT && (!before || is_before(patch, made[i].object))) {
            out->items =
                pool_grow(patch->k8s->scratch, out->items, out->count, &out->capacity, sizeof(*out->items));
            out->items[out->count++] = made[i];
        }
    }
}

/* Where a name that the members mean or meant means two, only a load can tell whose it is. */
static bool names_mean_one(const struct patch *patch)
{
    const struct k8s_refresh *refresh = patch->refresh;
    struct meanings touched = {NULL, 0, 0};

    add_meant(patch, patch->k8s->made, patch->k8s->made_count, false, &touched);
    add_meant(patch, refresh->made, refresh->made_count, true, &touched);
    if (touched.count > 1) {
        qsort(touched.items, touched.count, sizeof(*touched.items), by_name);
    }
    for (size_t i = 1; i < touched.count; i++) {
        if (by_name(&touched.items[i], &touched.items[i - 1]) == 0 &&
            touched.items[i].whom != touched.items[i - 1].whom) {
            return false;
        }
    }
    for (size_t i = 0; i < refresh->made_count && touched.count; i++) {
        const struct k8s_made *made = &refresh->made[i], *same;

        if (made->kind == MEANT) {
            same = bsearch(made, touched.items, touched.count, sizeof(*touched.items), by_name);
            if (same && same->whom != made->whom) {
                return false;
            }
        }
    }
    return true;
}

/* Until nobody else has a part in it. The model is k8s->model. */
static int read_closed(struct patch *patch)
{
    size_t count;

    do {
        count = patch->count;
        if (!read_members(patch)) {
            return -EAGAIN;
        }
        find_keys(patch);
        if (!take_sharers(patch)) {
            return -EAGAIN;
        }
        if (patch->count != count) {
            model_free(patch->k8s->model);
            patch->k8s->model = NULL;
        }
    } while (patch->count != count);
    return names_mean_one(patch) ? 0 : -EAGAIN;
}

/* ---- what goes ---- */
static int by_element(const void *left, const void *right)
{
    uintptr_t a = (uintptr_t)((const struct model_gone *)left)->element;
    uintptr_t b = (uintptr_t)((const struct model_gone *)right)->element;

    return (a > b) - (a < b);
}

static int find_gone(const struct patch *patch, struct model_patch *out)
{
    static const enum model_part parts[] = {
        [MADE_ROUTER] = PART_ROUTER, [MADE_SERVICE] = PART_SERVICE, [MADE_MIDDLEWARE] = PART_MIDDLEWARE};
    const struct k8s_refresh *refresh = patch->refresh;
    size_t count = 0, kept = 0;

    for (size_t i = 0; i < refresh->made_count; i++) {
        count += refresh->made[i].element && is_before(patch, refresh->made[i].object);
    }
    out->gone = xcalloc(count + 1, sizeof(*out->gone));
    for (size_t i = 0; i < refresh->made_count; i++) {
        const struct k8s_made *made = &refresh->made[i];

        if (made->element == NULL || !is_before(patch, made->object)) {
            continue;
        }
        if (made->kind == MADE_OTHER) {
            return -EAGAIN;
        }
        out->gone[out->gone_count++] = (struct model_gone){parts[made->kind], made->element};
    }
    qsort(out->gone, out->gone_count, sizeof(*out->gone), by_element);
    for (size_t i = 0; i < out->gone_count; i++) {
        if (i == 0 || by_element(&out->gone[i], &out->gone[i - 1]) != 0) {
            out->gone[kept++] = out->gone[i];
        }
    }
    out->gone_count = kept;
    return 0;
}

static void find_sources(const struct patch *patch, struct model_patch *out)
{
    struct pool *pool = out->more->pool;

    out->sources = pool_alloc(pool, (patch->count + 1) * sizeof(*out->sources));
    for (size_t i = 0; i < patch->count; i++) {
        out->sources[out->source_count++] = pool_copy(pool, any_of(&patch->members[i])->origin.object);
    }
}

/* ---- what is kept ---- */
static void replace_made(struct patch *patch)
{
    struct k8s_refresh *refresh = patch->refresh;
    const struct k8s *k8s = patch->k8s;
    size_t kept = 0;

    for (size_t i = 0; i < refresh->made_count; i++) {
        if (!is_before(patch, refresh->made[i].object)) {
            refresh->made[kept++] = refresh->made[i];
        }
    }
    refresh->made = xrealloc(refresh->made, (kept + k8s->made_count + 1) * sizeof(*refresh->made));
    if (k8s->made_count) {
        memcpy(&refresh->made[kept], k8s->made, k8s->made_count * sizeof(*refresh->made));
    }
    refresh->made_count = kept + k8s->made_count;
}

struct kept_batches { /* what the new objects' text lies in; in their model's pool */
    struct kube_batch **items;
    size_t count;
};

static void release_batches(void *context)
{
    struct kept_batches *kept = context;

    for (size_t i = 0; i < kept->count; i++) {
        batch_unref(kept->items[i]);
    }
    free(kept->items);
    free(kept);
}

static void keep_batches(struct model *model, const struct kube_change *changes, size_t count)
{
    struct kept_batches *kept = xcalloc(1, sizeof(*kept));

    kept->items = xcalloc(count + 1, sizeof(struct kube_batch *));
    for (size_t i = 0; i < count; i++) {
        if (changes[i].now && !kube_change_is_servers(&changes[i])) {
            kept->items[kept->count++] = batch_ref(changes[i].now);
        }
    }
    model->release = release_batches;
    model->release_context = kept;
}

int k8s_patch_make(struct k8s *k8s, struct k8s_refresh *refresh, const struct kube_change *changes,
                   size_t count, struct model_patch *out)
{
    struct patch *patch = xcalloc(1, sizeof(*patch));
    int rc = refresh->parents ? -EAGAIN : 0;

    patch->k8s = k8s;
    patch->refresh = refresh;
    if (rc == 0 && !take_changes(patch, changes, count)) {
        rc = -EAGAIN;
    }
    rc = rc == 0 && patch->count ? read_closed(patch) : rc;
    if (k8s->model) {
        out->more = k8s->model;
        keep_batches(out->more, changes, count); /* also of Services */
        rc = rc == 0 ? find_gone(patch, out) : rc;
    }
    if (rc == 0 && k8s->model) {
        find_sources(patch, out);
        k8s_replace_uses(refresh, patch->before, patch->before_count, k8s);
        replace_made(patch);
    }
    free(patch);
    return rc; /* what is in `out` is freed by the caller */
}
