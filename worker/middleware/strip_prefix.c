/*
 * strip_prefix.c - cuts the first prefix that fits off the request path (stripPrefix).
 *
 * What was cut goes into X-Forwarded-Prefix. Prefixes are compared with the decoded path. Works on the
 * request only, never suspends. Test: tests/unit/test_middleware_paths.c
 */
#include "worker/middleware/rewrite.h"

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

static enum mw_verdict strip(struct exchange *ex, struct url_path *url, struct slice prefix, bool force_slash)
{
    url->path = slice_from(url->path, prefix.len);
    if (!lead(ex, force_slash, &url->path)) {
        return rewrite_refuse(ex);
    }
    if (url->raw.len > 0) {
        url->raw = slice_from(url->raw, rewrite_escaped_len(url->raw, prefix.len));
        if (!lead(ex, force_slash, &url->raw)) {
            return rewrite_refuse(ex);
        }
    }
    enum mw_verdict verdict = rewrite_store_clean(ex, url);

    if (verdict == MW_PASS) {
        headers_add_id(&ex->request.headers, HEADER_X_FORWARDED_PREFIX, prefix);
    }
    return verdict;
}

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct strip_prefix *p = params;
    const struct slice *prefixes = exchange_items(ex, p->prefixes);
    struct url_path url;

    if (!rewrite_load(ex, &url)) {
        return rewrite_refuse(ex);
    }
    for (size_t i = 0; i < p->prefixes.count; i++) {
        struct slice prefix = slice_trim(exchange_text(ex, prefixes[i]));

        if (slice_has_prefix(url.path, prefix)) {
            return strip(ex, &url, prefix, p->force_slash);
        }
    }
    return MW_PASS;
}

const struct middleware_type mw_strip_prefix = {
    .name = "stripPrefix",
    .on_request = on_request,
};
