/*
 * replace_path.c - puts a fixed path in place of the request's (replacePath).
 *
 * The old one goes into X-Replaced-Path as it would have been sent. Works on the request only, never
 * suspends. Test: tests/unit/test_middleware_paths.c
 */
#include "worker/middleware/rewrite.h"

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct replace_path *p = params;
    struct url_path url = {.raw = exchange_text(ex, p->path)};
    struct slice old;

    if (!rewrite_shown(ex, &old)) {
        return rewrite_refuse(ex);
    }
    headers_add(&ex->request.headers, SLICE("X-Replaced-Path"), old);
    return rewrite_replace(ex, &url, false);
}

const struct middleware_type mw_replace_path = {
    .name = "replacePath",
    .on_request = on_request,
};
