/*
 * path.c - takes a request target apart and normalises its path; encoded characters. See path.h. Hosts: host.c.
 *
 * Nearly every target is plain: one walk says so and nothing is copied. The others go through the steps of
 * Go's URL parser and of Traefik's entry point one after the other, so that odd paths come out the same.
 */
#include "common/http/path.h"

#include <arpa/inet.h>

#include "common/http/scan.h"

/* The end of the path if it is plain (to be left alone by every step), else NULL. */
static const char *plain_end(struct slice target)
{
    const char *p = target.ptr, *end = target.ptr + target.len;

    while (p < end) {
        if (*p == '/' && end - p > 1 && (p[1] == '/' || p[1] == '.')) {
            if (p[1] == '/' || end - p == 2 || p[2] == '/' || p[2] == '.' || p[2] == '?') {
                return NULL;
            }
        } else if (!scan_is(*p, SCAN_PATH)) {
            return *p == '?' ? p : NULL;
        }
        p++;
    }
    return p;
}

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static inline int hex_value(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static inline char upper(char c)
{
    return (char)(c >= 'a' && c <= 'z' ? c & ~0x20 : c);
}

/* Unreserved characters without their escapes, the digits of all others upper case. Escapes are known to be
 * whole. Bytes from 0x80 become two, as in Traefik, which takes each for a character: only a hint that is no
 * valid escaping anyway holds them. */
static enum path_result normalise(struct pool *pool, struct slice *raw)
{
    char *to = raw->len > SIZE_MAX / 2 ? NULL : pool_try_alloc(pool, 2 * raw->len);
    size_t len = 0;

    if (to == NULL) {
        return PATH_TOO_LONG;
    }
    for (size_t i = 0; i < raw->len; i++) {
        unsigned char c = (unsigned char)raw->ptr[i];

        if (c >= 0x80) {
            to[len++] = (char)(0xc0 | c >> 6);
            to[len++] = (char)(0x80 | (c & 0x3f));
            continue;
        }
        if (c != '%') {
            to[len++] = (char)c;
            continue;
        }
        c = (unsigned char)(hex_value(raw->ptr[i + 1]) << 4 | hex_value(raw->ptr[i + 2]));
        if (is_unreserved(c)) {
            to[len++] = (char)c;
        } else {
            to[len++] = '%';
            to[len++] = upper(raw->ptr[i + 1]);
            to[len++] = upper(raw->ptr[i + 2]);
        }
        i += 2;
    }
    *raw = slice_of(to, len);
    return PATH_OK;
}

/* Both forms of a written path, normalised. */
static enum path_result normalised_path(struct pool *pool, struct slice path, struct url_path *url)
{
    enum path_result result = url_path_parse(pool, path, url);

    if (result != PATH_OK) {
        return result;
    }
    if (slice_find(url->raw, '#') >= 0) {
        return PATH_REFUSED;
    }
    return url->raw.len > 0 ? normalise(pool, &url->raw) : PATH_OK;
}

/* Every step for a path that is not plain. */
static enum path_result prepare_path(struct pool *pool, struct slice path, bool sanitize,
                                     struct request_path *out)
{
    struct url_path url;
    enum path_result result = normalised_path(pool, path, &url);

    if (result == PATH_OK && sanitize) {
        result = url_path_clean(pool, &url);
    }
    if (result != PATH_OK || (result = url_path_escaped(pool, &url, &out->raw)) != PATH_OK) {
        return result;
    }
    return path_routing(pool, out->raw, &out->path);
}

/* A port or nothing: "", ":", ":80". */
static bool port_or_nothing(struct slice s)
{
    if (s.len == 0) {
        return true;
    }
    if (s.ptr[0] != ':') {
        return false;
    }
    for (size_t i = 1; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return false;
        }
    }
    return true;
}

