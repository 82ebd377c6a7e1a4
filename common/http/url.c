/*
 * url.c - reads a URL and writes it again as Go's net/url does; see url.h.
 *
 * It runs once for a redirection, on text that a regular expression made: clarity before speed. The parts are
 * written into one piece of memory of three times the length, which holds the text even if every byte had to
 * be escaped.
 */
#include "common/http/url.h"

#include <ctype.h>

#include <arpa/inet.h>

#include "common/http/scan.h"

struct url {
    struct slice scheme, opaque, user, host, query, fragment;
    struct url_path path;
    bool has_user, has_authority, omit_host, has_query;
};

struct writer {
    char *ptr;
    size_t len;
};

/* Characters besides letters, digits and "-_.~" that need no escape in a part, as Go has them. */
static const char user_safe[] = "$&+,;=";
static const char host_safe[] = "!\"$&'()*+,:;<=>[]";
static const char fragment_safe[] = "!$&()*+,/:;=?@";
static const char fragment_valid[] = "!$&()*+,/:;=?@'[]%";
static const char user_valid[] = ":!$&'()*+,;=%@";

static bool is_safe(char c, const char *more)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && (strchr("-_.~", c) != NULL || strchr(more, c) != NULL));
}

static bool all_safe(struct slice s, const char *more)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_safe(s.ptr[i], more)) {
            return false;
        }
    }
    return true;
}

static void put(struct writer *to, struct slice s)
{
    if (s.len > 0) {
        memcpy(to->ptr + to->len, s.ptr, s.len);
        to->len += s.len;
    }
}

static void put_escaped(struct writer *to, struct slice s, const char *more)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (is_safe((char)c, more)) {
            to->ptr[to->len++] = (char)c;
        } else {
            to->ptr[to->len++] = '%';
            to->ptr[to->len++] = digits[c >> 4];
            to->ptr[to->len++] = digits[c & 15];
        }
    }
}

/* False when the text has a control byte or begins with a colon. */
static bool take_scheme(struct slice *rest, struct url *url)
{
    for (size_t i = 0; i < rest->len; i++) {
        char c = rest->ptr[i];

        if (c == ':') {
            url->scheme = slice_head(*rest, i);
            *rest = slice_from(*rest, i + 1);
            return i > 0;
        }
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'))) {
            break;
        }
    }
    return true;
}

static bool port_valid(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (i == 0 ? s.ptr[i] != ':' : s.ptr[i] < '0' || s.ptr[i] > '9') {
            return false;
        }
    }
    return true;
}

/* Escapes in a host stand for bytes from 0x80 only; other bytes must be those that need none. */
static bool host_bytes_valid(struct slice host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];

        if (c == '%') {
            if (host.len - i < 3 || !scan_is(host.ptr[i + 1], SCAN_HEX) ||
                !scan_is(host.ptr[i + 2], SCAN_HEX) || host.ptr[i + 1] < '8') {
                return false;
            }
            i += 2;
        } else if ((unsigned char)c < 0x80 && !is_safe(c, host_safe)) {
            return false;
        }
    }
    return true;
}

