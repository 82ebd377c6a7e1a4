/*
 * reference.c - the reference page of a schema: one row of a Markdown table for every option.
 */
#include "common/schema/schema_internal.h"

/* Tables that contain themselves would go on for ever; real ones are flat. */
#define DEPTH_MAX 12

static const char *kind_name(const struct schema_field *field)
{
    switch (field->kind) {
    case SCHEMA_BOOL:
    case SCHEMA_OPT_BOOL:
        return "boolean";
    case SCHEMA_INT:
    case SCHEMA_OPT_INT:
        return "integer";
    case SCHEMA_DOUBLE:
        return "number";
    case SCHEMA_DURATION:
        return "duration";
    case SCHEMA_STRING:
        return "text";
    case SCHEMA_ENUM:
        return "choice";
    case SCHEMA_STRINGS:
        return "list of texts";
    case SCHEMA_STRING_MAP:
        return "map of texts";
    case SCHEMA_REGEX:
        return "regular expression";
    case SCHEMA_REGEXES:
        return "list of regular expressions";
    case SCHEMA_STRUCT:
    case SCHEMA_OPTIONAL:
        return "section";
    case SCHEMA_LIST:
        return "list of sections";
    case SCHEMA_MAP:
        return "sections by name";
    case SCHEMA_DOC:
        return "free form";
    }
    return "";
}

/* Text inside a table cell: a bar would end it. */
static void add_cell(struct text *out, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '|') {
            text_add_char(out, '\\');
        }
        text_add_char(out, s.ptr[i] == '\n' ? ' ' : s.ptr[i]);
    }
}

static void add_choices(struct text *out, const struct schema_field *field)
{
    for (const char *const *choice = field->choices; choice && *choice; choice++) {
        text_add_cstr(out, choice == field->choices ? " One of `" : "`, `");
        add_cell(out, slice_cstr(*choice));
    }
    if (field->choices && field->choices[0]) {
        text_add_cstr(out, "`.");
    }
}

static void add_bound(struct text *out, const struct schema_field *field, double bound)
{
    text_add_char(out, '`');
    if (field->kind == SCHEMA_DURATION) {
        format_duration((int64_t)bound, out);
    } else {
        text_printf(out, "%.15g", bound);
    }
    text_add_char(out, '`');
}

static void add_bounds(struct text *out, const struct schema_field *field)
{
    if (field->min == 0 && field->max == 0) {
        return;
    }
    if (field->max >= 9.2e18) {
        text_add_cstr(out, " At least ");
        add_bound(out, field, field->min);
    } else {
        text_add_cstr(out, " From ");
        add_bound(out, field, field->min);
        text_add_cstr(out, " to ");
        add_bound(out, field, field->max);
    }
    text_add_char(out, '.');
}

static void add_notes(struct text *out, const struct schema_field *field)
{
    static const struct {
        uint32_t flag;
        const char *text;
    } notes[] = {
        {SCHEMA_REQUIRED, " Required."},
        {SCHEMA_SECRET, " Never printed."},
        {SCHEMA_DEFAULT_ON, " There by default."},
        {SCHEMA_DEPRECATED, " Deprecated."},
        {SCHEMA_INERT, " Accepted without effect."},
        {SCHEMA_NOT_SERVED, " Not yet served."},
    };

    for (size_t i = 0; i < ARRAY_LEN(notes); i++) {
        if (field->flags & notes[i].flag) {
            text_add_cstr(out, notes[i].text);
        }
    }
}

static const char *fallback_text(const struct schema_field *field)
{
    if (field->fallback) {
        return field->fallback;
    }
    switch (field->kind) {
    case SCHEMA_BOOL:
        return "false";
    case SCHEMA_INT:
    case SCHEMA_DOUBLE:
        return "0";
    case SCHEMA_DURATION:
        return "0s";
    default:
        return "";
    }
}

static void add_row(struct text *out, const struct schema_field *field, struct slice name)
{
    const char *fallback = fallback_text(field);

    text_add_cstr(out, "| `");
    add_cell(out, name);
    text_printf(out, "` | %s | ", kind_name(field));
    if (fallback[0] && !(field->flags & SCHEMA_SECRET)) {
        text_add_char(out, '`');
        add_cell(out, slice_cstr(fallback));
        text_add_char(out, '`');
    }
    text_add_cstr(out, " | ");
    add_cell(out, slice_cstr(field->text));
    if (field->text && field->text[0] && strchr(".!?:", field->text[strlen(field->text) - 1]) == NULL) {
        text_add_char(out, '.');
    }
    add_choices(out, field);
    add_bounds(out, field);
    add_notes(out, field);
    text_add_cstr(out, " |\n");
}

static void add_schema(struct text *out, const struct schema *schema, const char *prefix, int depth)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];
        struct text name;

        text_init(&name);
        text_printf(&name, "%s%s%s", prefix, prefix[0] ? "." : "", field->name);
        add_row(out, field, text_slice(&name));
        if (field->sub && depth < DEPTH_MAX) {
            if (field->kind == SCHEMA_LIST) {
                text_add_cstr(&name, "[n]");
            } else if (field->kind == SCHEMA_MAP) {
                text_add_cstr(&name, ".<name>");
            }
            add_schema(out, field->sub, name.ptr, depth + 1);
        }
        text_free(&name);
    }
}

void schema_reference(const struct schema *schema, const char *prefix, struct text *out)
{
    text_add_cstr(out, "| Option | Kind | Default | What it does |\n|---|---|---|---|\n");
    add_schema(out, schema, prefix ? prefix : "", 0);
}
