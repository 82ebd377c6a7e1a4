/*
 * replace_path_regex.c - rewrites the request path by an expression (replacePathRegex).
 *
 * The expression is matched against the escaped path (as X-Replaced-Path shows it), every match is replaced.
 * The old path goes into X-Replaced-Path. Works on the request only, never suspends. Test:
 * tests/unit/test_middleware_paths.c
 */
#include "common/rule/regex.h"
#include "worker/middleware/rewrite.h"

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct replace_path_regex *p = params;
    const struct regex *regex = exchange_regex(ex, &p->regex);
    struct url_path url;
    struct slice old;

    if (!rewrite_shown(ex, &old)) {
        return rewrite_refuse(ex);
    }
    if (regex == NULL || !regex_match(regex, old)) {
        return MW_PASS;
    }
    if (!regex_replace_all(regex, old, slice_trim(exchange_text(ex, p->replacement)), ex->pool, &url.raw)) {
        return rewrite_refuse(ex);
    }
    headers_add(&ex->request.headers, SLICE("X-Replaced-Path"), old);
    return rewrite_replace(ex, &url, true);
}

const struct middleware_type mw_replace_path_regex = {
    .name = "replacePathRegex",
    .on_request = on_request,
};
