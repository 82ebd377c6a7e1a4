/*
 * changes_patch.c - what differs when only a few objects do: struct known is brought up to date in place, for what changed.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/base/pool.h"
#include "master/master/changes_inner.h"
#include "master/master/master.h"
#include "master/resolve/resolve.h"

char *known_read(const struct slice *names, size_t count)
{
    const struct known_names none = {.count = 0};
    struct known_names changed = {.count = 0};
    struct text out;

    for (size_t i = 0; i < count; i++) {
        known_note(&changed, names[i]);
    }
    text_init(&out);
    known_add_changes(&out, KNOWN_MIDDLEWARE, &none, &none, &changed);
    return known_taken(&out);
}

/* Objects are in the order of the model. */
char *known_refresh(struct known *known, const struct model *model, const uint32_t *positions, size_t count)
{
    const struct known_names none = {.count = 0};
    struct known_names changed = {.count = 0};
    struct text out;

    for (size_t i = 0; i < count; i++) {
        const struct http_service *service = model->services[positions[i]];
        struct known_object *object = &known->objects[KNOWN_SERVICE][positions[i]];
        uint64_t hash = known_hash(&service->element, &service_schema, &service->config);

        if (hash != object->hash) {
            object->hash = hash;
            known_note(&changed, object->name);
        }
    }
    text_init(&out);
    known_add_changes(&out, KNOWN_SERVICE, &none, &none, &changed);
    return known_taken(&out);
}

static int by_name(const void *left, const void *right)
{
    return slice_cmp(((const struct known_object *)left)->name, ((const struct known_object *)right)->name);
}

/* Where an object of that name is or belongs. */
static size_t known_place(const struct known *known, int kind, struct slice name, bool *found)
{
    const struct known_object key = {.name = name};
    size_t low = 0, high = known->counts[kind];

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (by_name(&known->objects[kind][middle], &key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *found = low < known->counts[kind] && slice_eq(known->objects[kind][low].name, name);
    return low;
}

struct changing { /* of one kind */
    int kind;
    struct known_names added, removed, changed;
};

static void forget_one(struct known *known, struct changing *changing, size_t place)
{
    struct known_object *objects = known->objects[changing->kind];

    known_note(&changing->removed, objects[place].name);
    memmove(&objects[place], &objects[place + 1],
            (--known->counts[changing->kind] - place) * sizeof(*objects));
}

static void remember_one(struct known *known, struct changing *changing, size_t place,
                         struct known_object object)
{
    int kind = changing->kind;
    struct known_object *objects = pool_grow(known->pool, known->objects[kind], known->counts[kind],
                                             &known->capacities[kind], sizeof(*objects));

    object.name = pool_copy(known->pool, object.name);
    known_note(&changing->added, object.name);
    memmove(&objects[place + 1], &objects[place], (known->counts[kind]++ - place) * sizeof(*objects));
    objects[place] = object;
    known->objects[kind] = objects;
}

/* What the model has under that name, or does not have any more. */
static void patch_one(struct known *known, struct changing *changing, struct slice name,
                      const struct element *element, const struct schema *schema, const void *config)
{
    bool found;
    size_t place = known_place(known, changing->kind, name, &found);
    uint64_t hash = element ? known_hash(element, schema, config) : 0;

    if (found && element == NULL) {
        forget_one(known, changing, place);
    } else if (element && !found) {
        remember_one(known, changing, place, (struct known_object){name, hash});
    } else if (found && known->objects[changing->kind][place].hash != hash) {
        known->objects[changing->kind][place].hash = hash;
        known_note(&changing->changed, known->objects[changing->kind][place].name);
    }
}

static void patch_named(struct known *known, const struct model *model, struct changing *changing,
                        struct slice name)
{
    if (changing->kind == KNOWN_ROUTER) {
        const struct http_router *router = model_find_router(model, name);

        patch_one(known, changing, name, router ? &router->element : NULL, &router_schema,
                  router ? &router->config : NULL);
    } else if (changing->kind == KNOWN_SERVICE) {
        const struct http_service *service = model_find_service(model, name);

        patch_one(known, changing, name, service ? &service->element : NULL, &service_schema,
                  service ? &service->config : NULL);
    } else {
        const struct http_middleware *middleware = model_find_middleware(model, name);

        patch_one(known, changing, name, middleware ? &middleware->element : NULL, &middleware_schema,
                  middleware ? &middleware->config : NULL);
    }
}

/* What was said of a router that is gone; once, however often it was. */
static void forget_errors(struct known *known, const struct element *router)
{
    const struct slice *errors = router->errors.items;
    struct pool *pool = pool_new(1024, 0);
    struct slice name = pool_printf(pool, "%s %.*s", known_kind_name(KNOWN_ROUTER), SLICE_ARG(router->name));

    for (size_t i = 0; i < router->errors.count; i++) {
        uint64_t hash = hash_slice(0, known_located(pool, &router->origin, name, errors[i]));
        struct known_error key = {.hash = hash}, *found;

        found = known->error_count
                    ? bsearch(&key, known->errors, known->error_count, sizeof(key), known_by_hash)
                    : NULL;
        if (found) {
            size_t behind = (size_t)(known->errors + known->error_count - found) - 1;

            memmove(found, found + 1, behind * sizeof(*found));
            known->error_count--;
        }
    }
    pool_free(pool);
}

/* Those of routers that came are said unless they were there before. */
static void patch_errors(struct known *known, const struct resolve_patched *patched)
{
    struct known now = {.pool = known->pool};

    for (size_t i = 0; i < patched->came_count; i++) {
        known_remember_errors(&now, KNOWN_ROUTER, patched->came[i]);
    }
    if (now.error_count) {
        qsort(now.errors, now.error_count, sizeof(*now.errors), known_by_hash);
        known_log_errors(known, &now);
    }
    for (size_t i = 0; i < patched->gone_count; i++) {
        forget_errors(known, patched->gone[i]);
    }
    for (size_t i = 0; i < now.error_count; i++) {
        known_add_error(known, now.errors[i].is_error, now.errors[i].text);
    }
    if (now.error_count) {
        qsort(known->errors, known->error_count, sizeof(*known->errors), known_by_hash);
    }
}

char *known_patch(struct known *known, const struct model *model, const struct resolve_patched *patched)
{
    static const int kinds[] = {
        [PART_ROUTER] = KNOWN_ROUTER, [PART_SERVICE] = KNOWN_SERVICE, [PART_MIDDLEWARE] = KNOWN_MIDDLEWARE};
    struct text out;

    patch_errors(known, patched);
    text_init(&out);
    for (size_t part = 0; part < ARRAY_LEN(kinds); part++) {
        struct changing changing = {.kind = kinds[part]};

        for (size_t i = 0; i < patched->counts[part]; i++) {
            patch_named(known, model, &changing, patched->names[part][i]);
        }
        known_add_changes(&out, changing.kind, &changing.added, &changing.removed, &changing.changed);
    }
    return known_taken(&out);
}
