/*
 * resolve_helper.c - see resolve_helper.h.
 */
#include "tests/unit/resolve_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void resolve_static(struct static_loaded *loaded, const char *args)
{
    char *copy = strdup(args), *argv[64], *environment[] = {NULL};
    struct error why = {0};
    int argc = 0;

    for (char *arg = strtok(copy, " "); arg; arg = strtok(NULL, " ")) {
        assert_true(argc < 64);
        argv[argc++] = arg;
    }
    if (static_load(argc, argv, environment, loaded, &why) < 0) {
        fail_msg("%s", why.text);
    }
    free(copy);
}

/* name@provider apart; the provider is file when none is written. */
static void split(struct slice full, struct slice *name, struct slice *provider)
{
    ptrdiff_t at = slice_find(full, '@');

    *name = at < 0 ? full : slice_head(full, (size_t)at);
    *provider = at < 0 ? SLICE("file") : slice_from(full, (size_t)at + 1);
}

static void decode(struct model *model, const struct schema *schema, const struct doc *doc, void *config)
{
    struct schema_report report;

    schema_report_init(&report, model->pool);
    schema_defaults(schema, model->pool, config);
    if (schema_decode(schema, model->pool, doc, 0, config, &report) < 0) {
        for (size_t i = 0; i < report.count; i++) {
            print_message("%.*s\n", SLICE_ARG(schema_issue_text(model->pool, &report.issues[i])));
        }
        fail_msg("the model of the test is refused");
    }
}

struct model *resolve_model(const char *yaml)
{
    static const char *const sections[] = {"routers", "services", "middlewares", "serversTransports"};
    struct model *model = model_new();
    struct error why = {0};
    struct doc *doc = NULL;

    if (doc_read_yaml(model->pool, SLICE("test.yml"), slice_cstr(yaml), &doc, &why) < 0) {
        fail_msg("%s", why.text);
    }
    for (size_t section = 0; section < ARRAY_LEN(sections); section++) {
        const struct doc *map = doc_get(doc, sections[section]);

        for (size_t i = 0; map && i < map->map.count; i++) {
            struct slice name, provider;
            struct element *element = NULL;

            split(map->map.entries[i].key, &name, &provider);
            if (section == 0) {
                struct http_router *router = model_add_router(model, name, provider);
                decode(model, &router_schema, map->map.entries[i].value, &router->config);
                element = &router->element;
            } else if (section == 1) {
                struct http_service *service = model_add_service(model, name, provider);
                decode(model, &service_schema, map->map.entries[i].value, &service->config);
                element = &service->element;
            } else if (section == 2) {
                struct http_middleware *middleware = model_add_middleware(model, name, provider);
                decode(model, &middleware_schema, map->map.entries[i].value, &middleware->config);
                element = &middleware->element;
            } else {
                struct servers_transport *transport = model_add_transport(model, name, provider);
                decode(model, &servers_transport_schema, map->map.entries[i].value, &transport->config);
                element = &transport->element;
            }
            element->origin = (struct origin){.file = SLICE("test.yml"), .line = map->map.entries[i].line};
        }
    }
    return model;
}

static const char *joined(const struct list *list, const char *between)
{
    static char buffers[4][8192];
    static unsigned next;
    char *out = buffers[next++ % 4];
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < list->count; i++) {
        struct slice item = ((const struct slice *)list->items)[i];
        int added =
            snprintf(out + len, sizeof(buffers[0]) - len, "%s%.*s", i ? between : "", SLICE_ARG(item));

        assert_true(added >= 0 && (size_t)added < sizeof(buffers[0]) - len);
        len += (size_t)added;
    }
    return out;
}

const char *resolve_errors(const struct element *element)
{
    return joined(&element->errors, " | ");
}

const char *resolve_list(const struct list *list)
{
    return joined(list, ",");
}
