/*
 * redirect.c - see redirect.h.
 */
#include "worker/middleware/redirect.h"

#include "common/http/h1.h"
#include "common/http/url.h"
#include "worker/middleware/rewrite.h"

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

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* "[v6]" or a name; 0 when neither stands there. */
static size_t host_len(struct slice s)
{
    size_t i = 0;

    if (s.len > 0 && s.ptr[0] == '[') {
        for (i = 1; i < s.len && (is_word(s.ptr[i]) || s.ptr[i] == ':' || s.ptr[i] == '.'); i++) {
        }
        return i > 1 && i < s.len && s.ptr[i] == ']' ? i + 1 : 0;
    }
    while (i < s.len && (is_word(s.ptr[i]) || s.ptr[i] == '.' || s.ptr[i] == '-')) {
        i++;
    }
    return i;
}

/* ":" and at least one digit; else 0. */
static size_t port_len(struct slice s)
{
    size_t i = 1;

    if (s.len == 0 || s.ptr[0] != ':') {
        return 0;
    }
    while (i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9') {
        i++;
    }
    return i > 1 ? i : 0;
}

struct redirect_url redirect_cut(struct slice text)
{
    struct redirect_url url = {.rest = text};

    if (slice_has_prefix(text, SLICE("http://"))) {
        url.scheme = SLICE("http");
    } else if (slice_has_prefix(text, SLICE("https://"))) {
        url.scheme = SLICE("https");
    } else {
        return url;
    }
    url.rest = slice_from(text, url.scheme.len + 3);
    url.host = slice_head(url.rest, host_len(url.rest));
    url.rest = slice_from(url.rest, url.host.len);
    url.port = slice_head(url.rest, port_len(url.rest));
    url.rest = slice_from(url.rest, url.port.len);
    return url;
}

enum mw_verdict redirect_too_long(struct exchange *ex)
{
    return exchange_answer(ex, 414, REASON_uri_too_long);
}

static struct slice without_fragment(struct slice s)
{
    ptrdiff_t mark = slice_find(s, '#');

    return mark >= 0 ? slice_head(s, (size_t)mark) : s;
}

/* Nothing to redirect: Go goes on with the URL read anew, which drops a fragment and an odd hint of the path.
 */
static enum mw_verdict stay(struct exchange *ex, struct slice url)
{
    struct slice query = without_fragment(url);
    struct url_path path;

    slice_split(&query, '?');
    if (url_path_of(ex->pool, url, &path) != PATH_OK) {
        return redirect_too_long(ex);
    }
    ex->request.query = without_fragment(ex->request.query);
    return rewrite_store_shown(ex, &path, query);
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
        return stay(ex, from);
    }
    if (permanent) {
        return exchange_redirect(ex, get ? 301 : 308, location);
    }
    return exchange_redirect(ex, get ? 302 : 307, location);
}
