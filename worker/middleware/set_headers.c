/*
 * set_headers.c - sets and removes headers of requests and responses (headers).
 *
 * An empty value removes. "Host" among the request headers changes the Host that the upstream gets, not the
 * routing. What frames a message (Content-Length, Transfer-Encoding, Trailer) is never touched: the bodies
 * are what they are. Other spellings of the names (X_Auth for X-Auth) go away. Never suspends.
 *
 * As in Traefik the outer part is CORS and the custom headers, the inner one is security: a preflight is answered before a
 * host is refused, and a custom response header has the last word. Tests: tests/unit/test_middleware_headers.c,
 * tests/integration/test_middleware_headers.py
 *
 * Not here: CORS (headers_cors.c), security headers (headers_secure.c).
 */
#include "common/model/prepared.h"
#include "worker/exchange.h"
#include "worker/middleware.h"
#include "worker/middleware/headers_cors.h"
#include "worker/middleware/headers_secure.h"

static bool is_framing(enum header_id id)
{
    return id == HEADER_CONTENT_LENGTH || id == HEADER_TRANSFER_ENCODING || id == HEADER_TRAILER;
}

/* Fields that weir itself would add again on the way to the upstream. */
static bool is_ours(enum header_id id)
{
    switch (id) {
    case HEADER_X_FORWARDED_HOST:
    case HEADER_X_FORWARDED_PORT:
    case HEADER_X_FORWARDED_PROTO:
    case HEADER_X_FORWARDED_SERVER:
    case HEADER_X_FORWARDED_SCHEME:
    case HEADER_X_REAL_IP:
    case HEADER_X_SCHEME:
        return true;
    default:
        return false;
    }
}

static void set(struct exchange *ex, struct headers *headers, struct slice name, struct slice value)
{
    enum header_id id = header_id(name);

    if (is_framing(id) || !header_name_valid(name) || !header_value_valid(value)) {
        return; /* the master has reported what is no header */
    }
    headers_set(headers, id != HEADER_OTHER ? header_name(id) : header_name_canonical(ex->pool, name), value);
}

static void change_request(struct exchange *ex, const struct string_map *map)
{
    const struct string_pair *pairs = exchange_items(ex, (struct list){map->items, map->count});

    /* all at once and first: the configuration itself may set two spellings */
    for (size_t i = 0; i < map->count; i++) {
        headers_remove_spellings(&ex->request.headers, exchange_text(ex, pairs[i].key));
    }
    for (size_t i = 0; i < map->count; i++) {
        struct slice name = exchange_text(ex, pairs[i].key), value = exchange_text(ex, pairs[i].value);
        enum header_id id = header_id(name);

        if (value.len > 0 && id == HEADER_HOST) {
            ex->request.host = value;
        } else if (value.len > 0) {
            set(ex, &ex->request.headers, name, value);
        } else if (is_ours(id) || slice_eq(name, SLICE("X-Forwarded-For"))) {
            /* only this spelling keeps the client's address from being appended: as in Traefik */
            headers_suppress(&ex->request.headers, name);
        } else if (!is_framing(id)) {
            headers_remove(&ex->request.headers, name);
        }
    }
}

static void change_response(struct exchange *ex, const struct string_map *map)
{
    const struct string_pair *pairs = exchange_items(ex, (struct list){map->items, map->count});

    for (size_t i = 0; i < map->count; i++) {
        struct slice name = exchange_text(ex, pairs[i].key), value = exchange_text(ex, pairs[i].value);

        if (value.len > 0) {
            set(ex, &ex->response.headers, name, value);
        } else if (!is_framing(header_id(name))) {
            headers_remove(&ex->response.headers, name);
        }
    }
}

/* The outer part. */
static void finish_response(struct exchange *ex, const struct prepared_headers *p)
{
    change_response(ex, &p->custom_response);
    if (p->cors) {
        cors_response(ex, p);
    }
}

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct prepared_headers *p = params;
    enum mw_verdict verdict = cors_request(ex, p);

    if (verdict != MW_PASS) {
        return verdict;
    }
    change_request(ex, &p->custom_request);
    verdict = secure_request(ex, p);
    if (verdict != MW_PASS) {
        finish_response(ex, p); /* a middleware does not see its own answer: this one does */
    }
    return verdict;
}

static enum mw_verdict on_response(struct exchange *ex, const void *params)
{
    secure_response(ex, params);
    finish_response(ex, params);
    return MW_PASS;
}

const struct middleware_type mw_set_headers = {
    .name = "headers",
    .on_request = on_request,
    .on_response = on_response,
};
