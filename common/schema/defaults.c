/*
 * defaults.c - fills a struct with its table's defaults, and knows what a zero value is.
 *
 * A default that does not read is a mistake in a table: it dies at the first use, which every test of that table is.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/schema/schema_internal.h"

static _Noreturn void bad_default(const struct schema *schema, const struct schema_field *field,
                                  const char *text)
{
    fprintf(stderr, "weir: the default of %s.%s cannot be read: %s\n", schema->name, field->name, text);
    abort();
}

static void default_strings(const struct schema_field *field, struct pool *pool, struct list *out)
{
    struct slice rest = slice_cstr(field->fallback);
    size_t capacity = 0;
    struct slice *items = NULL;

    *out = (struct list){0};
    while (rest.ptr && rest.len > 0) {
        items = pool_grow(pool, items, out->count, &capacity, sizeof(*items));
        items[out->count++] = slice_trim(slice_split(&rest, ','));
    }
    out->items = items;
}

/* Scalars go through the very decoder that reads what users write. */
static void default_scalar(const struct schema *schema, const struct schema_field *field, struct pool *pool,
                           void *target)
{
    struct doc node = {.kind = DOC_STRING, .text = slice_cstr(field->fallback)};
    struct schema_report report;

    schema_report_init(&report, pool);
    struct decoder decoder = {.pool = pool, .flags = SCHEMA_LENIENT_TYPES, .report = &report};

    decode_scalar(&decoder, field, &node, target, NULL);
    if (report.count > 0) {
        bad_default(schema, field, report.issues[0].text.ptr);
    }
}

static void default_field(const struct schema *schema, const struct schema_field *field, struct pool *pool,
                          void *target)
{
    switch (field->kind) {
    case SCHEMA_STRUCT:
        schema_defaults(field->sub, pool, target);
        break;
    case SCHEMA_OPTIONAL:
        if (field->flags & SCHEMA_DEFAULT_ON) {
            void *made = pool_alloc(pool, field->sub->size);

            schema_defaults(field->sub, pool, made);
            memcpy(target, &made, sizeof(made));
        }
        break;
    case SCHEMA_STRINGS:
        if (field->fallback) {
            default_strings(field, pool, target);
        }
        break;
    case SCHEMA_BOOL:
    case SCHEMA_INT:
    case SCHEMA_DOUBLE:
    case SCHEMA_OPT_BOOL:
    case SCHEMA_OPT_INT:
    case SCHEMA_DURATION:
    case SCHEMA_STRING:
    case SCHEMA_ENUM:
    case SCHEMA_REGEX:
    case SCHEMA_REGEXES:
        if (field->fallback) {
            default_scalar(schema, field, pool, target);
        }
        break;
    case SCHEMA_STRING_MAP:
    case SCHEMA_LIST:
    case SCHEMA_MAP:
    case SCHEMA_DOC:
        if (field->fallback) {
            bad_default(schema, field, "this kind has no default");
        }
        break;
    }
}

void schema_defaults(const struct schema *schema, struct pool *pool, void *object)
{
    memset(object, 0, schema->size);
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];

        default_field(schema, field, pool, (char *)object + field->offset);
    }
}

bool schema_is_zero(const struct schema_field *field, const void *value)
{
    switch (field->kind) {
    case SCHEMA_BOOL:
        return !*(const bool *)value;
    case SCHEMA_INT:
    case SCHEMA_DURATION:
        return *(const int64_t *)value == 0;
    case SCHEMA_DOUBLE:
        return *(const double *)value == 0;
    case SCHEMA_OPT_BOOL:
        return !((const struct opt_bool *)value)->set;
    case SCHEMA_OPT_INT:
        return !((const struct opt_int *)value)->set;
    case SCHEMA_STRING:
    case SCHEMA_ENUM:
        return ((const struct slice *)value)->len == 0;
    case SCHEMA_REGEX:
        return ((const struct regex_text *)value)->pattern.len == 0;
    case SCHEMA_STRINGS:
    case SCHEMA_REGEXES:
    case SCHEMA_LIST:
        return ((const struct list *)value)->count == 0;
    case SCHEMA_STRING_MAP:
        return ((const struct string_map *)value)->count == 0;
    case SCHEMA_MAP:
        return ((const struct map *)value)->count == 0;
    case SCHEMA_OPTIONAL:
    case SCHEMA_DOC:
        return *(void *const *)value == NULL;
    case SCHEMA_STRUCT:
        return false; /* as Go: a struct that is no pointer is never empty */
    }
    return false;
}
