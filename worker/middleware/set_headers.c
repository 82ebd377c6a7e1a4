/*
 * set_headers.c - sets and removes headers of requests and responses (headers).
 *
 * An empty value removes. "Host" among the request headers changes the Host that the upstream gets, not the
 * routing. What frames a message (Content-Length, Transfer-Encoding, Trailer) is never touched: the bodies
 * are what they are. Other spellings of the names (X_Auth for X-Auth) go away. Never suspends. Test: tests/unit/test_middleware_headers.c
 *
 * Not here: CORS and security headers.
 */
#include "worker/exchange.h"
#include "worker/middleware.h"

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

/* Some servers take X_Auth and X-Auth for one variable: no other spelling of a name of ours comes through. */
static void drop_spellings(struct headers *headers, struct slice name)
{
    for (size_t i = 0; i < headers->count; i++) {
        struct header *item = &headers->items[i];

        if (item->id == HEADER_OTHER && header_name_alias(item->name, name)) {
            item->flags |= HEADER_REMOVED;
        }
    }
}

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct set_headers *p = params;
    const struct string_pair *pairs =
        exchange_items(ex, (struct list){p->custom_request_headers.items, p->custom_request_headers.count});

    /* all at once and first: the configuration itself may set two spellings */
    for (size_t i = 0; i < p->custom_request_headers.count; i++) {
        drop_spellings(&ex->request.headers, exchange_text(ex, pairs[i].key));
    }
    for (size_t i = 0; i < p->custom_request_headers.count; i++) {
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
    return MW_PASS;
}

static enum mw_verdict on_response(struct exchange *ex, const void *params)
{
    const struct set_headers *p = params;
    const struct string_pair *pairs =
        exchange_items(ex, (struct list){p->custom_response_headers.items, p->custom_response_headers.count});

    for (size_t i = 0; i < p->custom_response_headers.count; i++) {
        struct slice name = exchange_text(ex, pairs[i].key), value = exchange_text(ex, pairs[i].value);

        if (value.len > 0) {
            set(ex, &ex->response.headers, name, value);
        } else if (!is_framing(header_id(name))) {
            headers_remove(&ex->response.headers, name);
        }
    }
    return MW_PASS;
}

const struct middleware_type mw_set_headers = {
    .name = "headers",
    .on_request = on_request,
    .on_response = on_response,
};
