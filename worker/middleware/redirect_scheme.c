/*
 * redirect_scheme.c - sends the client to another scheme and port of the same URL (redirectScheme).
 *
 * The scheme that the client used is that of the connection, or what X-Forwarded-Proto says by now (set by a
 * trusted proxy, or by a headers middleware before this one). A request that is there already passes. Works
 * on the request only, never suspends. Test: tests/unit/test_middleware_redirects.c
 */
#include "common/http/path.h"
#include "worker/middleware/redirect.h"

/* A URL cut as Traefik's expression cuts it: scheme "://", host, ":port", the rest. */
struct cut {
    struct slice host, rest;
};

static struct slice client_scheme(const struct exchange *ex)
{
    const struct header *proto = headers_get(&ex->request.headers, HEADER_X_FORWARDED_PROTO);

    if (proto != NULL) { /* "ws" and "wss" come from hops that name the protocol of an upgrade */
        if (slice_eq_nocase(proto->value, SLICE("http")) || slice_eq_nocase(proto->value, SLICE("ws"))) {
            return SLICE("http");
        }
        if (slice_eq_nocase(proto->value, SLICE("https")) || slice_eq_nocase(proto->value, SLICE("wss"))) {
            return SLICE("https");
        }
    }
    return ex->request.tls ? SLICE("https") : SLICE("http");
}

/* scheme://host[:port]uri; the port that belongs to the scheme is left out. */
static bool client_url(struct exchange *ex, struct slice *out)
{
    struct slice scheme = client_scheme(ex), host = ex->request.host, port = {NULL, 0}, uri;
    bool has_port = host_split(ex->request.host, &host, &port);
    struct slice usual = scheme.len == 5 ? SLICE("443") : SLICE("80");

    bool show_port = has_port && !slice_eq(port, usual);

    if (!redirect_request_uri(ex, &uri)) {
        return false;
    }
    bool brackets = has_port && slice_find(host, ':') >= 0; /* host_split took them off */
    const struct slice parts[] = {scheme,
                                  SLICE("://"),
                                  brackets ? SLICE("[") : SLICE(""),
                                  host,
                                  brackets ? SLICE("]") : SLICE(""),
                                  show_port ? SLICE(":") : SLICE(""),
                                  show_port ? port : SLICE(""),
                                  uri};

    return redirect_join(ex, parts, ARRAY_LEN(parts), out);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* "[v6]" or a name of letters, digits, "_", "." and "-"; anything else is no host and stays in the rest. */
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

static struct cut cut_url(struct slice url)
{
    struct slice rest = slice_from(url, (size_t)slice_find(url, ':') + 3);
    struct cut cut = {.host = slice_head(rest, host_len(rest))};
    size_t digits = 1;

    rest = slice_from(rest, cut.host.len);
    if (rest.len > 1 && rest.ptr[0] == ':') {
        while (digits < rest.len && rest.ptr[digits] >= '0' && rest.ptr[digits] <= '9') {
            digits++;
        }
        rest = digits > 1 ? slice_from(rest, digits) : rest;
    }
    cut.rest = rest;
    return cut;
}

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct redirect_scheme *p = params;
    struct slice scheme = exchange_text(ex, p->scheme), port = exchange_text(ex, p->port), from, to;

    if ((slice_eq(scheme, SLICE("http")) && slice_eq(port, SLICE("80"))) ||
        (slice_eq(scheme, SLICE("https")) && slice_eq(port, SLICE("443")))) {
        port.len = 0;
    }
    if (!client_url(ex, &from)) {
        return redirect_too_long(ex);
    }
    struct cut cut = cut_url(from);
    const struct slice parts[] = {scheme, SLICE("://"), cut.host, port.len > 0 ? SLICE(":") : SLICE(""),
                                  port,   cut.rest};

    if (!redirect_join(ex, parts, ARRAY_LEN(parts), &to)) {
        return redirect_too_long(ex);
    }
    return redirect_to(ex, from, to, p->permanent);
}

const struct middleware_type mw_redirect_scheme = {
    .name = "redirectScheme",
    .on_request = on_request,
};
