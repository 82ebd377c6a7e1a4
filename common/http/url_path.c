/*
 * url_path.c - escaping, unescaping and cleaning of paths as Go's net/url and path packages do it; see
 * path.h.
 *
 * Not here: what is done to the path of a request (path.c), whole URLs (url.c).
 */
#include "common/http/path.h"
#include "common/http/scan.h"

static inline int hex_value(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static inline bool is_escape(struct slice s, size_t i)
{
    return s.len - i > 2 && scan_is(s.ptr[i + 1], SCAN_HEX) && scan_is(s.ptr[i + 2], SCAN_HEX);
}

enum path_result path_unescape(struct pool *pool, struct slice escaped, struct slice *out)
{
    size_t first = escaped.len;

    for (size_t i = 0; i < escaped.len; i++) {
        if (escaped.ptr[i] == '%') {
            if (!is_escape(escaped, i)) {
                return PATH_BAD;
            }
            first = i < first ? i : first;
            i += 2;
        }
    }
    if (first == escaped.len) {
        *out = escaped;
        return PATH_OK;
    }
    char *to = pool_try_alloc(pool, escaped.len);
    size_t len = 0;

    if (to == NULL) {
        return PATH_TOO_LONG;
    }
    for (size_t i = 0; i < escaped.len; i++) {
        if (escaped.ptr[i] == '%') {
            to[len++] = (char)(hex_value(escaped.ptr[i + 1]) << 4 | hex_value(escaped.ptr[i + 2]));
            i += 2;
        } else {
            to[len++] = escaped.ptr[i];
        }
    }
    *out = slice_of(to, len);
    return PATH_OK;
}

enum path_result path_escape(struct pool *pool, struct slice path, struct slice *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t escapes = 0;

    for (size_t i = 0; i < path.len; i++) {
        escapes += !scan_is(path.ptr[i], SCAN_PLAIN);
    }
    if (escapes == 0) {
        *out = path;
        return PATH_OK;
    }
    if (path.len > SIZE_MAX / 4) {
        return PATH_TOO_LONG;
    }
    char *to = pool_try_alloc(pool, path.len + 2 * escapes);
    size_t len = 0;

    if (to == NULL) {
        return PATH_TOO_LONG;
    }
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];

        if (scan_is((char)c, SCAN_PLAIN)) {
            to[len++] = (char)c;
        } else {
            to[len++] = '%';
            to[len++] = digits[c >> 4];
            to[len++] = digits[c & 15];
        }
    }
    *out = slice_of(to, len);
    return PATH_OK;
}

/* What follows a slash: 0 for an ordinary segment, else the length of what path_clean takes away or acts on.
 */
static inline bool segment_is_odd(struct slice path, size_t i)
{
    if (i == path.len) {
        return false;
    }
    if (path.ptr[i] == '/') {
        return true;
    }
    if (path.ptr[i] != '.') {
        return false;
    }
    if (i + 1 == path.len || path.ptr[i + 1] == '/') {
        return true;
    }
    return path.ptr[i + 1] == '.' && (i + 2 == path.len || path.ptr[i + 2] == '/');
}

bool path_is_plain(struct slice path)
{
    if (path.len == 0 || path.ptr[0] != '/') {
        return false;
    }
    for (size_t i = 0; i < path.len; i++) {
        if (!scan_is(path.ptr[i], SCAN_PLAIN) || (path.ptr[i] == '/' && segment_is_odd(path, i + 1))) {
            return false;
        }
    }
    return true;
}

static bool is_clean(struct slice path)
{
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] == '/' && segment_is_odd(path, i + 1)) {
            return false;
        }
    }
    return path.len == 1 || path.ptr[path.len - 1] != '/';
}

enum path_result path_clean(struct pool *pool, struct slice path, struct slice *out)
{
    if (is_clean(path)) {
        *out = path;
        return PATH_OK;
    }
    char *to = pool_try_alloc(pool, path.len);
    size_t len = 0;

    if (to == NULL) {
        return PATH_TOO_LONG;
    }
    for (size_t i = 0; i < path.len;) {
        struct slice rest = slice_from(path, i + 1); /* path.ptr[i] is a slash */
        ptrdiff_t end = slice_find(rest, '/');
        struct slice segment = slice_head(rest, end < 0 ? rest.len : (size_t)end);

        i += 1 + segment.len;
        if (segment.len == 0 || slice_eq(segment, SLICE("."))) {
            continue;
        }
        if (slice_eq(segment, SLICE(".."))) {
            while (len > 0 && to[--len] != '/') {
            }
            continue;
        }
        to[len++] = '/';
        memcpy(to + len, segment.ptr, segment.len);
        len += segment.len;
    }
    if (len == 0) {
        to[len++] = '/';
    }
    *out = slice_of(to, len);
    return PATH_OK;
}

