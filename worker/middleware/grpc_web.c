/*
 * grpc_web.c - gRPC-Web from browsers to gRPC servers (grpcWeb): preflights, content types, base64 of the text form, and trailers
 * as the last frame of the body.
 *
 * A preflight that asks for x-grpc-web is answered here; a POST of application/grpc-web* goes on as application/grpc*, everything
 * else as it is. What the answer says of headers and which of them a page may see is as in Traefik's library. An answer that
 * tells its length is none of gRPC: it keeps it, and gets no frame, but for the text form.
 *
 * Test: tests/integration/test_middleware_grpc_web.py
 */
#include "common/base/base64_stream.h"
#include "worker/exchange.h"
#include "worker/middleware.h"
#include "worker/worker.h"

#define WEB SLICE("application/grpc-web")
#define WEB_TEXT SLICE("application/grpc-web-text")
#define GRPC SLICE("application/grpc")
#define PIECE 3072 /* bytes that are coded at a time */
#define TRAILER_FRAME ((char)0x80)
#define FRAME_HEAD 5

struct web { /* of one exchange, in its pool */
    bool text, allowed /* the origin is */;
    uint32_t discarded; /* as the exchange had it: another number means that this answer was dropped */
    struct body_filter *filter; /* of the answer */
    struct base64_stream in, out;
    bool *over;         /* set when the exchange ends while bytes of the answer are handed on ... */
    bool *request_over; /* ... or bytes of the request: the answer may be among what happens in there */
};

static void let_go(struct exchange *ex, void *state)
{
    struct web *web = state;

    (void)ex;
    if (web->over) {
        *web->over = true;
    }
    if (web->request_over) {
        *web->request_over = true;
    }
}

static struct slice field(const struct headers *headers, struct slice name)
{
    const struct header *item = headers_find(headers, name);

    return item ? item->value : SLICE("");
}

/* ---- CORS ---- */

static bool origin_allowed(const struct exchange *ex, const struct grpc_web *p, struct slice origin)
{
    const struct slice *origins = exchange_items(ex, p->allow_origins);

    for (size_t i = 0; i < p->allow_origins.count && origin.len; i++) {
        struct slice item = exchange_text(ex, origins[i]);

        if (slice_eq(item, SLICE("*")) || slice_eq(item, origin)) {
            return true;
        }
    }
    return false;
}

static bool contains_nocase(struct slice text, struct slice part)
{
    for (size_t i = 0; i + part.len <= text.len; i++) {
        if (slice_eq_nocase(slice_of(text.ptr + i, part.len), part)) {
            return true;
        }
    }
    return false;
}

static bool method_allowed(struct slice method)
{
    return slice_eq_nocase(method, SLICE("GET")) || slice_eq_nocase(method, SLICE("POST")) ||
           slice_eq_nocase(method, SLICE("HEAD")) || slice_eq_nocase(method, SLICE("OPTIONS"));
}

static struct slice upper(struct pool *pool, struct slice text)
{
    struct slice copy = pool_copy(pool, text);

    for (size_t i = 0; i < copy.len; i++) {
        char *c = (char *)(uintptr_t)copy.ptr + i;

        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
    }
    return copy;
}