/* host[:port] of a target. Stricter than Go on bytes: no escapes, no quotes, no angle brackets. */
static bool authority_valid(struct slice host)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    ptrdiff_t at;

    if (!host_valid(host) || slice_find(host, '%') >= 0) {
        return false;
    }
    if (host.len > 0 && host.ptr[0] == '[') {
        if ((at = slice_find(host, ']')) < 0 || !port_or_nothing(slice_from(host, (size_t)at + 1))) {
            return false;
        }
        return slice_to_cstr(slice_of(host.ptr + 1, (size_t)at - 1), text, sizeof(text)) &&
               inet_pton(AF_INET6, text, bytes) == 1;
    }
    if (slice_find(host, '[') >= 0 || slice_find(host, ']') >= 0) {
        return false;
    }
    return (at = slice_find(host, ':')) < 0 || port_or_nothing(slice_from(host, (size_t)at));
}

static bool user_valid(struct slice user)
{
    for (size_t i = 0; i < user.len; i++) {
        if (!is_unreserved((unsigned char)user.ptr[i]) &&
            (user.ptr[i] == '\0' || strchr(":!$&'()*+,;=%@", user.ptr[i]) == NULL)) {
            return false;
        }
        if (user.ptr[i] == '%' && (user.len - i < 3 || !scan_is(user.ptr[i + 1], SCAN_HEX) ||
                                   !scan_is(user.ptr[i + 2], SCAN_HEX))) {
            return false;
        }
    }
    return true;
}

/* "host[:port][/path]" or "user@host...", the query already cut off. */
static bool split_authority(struct slice rest, struct request_path *out, struct slice *path)
{
    ptrdiff_t slash = slice_find(rest, '/');
    struct slice authority = slash < 0 ? rest : slice_head(rest, (size_t)slash);
    ptrdiff_t at = slice_rfind(authority, '@');

    *path = slice_from(rest, authority.len);
    if (at >= 0) { /* user information is never forwarded */
        if (!user_valid(slice_head(authority, (size_t)at))) {
            return false;
        }
        authority = slice_from(authority, (size_t)at + 1);
    }
    out->host = authority;
    return authority_valid(authority);
}

/* "scheme:" of an absolute target; 0 when there is none. */
static size_t scheme_len(struct slice target)
{
    for (size_t i = 0; i < target.len; i++) {
        char c = target.ptr[i];

        if (c == ':') {
            return i > 0 ? i + 1 : 0;
        }
        bool letter = ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'))) {
            return 0;
        }
    }
    return 0;
}

static void cut_query(struct slice *rest, struct request_path *out)
{
    ptrdiff_t mark = slice_find(*rest, '?');

    out->has_query = mark >= 0;
    if (mark >= 0) {
        out->query = slice_from(*rest, (size_t)mark + 1);
        *rest = slice_head(*rest, (size_t)mark);
    }
}

/* Host and query into *out, the path as it is written into *path. False: no target. */
static bool split_target(struct slice method, struct slice target, struct request_path *out,
                         struct slice *path)
{
    *path = target;
    if (target.len == 0 || slice_eq(target, SLICE("*"))) {
        return target.len > 0;
    }
    if (target.ptr[0] == '/') {
        cut_query(path, out);
        return true;
    }
    bool connect = slice_eq(method, SLICE("CONNECT"));

    *path = slice_from(target, connect ? 0 : scheme_len(target));
    if (!connect && path->len == target.len) {
        return false;
    }
    cut_query(path, out);
    if (!connect) {
        if (path->len == 0 || path->ptr[0] != '/') {
            return false; /* neither a path nor a URL with one */
        }
        if (path->len < 2 || path->ptr[1] != '/') {
            return true; /* "http:/path" */
        }
        *path = slice_from(*path, 2);
    }
    return split_authority(*path, out, path);
}

