/*
 * encode.c - a struct as JSON, along its table: what the API, `weir config` and the dashboard show.
 *
 * Durations are written as Go writes them, secrets as *** and a short hash, absent optional parts not at all.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/schema/schema_internal.h"

static void add_text(const struct schema_field *field, struct slice value, struct text *out)
{
    if ((field->flags & SCHEMA_SECRET) && value.len > 0) {
        text_add_char(out, '"');
        schema_secret_text(value, out);
        text_add_char(out, '"');
        return;
    }
    text_add_json(out, value);
}

static void add_int(const struct schema_field *field, int64_t value, struct text *out)
{
    char digits[24];

    snprintf(digits, sizeof(digits), "%lld", (long long)value);
    if (field->flags & SCHEMA_SECRET) {
        add_text(field, slice_cstr(digits), out);
    } else {
        text_add_cstr(out, digits);
    }
}

static void add_double(double value, struct text *out)
{
    struct doc node = {.kind = DOC_FLOAT, .number = value};

    doc_to_json(&node, out);
}

static void add_duration(int64_t value, struct text *out)
{
    text_add_char(out, '"');
    format_duration(value, out);
    text_add_char(out, '"');
}

static void add_texts(const struct schema_field *field, const struct list *list, struct text *out)
{
    text_add_char(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0) {
            text_add_char(out, ',');
        }
        if (field->kind == SCHEMA_REGEXES) {
            add_text(field, ((const struct regex_text *)list->items)[i].pattern, out);
        } else {
            add_text(field, ((const struct slice *)list->items)[i], out);
        }
    }
    text_add_char(out, ']');
}

/* Header fields that carry credentials, by name: the known ones, and what calls itself a token, secret or password. */
static bool names_credential(struct slice name)
{
    static const char *const known[] = {
        "authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "apikey", "api-key"};
    static const char *const parts[] = {"token", "secret", "password", "credential"};
    char lower[128];

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (slice_eq_nocase(name, slice_cstr(known[i]))) {
            return true;
        }
    }
    if (name.len > sizeof(lower)) {
        return true; /* no name that anybody reads: rather hidden */
    }
    for (size_t i = 0; i < name.len; i++) {
        lower[i] = (char)ascii_lower((unsigned char)name.ptr[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (slice_find_slice(slice_of(lower, name.len), slice_cstr(parts[i])) >= 0) {
            return true;
        }
    }
    return false;
}

static void add_string_map(const struct schema_field *field, const struct string_map *map, struct text *out)
{
    text_add_char(out, '{');
    for (size_t i = 0; i < map->count; i++) {
        if (i > 0) {
            text_add_char(out, ',');
        }
        text_add_json(out, map->items[i].key);
        text_add_char(out, ':');
        if ((field->flags & SCHEMA_SECRET_HEADERS) && names_credential(map->items[i].key)) {
            struct schema_field secret = *field;

            secret.flags |= SCHEMA_SECRET;
            add_text(&secret, map->items[i].value, out);
        } else {
            add_text(field, map->items[i].value, out);
        }
    }
    text_add_char(out, '}');
}

static void add_list(const struct schema_field *field, const struct list *list, struct text *out)
{
    text_add_char(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0) {
            text_add_char(out, ',');
        }
        schema_encode(field->sub, schema_item(field->sub, list->items, i), out);
    }
    text_add_char(out, ']');
}

static void add_map(const struct schema_field *field, const struct map *map, struct text *out)
{
    text_add_char(out, '{');
    for (size_t i = 0; i < map->count; i++) {
        if (i > 0) {
            text_add_char(out, ',');
        }
        text_add_json(out, map->keys[i]);
        text_add_char(out, ':');
        schema_encode(field->sub, schema_item(field->sub, map->values, i), out);
    }
    text_add_char(out, '}');
}

static void add_doc(const struct schema_field *field, const struct doc *node, struct text *out)
{
    struct text plain;

    if (!(field->flags & SCHEMA_SECRET)) {
        doc_to_json(node, out);
        return;
    }
    text_init(&plain);
    doc_to_json(node, &plain);
    add_text(field, text_slice(&plain), out);
    explicit_bzero(plain.ptr, plain.len);
    text_free(&plain);
}

static void add_value(const struct schema_field *field, const void *value, struct text *out)
{
    switch (field->kind) {
    case SCHEMA_BOOL:
        text_add_cstr(out, *(const bool *)value ? "true" : "false");
        break;
    case SCHEMA_INT:
        add_int(field, *(const int64_t *)value, out);
        break;
    case SCHEMA_DOUBLE:
        add_double(*(const double *)value, out);
        break;
    case SCHEMA_OPT_BOOL:
        text_add_cstr(out, ((const struct opt_bool *)value)->value ? "true" : "false");
        break;
    case SCHEMA_OPT_INT:
        add_int(field, ((const struct opt_int *)value)->value, out);
        break;
    case SCHEMA_DURATION:
        add_duration(*(const int64_t *)value, out);
        break;
    case SCHEMA_STRING:
    case SCHEMA_ENUM:
        add_text(field, *(const struct slice *)value, out);
        break;
    case SCHEMA_REGEX:
        add_text(field, ((const struct regex_text *)value)->pattern, out);
        break;
    case SCHEMA_STRINGS:
    case SCHEMA_REGEXES:
        add_texts(field, value, out);
        break;
    case SCHEMA_STRING_MAP:
        add_string_map(field, value, out);
        break;
    case SCHEMA_STRUCT:
        schema_encode(field->sub, value, out);
        break;
    case SCHEMA_OPTIONAL:
        schema_encode(field->sub, *(void *const *)value, out);
        break;
    case SCHEMA_LIST:
        add_list(field, value, out);
        break;
    case SCHEMA_MAP:
        add_map(field, value, out);
        break;
    case SCHEMA_DOC:
        add_doc(field, *(struct doc *const *)value, out);
        break;
    }
}

/* What can be absent and is. */
static bool is_absent(const struct schema_field *field, const void *value)
{
    switch (field->kind) {
    case SCHEMA_OPT_BOOL:
    case SCHEMA_OPT_INT:
    case SCHEMA_OPTIONAL:
    case SCHEMA_DOC:
        return schema_is_zero(field, value);
    default:
        return false;
    }
}

void schema_encode(const struct schema *schema, const void *object, struct text *out)
{
    bool first = true;

    text_add_char(out, '{');
    for (size_t i = 0; i < schema->count + schema->shown_count; i++) {
        const struct schema_field *field =
            i < schema->count ? &schema->fields[i] : &schema->shown[i - schema->count];
        const void *value = (const char *)object + field->offset;

        if (is_absent(field, value) || ((field->flags & SCHEMA_OMIT_EMPTY) && schema_is_zero(field, value))) {
            continue;
        }
        if (!first) {
            text_add_char(out, ',');
        }
        first = false;
        text_add_json(out, slice_cstr(field->name));
        text_add_char(out, ':');
        add_value(field, value, out);
    }
    text_add_char(out, '}');
}
