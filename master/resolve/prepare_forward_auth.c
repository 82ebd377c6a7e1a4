/*
 * prepare_forward_auth.c - forwardAuth: the address becomes a service of its own and a target.
 */
#include "common/http/path.h"
#include "master/compile/url.h"
#include "master/resolve/prepare.h"

static bool take_address(struct preparation *at, struct slice address, const struct client_tls *tls,
                         struct prepared_forward_auth *made)
{
    struct server_url url;
    struct error why;
    ptrdiff_t hash = slice_find(address, '#'), mark;

    if (hash >= 0) {
        address = slice_head(address, (size_t)hash);
    }
    if (address.len == 0) {
        prepare_wrong(at, "forwardAuth.address is missing: name the server that decides");
        return false;
    }
    if (server_url_parse(address, &url, &why) < 0) {
        prepare_wrong(at, "forwardAuth.address: %s", why.text);
        return false;
    }
    if (url.has_user) {
        prepare_wrong(at, "forwardAuth.address holds a user, which is not sent: leave it out");
        return false;
    }
    if (!slice_eq_nocase(url.scheme, SLICE("http")) && !slice_eq_nocase(url.scheme, SLICE("https"))) {
        prepare_wrong(at, "forwardAuth.address: \"%.*s\" is neither http nor https", SLICE_ARG(url.scheme));
        return false;
    }
    mark = slice_find(address, '?');
    made->has_query = mark >= 0;
    made->query = mark >= 0 ? slice_from(address, (size_t)mark + 1) : SLICE("");
    made->path = url.path.len ? server_url_sent_path(at->pool, url.path) : SLICE("/");
    if (!target_valid(made->query)) {
        prepare_wrong(at, "forwardAuth.address: there are blanks or control characters in its query");
        return false;
    }
    made->authority = url.authority;
    made->tls = slice_eq_nocase(url.scheme, SLICE("https"));
    if (tls && (tls->cert.len == 0) != (tls->key.len == 0)) {
        prepare_wrong(at, "forwardAuth.tls: cert and key go together, and one of them is missing");
        return false;
    }
    prepare_server(at, pool_printf(at->pool, "%.*s://%.*s", SLICE_ARG(url.scheme), SLICE_ARG(url.authority)),
                   tls);
    return true;
}

static bool names_good(struct preparation *at, const char *option, const struct list *names)
{
    const struct slice *items = names->items;

    for (size_t i = 0; i < names->count; i++) {
        if (!prepare_header_name(at, option, items[i])) {
            return false;
        }
    }
    return true;
}

const void *prepare_forward_auth(struct preparation *at, const struct forward_auth *options)
{
    struct prepared_forward_auth *made = pool_zalloc(at->pool, sizeof(*made));

    if (!take_address(at, options->address, options->tls, made) ||
        !names_good(at, "authRequestHeaders", &options->auth_request_headers) ||
        !names_good(at, "authResponseHeaders", &options->auth_response_headers)) {
        return NULL;
    }
    made->trust = !options->trust_forward_header.set    ? AUTH_TRUST_UNSET
                  : options->trust_forward_header.value ? AUTH_TRUST_ALL
                                                        : AUTH_TRUST_NONE;
    made->request_headers = options->auth_request_headers;
    made->response_headers = options->auth_response_headers;
    if (options->auth_response_headers_regex.pattern.len) {
        struct regex_text *regex = pool_alloc(at->pool, sizeof(*regex));

        *regex = options->auth_response_headers_regex;
        made->response_regexes = (struct list){regex, 1};
    }
    made->cookies = options->add_auth_cookies_to_response;
    made->forward_body = options->forward_body;
    made->body_most = options->max_body_size.set ? options->max_body_size.value : -1;
    made->answer_most = options->max_response_body_size.set ? options->max_response_body_size.value : -1;
    made->keep_location = options->preserve_location_header;
    made->keep_method = options->preserve_request_method;
    made->signin = options->auth_signin_url;
    return made;
}
