/*
 * redirect.c - see redirect.h.
 */
#include "worker/middleware/redirect.h"

#include "common/http/h1.h"
#include "common/http/url.h"

bool redirect_join(struct exchange *ex, const struct slice *parts, size_t count, struct slice *out)
{
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        if (__builtin_add_overflow(len, parts[i].len, &len)) {
            return false;
        }
    }
    char *text = pool_try_alloc(ex->pool, len), *p = text;

    if (text == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0) {
            p = mempcpy(p, parts[i].ptr, parts[i].len);
        }
    }
    *out = slice_of(text, len);
    return true;
}

/* The query as the client wrote it: a ';' that became '&' for rules and upstream is shown again. (One that
 * became "%3B" stays: the lengths differ.) */
static struct slice query_shown(const struct exchange *ex)
{
    ptrdiff_t mark = slice_find(ex->request.target, '?');
    struct slice written = slice_from(ex->request.target, (size_t)mark + 1);

    return mark >= 0 && written.len == ex->request.query.len ? written : ex->request.query;
}

bool redirect_request_uri(struct exchange *ex, struct slice *out)
{
    struct slice path = ex->request.raw_path.len > 0 ? ex->request.raw_path : SLICE("/");
    const struct slice parts[] = {path, SLICE("?"), query_shown(ex)};

    if (!ex->request.has_query) {
        *out = path;
        return true;
    }
    return redirect_join(ex, parts, ARRAY_LEN(parts), out);
}

enum mw_verdict redirect_too_long(struct exchange *ex)
{
    return exchange_answer(ex, 414, REASON_uri_too_long);
}

enum mw_verdict redirect_to(struct exchange *ex, struct slice from, struct slice to, bool permanent)
{
    bool get = slice_eq(ex->request.method, SLICE("GET"));
    struct slice location;

    switch (url_normalise(ex->pool, to, &location)) {
    case PATH_OK:
        break;
    case PATH_BAD:
        return exchange_answer_body(ex, 502, REASON_middleware, SLICE(""), slice_cstr(http_status_text(502)));
    case PATH_REFUSED:
    case PATH_TOO_LONG:
        return redirect_too_long(ex);
    }
    if (slice_eq(from, to)) {
        return MW_PASS;
    }
    if (permanent) {
        return exchange_redirect(ex, get ? 301 : 308, location);
    }
    return exchange_redirect(ex, get ? 302 : 307, location);
}
