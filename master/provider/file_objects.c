/*
 * file_objects.c - see file_objects.h. Not here: files (file.c), what the objects mean (common/model, master/resolve).
 */
#include "master/provider/file_objects.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/model/static.h"

#define PROVIDER SLICE("file")
#define DECODE_FLAGS (SCHEMA_ANY_CASE | SCHEMA_LENIENT_TYPES)

void file_note(struct file_objects *objects, bool is_error, uint32_t line, const char *format, ...)
{
    struct origin origin = {.file = objects->path, .line = line};
    struct error text;
    va_list args;

    va_start(args, format);
    vsnprintf(text.text, sizeof(text.text), format, args);
    va_end(args);
    model_notice(objects->model, is_error, &origin, "%s", text.text);
}

static void report_issues(struct file_objects *objects, struct element *element,
                          const struct schema_report *report, struct slice prefix, uint32_t line)
{
    for (size_t i = 0; i < report->count; i++) {
        struct schema_issue issue = report->issues[i];
        bool step = issue.key.len && issue.key.ptr[0] != '[';

        issue.key = pool_printf(objects->scratch, "%.*s%s%.*s", SLICE_ARG(prefix), step ? "." : "",
                                SLICE_ARG(issue.key));
        issue.file = objects->path;
        issue.line = issue.line ? issue.line : line;
        if (issue.severity == SCHEMA_WARNING) {
            file_note(objects, false, issue.line, "%.*s: %.*s", SLICE_ARG(issue.key), SLICE_ARG(issue.text));
        } else {
            struct slice text = schema_issue_text(objects->scratch, &issue);

            element_error(objects->model, element, true, "%.*s", SLICE_ARG(text));
        }
    }
}

/* ---- one kind of objects ---- */

enum http_kind { HTTP_ROUTER, HTTP_SERVICE, HTTP_MIDDLEWARE, HTTP_TRANSPORT };
#define LAYER4(kind) ((kind) + FILE_HTTP_KINDS) /* both sorts of kinds in one number */

static const struct schema *kind_schema(int kind)
{
    switch (kind) {
    case HTTP_ROUTER:
        return &router_schema;
    case HTTP_SERVICE:
        return &service_schema;
    case HTTP_MIDDLEWARE:
        return &middleware_schema;
    case HTTP_TRANSPORT:
        return &servers_transport_schema;
    default:
        return layer4_types[kind - FILE_HTTP_KINDS].schema;
    }
}

static struct element *object_add(struct model *model, int kind, struct slice name, void **config)
{
    if (kind >= FILE_HTTP_KINDS) {
        struct element *element = layer4_add(model, kind - FILE_HTTP_KINDS, name, PROVIDER);

        *config = layer4_config(kind - FILE_HTTP_KINDS, element);
        return element;
    }
    if (kind == HTTP_ROUTER) {
        struct http_router *router = model_add_router(model, name, PROVIDER);

        *config = &router->config;
        return &router->element;
    }
    if (kind == HTTP_SERVICE) {
        struct http_service *service = model_add_service(model, name, PROVIDER);

        *config = &service->config;
        return &service->element;
    }
    if (kind == HTTP_MIDDLEWARE) {
        struct http_middleware *middleware = model_add_middleware(model, name, PROVIDER);

        *config = &middleware->config;
        return &middleware->element;
    }
    struct servers_transport *transport = model_add_transport(model, name, PROVIDER);

    *config = &transport->config;
    return &transport->element;
}

/* key: "http.routers.NAME" */
static void read_object(struct file_objects *objects, int kind, struct slice name, struct slice key,
                        uint32_t line, const struct doc *value)
{
    struct seen *seen =
        kind < FILE_HTTP_KINDS ? &objects->http[kind] : &objects->layer4[kind - FILE_HTTP_KINDS];
    struct element *element = seen_get(seen, name);
    const struct schema *schema = kind_schema(kind);
    struct schema_report report;
    void *config;

    if (element) {
        file_note(objects, false, line, "%.*s: is configured in %.*s:%u already, this one is passed over",
                  SLICE_ARG(key), SLICE_ARG(element->origin.file), element->origin.line);
        return;
    }
    element = object_add(objects->model, kind, name, &config);
    seen_set(seen, element->name, element);
    element->origin = (struct origin){.file = objects->path, .line = line};

    schema_report_init(&report, objects->scratch);
    if (kind == HTTP_MIDDLEWARE) {
        value = middleware_unwrapped(objects->scratch, value, true);
    }
    schema_defaults(schema, objects->model->pool, config);
    schema_decode(schema, objects->model->pool, value, DECODE_FLAGS, config, &report);
    report_issues(objects, element, &report, key, line);
}

/* ---- sections ---- */

struct section {
    const char *name;
    int kind;
    bool list; /* of objects without names */
};

struct part { /* of a file */
    const char *name;
    const struct schema *schema; /* for the nearest name */
    struct section sections[5];  /* ends with a name that is NULL */
};

