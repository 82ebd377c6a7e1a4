/*
 * file.c - the file provider: one file, or all .yml, .yaml, .toml and .json files below a directory.
 *
 * As in Traefik: a directory wins over a file; sub-directories are read; the first of equal names (in the order of file
 * names) is used; keys are matched in any letter case. Other than there, an error stays with its object, and a file that cannot be
 * read as a whole (half-written, malformed, refused template) keeps what it gave before, while all other files serve (I1).
 *
 * Not here: templates (file_template.c), what the objects mean (common/model, master/resolve).
 */
#include "master/provider/provider.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "master/provider/file_template.h"
#include "master/provider/seen.h"
#include "master/source/tree.h"

#define PROVIDER SLICE("file")
#define DECODE_FLAGS (SCHEMA_ANY_CASE | SCHEMA_LENIENT_TYPES)

static const char *const endings[] = {".yml", ".yaml", ".toml", ".json", NULL};

struct good_file { /* the last text of a file that could be read, templates expanded */
    struct slice path, text;
};

struct provider_state {
    struct pool *pool;
    struct good_file *files;
    size_t count, capacity;
};

struct reading {
    const struct file_provider *options;
    struct model *model;
    struct pool *scratch;
    const struct provider_state *before;
    struct provider_state *after;
    struct slice path;                                      /* of the file being read */
    struct seen routers, services, middlewares, transports; /* struct element by name */
};

static void note(struct reading *reading, bool is_error, uint32_t line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void note(struct reading *reading, bool is_error, uint32_t line, const char *format, ...)
{
    struct origin origin = {.file = reading->path, .line = line};
    struct error text;
    va_list args;

    va_start(args, format);
    vsnprintf(text.text, sizeof(text.text), format, args);
    va_end(args);
    model_notice(reading->model, is_error, &origin, "%s", text.text);
}

static void on_unset(void *context, uint32_t line, struct slice name)
{
    note(context, false, line, "the environment variable %.*s is not set: the empty text is used",
         SLICE_ARG(name));
}

/* ---- objects ---- */

static void report_issues(struct reading *reading, struct element *element,
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
            note(reading, false, issue.line, "%.*s: %.*s", SLICE_ARG(issue.key), SLICE_ARG(issue.text));
        } else {
            struct slice text = schema_issue_text(reading->scratch, &issue);

            element_error(reading->model, element, true, "%.*s", SLICE_ARG(text));
        }
    }
}

typedef struct element *adder(struct model *model, struct slice name, void **config);

static struct element *add_router(struct model *model, struct slice name, void **config)
{
    struct http_router *router = model_add_router(model, name, PROVIDER);

    *config = &router->config;
    return &router->element;
}

static struct element *add_service(struct model *model, struct slice name, void **config)
{
    struct http_service *service = model_add_service(model, name, PROVIDER);

    *config = &service->config;
    return &service->element;
}

static struct element *add_middleware(struct model *model, struct slice name, void **config)
{
    struct http_middleware *middleware = model_add_middleware(model, name, PROVIDER);

    *config = &middleware->config;
    return &middleware->element;
}

static struct element *add_transport(struct model *model, struct slice name, void **config)
{
    struct servers_transport *transport = model_add_transport(model, name, PROVIDER);

    *config = &transport->config;
    return &transport->element;
}

static void read_object(struct reading *reading, const struct schema *schema, adder *add, struct seen *seen,
                        struct slice section, const struct doc_entry *entry)
{
    struct element *element = seen_get(seen, entry->key);
    struct schema_report report;
    void *config;

