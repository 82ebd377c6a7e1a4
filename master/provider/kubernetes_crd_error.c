/*
 * kubernetes_crd_error.c - errors of custom resources: which file, line, object and field, kept where they belong.
 */
#include "master/provider/kubernetes_crd.h"

#include <stdarg.h>
#include <stdio.h>

static struct slice print(struct pool *pool, const char *format, va_list args)
{
    char buf[1024];
    int len = vsnprintf(buf, sizeof(buf), format, args);

    return pool_copy(pool, slice_of(buf, len < 0                     ? 0
                                         : (size_t)len < sizeof(buf) ? (size_t)len
                                                                     : sizeof(buf) - 1));
}

static struct slice located(struct crd *crd, const struct crd_place *place, struct slice text)
{
    struct schema_issue issue = {
        .file = place->object->origin.file,
        .line = place->node && place->node->line ? place->node->line : place->object->origin.line,
        .column = place->node ? place->node->column : 0,
        .key = place->key,
        .text = text,
    };

    return schema_issue_text(crd->scratch, &issue);
}

void crd_error(struct crd *crd, const struct crd_place *place, struct element *element, bool critical,
               const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct slice text = located(crd, place, print(crd->scratch, format, args));

    va_end(args);
    element_error(crd->model, element, critical, "%.*s", SLICE_ARG(text));
}

/* A notice has its file and line in the origin; the text is "KEY: words". */
static void notice(struct crd *crd, bool is_error, const struct crd_place *place, uint32_t line,
                   struct slice key, struct slice text)
{
    struct origin origin = place->object->origin;

    if (line) {
        origin.line = line;
    }
    model_notice(crd->model, is_error, &origin, "%.*s%s%.*s", SLICE_ARG(key), key.len ? ": " : "",
                 SLICE_ARG(text));
}

void crd_warn(struct crd *crd, const struct crd_place *place, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct slice text = print(crd->scratch, format, args);

    va_end(args);
    notice(crd, false, place, place->node ? place->node->line : 0, place->key, text);
}

struct crd_place crd_step(struct crd *crd, const struct crd_place *place, const struct doc *node,
                          const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct slice step = print(crd->scratch, format, args);

    va_end(args);
    return (struct crd_place){
        .object = place->object,
        .node = node ? node : place->node,
        .key = pool_printf(crd->scratch, "%.*s%s%.*s", SLICE_ARG(place->key),
                           place->key.len && step.len && step.ptr[0] != '[' ? "." : "", SLICE_ARG(step)),
    };
}

bool crd_decode(struct crd *crd, const struct crd_place *place, const struct schema *schema, void *object,
                struct element *element)
{
    struct schema_report report;

    schema_report_init(&report, crd->scratch);
    schema_defaults(schema, crd->model->pool, object);
    schema_decode(schema, crd->model->pool, place->node, 0, object, &report);
    for (size_t i = 0; i < report.count; i++) {
        struct schema_issue *issue = &report.issues[i];
        struct slice key = issue->key.len
                               ? pool_printf(crd->scratch, "%.*s%s%.*s", SLICE_ARG(place->key),
                                             issue->key.ptr[0] == '[' ? "" : ".", SLICE_ARG(issue->key))
                               : place->key;

        if (issue->severity == SCHEMA_WARNING || element == NULL) {
            notice(crd, issue->severity == SCHEMA_ERROR, place, issue->line, key, issue->text);
            continue;
        }
        struct schema_issue whole = *issue;
        struct slice text;

        whole.key = key;
        if (whole.file.len == 0) {
            whole.file = place->object->origin.file;
        }
        if (whole.line == 0) {
            whole.line = place->object->origin.line;
        }
        text = schema_issue_text(crd->scratch, &whole);
        element_error(crd->model, element, true, "%.*s", SLICE_ARG(text));
    }
    return report.errors == 0;
}
