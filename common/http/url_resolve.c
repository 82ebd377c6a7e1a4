/*
 * url_resolve.c - references (a Location) made whole: RFC 3986 5.2. See url.h.
 */
#include <string.h>

#include "common/http/url.h"

/* 5.2.4, in place; the path begins with '/'. Returns its length. */
static size_t remove_dots(char *path, size_t len)
{
    size_t to = 0, from = 0;

    while (from < len) {
        const char *end = memchr(path + from + 1, '/', len - from - 1);
        size_t next = end ? (size_t)(end - path) : len;
        struct slice segment = slice_of(path + from + 1, next - from - 1);
        bool up = slice_eq(segment, SLICE("..")), same = slice_eq(segment, SLICE("."));

        if (up) {
            while (to > 0 && path[--to] != '/') {
            }
        }
        if (up || same) {
            if (next == len) {
                path[to++] = '/';
            }
        } else {
            memmove(path + to, path + from, next - from);
            to += next - from;
        }
        from = next;
    }
    return to;
}

static bool has_scheme(struct slice text)
{
    ptrdiff_t colon = slice_find(text, ':'), slash = slice_find(text, '/');

    return colon > 0 && (slash < 0 || colon < slash) && slice_find(slice_head(text, (size_t)colon), '?') < 0;
}

enum path_result url_resolve(struct pool *pool, struct slice scheme, struct slice authority,
                             struct slice base_path, struct slice reference, struct slice *out)
{
    struct slice path = reference, rest = SLICE(""), directory = SLICE("");

    if (has_scheme(reference)) {
        return url_normalise(pool, reference, out);
    }
    if (slice_has_prefix(reference, SLICE("//"))) {
        return url_normalise(pool, pool_printf(pool, "%.*s:%.*s", SLICE_ARG(scheme), SLICE_ARG(reference)),
                             out);
    }
    for (size_t i = 0; i < reference.len; i++) {
        if (reference.ptr[i] == '?' || reference.ptr[i] == '#') {
            path = slice_head(reference, i);
            rest = slice_from(reference, i);
            break;
        }
    }
    if (path.len == 0) {
        directory = base_path;
    } else if (path.ptr[0] != '/') {
        directory = slice_head(base_path, (size_t)slice_rfind(base_path, '/') + 1);
    }

    struct slice whole = pool_printf(pool, "%.*s%.*s", SLICE_ARG(directory), SLICE_ARG(path));
    char *text = pool_alloc(pool, whole.len + 1);

    memcpy(text, whole.ptr, whole.len);
    whole = slice_of(text, remove_dots(text, whole.len));
    return url_normalise(pool,
                         pool_printf(pool, "%.*s://%.*s%.*s%.*s", SLICE_ARG(scheme), SLICE_ARG(authority),
                                     SLICE_ARG(whole), SLICE_ARG(rest)),
                         out);
}
