/*
 * decode.c - a document tree into a struct, along its table. Goes on after an error, so that all are reported.
 *
 * Single values are decode_scalar.c's business, words of errors report.c's.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/schema/schema_internal.h"

#define FIELDS_MAX 256

static void decode_struct(struct decoder *decoder, const struct schema *schema, const struct doc *node,
                          void *object, const struct place *place);

const struct schema_field *schema_find(const struct schema *schema, struct slice name, bool any_case)
{
    for (size_t i = 0; i < schema->count; i++) {
        struct slice field = slice_cstr(schema->fields[i].name);

        if (any_case ? slice_eq_nocase(field, name) : slice_eq(field, name)) {
            return &schema->fields[i];
        }
    }
    return NULL;
}

static bool lenient(const struct decoder *decoder)
{
    return (decoder->flags & SCHEMA_LENIENT_TYPES) != 0;
}

/* true and false in any case, and "" for true: what flags and environment write for a whole struct. */
static bool is_switch(const struct decoder *decoder, const struct doc *node, bool *on)
{
    struct slice text;

    if (!lenient(decoder) || !decode_text(decoder, node, &text)) {
        return false;
    }
    *on = text.len == 0 || slice_eq_nocase(text, SLICE("true"));
    return *on || slice_eq_nocase(text, SLICE("false"));
}

static void warn(struct decoder *decoder, const struct doc *at, const struct place *place, const char *text)
{
    schema_report_add(decoder->report, SCHEMA_WARNING, at, place_text(decoder->report->pool, place), "%s",
                      text);
}

static void *new_object(struct decoder *decoder, const struct schema *schema)
{
    void *object = pool_alloc(decoder->pool, schema->size);

    schema_defaults(schema, decoder->pool, object);
    return object;
}

static void decode_optional(struct decoder *decoder, const struct schema_field *field, const struct doc *node,
                            void *target, const struct place *place)
{
    bool allow_empty = (field->flags & SCHEMA_ALLOW_EMPTY) != 0, on = true;
    void *object;

    memcpy(&object, target, sizeof(object));
    if (node->kind == DOC_MAP) {
        if (node->map.count == 0 && lenient(decoder) && !allow_empty) {
            decoder_error(decoder, node, place, "is empty: it needs at least one option below it");
            return;
        }
    } else if (!is_switch(decoder, node, &on)) {
        decoder_error(decoder, node, place, "%.*s does not fit: options are expected below it%s",
                      SLICE_ARG(doc_shown(decoder->pool, node, field->flags)),
                      lenient(decoder) && allow_empty ? ", or true" : "");
        return;
    } else if (!allow_empty) {
        decoder_error(decoder, node, place, "cannot stand alone: it needs at least one option below it");
        return;
    }
    if (!on) {
        if (object) {
            warn(decoder, node, place, "is part of the defaults, false does not switch it off");
        }
        return;
    }
    if (object == NULL) {
        object = new_object(decoder, field->sub);
    }
    decode_struct(decoder, field->sub, node->kind == DOC_MAP ? node : NULL, object, place);
    memcpy(target, &object, sizeof(object));
}

static void decode_list(struct decoder *decoder, const struct schema_field *field, const struct doc *node,
                        struct list *out, const struct place *place)
{
    if (decode_empty_list(decoder, node)) {
        return;
    }
    if (node->kind != DOC_LIST) {
        decoder_error(decoder, node, place, "%.*s is no list",
                      SLICE_ARG(doc_shown(decoder->pool, node, field->flags)));
        return;
    }
    void *items = pool_alloc(decoder->pool, node->list.count * field->sub->size);

    for (size_t i = 0; i < node->list.count; i++) {
        const struct doc *item = node->list.items[i];
        struct place item_place = {.above = place, .index = i};
        void *object = schema_item(field->sub, items, i);

        schema_defaults(field->sub, decoder->pool, object);
        if (item->kind == DOC_NULL) {
            decoder_error(decoder, item, &item_place, "is empty");
        } else {
            decode_struct(decoder, field->sub, item, object, &item_place);
        }
    }
    *out = (struct list){.items = items, .count = node->list.count};
}

static int by_entry_key(const void *a, const void *b)
{
    const struct doc_entry *const *left = a, *const *right = b;

    return slice_cmp((*left)->key, (*right)->key);
}

