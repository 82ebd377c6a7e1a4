/*
 * headers_cors.c - see headers_cors.h. https://fetch.spec.whatwg.org/#http-cors-protocol; details are Traefik's: Vary is only set
 * when asked for, and an allowed origin of * is set on every answer.
 */
#include "worker/middleware/headers_cors.h"

#include "common/rule/regex.h"
#include "worker/exchange.h"

static struct slice field(const struct headers *headers, struct slice name)
{
    const struct header *item = headers_find(headers, name);

    return item ? item->value : SLICE("");
}

/* What Access-Control-Allow-Origin says to it; false: nothing. */
static bool match_origin(const struct exchange *ex, const struct prepared_headers *p, struct slice origin,
                         struct slice *match)
{
    const struct slice *origins = exchange_items(ex, p->origins);
    const struct regex_text *regexes = exchange_items(ex, p->origin_regexes);

    for (size_t i = 0; i < p->origins.count; i++) {
        struct slice item = exchange_text(ex, origins[i]);

        if (slice_eq(item, origin)) {
            *match = item;
            return true;
        }
        if (slice_eq(item, SLICE("*"))) {
            *match = p->credentials ? origin : item; /* credentials go to a named origin only */
            return true;
        }
    }
    for (size_t i = 0; i < p->origin_regexes.count; i++) {
        const struct regex *regex = exchange_regex(ex, &regexes[i]);

        if (regex && regex_match(regex, origin)) {
            *match = origin;
            return true;
        }
    }
    return false;
}

static void set(struct exchange *ex, struct slice name, struct slice value)
{
    if (value.len) {
        headers_set(&ex->response.headers, name, value);
    }
}

enum mw_verdict cors_request(struct exchange *ex, const struct prepared_headers *p)
{
    struct slice method = field(&ex->request.headers, SLICE("Access-Control-Request-Method"));
    struct slice origin = field(&ex->request.headers, SLICE("Origin"));
    struct slice match;

    if (method.len == 0 || origin.len == 0 || !slice_eq(ex->request.method, SLICE("OPTIONS"))) {
        return MW_PASS;
    }
    if (p->credentials) {
        set(ex, SLICE("Access-Control-Allow-Credentials"), SLICE("true"));
    }
    set(ex, SLICE("Access-Control-Allow-Headers"),
        p->echo_headers ? field(&ex->request.headers, SLICE("Access-Control-Request-Headers"))
                        : exchange_text(ex, p->allow_headers));
    set(ex, SLICE("Access-Control-Allow-Methods"),
        p->echo_methods ? method : exchange_text(ex, p->allow_methods));
    if (match_origin(ex, p, origin, &match)) {
        headers_set(&ex->response.headers, SLICE("Access-Control-Allow-Origin"), match);
    }
    set(ex, SLICE("Access-Control-Max-Age"), exchange_text(ex, p->max_age));
    set(ex, SLICE("Access-Control-Expose-Headers"), exchange_text(ex, p->expose_headers));
    return exchange_answer_plain(ex, 200, REASON_middleware, SLICE(""));
}

void cors_response(struct exchange *ex, const struct prepared_headers *p)
{
    struct headers *headers = &ex->response.headers;
    struct slice match, vary;

    if (match_origin(ex, p, field(&ex->request.headers, SLICE("Origin")), &match)) {
        headers_set(headers, SLICE("Access-Control-Allow-Origin"), match);
    }
    if (p->credentials) {
        set(ex, SLICE("Access-Control-Allow-Credentials"), SLICE("true"));
    }
    set(ex, SLICE("Access-Control-Expose-Headers"), exchange_text(ex, p->expose_headers));
    vary = field(headers, SLICE("Vary"));
    if (p->add_vary && !slice_eq(vary, SLICE("Origin"))) {
        headers_set(headers, SLICE("Vary"),
                    vary.len ? pool_printf(ex->pool, "%.*s,Origin", SLICE_ARG(vary)) : SLICE("Origin"));
    }
}
