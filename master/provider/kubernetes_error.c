/*
 * kubernetes_error.c - errors of Kubernetes objects: which file, line, object and field, kept where they belong.
 */
#include "master/provider/kubernetes.h"

#include <stdarg.h>

#define MESSAGE_MOST 1023u

static struct slice located(struct k8s *k8s, const struct k8s_place *place, struct slice text)
{
    struct schema_issue issue = {
        .file = place->object->origin.file,
        .line = place->node && place->node->line ? place->node->line : place->object->origin.line,
        .column = place->node ? place->node->column : 0,
        .key = place->key,
        .text = text,
    };

    return schema_issue_text(k8s->scratch, &issue);
}

void k8s_error(struct k8s *k8s, const struct k8s_place *place, struct element *element, bool critical,
               const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct slice text = located(k8s, place, pool_vprintf(k8s->scratch, MESSAGE_MOST, format, args));

    va_end(args);
    element_error(k8s->model, element, critical, "%.*s", SLICE_ARG(text));
}

/* A notice has its file and line in the origin; the text is "KEY: words". */
static void notice(struct k8s *k8s, bool is_error, const struct k8s_place *place, uint32_t line,
                   struct slice key, struct slice text)
{
    struct origin origin = place->object->origin;

    if (line) {
        origin.line = line;
    }
    model_notice(k8s->model, is_error, &origin, "%.*s%s%.*s", SLICE_ARG(key), key.len ? ": " : "",
                 SLICE_ARG(text));
}

void k8s_warn(struct k8s *k8s, const struct k8s_place *place, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct slice text = pool_vprintf(k8s->scratch, MESSAGE_MOST, format, args);

    va_end(args);
    notice(k8s, false, place, place->node ? place->node->line : 0, place->key, text);
}

void k8s_notice_error(struct k8s *k8s, const struct k8s_place *place, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct slice text = pool_vprintf(k8s->scratch, MESSAGE_MOST, format, args);

    va_end(args);
    notice(k8s, true, place, place->node ? place->node->line : 0, place->key, text);
}

static bool has_error(const struct element *element, struct slice text)
{
    const struct slice *errors = element->errors.items;

    for (size_t i = 0; i < element->errors.count; i++) {
        if (slice_eq(errors[i], text)) {
            return true;
        }
    }
    return false;
}

void k8s_copy_errors(struct k8s *k8s, const struct element *from, struct element *to)
{
    const struct slice *errors = from->errors.items;

    if (to->errors.count == 0) { /* shared by all that one object makes */
        to->errors = from->errors;
        to->status = from->status > to->status ? from->status : to->status;
        return;
    }
    for (size_t i = 0; i < from->errors.count; i++) {
        if (has_error(to, errors[i])) {
            to->status = from->status > to->status ? from->status : to->status;
            continue;
        }
        element_error(k8s->model, to, from->status == ELEMENT_DISABLED, "%.*s", SLICE_ARG(errors[i]));
    }
}

struct k8s_place k8s_step(struct k8s *k8s, const struct k8s_place *place, const struct doc *node,
                          const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct slice step = pool_vprintf(k8s->scratch, MESSAGE_MOST, format, args);

    va_end(args);
    return (struct k8s_place){
        .object = place->object,
        .node = node ? node : place->node,
        .key = pool_printf(k8s->scratch, "%.*s%s%.*s", SLICE_ARG(place->key),
                           place->key.len && step.len && step.ptr[0] != '[' ? "." : "", SLICE_ARG(step)),
    };
}

bool k8s_decode(struct k8s *k8s, const struct k8s_place *place, const struct schema *schema, unsigned flags,
                void *object, struct element *element)
{
    struct schema_report report;

    schema_report_init(&report, k8s->scratch);
    schema_defaults(schema, k8s->model->pool, object);
    schema_decode(schema, k8s->model->pool, place->node, flags, object, &report);
    for (size_t i = 0; i < report.count; i++) {
        struct schema_issue *issue = &report.issues[i];
        struct slice key = issue->key.len
                               ? pool_printf(k8s->scratch, "%.*s%s%.*s", SLICE_ARG(place->key),
                                             issue->key.ptr[0] == '[' ? "" : ".", SLICE_ARG(issue->key))
                               : place->key;

        if (issue->severity == SCHEMA_WARNING || element == NULL) {
            notice(k8s, issue->severity == SCHEMA_ERROR, place, issue->line, key, issue->text);
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
        text = schema_issue_text(k8s->scratch, &whole);
        element_error(k8s->model, element, true, "%.*s", SLICE_ARG(text));
    }
    return report.errors == 0;
}