/* The entries that hold something, by key; those that are empty are named. */
static const struct doc_entry **usable_entries(struct decoder *decoder, const struct doc *node,
                                               const struct place *place, size_t *count)
{
    const struct doc_entry **entries = pool_alloc(decoder->pool, node->map.count * sizeof(*entries));

    *count = 0;
    for (size_t i = 0; i < node->map.count; i++) {
        const struct doc_entry *entry = &node->map.entries[i];

        if (entry->value->kind == DOC_NULL) {
            struct place entry_place = {.above = place, .name = entry->key};

            warn(decoder, entry->value, &entry_place, "is empty and left out (write {} for all defaults)");
        } else {
            entries[(*count)++] = entry;
        }
    }
    if (*count > 1) {
        qsort(entries, *count, sizeof(*entries), by_entry_key);
    }
    return entries;
}

static void decode_map(struct decoder *decoder, const struct schema_field *field, const struct doc *node,
                       struct map *out, const struct place *place)
{
    size_t count;
    bool on;

    if (node->kind != DOC_MAP) {
        decoder_error(decoder, node, place, "%.*s is no map of names",
                      SLICE_ARG(doc_shown(decoder->pool, node, field->flags)));
        return;
    }
    const struct doc_entry **entries = usable_entries(decoder, node, place, &count);
    struct slice *keys = pool_alloc(decoder->pool, count * sizeof(*keys));
    void *values = pool_alloc(decoder->pool, count * field->sub->size);

    for (size_t i = 0; i < count; i++) {
        struct place entry_place = {.above = place, .name = entries[i]->key};
        void *object = schema_item(field->sub, values, i);
        const struct doc *value = entries[i]->value;

        keys[i] = entries[i]->key;
        schema_defaults(field->sub, decoder->pool, object);
        if (value->kind != DOC_MAP && is_switch(decoder, value, &on) && on) {
            value = NULL; /* `--entryPoints.web`: all defaults */
        }
        decode_struct(decoder, field->sub, value, object, &entry_place);
    }
    *out = (struct map){.keys = keys, .values = values, .count = count};
}

static void note_field(struct decoder *decoder, const struct schema_field *field, const struct doc *node,
                       const struct place *place)
{
    bool on;

    if (field->kind == SCHEMA_OPTIONAL && is_switch(decoder, node, &on) && !on) {
        return; /* `--api=false`: nothing is asked for */
    }
    if (field->flags & SCHEMA_DEPRECATED) {
        schema_report_add(decoder->report, SCHEMA_WARNING, node, place_text(decoder->report->pool, place),
                          "is deprecated: %s", field->text ? field->text : "leave it out");
    }
    if (field->flags & SCHEMA_INERT) {
        warn(decoder, node, place, "is accepted, but has no effect in weir");
    }
    if (field->flags & SCHEMA_NOT_SERVED) {
        warn(decoder, node, place, "is understood, but not yet served by this build");
    }
}

static void decode_field(struct decoder *decoder, const struct schema_field *field, const struct doc *node,
                         void *target, const struct place *place)
{
    note_field(decoder, field, node, place);
    switch (field->kind) {
    case SCHEMA_STRUCT:
        if (node->kind == DOC_MAP) {
            decode_struct(decoder, field->sub, node, target, place);
        } else {
            decoder_error(decoder, node, place, "%.*s does not fit: options are expected below it",
                          SLICE_ARG(doc_shown(decoder->pool, node, field->flags)));
        }
        break;
    case SCHEMA_OPTIONAL:
        decode_optional(decoder, field, node, target, place);
        break;
    case SCHEMA_LIST:
        decode_list(decoder, field, node, target, place);
        break;
    case SCHEMA_MAP:
        decode_map(decoder, field, node, target, place);
        break;
    case SCHEMA_DOC:
        memcpy(target, &node, sizeof(node));
        break;
    case SCHEMA_BOOL:
    case SCHEMA_INT:
    case SCHEMA_DOUBLE:
    case SCHEMA_OPT_BOOL:
    case SCHEMA_OPT_INT:
    case SCHEMA_DURATION:
    case SCHEMA_STRING:
    case SCHEMA_ENUM:
    case SCHEMA_STRINGS:
    case SCHEMA_STRING_MAP:
    case SCHEMA_REGEX:
    case SCHEMA_REGEXES:
        decode_scalar(decoder, field, node, target, place);
        break;
    }
}

