/*
 * provider_helper.c - see provider_helper.h.
 */
#include "tests/unit/provider_helper.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
/* after the four above, as it wants */
#include <cmocka.h>
#include <ftw.h>

char *directory_new(void)
{
    const char *base = getenv("TMPDIR");
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/weir-unit-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(path));
    return strdup(path);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

void directory_remove(char *directory)
{
    nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(directory);
}

void directory_write(const char *directory, const char *name, const char *text)
{
    char path[PATH_MAX];
    size_t start = strlen(directory) + 1;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    for (char *at = path + start; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
        *at = '/';
    }
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

void directory_delete(const char *directory, const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    assert_int_equal(unlink(path), 0);
}

char *file_text(const char *path)
{
    FILE *file = fopen(path, "re");
    struct text text;
    char buf[4096];
    size_t got;

    if (file == NULL) {
        fail_msg("%s: %s", path, strerror(errno));
    }
    text_init(&text);
    while ((got = fread(buf, 1, sizeof(buf), file)) > 0) {
        text_add(&text, slice_of(buf, got));
    }
    fclose(file);
    text_add_char(&text, '\0');
    return text.ptr;
}

/* A JSON string with every occurrence of the directory's path and the slash behind it left out. */
static void add_cut(struct text *out, struct slice s, const char *directory)
{
    struct slice needle = slice_cstr(directory);
    struct text cut;

    text_init(&cut);
    for (;;) {
        ptrdiff_t at = needle.len ? slice_find_slice(s, needle) : -1;

        if (at < 0) {
            break;
        }
        text_add(&cut, slice_of(s.ptr, (size_t)at));
        size_t skip = (size_t)at + needle.len;

        skip += skip < s.len && s.ptr[skip] == '/';
        s = slice_of(s.ptr + skip, s.len - skip);
    }
    text_add(&cut, s);
    text_add_json(out, text_slice(&cut));
    text_free(&cut);
}

static void dump_element(struct text *out, const char *kind, const struct element *element,
                         const struct schema *schema, const void *config, const char *directory)
{
    static const char *const statuses[] = {"enabled", "warning", "disabled"};
    const struct slice *errors = element->errors.items;

    text_printf(out, "{\"%s\":", kind);
    text_add_json(out, element->name);
    text_printf(out, ",\"provider\":\"%.*s\",\"status\":\"%s\",\"at\":", SLICE_ARG(element->provider),
                statuses[element->status]);
    struct slice file = element->origin.file;
    char place[PATH_MAX];

    snprintf(place, sizeof(place), "%.*s:%u %.*s", SLICE_ARG(file), element->origin.line,
             SLICE_ARG(element->origin.object));
    add_cut(out, slice_trim(slice_cstr(place)), directory);
    text_add_cstr(out, ",\"config\":");
    schema_encode(schema, config, out);
    if (element->errors.count) {
        text_add_cstr(out, ",\"errors\":[");
        for (size_t i = 0; i < element->errors.count; i++) {
            text_add_cstr(out, i ? "," : "");
            add_cut(out, errors[i], directory);
        }
        text_add_char(out, ']');
    }
    text_add_cstr(out, "}\n");
}

/* The hashes behind the stars of secrets are keyed anew in each run. */
static void cut_secrets(struct text *out)
{
    size_t to = 0;

    for (size_t from = 0; from < out->len;) { /* a text ends with a NUL */
        if (out->len - from > 11 && memcmp(out->ptr + from, "***", 3) == 0) {
            memmove(out->ptr + to, "***", 3);
            to += 3;
            from += 11;
        } else {
            out->ptr[to++] = out->ptr[from++];
        }
    }
    out->len = to;
    if (out->ptr) {
        out->ptr[to] = '\0';
    }
}

void model_dump(struct model *model, const char *directory, struct text *out)
{
    model_sort(model);
    for (size_t i = 0; i < model->router_count; i++) {
        dump_element(out, "router", &model->routers[i]->element, &router_schema, &model->routers[i]->config,
                     directory);
    }
    for (size_t i = 0; i < model->service_count; i++) {
        dump_element(out, "service", &model->services[i]->element, &service_schema,
                     &model->services[i]->config, directory);
    }
    for (size_t i = 0; i < model->middleware_count; i++) {
        dump_element(out, "middleware", &model->middlewares[i]->element, &middleware_schema,
                     &model->middlewares[i]->config, directory);
    }
    for (size_t i = 0; i < model->transport_count; i++) {
        dump_element(out, "transport", &model->transports[i]->element, &servers_transport_schema,
                     &model->transports[i]->config, directory);
    }
    for (size_t kind = 0; kind < LAYER4_KINDS; kind++) {
        for (size_t i = 0; i < model->layer4[kind].count; i++) {
            const struct element *element = model->layer4[kind].items[i];

            dump_element(out, layer4_types[kind].name, element, layer4_types[kind].schema,
                         layer4_config(kind, element), directory);
        }
    }
    for (size_t i = 0; i < model->notice_count; i++) {
        const struct notice *notice = &model->notices[i];
        char place[PATH_MAX];

        snprintf(place, sizeof(place), "%.*s:%u %.*s", SLICE_ARG(notice->origin.file), notice->origin.line,
                 SLICE_ARG(notice->origin.object));
        text_printf(out, "{\"notice\":\"%s\",\"at\":", notice->is_error ? "error" : "warning");
        add_cut(out, slice_trim(slice_cstr(place)), directory);
        text_add_cstr(out, ",\"text\":");
        add_cut(out, notice->text, directory);
        text_add_cstr(out, "}\n");
    }
    cut_secrets(out);
}

void assert_golden(const char *name, const struct text *text)
{
    const char *mode = getenv("WEIR_GOLDEN");
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "tests/unit/golden/%s", name);
    if (mode && strcmp(mode, "write") == 0) {
        FILE *file = fopen(path, "we");

        assert_non_null(file);
        fwrite(text->ptr, 1, text->len, file);
        fclose(file);
        return;
    }
    char *want = file_text(path);

    if (strcmp(want, text->ptr) != 0) {
        print_error("%s differs (WEIR_GOLDEN=write rewrites it); found:\n%s", path, text->ptr);
    }
    assert_string_equal(want, text->ptr);
    free(want);
}

void assert_contains(const struct text *text, const char *part)
{
    if (text->ptr == NULL || strstr(text->ptr, part) == NULL) {
        fail_msg("\"%s\" is missing in:\n%s", part, text->ptr ? text->ptr : "");
    }
}

void assert_lacks(const struct text *text, const char *part)
{
    if (text->ptr && strstr(text->ptr, part)) {
        fail_msg("\"%s\" must not be in:\n%s", part, text->ptr);
    }
}

struct model *provider_load(const struct provider *provider, const struct static_config *config,
                            struct provider_state **state)
{
    struct model *model = NULL;
    struct error why = {""};

    assert_true(provider->enabled(config));
    if (provider->load(config, state, &model, &why) < 0) {
        fail_msg("%s: %s", provider->name, why.text);
    }
    return model;
}

void assert_model(struct model *model, const char *directory, const char *golden)
{
    struct text text;

    text_init(&text);
    model_dump(model, directory, &text);
    assert_golden(golden, &text);
    text_free(&text);
}

void assert_loads(const struct provider *provider, const struct static_config *config, const char *directory,
                  const char *golden)
{
    struct provider_state *state = NULL;
    struct model *model = provider_load(provider, config, &state);

    assert_model(model, directory, golden);
    model_free(model);
    provider->free_state(state);
}
