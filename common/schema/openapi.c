/*
 * openapi.c - a schema as the structural OpenAPI schema of a custom resource, in YAML.
 *
 * As strict as the decoder about kinds, bounds and choices, so that `kubectl apply` refuses what weir would refuse; what
 * only the decoder can know (expressions, durations in words) is text here. Defaults are not written: the API server
 * would put them into every object.
 */
#include <stdio.h>

#include "common/schema/schema_internal.h"

#define STEP 2 /* columns */
#define PATH_MOST 256

struct writer {
    struct text *out;
    const struct schema_part *parts;
    size_t part_count;
};

static void add_schema(struct writer *writer, const struct schema *schema, const char *path, int indent);

static void add_line(struct writer *writer, int indent, const char *key, const char *value)
{
    text_printf(writer->out, "%*s%s:%s%s\n", indent, "", key, value[0] ? " " : "", value);
}

static void add_description(struct writer *writer, int indent, const char *text)
{
    if (text && text[0]) {
        text_printf(writer->out, "%*sdescription: ", indent, "");
        text_add_json(writer->out, slice_cstr(text)); /* a JSON string is a YAML string */
        text_add_char(writer->out, '\n');
    }
}

static void add_bounds(struct writer *writer, const struct schema_field *field, int indent)
{
    if (field->min == 0 && field->max == 0) {
        return;
    }
    text_printf(writer->out, "%*sminimum: %.0f\n", indent, "", field->min);
    if (field->max < 9.0e18) {
        text_printf(writer->out, "%*smaximum: %.0f\n", indent, "", field->max);
    }
}

static void add_int_or_string(struct writer *writer, int indent)
{
    text_printf(writer->out, "%*sanyOf:\n%*s- type: integer\n%*s- type: string\n", indent, "", indent, "",
                indent, "");
    add_line(writer, indent, "x-kubernetes-int-or-string", "true");
}

static void add_choices(struct writer *writer, const struct schema_field *field, int indent)
{
    add_line(writer, indent, "enum", "");
    for (const char *const *choice = field->choices; choice && *choice; choice++) {
        text_printf(writer->out, "%*s- ", indent, "");
        text_add_json(writer->out, slice_cstr(*choice));
        text_add_char(writer->out, '\n');
    }
    add_line(writer, indent, "type", "string");
}

static void add_items(struct writer *writer, const struct schema *sub, const char *path, int indent)
{
    add_line(writer, indent, "items", "");
    if (sub) {
        add_schema(writer, sub, path, indent + STEP);
    } else {
        add_line(writer, indent + STEP, "type", "string");
    }
    add_line(writer, indent, "type", "array");
}

static void add_values(struct writer *writer, const struct schema *sub, const char *path, int indent)
{
    add_line(writer, indent, "additionalProperties", "");
    if (sub) {
        add_schema(writer, sub, path, indent + STEP);
    } else {
        add_line(writer, indent + STEP, "type", "string");
    }
    add_line(writer, indent, "type", "object");
}

static void add_free(struct writer *writer, const struct schema_field *field, const char *path, int indent)
{
    if (field->flags & SCHEMA_INT_OR_STRING) {
        add_int_or_string(writer, indent);
    } else if (field->sub) { /* decoded by hand, item by item */
        add_items(writer, field->sub, path, indent);
    } else {
        add_line(writer, indent, "x-kubernetes-preserve-unknown-fields", "true");
    }
}

static void add_field(struct writer *writer, const struct schema_field *field, const char *path, int indent)
{
    switch (field->kind) {
    case SCHEMA_BOOL:
    case SCHEMA_OPT_BOOL:
        add_line(writer, indent, "type", "boolean");
        break;
    case SCHEMA_INT:
    case SCHEMA_OPT_INT:
        add_line(writer, indent, "format", "int64");
        add_bounds(writer, field, indent);
        add_line(writer, indent, "type", "integer");
        break;
    case SCHEMA_DOUBLE:
        add_line(writer, indent, "type", "number");
        break;
    case SCHEMA_DURATION:
        add_int_or_string(writer, indent);
        break;
    case SCHEMA_STRING:
    case SCHEMA_REGEX:
        add_line(writer, indent, "type", "string");
        break;
    case SCHEMA_ENUM:
        add_choices(writer, field, indent);
        break;
    case SCHEMA_STRINGS:
    case SCHEMA_REGEXES:
        add_items(writer, NULL, path, indent);
        break;
    case SCHEMA_STRING_MAP:
        add_values(writer, NULL, path, indent);
        break;
    case SCHEMA_STRUCT:
    case SCHEMA_OPTIONAL:
        add_schema(writer, field->sub, path, indent);
        break;
    case SCHEMA_LIST:
        add_items(writer, field->sub, path, indent);
        break;
    case SCHEMA_MAP:
        add_values(writer, field->sub, path, indent);
        break;
    case SCHEMA_DOC:
        add_free(writer, field, path, indent);
        break;
    }
}

static const struct schema *part_at(const struct writer *writer, const char *path)
{
    for (size_t i = 0; i < writer->part_count; i++) {
        if (strcmp(writer->parts[i].path, path) == 0) {
            return writer->parts[i].schema;
        }
    }
    return NULL;
}

static void add_property(struct writer *writer, const struct schema_field *field, const char *above,
                         int indent)
{
    char path[PATH_MOST];

    (void)snprintf(path, sizeof(path), "%s%s%s", above, above[0] ? "." : "", field->name);
    const struct schema *part = part_at(writer, path);

    add_line(writer, indent, field->name, "");
    add_description(writer, indent + STEP, field->text);
    if (part) {
        add_schema(writer, part, path, indent + STEP);
    } else {
        add_field(writer, field, path, indent + STEP);
    }
}

static void add_schema(struct writer *writer, const struct schema *schema, const char *path, int indent)
{
    bool any = false;

    if (schema->count) {
        add_line(writer, indent, "properties", "");
    }
    for (size_t i = 0; i < schema->count; i++) {
        add_property(writer, &schema->fields[i], path, indent + STEP);
    }
    for (size_t i = 0; i < schema->count; i++) {
        if (schema->fields[i].flags & SCHEMA_REQUIRED) {
            if (!any) {
                add_line(writer, indent, "required", "");
            }
            any = true;
            text_printf(writer->out, "%*s- %s\n", indent, "", schema->fields[i].name);
        }
    }
    add_line(writer, indent, "type", "object");
}

void schema_openapi(const struct schema *schema, const struct schema_part *parts, size_t part_count,
                    int indent, struct text *out)
{
    struct writer writer = {.out = out, .parts = parts, .part_count = part_count};

    add_schema(&writer, schema, "", indent);
}
