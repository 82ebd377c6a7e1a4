/*
 * rewrite.c - see rewrite.h.
 */
#include "worker/middleware/rewrite.h"

#include "worker/listener.h"

struct rewritten {
    struct url_path url;
    struct slice uri; /* RequestURI */
};

/* path or "/", then "?" and the query when there is one. */
static bool put_uri(struct exchange *ex, struct slice path, struct slice query, struct slice *uri)
{
    if (path.len == 0) {
        path = SLICE("/");
    }
    *uri = path;
    return !ex->request.has_query ||
           (pool_join(ex->pool, path, SLICE("?"), uri) && pool_join(ex->pool, *uri, query, uri));
}

/* Before the first change. With sanitizing the entry point wrote the target anew; without it the target is as
 * it came, unless escapes in its path or semicolons in its query had to be written anew. A ';' that became
 * '&' for rules and upstream is not one of these: it is shown as the client wrote it. */
static bool begin(struct exchange *ex, struct rewritten *out)
{
    ptrdiff_t mark = slice_find(ex->request.target, '?');
    struct slice written = slice_from(ex->request.target, (size_t)mark + 1);
    bool encoded = mark >= 0 && written.len != ex->request.query.len; /* ';' as "%3B" */
    struct slice query = mark < 0 || encoded ? ex->request.query : written;
    bool changed = true;

    if (ex->entry->sanitize_path) {
        return url_path_parse(ex->pool, ex->request.raw_path, &out->url) == PATH_OK &&
               put_uri(ex, ex->request.raw_path, query, &out->uri);
    }
    if (path_written(ex->pool, ex->request.method, ex->request.target, &out->url, &changed) != PATH_OK) {
        return false;
    }
    if (changed || encoded) {
        return put_uri(ex, ex->request.raw_path, query, &out->uri);
    }
    out->uri = ex->request.target;
    return true;
}

static struct rewritten *state(struct exchange *ex)
{
    if (ex->request.rewritten == NULL) {
        struct rewritten made;

        if (!begin(ex, &made)) {
            return NULL;
        }
        ex->request.rewritten = pool_alloc(ex->pool, sizeof(made));
        *ex->request.rewritten = made;
    }
    return ex->request.rewritten;
}

bool rewrite_load(struct exchange *ex, struct url_path *url)
{
    struct rewritten *rewritten = state(ex);

    if (rewritten != NULL) {
        *url = rewritten->url;
    }
    return rewritten != NULL;
}

bool rewrite_uri(struct exchange *ex, struct slice *uri)
{
    struct rewritten *rewritten = state(ex);

    if (rewritten != NULL) {
        *uri = rewritten->uri;
    }
    return rewritten != NULL;
}

bool rewrite_shown(struct exchange *ex, struct slice *path)
{
    struct rewritten *rewritten = state(ex);

    if (rewritten == NULL) {
        return false;
    }
    *path = rewritten->url.raw;
    return path->len > 0 || url_path_escaped(ex->pool, &rewritten->url, path) == PATH_OK;
}

enum mw_verdict rewrite_refuse(struct exchange *ex)
{
    return exchange_answer(ex, 414, REASON_uri_too_long);
}

enum mw_verdict rewrite_gave_up(struct exchange *ex)
{
    return exchange_answer(ex, 500, REASON_regex_limit);
}

enum mw_verdict rewrite_store_shown(struct exchange *ex, const struct url_path *url, struct slice query)
{
    struct rewritten made = {.url = *url};
    struct slice raw, path;

    if (state(ex) == NULL || url_path_escaped(ex->pool, url, &raw) != PATH_OK ||
        path_routing(ex->pool, raw, &path) != PATH_OK || !put_uri(ex, raw, query, &made.uri)) {
        return rewrite_refuse(ex);
    }
    ex->request.rewritten = pool_alloc(ex->pool, sizeof(made)); /* a snapshot may have the one before */
    *ex->request.rewritten = made;
    exchange_set_path(ex, raw, path);
    return MW_PASS;
}

enum mw_verdict rewrite_store(struct exchange *ex, const struct url_path *url)
{
    return rewrite_store_shown(ex, url, ex->request.query);
}

/* Behind state(): a path that is the same in all forms. */
static enum mw_verdict store_plain(struct exchange *ex, struct slice path)
{
    struct rewritten made = {.url = {.path = path}};

    if (!put_uri(ex, path, ex->request.query, &made.uri)) {
        return rewrite_refuse(ex);
    }
    ex->request.rewritten = pool_alloc(ex->pool, sizeof(made)); /* as above */
    *ex->request.rewritten = made;
    exchange_set_plain_path(ex, path);
    return MW_PASS;
}

static enum mw_verdict store_clean(struct exchange *ex, struct url_path *url)
{
    struct slice before = url->path;

    if (url->raw.len == 0 && path_is_plain(before) && state(ex) != NULL) {
        return store_plain(ex, before);
    }
    if (before.len > 0 && url_path_clean(ex->pool, url) != PATH_OK) {
        return rewrite_refuse(ex);
    }
    if (!slice_eq(before, url->path)) {
        return exchange_answer(ex, 400, REASON_middleware);
    }
    return rewrite_store(ex, url);
}

/* The configured path has a malformed escape. */
static enum mw_verdict bad_escape(struct exchange *ex, struct slice escaped)
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

enum mw_verdict rewrite_replace(struct exchange *ex, struct url_path *url, bool clean)
{
    switch (path_unescape(ex->pool, url->raw, &url->path)) {
    case PATH_OK:
        return clean ? store_clean(ex, url) : rewrite_store(ex, url);
    case PATH_BAD:
        return bad_escape(ex, url->raw);
    case PATH_REFUSED:
    case PATH_TOO_LONG:
        break;
    }
    return rewrite_refuse(ex);
}

bool rewrite_lead(struct exchange *ex, struct slice *path)
{
    if (path->len == 0 || path->ptr[0] == '/') {
        return true;
    }
    return pool_join(ex->pool, SLICE("/"), *path, path);
}

/* How many bytes of the escaped path stand for so many decoded ones. */
static size_t escaped_len(struct slice escaped, size_t decoded)
{
    size_t i = 0;

    for (; i < escaped.len && decoded > 0; decoded--) {
        i += escaped.ptr[i] == '%' && escaped.len - i > 2 ? 3 : 1;
    }
    return i;
}

/* What remains behind the prefix, with its slash. forceSlash: exactly one, also when nothing remains. */
static bool lead(struct exchange *ex, bool force_slash, struct slice *rest)
{
    if (!force_slash) {
        return rewrite_lead(ex, rest);
    }
    if (rest->len == 0) {
        *rest = SLICE("/");
        return true;
    }
    return rest->ptr[0] == '/' || pool_join(ex->pool, SLICE("/"), *rest, rest);
}

enum mw_verdict rewrite_strip(struct exchange *ex, struct url_path *url, struct slice prefix,
                              bool force_slash)
{
    url->path = slice_from(url->path, prefix.len);
    if (!lead(ex, force_slash, &url->path)) {
        return rewrite_refuse(ex);
    }
    if (url->raw.len > 0) {
        url->raw = slice_from(url->raw, escaped_len(url->raw, prefix.len));
        if (!lead(ex, force_slash, &url->raw)) {
            return rewrite_refuse(ex);
        }
    }
    enum mw_verdict verdict = store_clean(ex, url);

    if (verdict == MW_PASS) {
        headers_add_id(&ex->request.headers, HEADER_X_FORWARDED_PREFIX, prefix);
    }
    return verdict;
}
