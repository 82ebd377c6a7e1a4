/*
 * redirect_regex.c - sends the client to a URL made from the one it asked for (redirectRegex).
 *
 * The expression is matched against scheme://host[:port]/path?query; every match is replaced.
 * Works on the request only, never suspends. Test: tests/unit/test_middleware_redirects.c
 */
#include "common/rule/regex.h"
#include "worker/middleware/redirect.h"
#include "worker/middleware/rewrite.h"

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct redirect_regex *p = params;
    struct slice uri, from, to;

    if (!rewrite_uri(ex, &uri)) {
        return redirect_too_long(ex);
    }
    struct redirect_url url = redirect_cut(uri); /* a target that is a URL itself comes first */
    const struct slice parts[] = {
        ex->request.tls ? SLICE("https") : (url.scheme.len > 0 ? url.scheme : SLICE("http")),
        SLICE("://"),
        url.host.len > 0 ? url.host : ex->request.host,
        url.port,
        url.rest,
    };

    if (!redirect_join(ex, parts, ARRAY_LEN(parts), &from)) {
        return redirect_too_long(ex);
    }
    switch (regex_replace_all(exchange_regex(ex, &p->regex), from, exchange_text(ex, p->replacement),
                              ex->pool, &to)) {
    case REGEX_UNTOUCHED:
        return MW_PASS;
    case REGEX_GAVE_UP:
        return rewrite_gave_up(ex);
    case REGEX_TOO_LONG:
        return redirect_too_long(ex);
    case REGEX_REPLACED:
        break;
    }
    return redirect_to(ex, from, to, p->permanent);
}

const struct middleware_type mw_redirect_regex = {
    .name = "redirectRegex",
    .on_request = on_request,
};
