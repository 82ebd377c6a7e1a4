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
    struct url_path url;
    struct slice old;

    if (!rewrite_shown(ex, &old)) {
        return rewrite_refuse(ex);
    }
    switch (regex_replace_all(exchange_regex(ex, &p->regex), old,
                              slice_trim(exchange_text(ex, p->replacement)), ex->pool, &url.raw)) {
    case REGEX_UNTOUCHED:
        return MW_PASS;
    case REGEX_GAVE_UP:
        return rewrite_gave_up(ex);
    case REGEX_TOO_LONG:
        return rewrite_refuse(ex);
    case REGEX_REPLACED:
        break;
    }
    headers_add(&ex->request.headers, SLICE("X-Replaced-Path"), old);
    return rewrite_replace(ex, &url, true);
}

const struct middleware_type mw_replace_path_regex = {
    .name = "replacePathRegex",
    .on_request = on_request,
};
