/*
 * strip_prefix_regex.c - cuts what an expression matches off the front of the request path
 * (stripPrefixRegex).
 *
 * The first expression whose match stands at the front wins; the match goes into X-Forwarded-Prefix.
 * Expressions are matched against the decoded path. Works on the request only, never suspends. Test:
 * tests/unit/test_middleware_paths.c
 */
#include "common/rule/regex.h"
#include "worker/middleware/rewrite.h"

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct strip_prefix_regex *p = params;
    const struct regex_text *expressions = exchange_items(ex, p->regex);
    struct url_path url;

    if (!rewrite_load(ex, &url)) {
        return rewrite_refuse(ex);
    }
    for (size_t i = 0; i < p->regex.count; i++) {
        struct slice match;
        enum regex_result result;

        if (expressions[i].pattern.len == 0) { /* finds only empty texts */
            continue;
        }
        result = regex_find(exchange_regex(ex, &expressions[i]), url.path, &match);

        if (result == REGEX_LIMIT) {
            return rewrite_gave_up(ex);
        }
        /* a match in the middle counts when the path begins with the same text: so does Traefik */
        if (result == REGEX_MATCH && match.len > 0 && slice_has_prefix(url.path, match)) {
            /* the decoded path may live in the client's buffer or in the pool: both outlive the header */
            return rewrite_strip(ex, &url, match, false);
        }
    }
    return MW_PASS;
}

const struct middleware_type mw_strip_prefix_regex = {
    .name = "stripPrefixRegex",
    .on_request = on_request,
};