static const struct part parts[] = {
    {"http",
     &http_schema,
     {{"routers", HTTP_ROUTER, false},
      {"services", HTTP_SERVICE, false},
      {"middlewares", HTTP_MIDDLEWARE, false},
      {"serversTransports", HTTP_TRANSPORT, false}}},
    {"tcp",
     &tcp_section_schema,
     {{"routers", LAYER4(TCP_ROUTER), false},
      {"services", LAYER4(TCP_SERVICE), false},
      {"middlewares", LAYER4(TCP_MIDDLEWARE), false},
      {"serversTransports", LAYER4(TCP_TRANSPORT), false}}},
    {"udp",
     &udp_section_schema,
     {{"routers", LAYER4(UDP_ROUTER), false}, {"services", LAYER4(UDP_SERVICE), false}}},
    {"tls",
     &tls_section_schema,
     {{"certificates", LAYER4(TLS_CERTIFICATE), true},
      {"options", LAYER4(TLS_OPTIONS), false},
      {"stores", LAYER4(TLS_STORE), false}}},
};

/* Named by their number among those of all files. */
static void read_list(struct file_objects *objects, const struct section *section, struct slice prefix,
                      const struct doc *list)
{
    for (size_t i = 0; i < list->list.count; i++) {
        const struct doc *item = list->list.items[i];
        size_t number = objects->model->layer4[section->kind - FILE_HTTP_KINDS].count;

        read_object(objects, section->kind, pool_printf(objects->scratch, "%s[%zu]", section->name, number),
                    pool_printf(objects->scratch, "%.*s[%zu]", SLICE_ARG(prefix), i), item->line, item);
    }
}

static void read_section(struct file_objects *objects, const struct section *section, struct slice prefix,
                         const struct doc_entry *entry)
{
    enum doc_kind wanted = section->list ? DOC_LIST : DOC_MAP;

    if (entry->value->kind == DOC_NULL) {
        return;
    }
    if (entry->value->kind != wanted) {
        file_note(objects, true, entry->line, "%.*s: must be a %s", SLICE_ARG(prefix),
                  section->list ? "list" : "mapping of names");
        return;
    }
    if (section->list) {
        read_list(objects, section, prefix, entry->value);
        return;
    }
    for (size_t i = 0; i < entry->value->map.count; i++) {
        const struct doc_entry *object = &entry->value->map.entries[i];

        read_object(objects, section->kind, object->key,
                    pool_printf(objects->scratch, "%.*s.%.*s", SLICE_ARG(prefix), SLICE_ARG(object->key)),
                    object->line, object->value);
    }
}

static void read_part(struct file_objects *objects, const struct part *part, const struct doc *doc)
{
    for (size_t i = 0; i < doc->map.count; i++) {
        const struct doc_entry *entry = &doc->map.entries[i];
        const struct section *section = part->sections;

        while (section->name && !slice_eq_nocase(entry->key, slice_cstr(section->name))) {
            section++;
        }
        if (section->name == NULL) {
            const char *nearest = schema_nearest(part->schema, entry->key);

            file_note(objects, true, entry->line, "%s.%.*s: unknown field%s%s", part->name,
                      SLICE_ARG(entry->key), nearest ? ", did you mean " : "", nearest ? nearest : "");
            continue;
        }
        read_section(objects, section, pool_printf(objects->scratch, "%s.%s", part->name, section->name),
                     entry);
    }
}

static bool is_empty(const struct doc *node)
{
    return node->kind == DOC_NULL || (node->kind == DOC_MAP && node->map.count == 0);
}

/* Where something belongs that stands at the top by mistake. */
static const char *misplaced(struct slice key)
{
    for (size_t i = 0; i < http_schema.count; i++) {
        if (slice_eq_nocase(key, slice_cstr(http_schema.fields[i].name))) {
            return ": it belongs below one of them";
        }
    }
    for (size_t i = 0; i < static_schema.count; i++) {
        if (slice_eq_nocase(key, slice_cstr(static_schema.fields[i].name))) {
            return ": it belongs to the static configuration, --configFile";
        }
    }
    return "";
}

void file_objects_read(struct file_objects *objects, const struct doc *root)
{
    static const struct schema_field root_fields[] = {
        {.name = "http"}, {.name = "tcp"}, {.name = "udp"}, {.name = "tls"}};
    static const struct schema root_schema = {
        .name = "file", .fields = root_fields, .count = ARRAY_LEN(root_fields)};

    for (size_t i = 0; i < root->map.count; i++) {
        const struct doc_entry *entry = &root->map.entries[i];
        size_t number = 0;

        while (number < ARRAY_LEN(parts) && !slice_eq_nocase(entry->key, slice_cstr(parts[number].name))) {
            number++;
        }
        if (number == ARRAY_LEN(parts)) {
            const char *nearest = schema_nearest(&root_schema, entry->key);

            file_note(objects, true, entry->line, "%.*s: unknown field%s%s (http, tcp, udp, tls are known%s)",
                      SLICE_ARG(entry->key), nearest ? ", did you mean " : "", nearest ? nearest : "",
                      misplaced(entry->key));
        } else if (is_empty(entry->value)) {
            continue;
        } else if (entry->value->kind != DOC_MAP) {
            file_note(objects, true, entry->line, "%s: must be a mapping", parts[number].name);
        } else {
            read_part(objects, &parts[number], entry->value);
        }
    }
}

void file_objects_begin(struct file_objects *objects)
{
    objects->model = model_new();
    for (size_t i = 0; i < FILE_HTTP_KINDS; i++) {
        seen_init(&objects->http[i], objects->scratch);
    }
    for (size_t i = 0; i < LAYER4_KINDS; i++) {
        seen_init(&objects->layer4[i], objects->scratch);
    }
}
