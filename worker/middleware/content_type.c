/*
 * content_type.c - contentType: an answer without Content-Type gets the type that its first bytes show.
 *
 * It is only asked for here: what is found is what the client gets in the end, after the middlewares before this one
 * (worker/detect.h). Test: tests/integration/test_middleware_content_type.py
 */
#include "worker/exchange.h"
#include "worker/middleware.h"

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct content_type *p = params;

    if (!p->auto_detect.set || p->auto_detect.value) {
        ex->detect = true;
    }
    return MW_PASS;
}

const struct middleware_type mw_content_type = {.name = "contentType", .on_request = on_request};
