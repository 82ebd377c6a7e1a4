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

static void change(struct exchange *ex, struct headers *headers, const struct prepared_field *field)
{
    struct slice name = exchange_text(ex, field->name);
    enum header_id id = (enum header_id)field->id;

    switch ((enum field_change)field->change) {
    case FIELD_LEAVE:
        break;
    case FIELD_SET:
        headers_replace(headers, id, name, exchange_text(ex, field->value))->flags |= HEADER_SAFE;
        break;
    case FIELD_REMOVE:
        headers_remove(headers, name);
        break;
    case FIELD_SUPPRESS:
        headers_suppress(headers, name);
        break;
    case FIELD_HOST:
        exchange_set_host(ex, exchange_text(ex, field->value));
        break;
    }
}

static void change_request(struct exchange *ex, struct list list)
{
    const struct prepared_field *fields = exchange_items(ex, list);

    /* all at once and first: the configuration itself may set two spellings */
    for (size_t i = 0; i < list.count; i++) {
        headers_remove_spellings(&ex->request.headers, exchange_text(ex, fields[i].name));
    }
    for (size_t i = 0; i < list.count; i++) {
        change(ex, &ex->request.headers, &fields[i]);
    }
}

static void change_response(struct exchange *ex, struct list list)
{
    const struct prepared_field *fields = exchange_items(ex, list);

    for (size_t i = 0; i < list.count; i++) {
        change(ex, &ex->response.headers, &fields[i]);
    }
}

/* The outer part. */
static void finish_response(struct exchange *ex, const struct prepared_headers *p)
{
    change_response(ex, p->custom_response);
    if (p->cors) {
        cors_response(ex, p);
    }
}

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct prepared_headers *p = params;
    enum mw_verdict verdict = p->cors ? cors_request(ex, p) : MW_PASS;

    if (verdict != MW_PASS) {
        return verdict;
    }
    change_request(ex, p->custom_request);
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