enum path_result path_prepare(struct pool *pool, struct slice method, struct slice target, bool sanitize,
                              unsigned refused, struct request_path *out)
{
    struct slice path;
    const char *end;

    *out = (struct request_path){0};
    if (target.len > 0 && target.ptr[0] == '/' && (end = plain_end(target)) != NULL) {
        out->raw = out->path = slice_of(target.ptr, (size_t)(end - target.ptr));
        out->has_query = out->raw.len < target.len;
        if (out->has_query) {
            out->query = slice_from(target, out->raw.len + 1);
        }
        return scan_target(target.ptr, target.ptr + target.len) == target.ptr + target.len ? PATH_OK
                                                                                           : PATH_BAD;
    }
    if (scan_target(target.ptr, target.ptr + target.len) != target.ptr + target.len ||
        !split_target(method, target, out, &path)) {
        return PATH_BAD;
    }
    enum path_result result = prepare_path(pool, path, sanitize, out);

    if (result == PATH_OK && refused != 0 && path_encoded_refused(out->raw, refused)) {
        return PATH_REFUSED;
    }
    return result;
}

enum path_result path_written(struct pool *pool, struct slice method, struct slice target,
                              struct url_path *out, bool *changed)
{
    struct request_path parts = {0};
    struct slice path, before;
    enum path_result result;

    if (!split_target(method, target, &parts, &path) ||
        (result = url_path_parse(pool, path, out)) == PATH_BAD) {
        return PATH_BAD;
    }
    before = out->raw;
    if (result == PATH_OK && before.len > 0) {
        result = normalise(pool, &out->raw);
    }
    *changed = result == PATH_OK && !slice_eq(before, out->raw);
    return result;
}

bool target_valid(struct slice text)
{
    return text.len == 0 || scan_target(text.ptr, text.ptr + text.len) == text.ptr + text.len;
}

bool path_encoded_refused(struct slice raw, unsigned refused)
{
    for (size_t i = 0; i + 2 < raw.len; i++) {
        if (raw.ptr[i] != '%') {
            continue;
        }
        unsigned found = 0;

        switch (hex_value(raw.ptr[i + 1]) << 4 | hex_value(raw.ptr[i + 2])) {
        case '/':
            found = PATH_SLASH;
            break;
        case '\\':
            found = PATH_BACK_SLASH;
            break;
        case '\0':
            found = PATH_NULL;
            break;
        case ';':
            found = PATH_SEMICOLON;
            break;
        case '%':
            found = PATH_PERCENT;
            break;
        case '?':
            found = PATH_QUESTION;
            break;
        case '#':
            found = PATH_HASH;
            break;
        }
        if (found & refused) {
            return true;
        }
        i += 2;
    }
    return false;
}

enum path_result query_encode_semicolons(struct pool *pool, struct slice query, struct slice *out)
{
    size_t count = 0, len = 0;

    for (size_t i = 0; i < query.len; i++) {
        count += query.ptr[i] == ';';
    }
    if (count == 0) {
        *out = query;
        return PATH_OK;
    }
    char *to = query.len > SIZE_MAX / 4 ? NULL : pool_try_alloc(pool, query.len + 2 * count);

    if (to == NULL) {
        return PATH_TOO_LONG;
    }
    for (size_t i = 0; i < query.len; i++) {
        if (query.ptr[i] == ';') {
            memcpy(to + len, "%3B", 3);
            len += 3;
        } else {
            to[len++] = query.ptr[i];
        }
    }
    *out = slice_of(to, len);
    return PATH_OK;
}

enum path_result query_split_semicolons(struct pool *pool, struct slice query, struct slice *out)
{
    *out = query;
    if (slice_find(query, ';') < 0) {
        return PATH_OK;
    }
    char *to = pool_try_alloc(pool, query.len);

    if (to == NULL) {
        return PATH_TOO_LONG;
    }
    for (size_t i = 0; i < query.len; i++) {
        to[i] = query.ptr[i] == ';' ? '&' : query.ptr[i];
    }
    *out = slice_of(to, query.len);
    return PATH_OK;
}
