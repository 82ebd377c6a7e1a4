/*
 * changes.c - what differs between two resolved models, in words; errors of objects, said when they appear.
 *
 * An object counts as changed when the hash of its JSON form or its status differs. Of a model only names, hashes and
 * error texts are kept (struct known), so the model itself can go.
 */
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/pool.h"
#include "common/base/text.h"
#include "master/master/master.h"
#include "master/resolve/resolve.h"

#define NAMES_MOST 5    /* of each sort of change in the line */
#define ERRORS_MOST 200 /* lines of new errors for one change */

enum known_kind {
    KNOWN_ROUTER,
    KNOWN_SERVICE,
    KNOWN_MIDDLEWARE,
    KNOWN_TRANSPORT,
    KNOWN_LAYER4, /* and the kinds of layer4.h behind it */
    KNOWN_KINDS = KNOWN_LAYER4 + LAYER4_KINDS
};

static const char *kind_name(int kind)
{
    static const char *const names[] = {"router", "service", "middleware", "serversTransport"};

    return kind < KNOWN_LAYER4 ? names[kind] : layer4_types[kind - KNOWN_LAYER4].name;
}

static const char *kind_plural(int kind)
{
    static const char *const names[] = {"routers", "services", "middlewares", "serversTransports"};

    return kind < KNOWN_LAYER4 ? names[kind] : layer4_types[kind - KNOWN_LAYER4].plural;
}

struct known_object {
    struct slice name;
    uint64_t hash;
};

struct known_error {
    uint64_t hash;
    bool is_error; /* else a warning */
    struct slice text;
};

struct known {
    struct pool *pool;
    struct known_object *objects[KNOWN_KINDS]; /* sorted by name, as the model is */
    size_t counts[KNOWN_KINDS], capacities[KNOWN_KINDS];
    struct known_error *errors; /* sorted by hash */
    size_t error_count, error_capacity;
};

/* ---- remembering ---- */
static void add_error(struct known *known, bool is_error, struct slice text)
{
    known->errors = pool_grow(known->pool, known->errors, known->error_count, &known->error_capacity,
                              sizeof(*known->errors));
    known->errors[known->error_count++] =
        (struct known_error){.hash = hash_slice(0, text), .is_error = is_error, .text = text};
}

/* "routes.yml:12: IngressRoute default/whoami: router whoami@file: what is wrong" with the parts that are known. A text
 * that begins with a place in the same file knows better where it is. */
static struct slice located(struct pool *pool, const struct origin *origin, struct slice object,
                            struct slice text)
{
    struct slice place = origin->file, made = origin->object;

    if (place.len > 0 && slice_has_prefix(text, place) && slice_find_slice(text, SLICE(": ")) > 0) {
        size_t end = (size_t)slice_find_slice(text, SLICE(": "));

        place = slice_head(text, end);
        text = slice_from(text, end + 2);
    } else if (place.len > 0 && origin->line > 0) {
        place = pool_printf(pool, "%.*s:%u", SLICE_ARG(place), origin->line);
    }
    return pool_printf(pool, "%.*s%s%.*s%s%.*s%s%.*s", SLICE_ARG(place), place.len ? ": " : "",
                       SLICE_ARG(made), made.len ? ": " : "", SLICE_ARG(object), object.len ? ": " : "",
                       SLICE_ARG(text));
}

static void add_located(struct known *known, bool is_error, const struct origin *origin, struct slice object,
                        struct slice text)
{
    add_error(known, is_error, located(known->pool, origin, object, text));
}

static uint64_t object_hash(const struct element *element, const struct schema *schema, const void *config)
{
    struct text json;
    uint64_t hash;

    text_init(&json);
    schema_encode(schema, config, &json);
    hash = hash_slice((uint64_t)element->status + 1, text_slice(&json));
    text_free(&json);
    return hash;
}

static void remember_errors(struct known *known, int kind, const struct element *element)
{
    const struct slice *errors = element->errors.items;

    if (element->errors.count == 0) {
        return;
    }
    struct slice name = pool_printf(known->pool, "%s %.*s", kind_name(kind), SLICE_ARG(element->name));

    for (size_t i = 0; i < element->errors.count; i++) {
        add_located(known, element->status == ELEMENT_DISABLED, &element->origin, name, errors[i]);
    }
}

static void remember(struct known *known, int kind, const struct element *element,
                     const struct schema *schema, const void *config)
{
    struct known_object *object = &known->objects[kind][known->counts[kind]++];

    object->name = pool_copy(known->pool, element->name);
    object->hash = object_hash(element, schema, config);
    remember_errors(known, kind, element);
}

