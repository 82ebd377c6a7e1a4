/*
 * patch_files.c - a resolved model after files of users or keys have changed that its middlewares name: those middlewares alone
 * are prepared anew.
 *
 * Each is a new object in the place of the old one, which is how a compile sees that it is another. What is wrong with one,
 * or was, may be said or unsaid only by resolving all: that is -EAGAIN.
 */
#include <errno.h>
#include <stdlib.h>

#include "master/resolve/prepare.h"

static int by_text(const void *left, const void *right)
{
    return slice_cmp(*(const struct slice *)left, *(const struct slice *)right);
}

/* The file that is read for it when it is prepared, and may be refused; empty: none is. */
static struct slice file_of(const struct middleware_config *config)
{
    if (config->basic_auth) {
        return config->basic_auth->users_file;
    }
    if (config->digest_auth) {
        return config->digest_auth->users_file;
    }
    return config->jwt ? slice_trim(config->jwt->jwks_file) : SLICE("");
}

static bool is_clean(const struct http_middleware *middleware)
{
    return middleware->element.errors.count == 0 && middleware->element.status == ELEMENT_ENABLED &&
           middleware->services.count == 0 && middleware->learns.len == 0;
}

/* NULL: it is not as good as it was. */
static struct http_middleware *prepared_anew(struct resolver *resolver, const struct http_middleware *old)
{
    struct http_middleware *fresh = pool_alloc(resolver->model->pool, sizeof(*fresh));
    enum middleware_kind kind;
    const void *options;
    struct error why;
    struct slice wrong;

    *fresh = (struct http_middleware){.element = old->element, .config = old->config};
    if (!is_clean(old) || !middleware_config_kind(&fresh->config, &kind, &options, &why) ||
        !prepare_middleware(resolver, fresh, kind, options, &wrong)) {
        return NULL;
    }
    return is_clean(fresh) ? fresh : NULL;
}

int resolve_files(const struct static_config *config, struct vault *vault, struct model *model,
                  const struct list *paths, struct pool *pool, struct resolve_patched *out)
{
    struct resolver resolver = {.config = config, .vault = vault, .model = model};
    struct slice *files = pool_alloc(pool, (paths->count + 1) * sizeof(*files)), *names = NULL;
    bool *read = pool_zalloc(pool, paths->count + 1);
    size_t count = 0, capacity = 0;

    *out = (struct resolve_patched){.tls = false};
    if (paths->count) {
        memcpy(files, paths->items, paths->count * sizeof(*files));
        qsort(files, paths->count, sizeof(*files), by_text);
    }
    for (size_t i = 0; i < model->middleware_count; i++) {
        struct http_middleware *middleware = model->middlewares[i];
        struct slice file = file_of(&middleware->config);
        const struct slice *found =
            file.len && paths->count ? bsearch(&file, files, paths->count, sizeof(*files), by_text) : NULL;

        if (found == NULL) {
            continue;
        }
        middleware = prepared_anew(&resolver, middleware);
        if (middleware == NULL) {
            return -EAGAIN;
        }
        read[found - files] = true;
        model->middlewares[i] = middleware;
        names = pool_grow(pool, names, count, &capacity, sizeof(*names));
        names[count++] = middleware->element.name;
    }
    out->names[PART_MIDDLEWARE] = names;
    out->counts[PART_MIDDLEWARE] = count;
    for (size_t i = 0; i < paths->count; i++) {
        if (!read[i]) {
            return -EAGAIN; /* of something else */
        }
    }
    return 0;
}
