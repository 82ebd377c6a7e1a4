/*
 * add_prefix.c - puts a fixed text in front of the request path (addPrefix).
 *
 * Works on the request only, never suspends. Test: tests/unit/test_middleware_paths.c
 */
#include "worker/middleware/rewrite.h"

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct add_prefix *p = params; /* read-only: it is arena memory */
    struct slice prefix = exchange_text(ex, p->prefix);
    struct url_path url;

    if (!rewrite_load(ex, &url) || !pool_join(ex->pool, prefix, url.path, &url.path) ||
        !rewrite_lead(ex, &url.path)) {
        return rewrite_refuse(ex);
    }
    if (url.raw.len > 0 && (!pool_join(ex->pool, prefix, url.raw, &url.raw) || !rewrite_lead(ex, &url.raw))) {
        return rewrite_refuse(ex);
    }
    return rewrite_store(ex, &url);
}

const struct middleware_type mw_add_prefix = {
    .name = "addPrefix",
    .on_request = on_request,
};
