/*
 * url.c - reading the URL of a server strictly: what could be read in two ways is refused.
 */
#include "master/compile/url.h"

#include <errno.h>
#include <string.h>

#include "common/http/path.h"

#define NAME_MAX_LENGTH 253u

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool scheme_good(struct slice scheme)
{
    for (size_t i = 0; i < scheme.len; i++) {
        char c = scheme.ptr[i];

        if (!is_alpha(c) && !(i > 0 && (is_digit(c) || c == '+' || c == '-' || c == '.'))) {
            return false;
        }
    }
    return scheme.len > 0;
}

/* Letters, digits, '-', '_' and '.': what names servers in practice, also without being a host name by the book. */
static bool name_good(struct slice name)
{
    if (name.len == 0 || name.len > NAME_MAX_LENGTH || name.ptr[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (!is_alpha(c) && !is_digit(c) && c != '-' && c != '_' && c != '.') {
            return false;
        }
        if (c == '.' && i > 0 && name.ptr[i - 1] == '.') {
            return false;
        }
    }
    return true;
}

static bool is_hex(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool path_good(struct slice path)
{
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];

        if (c < ' ' || c == 0x7f) {
            return false;
        }
        if (c == '%' && (path.len - i < 3 || !is_hex(path.ptr[i + 1]) || !is_hex(path.ptr[i + 2]))) {
            return false;
        }
    }
    return true;
}

/* "host", "host:", "host:port", "[v6]", "[v6]:port" */
static int authority_parse(struct server_url *url, struct error *why)
{
    struct slice rest = url->authority, port = {NULL, 0};
    ptrdiff_t end;
    uint64_t number;

    if (rest.len > 0 && rest.ptr[0] == '[') {
        end = slice_find(rest, ']');
        if (end < 0) {
            return error_set(why, -EINVAL, "']' is missing in \"%.*s\"", SLICE_ARG(rest));
        }
        url->host = slice_of(rest.ptr + 1, (size_t)end - 1);
        port = slice_from(rest, (size_t)end + 1);
        if (slice_find(url->host, ':') < 0 || !address_parse(url->host, &url->literal) ||
            (port.len > 0 && port.ptr[0] != ':')) {
            return error_set(why, -EINVAL, "\"%.*s\" is no IPv6 address in brackets", SLICE_ARG(rest));
        }
    } else {
        end = slice_find(rest, ':');
        url->host = end < 0 ? rest : slice_head(rest, (size_t)end);
        port = end < 0 ? port : slice_from(rest, (size_t)end);
        if (!address_parse(url->host, &url->literal) && !name_good(url->host)) {
            return error_set(why, -EINVAL, "\"%.*s\" is no host", SLICE_ARG(url->host));
        }
    }
    if (port.len <= 1) {
        return 0; /* none written, or "host:" as Go allows */
    }
    port = slice_from(port, 1);
    if (!slice_to_u64(port, &number) || number == 0 || number > 65535) {
        return error_set(why, -EINVAL, "\"%.*s\" is no port from 1 to 65535", SLICE_ARG(port));
    }
    url->port = (uint16_t)number;
    return 0;
}

int server_url_parse(struct slice text, struct server_url *out, struct error *why)
{
    struct server_url url = {0};
    ptrdiff_t at = slice_find_slice(text, SLICE("://"));
    struct slice rest;
    int rc;

    if (at <= 0 || !scheme_good(slice_head(text, (size_t)at))) {
        return error_set(why, -EINVAL, "it does not begin with a scheme, as http:// does");
    }
    url.scheme = slice_head(text, (size_t)at);
    rest = slice_from(text, (size_t)at + 3);
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.ptr[i] == '?' || rest.ptr[i] == '#') {
            rest = slice_head(rest, i);
            url.has_query = true;
        }
    }
    at = slice_find(rest, '/');
    url.authority = at < 0 ? rest : slice_head(rest, (size_t)at);
    url.path = at < 0 ? slice_of(NULL, 0) : slice_from(rest, (size_t)at);
    if ((at = slice_rfind(url.authority, '@')) >= 0) {
        url.has_user = true;
        url.authority = slice_from(url.authority, (size_t)at + 1);
    }
    if (!path_good(url.path)) {
        return error_set(why, -EINVAL, "there are control characters in its path, or escapes that are none");
    }
    url.port = slice_eq_nocase(url.scheme, SLICE("https")) ? 443 : 80;
    if ((rc = authority_parse(&url, why)) < 0) {
        return rc;
    }
    *out = url;
    return 0;
}

