/*
 * rewrite.c - see rewrite.h.
 */
#include "worker/middleware/rewrite.h"

bool rewrite_load(struct exchange *ex, struct url_path *url)
{
    /* raw_path was made by us: its escapes are whole, so only memory can fail */
    return url_path_parse(ex->pool, ex->request.raw_path, url) == PATH_OK;
}

enum mw_verdict rewrite_refuse(struct exchange *ex)
{
    return exchange_answer(ex, 414, REASON_uri_too_long);
}

enum mw_verdict rewrite_store(struct exchange *ex, const struct url_path *url)
{
    struct slice raw, path;

    if (url_path_escaped(ex->pool, url, &raw) != PATH_OK || path_routing(ex->pool, raw, &path) != PATH_OK) {
        return rewrite_refuse(ex);
    }
    exchange_set_path(ex, raw, path);
    return MW_PASS;
}

enum mw_verdict rewrite_store_clean(struct exchange *ex, struct url_path *url)
{
    struct slice before = url->path;

    if (before.len > 0 && url_path_clean(ex->pool, url) != PATH_OK) {
        return rewrite_refuse(ex);
    }
    if (!slice_eq(before, url->path)) {
        return exchange_answer(ex, 400, REASON_middleware);
    }
    return rewrite_store(ex, url);
}

enum mw_verdict rewrite_bad_escape(struct exchange *ex, struct slice escaped)
{
    ptrdiff_t at = -1;
    struct slice rest = escaped, ignored, body;

    while ((at = slice_find(rest, '%')) >= 0) {
        rest = slice_from(rest, (size_t)at);
        if (path_unescape(ex->pool, slice_head(rest, 3), &ignored) != PATH_OK) {
            break;
        }
        rest = slice_from(rest, 3);
    }
    if (!pool_join(ex->pool, SLICE("invalid URL escape \""), slice_head(rest, 3), &body) ||
        !pool_join(ex->pool, body, SLICE("\"\n"), &body)) {
        return exchange_answer(ex, 500, REASON_middleware);
    }
    return exchange_answer_body(ex, 500, REASON_middleware, SLICE("text/plain; charset=utf-8"), body);
}

bool rewrite_lead(struct exchange *ex, struct slice *path)
{
    if (path->len == 0 || path->ptr[0] == '/') {
        return true;
    }
    return pool_join(ex->pool, SLICE("/"), *path, path);
}

size_t rewrite_escaped_len(struct slice escaped, size_t decoded)
{
    size_t i = 0;

    for (; i < escaped.len && decoded > 0; decoded--) {
        i += escaped.ptr[i] == '%' && escaped.len - i > 2 ? 3 : 1;
    }
    return i;
}
