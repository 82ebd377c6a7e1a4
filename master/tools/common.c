/*
 * common.c - loading a configuration for check, explain and config; see common.h.
 */
#include "master/tools/common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/process.h"
#include "common/face.h"
#include "master/compile/compile.h"
#include "master/resolve/resolve.h"

#define CLUSTER_MS 15000          /* how long a cluster may take to list everything */
#define CLUSTER_REHEARSAL_MS 3000 /* before an upgrade, where its silence is no reason to refuse */

extern char **environ;

/* `weir check DIR --x`: DIR stands for the manifests of both providers that read them. */
static char **with_manifests(struct pool *pool, int *argc, char **argv)
{
    char **args = pool_alloc(pool, (size_t)(*argc + 2) * sizeof(*args));

    for (int i = 0; i < *argc; i++) {
        args[i] = argv[i];
    }
    if (*argc > 0 && argv[0][0] != '-' && argv[0][0] != '\0') {
        struct slice crd = pool_printf(pool, "--providers.kubernetesCRD.manifests=%s", argv[0]);
        struct slice ingress = pool_printf(pool, "--providers.kubernetesIngress.manifests=%s", argv[0]);

        args[0] = (char *)crd.ptr;
        args[(*argc)++] = (char *)ingress.ptr;
    }
    args[*argc] = NULL;
    return args;
}

/* Asks a cluster, if it is one, until it has answered everything. */
static int load_provider(struct tool *tool, const struct provider *provider, struct provider_state **state,
                         struct model **out, struct error *why)
{
    int64_t until =
        process_clock_ns() + (getenv(FACE_REHEARSAL) ? CLUSTER_REHEARSAL_MS : CLUSTER_MS) * 1000000ll;
    int rc;

    while ((rc = provider->load(&tool->loaded.config, state, out, why)) == -EAGAIN && provider->wait) {
        int64_t left = (until - process_clock_ns()) / 1000000;

        rc = provider->wait(*state, left > 0 ? (unsigned)left : 0, why);
        if (rc < 0) {
            break;
        }
    }
    return rc;
}

static void load_providers(struct tool *tool)
{
    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        struct error why;
        size_t at = tool->active_count;

        if (!providers[i]->enabled(&tool->loaded.config)) {
            continue;
        }
        tool->active[at] = providers[i];
        tool->active_count++;
        if (load_provider(tool, providers[i], &tool->states[at], &tool->models[tool->model_count], &why) <
            0) {
            bool away = getenv(FACE_REHEARSAL) && providers[i]->asks_cluster &&
                        providers[i]->asks_cluster(&tool->loaded.config); /* what is in force stays (I2) */

            fprintf(stderr, "%s: provider %s: %s\n", away ? "warning" : "error", providers[i]->name,
                    why.text);
            tool->failures += !away;
            continue;
        }
        tool->model_count++;
    }
}

/* Else both providers would complain of an option that nobody wrote. */
static bool first_is_there(int argc, char **argv)
{
    if (argc == 0 || argv[0][0] == '-' || argv[0][0] == '\0' || access(argv[0], F_OK) == 0) {
        return true;
    }
    fprintf(stderr, "error: %s: %s: write a folder or file of Kubernetes manifests here, or flags\n", argv[0],
            strerror(errno));
    return false;
}

int tool_load(struct tool *tool, int argc, char **argv)
{
    struct error why;

    *tool = (struct tool){.pool = pool_new(4096, 0)};
    log_setup(LOG_LEVEL_NONE, LOG_FORMAT_COMMON, NULL); /* what there is to say the tool says itself */
    if (!first_is_there(argc, argv)) {
        return -ENOENT;
    }
    char **args = with_manifests(tool->pool, &argc, argv);
    int rc = static_load(argc, args, environ, &tool->loaded, &why);

    if (rc < 0) {
        const struct slice *errors = tool->loaded.errors.items;

        for (size_t i = 0; i < tool->loaded.errors.count; i++) {
            fprintf(stderr, "error: %.*s\n", SLICE_ARG(errors[i]));
        }
        if (tool->loaded.errors.count == 0) {
            fprintf(stderr, "error: %s\n", why.text);
        }
        return rc;
    }
    load_providers(tool);
    tool->model = resolve(&tool->loaded.config, tool->models, tool->model_count);
    return 0;
}

void tool_warn_of_choice(const struct tool *tool)
{
    const struct slice *warnings = tool->loaded.warnings.items;

    for (size_t i = 0; i < tool->loaded.choice_warnings; i++) {
        fprintf(stderr, "warning: %.*s\n", SLICE_ARG(warnings[i]));
    }
}

static int adopt(struct page_builder *builder, enum page_kind kind, struct page **out, struct error *why)
{
    int fd, rc = page_seal(builder, (uint64_t)kind + 1, &fd, why);

    if (rc == 0) {
        rc = page_adopt(fd, kind, out, why);
        close(fd);
    }
    return rc;
}

int tool_compile(struct tool *tool, unsigned names_ms, struct error *why)
{
    struct page *pages[PAGE_PLACES] = {NULL};
    struct compiled compiled = {.count = 0};
    int rc = names_ms ? compile_model_resolved(&tool->loaded.config, tool->model, names_ms, &compiled, why)
                      : compile_model(&tool->loaded.config, tool->model, NULL, 1, NULL, NULL, &compiled, why);

    if (rc == 0) {
        rc = compile_static(&tool->loaded.config, &compiled.pages[PAGE_STATIC], why);
    }
    for (size_t i = 0; i < compiled.count && rc == 0; i++) {
        rc = adopt(compiled.pages[i], page_kind_at(i), &pages[i], why);
    }
    if (rc == 0) {
        rc = generation_new(1, pages, compiled.count, NULL, &tool->generation, why);
    }
    for (size_t i = 0; i < PAGE_PLACES && rc < 0; i++) {
        page_unref(pages[i]);
    }
    compiled_free(&compiled);
    return rc;
}

void tool_free(struct tool *tool)
{
    if (tool->generation) {
        generation_unref(tool->generation);
    }
    model_free(tool->model);
    for (size_t i = 0; i < tool->model_count; i++) {
        model_free(tool->models[i]);
    }
    for (size_t i = 0; i < tool->active_count; i++) {
        if (tool->active[i]->free_state) {
            tool->active[i]->free_state(tool->states[i]);
        }
    }
    static_unload(&tool->loaded);
    pool_free(tool->pool);
}

struct slice tool_locate(struct pool *pool, const struct origin *origin, struct slice object,
                         struct slice text)
{
    struct slice place = SLICE("");

    if (origin->file.len && slice_has_prefix(text, origin->file) && text.len > origin->file.len &&
        text.ptr[origin->file.len] == ':') {
        /* the text knows better where it happened: "FILE:LINE:COLUMN: words" */
        ptrdiff_t end = slice_find_slice(text, SLICE(": "));

        if (end > 0) {
            place = slice_of(text.ptr, (size_t)end);
            text = slice_of(text.ptr + end + 2, text.len - (size_t)end - 2);
        }
    } else if (origin->file.len) {
        place =
            origin->line ? pool_printf(pool, "%.*s:%u", SLICE_ARG(origin->file), origin->line) : origin->file;
    }
    return pool_printf(pool, "%.*s%s%.*s%s%.*s", SLICE_ARG(place), place.len ? ": " : "", SLICE_ARG(object),
                       object.len ? ": " : "", SLICE_ARG(text));
}