/* ---- what Go's net/url refuses ---- */

/* Its length; 0: none, as in "host/path"; -1: there is only the colon. */
static ptrdiff_t go_scheme(struct slice text)
{
    ptrdiff_t colon = slice_find(text, ':');

    return colon <= 0 ? colon == 0 ? -1 : 0 : scheme_good(slice_head(text, (size_t)colon)) ? colon : 0;
}

static bool go_port_good(struct slice port)
{
    bool good = port.len == 0 || port.ptr[0] == ':';

    for (size_t i = 1; good && i < port.len; i++) {
        good = is_digit(port.ptr[i]);
    }
    return good;
}

static bool go_host_good(struct slice host)
{
    static const char others[] = "-_.~!$&'()*+,;=:[]<>\"";

    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];

        if (c == '%' || (c < 0x80 && !is_alpha((char)c) && !is_digit((char)c) && !strchr(others, c))) {
            return false;
        }
    }
    return true;
}

static bool go_authority_good(struct slice authority)
{
    ptrdiff_t at = slice_rfind(authority, '@'), end;
    struct slice host = at < 0 ? authority : slice_from(authority, (size_t)at + 1);
    struct address literal;

    if (host.len && host.ptr[0] == '[') {
        end = slice_find(host, ']');
        if (end < 0 || !go_port_good(slice_from(host, (size_t)end + 1))) {
            return false;
        }
        host = slice_of(host.ptr + 1, (size_t)end - 1);
        end = slice_find_slice(host, SLICE("%25")); /* a zone */
        return address_parse(end < 0 ? host : slice_head(host, (size_t)end), &literal);
    }
    end = slice_find(host, ':');
    return go_host_good(host) && (end < 0 || go_port_good(slice_from(host, (size_t)end)));
}

bool server_url_is_malformed(struct slice text)
{
    ptrdiff_t scheme, end;

    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f) {
            return true;
        }
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '?' || text.ptr[i] == '#') {
            text = slice_head(text, i);
        }
    }
    scheme = go_scheme(text);
    if (scheme < 0) {
        return true;
    }
    text = scheme ? slice_from(text, (size_t)scheme + 1) : text;
    end = slice_find(text, '/');
    if (end != 0) { /* a path without a slash in front of it, in which a colon would look like a scheme's */
        return scheme == 0 && slice_find(end < 0 ? text : slice_head(text, (size_t)end), ':') >= 0;
    }
    if (!slice_eq(slice_head(text, 2), SLICE("//")) ||
        (scheme == 0 && slice_eq(slice_head(text, 3), SLICE("///")))) {
        return !path_good(text);
    }
    text = slice_from(text, 2);
    end = slice_find(text, '/');
    return !go_authority_good(end < 0 ? text : slice_head(text, (size_t)end)) ||
           (end >= 0 && !path_good(slice_from(text, (size_t)end)));
}

int server_url_to_ask(struct slice text, struct server_url *out, struct error *why)
{
    int rc = server_url_parse(text, out, why);

    if (rc == 0 && !slice_eq_nocase(out->scheme, SLICE("https")) &&
        !slice_eq_nocase(out->scheme, SLICE("http"))) {
        return error_set(why, -EINVAL, "its scheme is none of http and https");
    }
    if (rc == 0 && out->has_user) {
        return error_set(why, -EINVAL, "it holds a user, which would not be sent");
    }
    if (rc == 0 && !target_valid(text)) { /* also of the query, which is not looked at above */
        return error_set(why, -EINVAL, "there are blanks or control characters in it");
    }
    return rc;
}

struct slice server_url_sent_path(struct pool *pool, struct slice path)
{
    struct url_path url;
    struct slice escaped;

    if (url_path_parse(pool, path, &url) == PATH_OK && url_path_escaped(pool, &url, &escaped) == PATH_OK) {
        return escaped;
    }
    return path;
}