/* A section may be written in parts where letter case does not count, as [accessLog] and [accesslog.otlp]: all as one. */
static const struct doc *whole_section(struct decoder *decoder, const struct schema_field *field,
                                       const struct doc *map, const struct doc_entry *entry,
                                       const struct place *place)
{
    const struct doc_entry *end = map->map.entries + map->map.count, *twice;
    const struct doc *whole = entry->value;

    if ((decoder->flags & SCHEMA_ANY_CASE) == 0 || whole->kind != DOC_MAP) {
        return whole;
    }
    for (const struct doc_entry *other = entry + 1; other < end; other++) {
        if (other->value->kind != DOC_MAP || !slice_eq_nocase(other->key, slice_cstr(field->name))) {
            continue;
        }
        const struct doc *both = doc_join(decoder->pool, whole, other->value, &twice);

        if (both == NULL) {
            struct doc at = {.file = map->file, .line = twice->line};
            struct place within = {.above = place, .name = twice->key};

            decoder_error(decoder, &at, &within, "is there twice");
            return whole;
        }
        whole = both;
    }
    return whole;
}

static void decode_entry(struct decoder *decoder, const struct schema *schema, const struct doc *map,
                         const struct doc_entry *entry, void *object, const struct place *above,
                         const struct doc **seen)
{
    const struct schema_field *field =
        schema_find(schema, entry->key, (decoder->flags & SCHEMA_ANY_CASE) != 0);
    struct place place = {.above = above, .name = field ? slice_cstr(field->name) : entry->key};
    struct doc at = {.file = map->file, .line = entry->line};

    if (field == NULL) {
        decoder_error(decoder, &at, &place, "%s", schema_unknown_text(decoder->pool, schema, entry->key).ptr);
        return;
    }
    size_t number = (size_t)(field - schema->fields);

    if (seen[number]) { /* readers refuse equal keys: this is the same name in another case */
        if (seen[number]->kind != DOC_MAP || entry->value->kind != DOC_MAP) {
            decoder_error(decoder, &at, &place, "is there twice, in different letter case");
        }
        return; /* whole_section() had it */
    }
    if (entry->value->kind == DOC_NULL) {
        return; /* as if it were not written */
    }
    seen[number] = entry->value;
    decode_field(decoder, field, whole_section(decoder, field, map, entry, &place),
                 (char *)object + field->offset, &place);
}

/* Numbers and booleans count as present once written (or with a default); the others must not be empty. */
static bool is_missing(const struct schema_field *field, const void *value, bool seen)
{
    switch (field->kind) {
    case SCHEMA_BOOL:
    case SCHEMA_INT:
    case SCHEMA_DOUBLE:
    case SCHEMA_DURATION:
    case SCHEMA_STRUCT:
        return !seen && field->fallback == NULL;
    default:
        return schema_is_zero(field, value);
    }
}

static void check_required(struct decoder *decoder, const struct schema *schema, const struct doc *node,
                           const void *object, const struct place *place, const struct doc *const *seen,
                           bool failed)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];

        if (failed && seen[i]) {
            continue; /* written, but perhaps it did not decode: that was said already */
        }
        if ((field->flags & SCHEMA_REQUIRED) &&
            is_missing(field, (const char *)object + field->offset, seen[i] != NULL)) {
            struct place missing = {.above = place, .name = slice_cstr(field->name)};

            decoder_error(decoder, node, &missing, "is required");
        }
    }
}

/* node: a map, or NULL when nothing is written. */
static void decode_struct(struct decoder *decoder, const struct schema *schema, const struct doc *node,
                          void *object, const struct place *place)
{
    const struct doc *seen[FIELDS_MAX] = {NULL}; /* what was written for each */
    size_t errors = decoder->report->errors;
    struct error why;

    if (schema->count > FIELDS_MAX) {
        abort(); /* a mistake in a table, not in a document */
    }
    if (node && node->kind != DOC_MAP) {
        decoder_error(decoder, node, place, "%s", schema_no_options_text(decoder->pool, schema, node).ptr);
        return;
    }
    for (size_t i = 0; node && i < node->map.count; i++) {
        decode_entry(decoder, schema, node, &node->map.entries[i], object, place, seen);
    }
    check_required(decoder, schema, node, object, place, seen, decoder->report->errors != errors);
    if (schema->check && decoder->report->errors == errors && schema->check(object, &why) != 0) {
        decoder_error(decoder, node, place, "%s", why.text);
    }
}

int schema_decode(const struct schema *schema, struct pool *pool, const struct doc *node, unsigned flags,
                  void *object, struct schema_report *report)
{
    struct decoder decoder = {.pool = pool, .flags = flags, .report = report};
    size_t errors = report->errors;

    decode_struct(&decoder, schema, node && node->kind == DOC_NULL ? NULL : node, object, NULL);
    return report->errors == errors ? 0 : -EINVAL;
}
