/*
 * check.c - `weir check [DIR] [flags]`: reads everything, prints every error.
 *
 * Exit status 1: it would not be served (static configuration, a provider or a file that cannot be read, pages that no
 * worker takes). 2: it would, without the objects that have errors. 0: no error. A weir that runs may serve what a file gave
 * before it was broken; one that starts does not know that, so such a file is more than a bad object.
 *
 * An error is one line on stderr: "error: FILE:LINE: OBJECT: KEY: words", in the order of files and lines. Warnings (settings
 * without effect, kinds of later steps) do not fail. What was checked is one line on stdout.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/face.h"
#include "master/tools/common.h"

struct finding {
    struct origin origin;
    struct slice text; /* the whole line */
    size_t rank;
    bool is_error;
};

struct findings {
    struct pool *pool;
    struct finding *items;
    size_t count, capacity, errors;
    size_t files; /* errors of a file, not of an object in it */
};

static void add(struct findings *findings, bool is_error, const struct origin *origin, struct slice object,
                struct slice text)
{
    findings->items = pool_grow(findings->pool, findings->items, findings->count, &findings->capacity,
                                sizeof(*findings->items));
    findings->items[findings->count] = (struct finding){
        .origin = *origin,
        .text = tool_locate(findings->pool, origin, object, text),
        .rank = findings->count,
        .is_error = is_error,
    };
    findings->count++;
    findings->errors += is_error;
}

static void add_element(struct findings *findings, bool is_error, const char *kind,
                        const struct element *element)
{
    const struct slice *errors = element->errors.items;
    struct slice object;

    if (element->origin.object.len) {
        object = pool_printf(findings->pool, "%.*s (%s %.*s)", SLICE_ARG(element->origin.object), kind,
                             SLICE_ARG(element->name));
    } else {
        object = pool_printf(findings->pool, "%s %.*s", kind, SLICE_ARG(element->name));
    }
    for (size_t i = 0; i < element->errors.count; i++) {
        add(findings, is_error, &element->origin, object, errors[i]);
    }
}

static int in_order(const void *a, const void *b)
{
    const struct finding *left = a, *right = b;
    int order = slice_cmp(left->origin.file, right->origin.file);

    if (order == 0) {
        order = (left->origin.line > right->origin.line) - (left->origin.line < right->origin.line);
    }
    return order ? order : (left->rank > right->rank) - (left->rank < right->rank);
}

/* Of these most is not served yet, and a certificate that nobody shows yet is no reason to fail. */
static void collect_layer4(struct findings *findings, const struct model *model)
{
    for (size_t kind = 0; kind < LAYER4_KINDS; kind++) {
        for (size_t i = 0; i < model->layer4[kind].count; i++) {
            const struct element *element = model->layer4[kind].items[i];

            add_element(findings, element->status == ELEMENT_DISABLED, layer4_types[kind].name, element);
        }
    }
}

static void collect(struct findings *findings, const struct model *model)
{
    for (size_t i = 0; i < model->notice_count; i++) {
        const struct notice *notice = &model->notices[i];

        add(findings, notice->is_error, &notice->origin, notice->origin.object, notice->text);
        findings->files += notice->is_error && notice->origin.file.len > 0 && notice->origin.object.len == 0;
    }
    for (size_t i = 0; i < model->router_count; i++) {
        add_element(findings, true, "router", &model->routers[i]->element);
    }
    for (size_t i = 0; i < model->service_count; i++) {
        add_element(findings, true, "service", &model->services[i]->element);
    }
    for (size_t i = 0; i < model->middleware_count; i++) {
        add_element(findings, true, "middleware", &model->middlewares[i]->element);
    }
    for (size_t i = 0; i < model->transport_count; i++) {
        add_element(findings, true, "serversTransport", &model->transports[i]->element);
    }
    collect_layer4(findings, model);
    if (findings->count > 1) {
        qsort(findings->items, findings->count, sizeof(*findings->items), in_order);
    }
}

static void print_summary(const struct tool *tool)
{
    const struct model *model = tool->model;

    printf("ok: %zu entry points, %zu routers, %zu services, %zu middlewares, %zu servers transports",
           tool->loaded.config.entry_points.count, model->router_count, model->service_count,
           model->middleware_count, model->transport_count);
    for (size_t kind = 0; kind < LAYER4_KINDS; kind++) {
        if (model->layer4[kind].count) {
            printf(", %zu %s", model->layer4[kind].count, layer4_types[kind].plural);
        }
    }
    fputs(" from", stdout);
    for (size_t i = 0; i < tool->active_count; i++) {
        printf("%s %s", i ? "," : "", tool->active[i]->name);
    }
    puts(tool->active_count ? "" : " no provider");
}

int face_check(int argc, char **argv)
{
    struct findings findings = {.pool = pool_new(4096, 0)};
    struct tool tool;
    struct error why;
    size_t errors = 0;
    bool serves = false;

    if (tool_load(&tool, argc, argv) < 0) {
        errors = 1;
        goto out;
    }
    const struct slice *warnings = tool.loaded.warnings.items;

    for (size_t i = 0; i < tool.loaded.warnings.count; i++) {
        fprintf(stderr, "warning: %.*s\n", SLICE_ARG(warnings[i]));
    }
    int rc = tool_compile(&tool, 0, &why); /* puts errors on what it has to leave out */

    collect(&findings, tool.model);
    for (size_t i = 0; i < findings.count; i++) {
        fprintf(stderr, "%s: %.*s\n", findings.items[i].is_error ? "error" : "warning",
                SLICE_ARG(findings.items[i].text));
    }
    errors = findings.errors + tool.failures;
    if (rc < 0) {
        fprintf(stderr, "error: %s\n", why.text);
        errors++;
    }
    serves = rc == 0 && tool.failures == 0 && findings.files == 0;
    if (errors == 0) {
        print_summary(&tool);
    } else {
        fprintf(stderr, "%zu error%s\n", errors, errors == 1 ? "" : "s");
    }
out:
    tool_free(&tool);
    pool_free(findings.pool);
    return errors == 0 ? 0 : serves ? FACE_CHECK_OBJECTS : 1;
}
