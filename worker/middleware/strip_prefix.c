/*
 * strip_prefix.c - cuts the first prefix that fits off the request path (stripPrefix).
 *
 * What was cut goes into X-Forwarded-Prefix. Prefixes are compared with the decoded path. Works on the
 * request only, never suspends. Test: tests/unit/test_middleware_paths.c
 */
#include "worker/middleware/rewrite.h"

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
            return rewrite_strip(ex, &url, prefix, p->force_slash);
        }
    }
    return MW_PASS;
}

const struct middleware_type mw_strip_prefix = {
    .name = "stripPrefix",
    .on_request = on_request,
};