    if (element) {
        note(reading, false, entry->line,
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

static void read_http(struct reading *reading, const struct doc *http)
{
    static const struct {
        const char *name;
        const struct schema *schema;
        adder *add;
        size_t seen;
    } sections[] = {
        {"routers", &router_schema, add_router, offsetof(struct reading, routers)},
        {"services", &service_schema, add_service, offsetof(struct reading, services)},
        {"middlewares", &middleware_schema, add_middleware, offsetof(struct reading, middlewares)},
        {"serversTransports", &servers_transport_schema, add_transport, offsetof(struct reading, transports)},
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

            note(reading, true, entry->line, "http.%.*s: unknown field%s%s", SLICE_ARG(entry->key),
                 nearest ? ", did you mean " : "", nearest ? nearest : "");
            continue;
        }
        if (entry->value->kind == DOC_NULL) {
            continue;
        }
        if (entry->value->kind != DOC_MAP) {
            note(reading, true, entry->line, "http.%s: must be a mapping of names", sections[number].name);
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

static void read_root(struct reading *reading, const struct doc *root)
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

            note(reading, true, entry->line, "%.*s: unknown field%s%s (http, tcp, udp, tls are known)",
                 SLICE_ARG(entry->key), nearest ? ", did you mean " : "", nearest ? nearest : "");
        } else if (is_empty(entry->value)) {
            continue;
        } else if (number > 0) {
            note(reading, false, entry->line, "%s: is understood, but not yet served by this build",
                 names[number]);
        } else if (entry->value->kind != DOC_MAP) {
            note(reading, true, entry->line, "http: must be a mapping");
        } else {
            read_http(reading, entry->value);
        }
    }
}

/* ---- files ---- */

static struct slice good_text(const struct provider_state *state, struct slice path)
{
    for (size_t i = 0; state && i < state->count; i++) {
        if (slice_eq(state->files[i].path, path)) {
            return state->files[i].text;
        }
    }
    return (struct slice){0};
}

static void keep_text(struct provider_state *state, struct slice path, struct slice text)
{
    state->files =
        pool_grow(state->pool, state->files, state->count, &state->capacity, sizeof(*state->files));
    state->files[state->count++] = (struct good_file){
        .path = pool_copy(state->pool, path),
        .text = pool_copy(state->pool, text.ptr ? text : SLICE("")),
    };
}

/* "NAME:LINE:COLUMN: words" of a document reader: the line goes to the notice. */
static void note_reader_error(struct reading *reading, const struct error *why)
{
    struct slice text = slice_cstr(why->text), rest;
    uint64_t line = 0;

    if (slice_has_prefix(text, reading->path) && text.len > reading->path.len &&
        text.ptr[reading->path.len] == ':') {
        rest = slice_of(text.ptr + reading->path.len + 1, text.len - reading->path.len - 1);
        if (slice_to_u64(slice_split(&rest, ':'), &line) && line <= UINT32_MAX) {
            struct slice words = rest;
            uint64_t column;

            /* not every error knows its column */
            text = slice_trim(slice_to_u64(slice_split(&words, ':'), &column) ? words : rest);
        } else {
            line = 0;
        }
    }
    note(reading, true, (uint32_t)line, "%.*s", SLICE_ARG(text));
}

/* The document of the file as it is now, its text into `content`; NULL with a notice when it cannot be read as a whole. */
static struct doc *read_now(struct reading *reading, struct text *content)
{
    struct text raw;
    struct error why;
    struct doc *doc = NULL;
    uint32_t line = 0;

    text_init(&raw);
    if (tree_read(reading->path, &raw, &why) < 0) {
        note(reading, true, 0, "%s", why.text);
    } else if (slice_trim(text_slice(&raw)).len == 0 && good_text(reading->before, reading->path).len) {
        note(reading, true, 0, "is empty: remove the file if its objects shall go");
    } else if (file_template_expand(text_slice(&raw), on_unset, reading, content, &line, &why) < 0) {
        note(reading, true, line, "%s", why.text);
    } else if (doc_read_file_text(reading->model->pool, reading->path, text_slice(content), &doc, &why) < 0) {
        note_reader_error(reading, &why);
        doc = NULL;
    } else if (doc->kind != DOC_MAP && doc->kind != DOC_NULL) {
        note(reading, true, doc->line, "must be a mapping that begins with http:");
        doc = NULL;
    }
    text_free(&raw);
    return doc;
}

static void read_file(struct reading *reading, struct slice path)
{
    struct text content;
    struct error why;

    reading->path = pool_copy(reading->model->pool, path);
    text_init(&content);
    struct doc *doc = read_now(reading, &content);

    if (doc == NULL) {
        struct slice good = good_text(reading->before, path);

        text_clear(&content);
        if (good.ptr) {
            text_add(&content, good);
            note(reading, false, 0, "what this file gave before stays in force until it can be read again");
            if (doc_read_file_text(reading->model->pool, reading->path, good, &doc, &why) < 0) {
                doc = NULL;
            }
        }
        reading->model->gaps = reading->model->gaps || doc == NULL;
    }
    if (doc) {
        keep_text(reading->after, path, text_slice(&content));
        if (doc->kind == DOC_MAP) {
            read_root(reading, doc);
        }
        if (reading->options->debug_log_generated_template) {
            log_debug("%.*s: %zu bytes with its templates expanded (values may be secret: not shown)",
                      SLICE_ARG(path), content.len);
        }
    }
    text_free(&content);
}

static int find_files(const struct file_provider *options, struct pool *pool, struct tree *tree,
                      struct error *why)
{
    bool directory = options->directory.len > 0;
    struct slice path = directory ? options->directory : options->filename;
    int rc;

    if (path.len == 0) {
        return error_set(why, -EINVAL, "providers.file: neither filename nor directory is set");
    }
    if (!directory && !tree_has_ending(path, endings)) {
        return error_set(why, -EINVAL,
                         "providers.file.filename: %.*s ends neither in .yml, .yaml, .toml nor .json",
                         SLICE_ARG(path));
    }
    rc = tree_list(pool, path, endings, TREE_DOT_FILES, tree, why);
    if (rc < 0) {
        error_prefix(why, "providers.file.%s", directory ? "directory" : "filename");
    }
    return rc;
}

static struct provider_state *state_new(void)
{
    struct provider_state *state = xcalloc(1, sizeof(*state));

    state->pool = pool_new(4096, 0);
    return state;
}

static void free_state(struct provider_state *state)
{
    if (state) {
        pool_free(state->pool);
        free(state);
    }
}

static int load(const struct static_config *config, struct provider_state **state, struct model **out,
                struct error *why)
{
    struct reading reading = {.options = config->providers.file, .before = *state};
    struct tree tree;
    int rc;

    reading.scratch = pool_new(16384, 0);
    rc = find_files(reading.options, reading.scratch, &tree, why);
    if (rc < 0) {
        pool_free(reading.scratch);
        return rc;
    }
    reading.model = model_new();
    reading.after = state_new();
    seen_init(&reading.routers, reading.scratch);
    seen_init(&reading.services, reading.scratch);
    seen_init(&reading.middlewares, reading.scratch);
    seen_init(&reading.transports, reading.scratch);

    const struct slice *files = tree.files.items;
    const struct tree_problem *problems = tree.problems.items;

    for (size_t i = 0; i < tree.files.count; i++) {
        read_file(&reading, files[i]);
    }
    for (size_t i = 0; i < tree.problems.count; i++) {
        reading.path = pool_copy(reading.model->pool, problems[i].path);
        note(&reading, true, 0, "%.*s", SLICE_ARG(problems[i].text));
        reading.model->gaps = true;
    }
    free_state(*state);
    *state = reading.after;
    *out = reading.model;
    pool_free(reading.scratch);
    return 0;
}

static bool enabled(const struct static_config *config)
{
    return config->providers.file != NULL;
}

static void watch_paths(const struct static_config *config, struct pool *pool, struct list *out)
{
    const struct file_provider *options = config->providers.file;
    struct slice path, *paths;

    if (options == NULL || !options->watch) {
        return;
    }
    path = options->directory.len ? options->directory : options->filename;
    if (path.len == 0) {
        return;
    }
    paths = pool_alloc(pool, (out->count + 1) * sizeof(*paths));
    if (out->count) {
        memcpy(paths, out->items, out->count * sizeof(*paths));
    }
    paths[out->count] = path;
    *out = (struct list){paths, out->count + 1};
}

const struct provider provider_file = {
    .name = "file",
    .enabled = enabled,
    .load = load,
    .free_state = free_state,
    .watch_paths = watch_paths,
};