static int by_hash(const void *left, const void *right)
{
    uint64_t a = ((const struct known_error *)left)->hash, b = ((const struct known_error *)right)->hash;

    return (a > b) - (a < b);
}

static void make_room(struct known *known, int kind, size_t count)
{
    known->objects[kind] = pool_zalloc(known->pool, (count + 1) * sizeof(struct known_object));
    known->capacities[kind] = count + 1;
}

struct known *known_new(const struct model *model)
{
    struct known *known = xcalloc(1, sizeof(*known));

    known->pool = pool_new(16384, 0);
    make_room(known, KNOWN_ROUTER, model->router_count);
    make_room(known, KNOWN_SERVICE, model->service_count);
    make_room(known, KNOWN_MIDDLEWARE, model->middleware_count);
    make_room(known, KNOWN_TRANSPORT, model->transport_count);
    for (size_t i = 0; i < model->router_count; i++) {
        remember(known, KNOWN_ROUTER, &model->routers[i]->element, &router_schema,
                 &model->routers[i]->config);
    }
    for (size_t i = 0; i < model->service_count; i++) {
        remember(known, KNOWN_SERVICE, &model->services[i]->element, &service_schema,
                 &model->services[i]->config);
    }
    for (size_t i = 0; i < model->middleware_count; i++) {
        remember(known, KNOWN_MIDDLEWARE, &model->middlewares[i]->element, &middleware_schema,
                 &model->middlewares[i]->config);
    }
    for (size_t i = 0; i < model->transport_count; i++) {
        remember(known, KNOWN_TRANSPORT, &model->transports[i]->element, &servers_transport_schema,
                 &model->transports[i]->config);
    }
    for (int kind = 0; kind < LAYER4_KINDS; kind++) {
        const struct layer4_objects *objects = &model->layer4[kind];

        make_room(known, KNOWN_LAYER4 + kind, objects->count);
        for (size_t i = 0; i < objects->count; i++) {
            remember(known, KNOWN_LAYER4 + kind, objects->items[i], layer4_types[kind].schema,
                     layer4_config(kind, objects->items[i]));
        }
    }
    for (size_t i = 0; i < model->notice_count; i++) {
        const struct notice *notice = &model->notices[i];
        add_located(known, notice->is_error, &notice->origin, SLICE(""), notice->text);
    }
    if (known->error_count > 0) {
        qsort(known->errors, known->error_count, sizeof(*known->errors), by_hash);
    }
    return known;
}

void known_free(struct known *known)
{
    if (known) {
        pool_free(known->pool);
        free(known);
    }
}

/* ---- comparing ---- */
struct names { /* of one sort of change of one kind of object */
    struct slice first[NAMES_MOST];
    size_t count;
};

static void note(struct names *names, struct slice name)
{
    if (names->count < NAMES_MOST) {
        names->first[names->count] = name;
    }
    names->count++;
}

static void add_names(struct text *out, const char *what, const struct names *names, bool *any)
{
    if (names->count == 0) {
        return;
    }
    text_printf(out, "%s%zu %s (", *any ? ", " : "", names->count, what);
    for (size_t i = 0; i < names->count && i < NAMES_MOST; i++) {
        text_printf(out, "%s%.*s", i > 0 ? ", " : "", SLICE_ARG(names->first[i]));
    }
    if (names->count > NAMES_MOST) {
        text_printf(out, " and %zu more", names->count - NAMES_MOST);
    }
    text_add_char(out, ')');
    *any = true;
}

/* Both lists are sorted by name: one walk over the two. */
static void compare(const struct known_object *before, size_t before_count, const struct known_object *now,
                    size_t now_count, struct names *added, struct names *removed, struct names *changed)
{
    size_t i = 0, j = 0;

    while (i < before_count || j < now_count) {
        int order = i == before_count ? 1 : (j == now_count ? -1 : slice_cmp(before[i].name, now[j].name));

        if (order < 0) {
            note(removed, before[i++].name);
        } else if (order > 0) {
            note(added, now[j++].name);
        } else {
            if (before[i].hash != now[j].hash) {
                note(changed, now[j].name);
            }
            i++;
            j++;
        }
    }
}

static void add_changes(struct text *out, int kind, const struct names *added, const struct names *removed,
                        const struct names *changed)
{
    bool any = false;

    if (added->count + removed->count + changed->count == 0) {
        return;
    }
    text_printf(out, "%s%s: ", out->len > 0 ? "; " : "", kind_plural(kind));
    add_names(out, "added", added, &any);
    add_names(out, "removed", removed, &any);
    add_names(out, "changed", changed, &any);
}

static char *text_taken(struct text *out)
{
    char *text = xstrndup(out->ptr ? out->ptr : "", out->len);

    text_free(out);
    return text;
}

