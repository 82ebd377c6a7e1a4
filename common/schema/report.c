/*
 * report.c - what was found wrong while decoding, and its words.
 */
#include <stdarg.h>
#include <stdio.h>

#include "common/schema/schema_internal.h"

void schema_report_init(struct schema_report *report, struct pool *pool)
{
    *report = (struct schema_report){.pool = pool};
}

/* A message is one line, whatever it quotes. */
static void make_printable(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            text[i] = '?';
        }
    }
}

static void add(struct schema_report *report, enum schema_severity severity, const struct doc *at,
                struct slice key, const char *format, va_list args)
{
    char text[1024];

    vsnprintf(text, sizeof(text), format, args);
    make_printable(text, strlen(text));
    report->issues =
        pool_grow(report->pool, report->issues, report->count, &report->capacity, sizeof(*report->issues));
    report->issues[report->count++] = (struct schema_issue){
        .severity = severity,
        .file = at ? at->file : (struct slice){0},
        .line = at ? at->line : 0,
        .column = at ? at->column : 0,
        .key = key,
        .text = pool_copy(report->pool, slice_cstr(text)),
    };
    report->errors += severity == SCHEMA_ERROR;
}

void schema_report_add(struct schema_report *report, enum schema_severity severity, const struct doc *at,
                       struct slice key, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(report, severity, at, key, format, args);
    va_end(args);
}

void decoder_error(struct decoder *decoder, const struct doc *at, const struct place *place,
                   const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(decoder->report, SCHEMA_ERROR, at, place_text(decoder->report->pool, place), format, args);
    va_end(args);
}

struct slice schema_issue_text(struct pool *pool, const struct schema_issue *issue)
{
    char line[16] = "", column[16] = "";

    if (issue->line > 0) {
        snprintf(line, sizeof(line), "%u", issue->line);
    }
    if (issue->line > 0 && issue->column > 0) {
        snprintf(column, sizeof(column), ":%u", issue->column);
    }
    return pool_printf(pool, "%.*s%s%s%s%s%.*s%s%.*s", SLICE_ARG(issue->file),
                       issue->file.len && line[0] ? ":" : "", line, column,
                       issue->file.len || line[0] ? ": " : "", SLICE_ARG(issue->key),
                       issue->key.len ? ": " : "", SLICE_ARG(issue->text));
}

static void add_place(struct text *out, const struct place *place)
{
    if (place == NULL) {
        return;
    }
    add_place(out, place->above);
    if (place->name.len == 0) {
        text_printf(out, "[%zu]", place->index);
        return;
    }
    if (out->len > 0) {
        text_add_char(out, '.');
    }
    text_add(out, place->name);
}

struct slice place_text(struct pool *pool, const struct place *place)
{
    struct text text;

    text_init(&text);
    add_place(&text, place);
    make_printable(text.ptr, text.len);
    struct slice copy = pool_copy(pool, text_slice(&text));

    text_free(&text);
    return copy;
}

struct slice doc_shown(struct pool *pool, const struct doc *node, uint32_t field_flags)
{
    if (node->kind == DOC_LIST) {
        return SLICE("a list");
    }
    if (node->kind == DOC_MAP) {
        return SLICE("a map");
    }
    if (node->kind == DOC_NULL) {
        return SLICE("nothing");
    }
    if (field_flags & SCHEMA_SECRET) {
        return SLICE("***");
    }
    if (node->kind == DOC_STRING) {
        return pool_printf(pool, "\"%.*s\"%s", SLICE_ARG(slice_head(node->text, 100)),
                           node->text.len > 100 ? "..." : "");
    }
    return slice_head(node->text, 100);
}

static void add_known(struct text *text, const struct schema *schema)
{
    if (schema->count > 0 && schema->count <= 10) {
        for (size_t i = 0; i < schema->count; i++) {
            text_printf(text, "%s%s", i > 0 ? ", " : " (known: ", schema->fields[i].name);
        }
        text_add_char(text, ')');
    }
}

static struct slice keep(struct pool *pool, struct text *text)
{
    struct slice copy = pool_copy(pool, text_slice(text));

    text_free(text);
    return copy;
}

struct slice schema_unknown_text(struct pool *pool, const struct schema *schema, struct slice name)
{
    const char *nearest = schema_nearest(schema, name);
    struct text text;

    text_init(&text);
    text_printf(&text, "unknown field \"%.*s\"", SLICE_ARG(slice_head(name, 100)));
    if (nearest) {
        text_printf(&text, ", did you mean \"%s\"?", nearest);
    }
    add_known(&text, schema);
    return keep(pool, &text);
}

struct slice schema_no_options_text(struct pool *pool, const struct schema *schema, const struct doc *node)
{
    struct text text;

    text_init(&text);
    text_printf(&text, "%.*s does not fit: options are expected here", SLICE_ARG(doc_shown(pool, node, 0)));
    add_known(&text, schema);
    return keep(pool, &text);
}
