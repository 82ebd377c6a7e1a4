/*
 * redirect_scheme.c - sends the client to another scheme and port of the same URL (redirectScheme).
 *
 * The scheme that the client used is that of the connection, or what X-Forwarded-Proto says by now (set by a
 * trusted proxy, or by a headers middleware before this one). A request that is there already passes. Works
 * on the request only, never suspends. Test: tests/unit/test_middleware_redirects.c
 */
#include "common/http/path.h"
#include "worker/middleware/redirect.h"
#include "worker/middleware/rewrite.h"

static struct slice client_scheme(const struct exchange *ex, struct slice of_target)
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
    if (ex->request.tls) {
        return SLICE("https");
    }
    return of_target.len > 0 ? of_target : SLICE("http");
}

/* scheme://host[:port]rest; the port that belongs to the scheme is left out. */
static bool client_url(struct exchange *ex, struct slice *out)
{
    struct slice host = ex->request.host, port = {NULL, 0}, uri;

    if (!rewrite_uri(ex, &uri)) {
        return false;
    }
    struct redirect_url url = redirect_cut(uri); /* a target that is a URL itself comes first */
    struct slice scheme = client_scheme(ex, url.scheme);
    bool has_port = host_split(ex->request.host, &host, &port);
    bool brackets = has_port && slice_find(host, ':') >= 0; /* host_split took them off */

    if (url.host.len > 0) {
        host = url.host;
        brackets = false;
    }
    if (url.port.len > 0) {
        port = slice_from(url.port, 1);
        has_port = true;
    }
    bool show_port = has_port && !slice_eq(port, scheme.len == 5 ? SLICE("443") : SLICE("80"));
    const struct slice parts[] = {
        scheme,
        SLICE("://"),
        brackets ? SLICE("[") : SLICE(""),
        host,
        brackets ? SLICE("]") : SLICE(""),
        show_port ? SLICE(":") : SLICE(""),
        show_port ? port : SLICE(""),
        url.rest,
    };

    return redirect_join(ex, parts, ARRAY_LEN(parts), out);
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
    struct redirect_url url = redirect_cut(from);
    const struct slice parts[] = {scheme, SLICE("://"), url.host, port.len > 0 ? SLICE(":") : SLICE(""),
                                  port,   url.rest};

    if (!redirect_join(ex, parts, ARRAY_LEN(parts), &to)) {
        return redirect_too_long(ex);
    }
    return redirect_to(ex, from, to, p->permanent);
}

const struct middleware_type mw_redirect_scheme = {
    .name = "redirectScheme",
    .on_request = on_request,
};