char *known_changes(const struct known *before, const struct known *now)
{
    struct text out;

    text_init(&out);
    for (int kind = 0; kind < KNOWN_KINDS; kind++) {
        struct names added = {.count = 0}, removed = {.count = 0}, changed = {.count = 0};

        compare(before ? before->objects[kind] : NULL, before ? before->counts[kind] : 0, now->objects[kind],
                now->counts[kind], &added, &removed, &changed);
        add_changes(&out, kind, &added, &removed, &changed);
    }
    return text_taken(&out);
}

/* ---- a few objects ---- */
char *known_read(const struct slice *names, size_t count)
{
    const struct names none = {.count = 0};
    struct names changed = {.count = 0};
    struct text out;

    for (size_t i = 0; i < count; i++) {
        note(&changed, names[i]);
    }
    text_init(&out);
    add_changes(&out, KNOWN_MIDDLEWARE, &none, &none, &changed);
    return text_taken(&out);
}

/* Objects are in the order of the model. */
char *known_refresh(struct known *known, const struct model *model, const uint32_t *positions, size_t count)
{
    const struct names none = {.count = 0};
    struct names changed = {.count = 0};
    struct text out;

    for (size_t i = 0; i < count; i++) {
        const struct http_service *service = model->services[positions[i]];
        struct known_object *object = &known->objects[KNOWN_SERVICE][positions[i]];
        uint64_t hash = object_hash(&service->element, &service_schema, &service->config);

        if (hash != object->hash) {
            object->hash = hash;
            note(&changed, object->name);
        }
    }
    text_init(&out);
    add_changes(&out, KNOWN_SERVICE, &none, &none, &changed);
    return text_taken(&out);
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
    struct names added, removed, changed;
};

static void forget_one(struct known *known, struct changing *changing, size_t place)
{
    struct known_object *objects = known->objects[changing->kind];

    note(&changing->removed, objects[place].name);
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
    note(&changing->added, object.name);
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
    uint64_t hash = element ? object_hash(element, schema, config) : 0;

    if (found && element == NULL) {
        forget_one(known, changing, place);
    } else if (element && !found) {
        remember_one(known, changing, place, (struct known_object){name, hash});
    } else if (found && known->objects[changing->kind][place].hash != hash) {
        known->objects[changing->kind][place].hash = hash;
        note(&changing->changed, known->objects[changing->kind][place].name);
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

static bool has_error(const struct known *known, uint64_t hash)
{
    struct known_error key = {.hash = hash};

    return known && known->error_count > 0 &&
           bsearch(&key, known->errors, known->error_count, sizeof(key), by_hash) != NULL;
}

void known_log_errors(const struct known *before, const struct known *now)
{
    size_t said = 0, left_out = 0;

    for (size_t i = 0; i < now->error_count; i++) {
        const struct known_error *error = &now->errors[i];

        if (has_error(before, error->hash) || (i > 0 && error->hash == now->errors[i - 1].hash)) {
            continue;
        }
        if (said == ERRORS_MOST) {
            left_out++;
            continue;
        }
        said++;
        log_at(error->is_error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, NULL, "%.*s", SLICE_ARG(error->text));
    }
    if (left_out > 0) {
        log_error("... and %zu more; `weir check` with the same flags prints all", left_out);
    }
}

/* What was said of a router that is gone; once, however often it was. */
static void forget_errors(struct known *known, const struct element *router)
{
    const struct slice *errors = router->errors.items;
    struct pool *pool = pool_new(1024, 0);
    struct slice name = pool_printf(pool, "%s %.*s", kind_name(KNOWN_ROUTER), SLICE_ARG(router->name));

    for (size_t i = 0; i < router->errors.count; i++) {
        uint64_t hash = hash_slice(0, located(pool, &router->origin, name, errors[i]));
        struct known_error key = {.hash = hash}, *found;

        found = known->error_count ? bsearch(&key, known->errors, known->error_count, sizeof(key), by_hash)
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
        remember_errors(&now, KNOWN_ROUTER, patched->came[i]);
    }
    if (now.error_count) {
        qsort(now.errors, now.error_count, sizeof(*now.errors), by_hash);
        known_log_errors(known, &now);
    }
    for (size_t i = 0; i < patched->gone_count; i++) {
        forget_errors(known, patched->gone[i]);
    }
    for (size_t i = 0; i < now.error_count; i++) {
        add_error(known, now.errors[i].is_error, now.errors[i].text);
    }
    if (now.error_count) {
        qsort(known->errors, known->error_count, sizeof(*known->errors), by_hash);
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
        add_changes(&out, changing.kind, &changing.added, &changing.removed, &changing.changed);
    }
    return text_taken(&out);
}
