/*
 * file_document.c - a document of the file provider becomes routers, services, middlewares and transports.
 *
 * Sections and fields are found in any letter case, as in Traefik. An error stays with its object; what belongs to none
 * becomes a notice. Not here: where the document comes from (file.c), what the objects mean (common/model, master/resolve).
 */
#include "master/provider/file_document.h"

#include <stdarg.h>
#include <stdio.h>

#define DECODE_FLAGS (SCHEMA_ANY_CASE | SCHEMA_LENIENT_TYPES)

void file_reading_init(struct file_reading *reading)
{
    reading->model = model_new();
    seen_init(&reading->routers, reading->scratch);
    seen_init(&reading->services, reading->scratch);
    seen_init(&reading->middlewares, reading->scratch);
    seen_init(&reading->transports, reading->scratch);
}

void file_note(struct file_reading *reading, bool is_error, uint32_t line, const char *format, ...)
{
    struct origin origin = {.file = reading->path, .line = line};
    struct error text;
    va_list args;

    va_start(args, format);
    vsnprintf(text.text, sizeof(text.text), format, args);
    va_end(args);
    model_notice(reading->model, is_error, &origin, "%s", text.text);
}

static void report_issues(struct file_reading *reading, struct element *element,
                          const struct schema_report *report, struct slice prefix, uint32_t line)
{
    for (size_t i = 0; i < report->count; i++) {
        struct schema_issue issue = report->issues[i];
        bool step = issue.key.len && issue.key.ptr[0] != '[';

        issue.key = pool_printf(reading->scratch, "%.*s%s%.*s", SLICE_ARG(prefix), step ? "." : "",
                                SLICE_ARG(issue.key));
        issue.file = reading->path;
        issue.line = issue.line ? issue.line : line;
        if (issue.severity == SCHEMA_WARNING) {
            file_note(reading, false, issue.line, "%.*s: %.*s", SLICE_ARG(issue.key), SLICE_ARG(issue.text));
        } else {
            struct slice text = schema_issue_text(reading->scratch, &issue);

            element_error(reading->model, element, true, "%.*s", SLICE_ARG(text));
        }
    }
}

typedef struct element *adder(struct model *model, struct slice name, void **config);

static struct element *add_router(struct model *model, struct slice name, void **config)
{
    struct http_router *router = model_add_router(model, name, FILE_PROVIDER);

    *config = &router->config;
    return &router->element;
}

static struct element *add_service(struct model *model, struct slice name, void **config)
{
    struct http_service *service = model_add_service(model, name, FILE_PROVIDER);

    *config = &service->config;
    return &service->element;
}

static struct element *add_middleware(struct model *model, struct slice name, void **config)
{
    struct http_middleware *middleware = model_add_middleware(model, name, FILE_PROVIDER);

    *config = &middleware->config;
    return &middleware->element;
}

static struct element *add_transport(struct model *model, struct slice name, void **config)
{
    struct servers_transport *transport = model_add_transport(model, name, FILE_PROVIDER);

    *config = &transport->config;
    return &transport->element;
}

static void read_object(struct file_reading *reading, const struct schema *schema, adder *add,
                        struct seen *seen, struct slice section, const struct doc_entry *entry)
{
    struct element *element = seen_get(seen, entry->key);
    struct schema_report report;
    void *config;

    if (element) {
        file_note(reading, false, entry->line,
                  "%.*s.%.*s: is configured in %.*s:%u already, this one is passed over", SLICE_ARG(section),
                  SLICE_ARG(entry->key), SLICE_ARG(element->origin.file), element->origin.line);
        return;
    }
    element = add(reading->model, entry->key, &config);
    seen_set(seen, element->name, element);
    element->origin = (struct origin){.file = reading->path, .line = entry->line};

    schema_report_init(&report, reading->scratch);
    schema_defaults(schema, reading->model->pool, config);
    schema_decode(schema, reading->model->pool, entry->value, DECODE_FLAGS, config, &report);
    report_issues(reading, element, &report,
                  pool_printf(reading->scratch, "%.*s.%.*s", SLICE_ARG(section), SLICE_ARG(entry->key)),
                  entry->line);
}

static void read_http(struct file_reading *reading, const struct doc *http)
{
    static const struct {
        const char *name;
        const struct schema *schema;
        adder *add;
        size_t seen;
    } sections[] = {
        {"routers", &router_schema, add_router, offsetof(struct file_reading, routers)},
        {"services", &service_schema, add_service, offsetof(struct file_reading, services)},
        {"middlewares", &middleware_schema, add_middleware, offsetof(struct file_reading, middlewares)},
        {"serversTransports", &servers_transport_schema, add_transport,
         offsetof(struct file_reading, transports)},
    };

    for (size_t i = 0; i < http->map.count; i++) {
        const struct doc_entry *entry = &http->map.entries[i];
        size_t number = 0;

        while (number < ARRAY_LEN(sections) &&
               !slice_eq_nocase(entry->key, slice_cstr(sections[number].name))) {
            number++;
        }
        if (number == ARRAY_LEN(sections)) {
            const char *nearest = schema_nearest(&http_schema, entry->key);

            file_note(reading, true, entry->line, "http.%.*s: unknown field%s%s", SLICE_ARG(entry->key),
                      nearest ? ", did you mean " : "", nearest ? nearest : "");
            continue;
        }
        if (entry->value->kind == DOC_NULL) {
            continue;
        }
        if (entry->value->kind != DOC_MAP) {
            file_note(reading, true, entry->line, "http.%s: must be a mapping of names",
                      sections[number].name);
            continue;
        }
        struct slice section = pool_printf(reading->scratch, "http.%s", sections[number].name);

        for (size_t j = 0; j < entry->value->map.count; j++) {
            read_object(reading, sections[number].schema, sections[number].add,
                        (struct seen *)((char *)reading + sections[number].seen), section,
                        &entry->value->map.entries[j]);
        }
    }
}

static bool is_empty(const struct doc *node)
{
    return node->kind == DOC_NULL || (node->kind == DOC_MAP && node->map.count == 0);
}

void file_document_read(struct file_reading *reading, const struct doc *root)
{
    static const char *const names[] = {"http", "tcp", "udp", "tls"};
    static const struct schema_field root_fields[] = {
        {.name = "http"}, {.name = "tcp"}, {.name = "udp"}, {.name = "tls"}};
    static const struct schema root_schema = {
        .name = "file", .fields = root_fields, .count = ARRAY_LEN(root_fields)};

    for (size_t i = 0; i < root->map.count; i++) {
        const struct doc_entry *entry = &root->map.entries[i];
        size_t number = 0;

        while (number < ARRAY_LEN(names) && !slice_eq_nocase(entry->key, slice_cstr(names[number]))) {
            number++;
        }
        if (number == ARRAY_LEN(names)) {
            const char *nearest = schema_nearest(&root_schema, entry->key);

            file_note(reading, true, entry->line, "%.*s: unknown field%s%s (http, tcp, udp, tls are known)",
                      SLICE_ARG(entry->key), nearest ? ", did you mean " : "", nearest ? nearest : "");
        } else if (is_empty(entry->value)) {
            continue;
        } else if (number > 0) {
            file_note(reading, false, entry->line, "%s: is understood, but not yet served by this build",
                      names[number]);
        } else if (entry->value->kind != DOC_MAP) {
            file_note(reading, true, entry->line, "http: must be a mapping");
        } else {
            read_http(reading, entry->value);
        }
    }
}