static bool address_valid(struct slice text)
{
    char copy[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    ptrdiff_t zone = slice_find_slice(text, SLICE("%25"));

    if (zone >= 0) { /* "[fe80::1%25en0]" */
        if ((size_t)zone + 3 == text.len || !all_safe(slice_from(text, (size_t)zone + 3), "")) {
            return false;
        }
        text = slice_head(text, (size_t)zone);
    }
    return slice_to_cstr(text, copy, sizeof(copy)) && inet_pton(AF_INET6, copy, bytes) == 1;
}

static bool host_part_valid(struct slice scheme, struct slice host)
{
    ptrdiff_t open = slice_rfind(host, '['), colon = slice_find(host, ':');

    if (open > 0) {
        return false;
    }
    if (open == 0) {
        ptrdiff_t close = slice_rfind(host, ']');

        return close > 0 && port_valid(slice_from(host, (size_t)close + 1)) &&
               address_valid(slice_of(host.ptr + 1, (size_t)close - 1));
    }
    if (colon >= 0) {
        if (!slice_eq_nocase(scheme, SLICE("http")) && !slice_eq_nocase(scheme, SLICE("https"))) {
            colon = slice_rfind(host, ':');
        }
        if (!port_valid(slice_from(host, (size_t)colon))) {
            return false;
        }
    }
    return host_bytes_valid(host);
}

static bool take_authority(struct slice *rest, struct url *url)
{
    ptrdiff_t slash = slice_find(*rest, '/');
    struct slice authority = slice_head(*rest, slash < 0 ? rest->len : (size_t)slash);
    ptrdiff_t at = slice_rfind(authority, '@');

    *rest = slice_from(*rest, authority.len);
    url->has_user = at >= 0;
    if (at >= 0) {
        url->user = slice_head(authority, (size_t)at);
        authority = slice_from(authority, (size_t)at + 1);
        if (!all_safe(url->user, user_valid)) {
            return false;
        }
    }
    url->host = authority;
    return host_part_valid(url->scheme, url->host);
}

static enum path_result parse(struct pool *pool, struct slice text, struct url *url)
{
    ptrdiff_t mark = slice_find(text, '#');
    struct slice rest = mark < 0 ? text : slice_head(text, (size_t)mark);

    if (mark >= 0) {
        url->fragment = slice_from(text, (size_t)mark + 1);
    }
    for (size_t i = 0; i < rest.len; i++) {
        if ((unsigned char)rest.ptr[i] < 0x20 || rest.ptr[i] == 0x7f) {
            return PATH_BAD;
        }
    }
    if (slice_eq(rest, SLICE("*"))) {
        url->path.path = rest;
        return PATH_OK;
    }
    if (!take_scheme(&rest, url)) {
        return PATH_BAD;
    }
    if ((mark = slice_find(rest, '?')) >= 0) {
        url->has_query = (size_t)mark + 1 == rest.len || rest.len > (size_t)mark + 1;
        url->query = slice_from(rest, (size_t)mark + 1);
        rest = slice_head(rest, (size_t)mark);
    }
    if (rest.len == 0 || rest.ptr[0] != '/') {
        if (url->scheme.len > 0) {
            url->opaque = rest;
            return PATH_OK;
        }
        if (slice_find(slice_head(rest, slice_find(rest, '/') < 0 ? rest.len : (size_t)slice_find(rest, '/')),
                       ':') >= 0) {
            return PATH_BAD; /* "a:b/c" would be read as a scheme */
        }
    }
    bool slashes = slice_has_prefix(rest, SLICE("//"));

    if (slashes && (url->scheme.len > 0 || !slice_has_prefix(rest, SLICE("///")))) {
        rest = slice_from(rest, 2);
        if (!take_authority(&rest, url)) {
            return PATH_BAD;
        }
        url->has_authority = true;
    } else if (url->scheme.len > 0 && rest.len > 0) {
        url->omit_host = true;
    }
    return url_path_parse(pool, rest, &url->path);
}

/* User information with each half unescaped and escaped anew. */
static enum path_result put_user(struct pool *pool, struct writer *to, struct slice user)
{
    struct slice password = user, name = slice_split(&password, ':');
    enum path_result result = path_unescape(pool, name, &name);

    if (result != PATH_OK) {
        return result;
    }
    put_escaped(to, name, user_safe);
    if (password.ptr != NULL) {
        if ((result = path_unescape(pool, password, &password)) != PATH_OK) {
            return result;
        }
        put(to, SLICE(":"));
        put_escaped(to, password, user_safe);
    }
    put(to, SLICE("@"));
    return PATH_OK;
}

/* A host goes out with bytes from 0x80 escaped; the zone of an address with its "%25". */
static enum path_result put_host(struct pool *pool, struct writer *to, struct slice host)
{
    struct slice plain;
    enum path_result result = path_unescape(pool, host, &plain);

    if (result == PATH_OK) {
        put_escaped(to, plain, host_safe);
    }
    return result;
}

static enum path_result put_fragment(struct pool *pool, struct writer *to, struct slice fragment)
{
    struct slice plain;
    enum path_result result = path_unescape(pool, fragment, &plain);

    if (result != PATH_OK || fragment.len == 0) {
        return result;
    }
    put(to, SLICE("#"));
    if (all_safe(fragment, fragment_valid)) {
        put(to, fragment);
    } else {
        put_escaped(to, plain, fragment_safe);
    }
    return PATH_OK;
}

static enum path_result put_hierarchy(struct pool *pool, struct writer *to, const struct url *url)
{
    struct slice path;
    enum path_result result = url_path_escaped(pool, &url->path, &path);

    if (result != PATH_OK) {
        return result;
    }
    bool any = url->scheme.len > 0 || url->host.len > 0 || url->has_user;

    if (any && !(url->omit_host && url->host.len == 0 && !url->has_user)) {
        if (url->host.len > 0 || url->path.path.len > 0 || url->has_user) {
            put(to, SLICE("//"));
        }
        if (url->has_user && (result = put_user(pool, to, url->user)) != PATH_OK) {
            return result;
        }
        if (url->host.len > 0 && (result = put_host(pool, to, url->host)) != PATH_OK) {
            return result;
        }
    }
    if (path.len > 0 && path.ptr[0] != '/' && url->host.len > 0) {
        put(to, SLICE("/"));
    }
    if (to->len == 0) {
        struct slice first = path;

        first = slice_split(&first, '/');
        if (slice_find(first, ':') >= 0) {
            put(to, SLICE("./"));
        }
    }
    put(to, path);
    return PATH_OK;
}

enum path_result url_normalise(struct pool *pool, struct slice text, struct slice *out)
{
    struct url url = {0};
    enum path_result result = parse(pool, text, &url);

    if (result != PATH_OK) {
        return result;
    }
    if (text.len > SIZE_MAX / 4) {
        return PATH_TOO_LONG;
    }
    struct writer to = {pool_try_alloc(pool, 3 * text.len + 8), 0};

    if (to.ptr == NULL) {
        return PATH_TOO_LONG;
    }
    for (size_t i = 0; i < url.scheme.len; i++) {
        to.ptr[to.len++] = (char)ascii_lower((unsigned char)url.scheme.ptr[i]);
    }
    if (url.scheme.len > 0) {
        put(&to, SLICE(":"));
    }
    if (url.opaque.len > 0) {
        put(&to, url.opaque);
    } else if ((result = put_hierarchy(pool, &to, &url)) != PATH_OK) {
        return result;
    }
    if (url.has_query) {
        put(&to, SLICE("?"));
        put(&to, url.query);
    }
    if ((result = put_fragment(pool, &to, url.fragment)) != PATH_OK) {
        return result;
    }
    *out = slice_of(to.ptr, to.len);
    return PATH_OK;
}

enum path_result url_path_of(struct pool *pool, struct slice text, struct url_path *out)
{
    struct url url = {0};
    enum path_result result = parse(pool, text, &url);

    if (result == PATH_OK) {
        *out = url.path;
    }
    return result;
}

struct slice url_query_escape(struct pool *pool, struct slice text)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = pool_alloc(pool, 3 * text.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~') {
            out[len++] = (char)c;
        } else if (c == ' ') {
            out[len++] = '+';
        } else {
            out[len++] = '%';
            out[len++] = digits[c >> 4];
            out[len++] = digits[c & 15];
        }
    }
    return slice_of(out, len);
}