enum path_result url_path_parse(struct pool *pool, struct slice escaped, struct url_path *out)
{
    struct slice again;
    enum path_result result;

    if (path_is_plain(escaped)) {
        *out = (struct url_path){.path = escaped};
        return PATH_OK;
    }
    result = path_unescape(pool, escaped, &out->path);
    if (result != PATH_OK || (result = path_escape(pool, out->path, &again)) != PATH_OK) {
        return result;
    }
    out->raw = slice_eq(again, escaped) ? slice_of(NULL, 0) : escaped;
    return PATH_OK;
}

/* True when raw is an escaped form of path in which no byte stands that would have to be escaped. */
static bool raw_is_valid(struct slice raw, struct slice path)
{
    size_t k = 0;

    for (size_t i = 0; i < raw.len; i++, k++) {
        char c = raw.ptr[i];

        if (c == '%') {
            if (!is_escape(raw, i)) {
                return false;
            }
            c = (char)(hex_value(raw.ptr[i + 1]) << 4 | hex_value(raw.ptr[i + 2]));
            i += 2;
        } else if (!scan_is(c, SCAN_PATH)) {
            return false;
        }
        if (k == path.len || path.ptr[k] != c) {
            return false;
        }
    }
    return k == path.len;
}

enum path_result url_path_escaped(struct pool *pool, const struct url_path *url, struct slice *out)
{
    if (url->raw.len > 0 && raw_is_valid(url->raw, url->path)) {
        *out = url->raw;
        return PATH_OK;
    }
    if (slice_eq(url->path, SLICE("*"))) {
        *out = url->path;
        return PATH_OK;
    }
    return path_escape(pool, url->path, out);
}

enum path_result url_path_clean(struct pool *pool, struct url_path *url)
{
    struct slice escaped, rooted, clean;
    enum path_result result = url_path_escaped(pool, url, &escaped);

    if (result != PATH_OK) {
        return result;
    }
    bool relative = escaped.len == 0 || escaped.ptr[0] != '/';

    rooted = escaped;
    if (relative && !pool_join(pool, SLICE("/"), escaped, &rooted)) {
        return PATH_TOO_LONG;
    }
    bool final_slash = rooted.ptr[rooted.len - 1] == '/';
    bool only_slash_odd = final_slash && rooted.len > 1 && rooted.ptr[rooted.len - 2] != '/' &&
                          is_clean(slice_head(rooted, rooted.len - 1));

    if (only_slash_odd) {
        clean = rooted; /* nothing to do but to keep the slash that path_clean would cut */
    } else if ((result = path_clean(pool, rooted, &clean)) != PATH_OK) {
        return result;
    }
    if (relative) {
        clean = slice_from(clean, 1);
    }
    if (final_slash && (clean.len == 0 || clean.ptr[clean.len - 1] != '/') &&
        !pool_join(pool, clean, SLICE("/"), &clean)) {
        return PATH_TOO_LONG;
    }
    return url_path_parse(pool, clean, url);
}

/* Reserved characters of RFC 3986 and the percent sign: decoding them would change what the path says. */
static bool is_reserved(unsigned char c)
{
    return c < 0x80 && strchr(":/?#[]@!$&'()*+,;=%", c) != NULL && c != 0;
}

enum path_result path_routing(struct pool *pool, struct slice escaped, struct slice *out)
{
    ptrdiff_t first = slice_find(escaped, '%');

    if (first < 0) {
        *out = escaped;
        return PATH_OK;
    }
    char *to = pool_try_alloc(pool, escaped.len);
    size_t len = 0;

    if (to == NULL) {
        return PATH_TOO_LONG;
    }
    for (size_t i = 0; i < escaped.len; i++) {
        if (escaped.ptr[i] != '%') {
            to[len++] = escaped.ptr[i];
            continue;
        }
        if (!is_escape(escaped, i)) {
            return PATH_BAD;
        }
        unsigned char c = (unsigned char)(hex_value(escaped.ptr[i + 1]) << 4 | hex_value(escaped.ptr[i + 2]));
        bool upper = escaped.ptr[i + 1] <= 'F' && escaped.ptr[i + 2] <= 'F';

        if (is_reserved(c) && upper) {
            memcpy(to + len, escaped.ptr + i, 3);
            len += 3;
        } else {
            to[len++] = (char)c;
        }
        i += 2;
    }
    *out = slice_of(to, len);
    return PATH_OK;
}
