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
    size_t counts[KNOWN_KINDS];
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
static void add_located(struct known *known, bool is_error, const struct origin *origin, struct slice object,
                        struct slice text)
{
    struct pool *pool = known->pool;
    struct slice place = origin->file, made = origin->object;

    if (place.len > 0 && slice_has_prefix(text, place) && slice_find_slice(text, SLICE(": ")) > 0) {
        size_t end = (size_t)slice_find_slice(text, SLICE(": "));

        place = slice_head(text, end);
        text = slice_from(text, end + 2);
    } else if (place.len > 0 && origin->line > 0) {
        place = pool_printf(pool, "%.*s:%u", SLICE_ARG(place), origin->line);
    }
    add_error(known, is_error,
              pool_printf(pool, "%.*s%s%.*s%s%.*s%s%.*s", SLICE_ARG(place), place.len ? ": " : "",
                          SLICE_ARG(made), made.len ? ": " : "", SLICE_ARG(object), object.len ? ": " : "",
                          SLICE_ARG(text)));
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

static void remember(struct known *known, int kind, const struct element *element,
                     const struct schema *schema, const void *config)
{
    struct known_object *object = &known->objects[kind][known->counts[kind]++];
    const struct slice *errors = element->errors.items;

    object->name = pool_copy(known->pool, element->name);
    object->hash = object_hash(element, schema, config);
    if (element->errors.count == 0) {
        return;
    }
    struct slice name = pool_printf(known->pool, "%s %.*s", kind_name(kind), SLICE_ARG(element->name));

    for (size_t i = 0; i < element->errors.count; i++) {
        add_located(known, element->status == ELEMENT_DISABLED, &element->origin, name, errors[i]);
    }
}

static int by_hash(const void *left, const void *right)
{
    uint64_t a = ((const struct known_error *)left)->hash, b = ((const struct known_error *)right)->hash;

    return (a > b) - (a < b);
}

static void make_room(struct known *known, int kind, size_t count)
{
    known->objects[kind] = pool_zalloc(known->pool, (count + 1) * sizeof(struct known_object));
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

char *known_changes(const struct known *before, const struct known *now)
{
    struct text out;

    text_init(&out);
    for (int kind = 0; kind < KNOWN_KINDS; kind++) {
        struct names added = {.count = 0}, removed = {.count = 0}, changed = {.count = 0};
        bool any = false;

        compare(before ? before->objects[kind] : NULL, before ? before->counts[kind] : 0, now->objects[kind],
                now->counts[kind], &added, &removed, &changed);
        if (added.count + removed.count + changed.count == 0) {
            continue;
        }
        text_printf(&out, "%s%s: ", out.len > 0 ? "; " : "", kind_plural(kind));
        add_names(&out, "added", &added, &any);
        add_names(&out, "removed", &removed, &any);
        add_names(&out, "changed", &changed, &any);
    }
    char *text = xstrndup(out.ptr ? out.ptr : "", out.len);

    text_free(&out);
    return text;
}

/* Objects are in the order of the model. */
char *known_refresh(struct known *known, const struct model *model, const uint32_t *positions, size_t count)
{
    struct names changed = {.count = 0};
    struct text out;
    bool any = false;

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
    if (changed.count) {
        text_printf(&out, "%s: ", kind_plural(KNOWN_SERVICE));
        add_names(&out, "changed", &changed, &any);
    }
    char *text = xstrndup(out.ptr ? out.ptr : "", out.len);

    text_free(&out);
    return text;
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
