/*
 * changes.c - what differs between two resolved models, in words; errors of objects, said when they appear.
 *
 * An object counts as changed when the hash of its JSON form or its status differs. Of a model only names, hashes and
 * error texts are kept (struct known), so the model itself can go.
 *
 * Not here: when only a few objects changed (changes_patch.c).
 */
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/pool.h"
#include "common/base/text.h"
#include "master/master/changes_inner.h"
#include "master/master/master.h"
#include "master/resolve/resolve.h"

#define ERRORS_MOST 200 /* lines of new errors for one change */

const char *known_kind_name(int kind)
{
    static const char *const names[] = {"router", "service", "middleware", "serversTransport"};

    return kind < KNOWN_LAYER4 ? names[kind] : layer4_types[kind - KNOWN_LAYER4].name;
}

static const char *kind_plural(int kind)
{
    static const char *const names[] = {"routers", "services", "middlewares", "serversTransports"};

    return kind < KNOWN_LAYER4 ? names[kind] : layer4_types[kind - KNOWN_LAYER4].plural;
}

/* ---- remembering ---- */
void known_add_error(struct known *known, bool is_error, struct slice text)
{
    known->errors = pool_grow(known->pool, known->errors, known->error_count, &known->error_capacity,
                              sizeof(*known->errors));
    known->errors[known->error_count++] =
        (struct known_error){.hash = hash_slice(0, text), .is_error = is_error, .text = text};
}

struct slice known_located(struct pool *pool, const struct origin *origin, struct slice object,
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
    known_add_error(known, is_error, known_located(known->pool, origin, object, text));
}

uint64_t known_hash(const struct element *element, const struct schema *schema, const void *config)
{
    struct text json;
    uint64_t hash;

    text_init(&json);
    schema_encode(schema, config, &json);
    hash = hash_slice((uint64_t)element->status + 1, text_slice(&json));
    text_free(&json);
    return hash;
}

void known_remember_errors(struct known *known, int kind, const struct element *element)
{
    const struct slice *errors = element->errors.items;

    if (element->errors.count == 0) {
        return;
    }
    struct slice name = pool_printf(known->pool, "%s %.*s", known_kind_name(kind), SLICE_ARG(element->name));

    for (size_t i = 0; i < element->errors.count; i++) {
        add_located(known, element->status == ELEMENT_DISABLED, &element->origin, name, errors[i]);
    }
}

static void remember(struct known *known, int kind, const struct element *element,
                     const struct schema *schema, const void *config)
{
    struct known_object *object = &known->objects[kind][known->counts[kind]++];

    object->name = pool_copy(known->pool, element->name);
    object->hash = known_hash(element, schema, config);
    known_remember_errors(known, kind, element);
}

int known_by_hash(const void *left, const void *right)
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
        qsort(known->errors, known->error_count, sizeof(*known->errors), known_by_hash);
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
void known_note(struct known_names *names, struct slice name)
{
    if (names->count < NAMES_MOST) {
        names->first[names->count] = name;
    }
    names->count++;
}

static void add_names(struct text *out, const char *what, const struct known_names *names, bool *any)
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
                    size_t now_count, struct known_names *added, struct known_names *removed,
                    struct known_names *changed)
{
    size_t i = 0, j = 0;

    while (i < before_count || j < now_count) {
        int order = i == before_count ? 1 : (j == now_count ? -1 : slice_cmp(before[i].name, now[j].name));

        if (order < 0) {
            known_note(removed, before[i++].name);
        } else if (order > 0) {
            known_note(added, now[j++].name);
        } else {
            if (before[i].hash != now[j].hash) {
                known_note(changed, now[j].name);
            }
            i++;
            j++;
        }
    }
}

void known_add_changes(struct text *out, int kind, const struct known_names *added,
                       const struct known_names *removed, const struct known_names *changed)
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

char *known_taken(struct text *out)
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
        struct known_names added = {.count = 0}, removed = {.count = 0}, changed = {.count = 0};

        compare(before ? before->objects[kind] : NULL, before ? before->counts[kind] : 0, now->objects[kind],
                now->counts[kind], &added, &removed, &changed);
        known_add_changes(&out, kind, &added, &removed, &changed);
    }
    return known_taken(&out);
}

static bool has_error(const struct known *known, uint64_t hash)
{
    struct known_error key = {.hash = hash};

    return known && known->error_count > 0 &&
           bsearch(&key, known->errors, known->error_count, sizeof(key), known_by_hash) != NULL;
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