static bool is_digit_or_dash(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* The names that are asked for, as Traefik's library reads them: blanks part them too, what stands in no name is left out, and
 * words begin with a capital. */
static struct slice names_of(struct pool *pool, struct slice list)
{
    char *to = pool_alloc(pool, 2 * list.len + 1);
    size_t len = 0;
    bool begun = false, capital = true;

    for (size_t i = 0; i < list.len; i++) {
        char c = (char)ascii_lower((unsigned char)list.ptr[i]);

        if (c == ' ' || c == ',') {
            begun = false;
            capital = true;
        } else if ((c >= 'a' && c <= 'z') || is_digit_or_dash(c)) {
            if (!begun && len) {
                memcpy(to + len, ", ", 2);
                len += 2;
            }
            to[len++] = capital && c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
            begun = true;
            capital = c == '-' || c == '_';
        }
    }
    return slice_of(to, len);
}

static enum mw_verdict preflight(struct exchange *ex, const struct grpc_web *p, struct slice asked)
{
    struct headers *headers = &ex->response.headers;
    struct slice method = field(&ex->request.headers, SLICE("Access-Control-Request-Method"));
    struct slice origin = field(&ex->request.headers, SLICE("Origin"));

    headers_add_id(headers, HEADER_VARY, SLICE("Origin"));
    headers_add_id(headers, HEADER_VARY, SLICE("Access-Control-Request-Method"));
    headers_add_id(headers, HEADER_VARY, SLICE("Access-Control-Request-Headers"));
    if (origin_allowed(ex, p, origin) && method_allowed(method)) {
        headers_set(headers, SLICE("Access-Control-Allow-Origin"), origin);
        headers_set(headers, SLICE("Access-Control-Allow-Methods"), upper(ex->pool, method));
        headers_set(headers, SLICE("Access-Control-Allow-Headers"), names_of(ex->pool, asked));
        headers_set(headers, SLICE("Access-Control-Allow-Credentials"), SLICE("true"));
        headers_set(headers, SLICE("Access-Control-Max-Age"), SLICE("600"));
    }
    return exchange_answer_plain(ex, 200, REASON_middleware, SLICE(""));
}

/* ---- the request ---- */

/* The first `from` in the value becomes `to`. */
static void retype(struct exchange *ex, struct headers *headers, struct slice from, struct slice to)
{
    const struct header *type = headers_get(headers, HEADER_CONTENT_TYPE);

    for (size_t i = 0; type && i + from.len <= type->value.len; i++) {
        if (slice_eq(slice_of(type->value.ptr + i, from.len), from)) {
            headers_set_id(headers, HEADER_CONTENT_TYPE,
                           pool_printf(ex->pool, "%.*s%.*s%.*s", (int)i, type->value.ptr, SLICE_ARG(to),
                                       SLICE_ARG(slice_from(type->value, i + from.len))));
            return;
        }
    }
}

static bool on_request_body(struct body_filter *filter, struct slice data, bool last,
                            const struct headers *trailers)
{
    struct web *web = filter->state;
    bool room = true, over = false;

    web->request_over = &over; /* cppcheck-suppress autoVariables ; taken back below while there is a web */
    do {
        char plain[BASE64_DECODED_ROOM(PIECE)];
        struct slice piece = data.len > PIECE ? slice_head(data, PIECE) : data;

        data = slice_from(data, piece.len);

        bool end = last && data.len == 0;
        ptrdiff_t n = base64_decode_more(&web->in, piece, end, plain);

        if (n < 0) {
            web->request_over = NULL;
            exchange_upstream_failed(filter->ex, REASON_bad_request);
            return true;
        }
        if (n > 0 || end) {
            room = filter_pass_request(filter, slice_of(plain, (size_t)n), end, end ? trailers : NULL);
        }
    } while (data.len && !over);
    if (!over) {
        web->request_over = NULL;
    }
    return room;
}

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    struct headers *headers = &ex->request.headers;
    struct slice type = field(headers, SLICE("Content-Type"));
    struct slice asked = field(headers, SLICE("Access-Control-Request-Headers"));
    bool options =
        slice_eq(ex->request.method, SLICE("OPTIONS")) && contains_nocase(asked, SLICE("x-grpc-web"));

    if (!options && !(slice_eq(ex->request.method, SLICE("POST")) && slice_has_prefix(type, WEB))) {
        return MW_PASS;
    }
    if (options && field(headers, SLICE("Access-Control-Request-Method")).len) {
        return preflight(ex, params, asked);
    }

    struct web *web = pool_zalloc(ex->pool, sizeof(*web));

    web->text = slice_has_prefix(type, WEB_TEXT);
    web->allowed = origin_allowed(ex, params, field(headers, SLICE("Origin")));
    retype(ex, headers, web->text ? WEB_TEXT : WEB, GRPC);
    if (headers_get(headers, HEADER_CONTENT_TYPE) == NULL) {
        headers_set_id(headers, HEADER_CONTENT_TYPE, SLICE(""));
    }
    if (ex->request.has_body) {
        headers_remove_id(headers, HEADER_CONTENT_LENGTH);
        ex->request.content_length = -1;
        if (web->text) {
            (void)filter_request(ex, web);
        }
    }
    exchange_keep(ex, web);
    exchange_at_end(ex, let_go, web);
    return MW_PASS;
}

/* ---- the head of the answer ---- */

static void set_missing(struct headers *headers, struct slice name, struct slice value)
{
    if (headers_find(headers, name) == NULL) {
        headers_add(headers, name, value);
    }
}

static bool named_before(const struct headers *headers, size_t position)
{
    for (size_t i = 0; i < position; i++) {
        if (!(headers->items[i].flags & HEADER_REMOVED) &&
            slice_eq_nocase(headers->items[i].name, headers->items[position].name)) {
            return true;
        }
    }
    return false;
}

/* A page may see all of them; a type that is missing is named as well, as in Traefik. */
static void expose(struct exchange *ex)
{
    struct headers *headers = &ex->response.headers;
    struct slice last = headers_get(headers, HEADER_CONTENT_TYPE)
                            ? SLICE("grpc-status, grpc-message")
                            : SLICE("Content-Type, grpc-status, grpc-message");
    size_t len = last.len;
    char *text, *at;

    headers_remove(headers, SLICE("Access-Control-Expose-Headers"));
    for (size_t i = 0; i < headers->count; i++) {
        len += headers->items[i].name.len + 2;
    }
    text = at = pool_alloc(ex->pool, len);
    for (size_t i = 0; i < headers->count; i++) {
        const struct header *item = &headers->items[i];

        if (!(item->flags & (HEADER_REMOVED | HEADER_HOP_BY_HOP)) && !named_before(headers, i)) {
            memcpy(at, item->name.ptr, item->name.len);
            memcpy(at + item->name.len, ", ", 2);
            at += item->name.len + 2;
        }
    }
    memcpy(at, last.ptr, last.len);
    at += last.len;
    headers_add(headers, SLICE("Access-Control-Expose-Headers"), slice_of(text, (size_t)(at - text)));
}

