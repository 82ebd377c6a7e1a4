/*
 * file.c - the file provider: one file, or all .yml, .yaml, .toml and .json files below a directory.
 *
 * As in Traefik: a directory wins over a file; sub-directories are read. Other than there, a file that cannot be read as a
 * whole (half-written, malformed, refused template) keeps what it gave before, while all other files serve (I1).
 *
 * Not here: templates (file_template.c), what a file holds (file_objects.c), what the objects mean (common/model,
 * master/resolve).
 */
#include "master/provider/provider.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "master/provider/file_objects.h"
#include "master/provider/file_template.h"
#include "master/source/tree.h"

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
    const struct provider_state *before;
    struct provider_state *after;
    struct file_objects objects;
};

static void on_unset(void *context, uint32_t line, struct slice name)
{
    struct reading *reading = context;

    file_note(&reading->objects, false, line,
              "the environment variable %.*s is not set: the empty text is used", SLICE_ARG(name));
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

    if (slice_has_prefix(text, reading->objects.path) && text.len > reading->objects.path.len &&
        text.ptr[reading->objects.path.len] == ':') {
        rest = slice_of(text.ptr + reading->objects.path.len + 1, text.len - reading->objects.path.len - 1);
        if (slice_to_u64(slice_split(&rest, ':'), &line) && line <= UINT32_MAX) {
            struct slice words = rest;
            uint64_t column;

            /* not every error knows its column */
            text = slice_trim(slice_to_u64(slice_split(&words, ':'), &column) ? words : rest);
        } else {
            line = 0;
        }
    }
    file_note(&reading->objects, true, (uint32_t)line, "%.*s", SLICE_ARG(text));
}

/* The document of the file as it is now, its text into `content`; NULL with a notice when it cannot be read as a whole. */
static struct doc *read_now(struct reading *reading, struct text *content)
{
    struct text raw;
    struct error why;
    struct doc *doc = NULL;
    uint32_t line = 0;

    text_init(&raw);
    int rc = tree_read(reading->objects.path, &raw, &why);

    if (rc < 0) {
        reading->objects.model->unread = reading->objects.model->unread || tree_may_pass(rc);
        file_note(&reading->objects, true, 0, "%s", why.text);
    } else if (slice_trim(text_slice(&raw)).len == 0 &&
               good_text(reading->before, reading->objects.path).len) {
        file_note(&reading->objects, true, 0, "is empty: remove the file if its objects shall go");
    } else if (file_template_expand(text_slice(&raw), on_unset, reading, content, &line, &why) < 0) {
        file_note(&reading->objects, true, line, "%s", why.text);
    } else if (doc_read_file_text(reading->objects.model->pool, reading->objects.path, text_slice(content),
                                  &doc, &why) < 0) {
        note_reader_error(reading, &why);
        doc = NULL;
    } else if (doc->kind != DOC_MAP && doc->kind != DOC_NULL) {
        file_note(&reading->objects, true, doc->line, "must be a mapping that begins with http:");
        doc = NULL;
    }
    text_free(&raw);
    return doc;
}

/* The document of the file at objects.path, and the text that it was made of. */
static void take(struct reading *reading, const struct doc *doc, struct slice content)
{
    keep_text(reading->after, reading->objects.path, content);
    if (doc->kind == DOC_MAP) {
        file_objects_read(&reading->objects, doc);
    }
}

static void read_file(struct reading *reading, struct slice path)
{
    struct text content;
    struct error why;

    reading->objects.path = pool_copy(reading->objects.model->pool, path);
    text_init(&content);
    struct doc *doc = read_now(reading, &content);

    if (doc == NULL) {
        struct slice good = good_text(reading->before, path);

        text_clear(&content);
        if (good.ptr) {
            text_add(&content, good);
            file_note(&reading->objects, false, 0,
                      "what this file gave before stays in force until it can be read again");
            if (doc_read_file_text(reading->objects.model->pool, reading->objects.path, good, &doc, &why) <
                0) {
                doc = NULL;
            }
        }
        reading->objects.model->gaps = reading->objects.model->gaps || doc == NULL;
    }
    if (doc) {
        take(reading, doc, text_slice(&content));
        if (reading->options->debug_log_generated_template) {
            log_debug("%.*s: %zu bytes with its templates expanded (values may be secret: not shown)",
                      SLICE_ARG(path), content.len);
        }
    }
    text_free(&content);
}

/* Nobody knows what is in the directory now: what its files gave stays. */
static void read_known_below(struct reading *reading, struct slice directory)
{
    bool any = false;

    for (size_t i = 0; reading->before && i < reading->before->count; i++) {
        const struct good_file *good = &reading->before->files[i];
        struct error why;
        struct doc *doc;

        if (!tree_is_below(good->path, directory)) {
            continue;
        }
        reading->objects.path = pool_copy(reading->objects.model->pool, good->path);
        if (doc_read_file_text(reading->objects.model->pool, reading->objects.path, good->text, &doc, &why) ==
            0) {
            take(reading, doc, good->text);
            any = true;
        }
    }
    if (any) {
        reading->objects.path = pool_copy(reading->objects.model->pool, directory);
        file_note(&reading->objects, false, 0,
                  "what the files below it gave before stays in force until it can be read again");
    }
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

    reading.objects.scratch = pool_new(16384, 0);
    rc = find_files(reading.options, reading.objects.scratch, &tree, why);
    if (rc < 0) {
        pool_free(reading.objects.scratch);
        return rc;
    }
    reading.after = state_new();
    file_objects_begin(&reading.objects);

    const struct slice *files = tree.files.items;
    const struct tree_problem *problems = tree.problems.items;

    for (size_t i = 0; i < tree.files.count; i++) {
        read_file(&reading, files[i]);
    }
    for (size_t i = 0; i < tree.problems.count; i++) {
        reading.objects.path = pool_copy(reading.objects.model->pool, problems[i].path);
        file_note(&reading.objects, true, 0, "%.*s", SLICE_ARG(problems[i].text));
        reading.objects.model->gaps = true;
        if (problems[i].unread) {
            reading.objects.model->unread = true;
            read_known_below(&reading, problems[i].path);
        }
    }
    free_state(*state);
    *state = reading.after;
    *out = reading.objects.model;
    pool_free(reading.objects.scratch);
    return 0;
}

static bool enabled(const struct static_config *config)
{
    return config->providers.file != NULL;
}

static void watch_paths(const struct static_config *config, struct pool *pool, struct list *out)
{
    const struct file_provider *options = config->providers.file;
    struct slice path;

    if (options == NULL || !options->watch) {
        return;
    }
    path = options->directory.len ? options->directory : options->filename;
    if (path.len) {
        provider_watch(pool, out, path);
    }
}

const struct provider provider_file = {
    .name = "file",
    .enabled = enabled,
    .load = load,
    .free_state = free_state,
    .watch_paths = watch_paths,
};