static enum mw_verdict on_response(struct exchange *ex, const void *params)
{
    struct web *web = exchange_kept(ex);
    struct exchange_response *response = &ex->response;
    struct headers *headers = &response->headers;

    (void)params;
    if (web == NULL || response->status == 101) {
        return MW_PASS;
    }
    retype(ex, headers, GRPC, web->text ? WEB_TEXT : WEB);
    headers_remove_id(headers, HEADER_TRAILER);
    set_missing(headers, SLICE("Vary"), SLICE("Origin"));
    if (web->allowed) {
        set_missing(headers, SLICE("Access-Control-Allow-Origin"),
                    field(&ex->request.headers, SLICE("Origin")));
        set_missing(headers, SLICE("Access-Control-Allow-Credentials"), SLICE("true"));
    }
    if (web->text) {
        headers_remove_id(headers, HEADER_CONTENT_LENGTH);
    }
    expose(ex);
    if (response->status == 204 || response->status == 304 || headers_get(headers, HEADER_CONTENT_LENGTH)) {
        return MW_PASS;
    }
    response->content_length = -1;
    response->has_body = true;
    web->discarded = ex->discarded;
    web->filter = filter_response(ex, web);
    return MW_PASS;
}

/* ---- its body ---- */

enum handed { HANDED, HANDED_BACKED_UP, HANDED_OVER /* nothing may be touched any more */ };

/* One piece. *over: the exchange ended in there. */
static bool pass(struct web *web, struct slice piece, bool *over)
{
    web->over = over;

    bool room = piece.len == 0 || filter_pass_response(web->filter, piece);

    if (!*over) {
        web->over = NULL;
    }
    return room;
}

/* Hands on, in base64 if that is the form; end: what is kept of a group, too. */
static enum handed hand_on(struct web *web, struct slice data, bool end)
{
    struct exchange *ex = web->filter->ex;
    bool room = true, more = true, over = false;

    while (more) {
        char coded[BASE64_ENCODED_ROOM(PIECE)];
        struct slice piece = data;

        if (web->text) {
            piece = slice_head(data, data.len < PIECE ? data.len : PIECE);
            data = slice_from(data, piece.len);
            more = data.len > 0;
            piece = slice_of(coded, base64_encode_more(&web->out, piece, end && !more, coded));
        } else {
            more = false;
        }
        room = pass(web, piece, &over);
        if (over) {
            return HANDED_OVER;
        }
        more = more && ex->discarded == web->discarded;
    }
    return ex->discarded != web->discarded ? HANDED_OVER : room ? HANDED : HANDED_BACKED_UP;
}

static bool on_response_body(struct body_filter *filter, struct slice data)
{
    return data.len == 0 || hand_on(filter->state, data, false) == HANDED;
}

static void on_response_flush(struct body_filter *filter)
{
    struct web *web = filter->state;

    if (web->out.count) {
        (void)hand_on(web, SLICE(""), true);
    }
}

static size_t frame_len(const struct headers *trailers)
{
    size_t len = FRAME_HEAD;

    for (size_t i = 0; trailers && i < trailers->count; i++) {
        len += trailers->items[i].name.len + trailers->items[i].value.len + sizeof(": \r\n") - 1;
    }
    return len;
}

/* "name: value" lines behind a head of five bytes, names in lower case. */
static struct slice frame_of(struct exchange *ex, const struct headers *trailers)
{
    size_t len = frame_len(trailers);
    char *frame = pool_alloc(ex->pool, len), *at = frame + FRAME_HEAD;

    for (size_t i = 0; trailers && i < trailers->count; i++) {
        const struct header *item = &trailers->items[i];

        for (size_t k = 0; k < item->name.len; k++) {
            *at++ = (char)ascii_lower((unsigned char)item->name.ptr[k]);
        }
        memcpy(at, ": ", 2);
        if (item->value.len) {
            memcpy(at + 2, item->value.ptr, item->value.len);
        }
        memcpy(at + 2 + item->value.len, "\r\n", 2);
        at += item->value.len + 4;
    }
    frame[0] = TRAILER_FRAME;
    for (unsigned i = 0; i < 4; i++) {
        frame[1 + i] = (char)((len - FRAME_HEAD) >> (24 - 8 * i));
    }
    return slice_of(frame, len);
}

static void on_response_end(struct body_filter *filter, const struct headers *trailers)
{
    struct web *web = filter->state;

    if (hand_on(web, SLICE(""), true) != HANDED_OVER &&
        hand_on(web, frame_of(filter->ex, trailers), true) != HANDED_OVER) {
        filter_end_response(filter, NULL);
    }
}

const struct middleware_type mw_grpc_web = {
    .name = "grpcWeb",
    .on_request = on_request,
    .on_response = on_response,
    .filter = {.on_request_body = on_request_body,
               .on_response_body = on_response_body,
               .on_response_end = on_response_end,
               .on_response_flush = on_response_flush},
};
