/*
 * compress.c - bodies of answers by gzip, brotli or zstd, for clients that take them (compress).
 *
 * Of what length a body is decides: known and under the bound it goes as it is; known and longer it is compressed, and what was
 * kept back leaves with the next bytes or after a tenth of a second; unknown (chunked) it is compressed from its first byte
 * on, and what the server sent reaches the client at once. The head of the latter is held until there is a byte or the server
 * pauses: one that ends without a body stays as it is.
 *
 * Left as they are: answers to HEAD, those that are encoded, parts (Content-Range), excluded types, and everything while
 * memory is tight. Encoders: encoder.h. Test: tests/integration/test_middleware_compress.py
 */
#include <stddef.h>

#include "common/http/media_type.h"
#include "common/model/prepared.h"
#include "worker/codec.h"
#include "worker/encoder.h"
#include "worker/exchange.h"
#include "worker/middleware.h"
#include "worker/worker.h"

#define PATIENCE_NS TIMER_TICK_NS /* how long bytes of a body of known length may be kept back */

struct packing { /* one body; in the exchange's pool */
    struct body_filter *filter;
    struct encoder *encoder;
    struct timer timer;
    enum content_coding coding;
    uint32_t discarded; /* as the exchange had it: another number means that this answer was dropped */
    bool held;          /* the head waits */
    bool prompt;        /* nothing is kept back when the server pauses */
    bool pending;       /* something is kept back */
    bool waiting;       /* the timer runs */
    bool *over;         /* set when the exchange ends while bytes are handed on */
};

/* The exchange is over, or its answer is another one. */
static void let_go(struct exchange *ex, void *state)
{
    struct packing *packing = state;

    timer_remove(ex->worker->timers, &packing->timer);
    encoder_give(ex->worker, packing->encoder);
    if (packing->over) {
        *packing->over = true;
    }
}

/* ---- the head ---- */

/* Another sequence of bytes is another one to ranges and strong validators. */
static void mark_encoded(struct exchange *ex, enum content_coding coding)
{
    struct headers *headers = &ex->response.headers;
    const struct header *tag = headers_get(headers, HEADER_ETAG);

    headers_set_id(headers, HEADER_CONTENT_ENCODING, coding_name(coding));
    headers_remove_id(headers, HEADER_CONTENT_LENGTH);
    headers_remove(headers, SLICE("Accept-Ranges"));
    if (ex->response.content_length >= 0) { /* there are none, but now the body comes in chunks */
        headers_remove_id(headers, HEADER_TRAILER);
    }
    if (tag && !slice_has_prefix(tag->value, SLICE("W/"))) {
        headers_set_id(headers, HEADER_ETAG, pool_printf(ex->pool, "W/%.*s", SLICE_ARG(tag->value)));
    }
    ex->response.content_length = -1;
}

/* False: the answer was replaced, or the exchange is over. */
static bool send_held_head(struct packing *packing)
{
    packing->held = false;
    return exchange_response_resume(packing->filter->ex);
}

/* ---- the body ---- */

enum packed { PACKED, PACKED_BACKED_UP, PACKED_OVER /* nothing may be touched any more */ };

/* Encodes and hands on. */
static enum packed hand_on(struct packing *packing, struct slice data, enum encoder_step step)
{
    struct exchange *ex = packing->filter->ex;
    bool more = true, room = true, same = true, over = false;

    packing->over = &over; /* cppcheck-suppress autoVariables ; taken back below while there is a packing */
    packing->pending = step == ENCODER_GO;
    while (more && same) {
        struct slice output;

        if (!encoder_run(packing->encoder, &data, step, &output, &more)) {
            exchange_upstream_failed(ex, REASON_internal_error);
            same = false;
        } else if (output.len) {
            room = filter_pass_response(packing->filter, output);
        }
        if (over) {
            return PACKED_OVER;
        }
        same = same && ex->discarded == packing->discarded;
    }
    packing->over = NULL;
    return !same ? PACKED_OVER : room ? PACKED : PACKED_BACKED_UP;
}

/* A held one begins, with a byte of it or before the first. */
static bool begin(struct packing *packing)
{
    if (!packing->held) {
        return true;
    }
    mark_encoded(packing->filter->ex, packing->coding);
    return send_held_head(packing);
}

static bool on_response_body(struct body_filter *filter, struct slice data)
{
    struct packing *packing = filter->state;

    return begin(packing) && hand_on(packing, data, ENCODER_GO) == PACKED;
}

static void on_response_end(struct body_filter *filter, const struct headers *trailers)
{
    struct packing *packing = filter->state;

    if (packing->held ? send_held_head(packing) : hand_on(packing, SLICE(""), ENCODER_END) != PACKED_OVER) {
        filter_end_response(filter, trailers);
    }
}

static void on_timer(struct timer *timer)
{
    struct packing *packing = (struct packing *)((char *)timer - offsetof(struct packing, timer));
    struct exchange *ex = packing->filter->ex;

    packing->waiting = false;
    if (packing->pending && ex->discarded == packing->discarded &&
        hand_on(packing, SLICE(""), ENCODER_FLUSH) != PACKED_OVER) {
        ex->codec->flush(ex);
    }
}

static void on_response_flush(struct body_filter *filter)
{
    struct packing *packing = filter->state;
    struct worker *worker = filter->ex->worker;

    if (packing->prompt) {
        if (begin(packing) && packing->pending) {
            (void)hand_on(packing, SLICE(""), ENCODER_FLUSH);
        }
    } else if (packing->pending && !packing->waiting) {
        packing->waiting = true;
        timer_set(worker->timers, &packing->timer, worker->now_ns + PATIENCE_NS);
    }
}

/* ---- which ---- */

static bool listed(const struct exchange *ex, const struct list *types, struct slice type)
{
    const struct slice *items = exchange_items(ex, *types);

    for (size_t i = 0; i < types->count; i++) {
        if (slice_eq_nocase(exchange_text(ex, items[i]), type)) {
            return true;
        }
    }
    return false;
}

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct prepared_compress *p = params;
    const struct header *content = headers_get(&ex->request.headers, HEADER_CONTENT_TYPE);
    enum content_coding coding;
    struct slice type;

    if (slice_eq(ex->request.method, SLICE("HEAD"))) {
        return MW_PASS;
    }
    if (content) { /* with malformed parameters, too */
        (void)media_type_parse(content->value, &type, NULL);
        if (listed(ex, &p->excluded, type)) {
            return MW_PASS;
        }
    }
    coding = coding_choose(&ex->request.headers, exchange_text(ex, p->encodings), (enum content_coding)p->any,
                           (enum content_coding)p->unasked);
    if (coding != CODING_IDENTITY) {
        uint8_t *kept = pool_alloc(ex->pool, sizeof(*kept));

        *kept = (uint8_t)coding;
        exchange_keep(ex, kept);
    }
    return MW_PASS;
}

static bool type_allowed(const struct exchange *ex, const struct prepared_compress *p)
{
    const struct header *content = headers_get(&ex->response.headers, HEADER_CONTENT_TYPE);
    struct slice type;

    if (content == NULL || content->value.len == 0) {
        return p->included.count == 0;
    }
    if (!media_type_parse(content->value, &type, NULL)) {
        return false;
    }
    return p->included.count ? listed(ex, &p->included, type) : !listed(ex, &p->excluded, type);
}

static bool wanted(const struct exchange *ex, const struct prepared_compress *p)
{
    const struct exchange_response *response = &ex->response;
    const struct header *encoded = headers_get(&response->headers, HEADER_CONTENT_ENCODING);

    return response->has_body && (response->content_length < 0 || response->content_length >= p->least) &&
           (encoded == NULL || encoded->value.len == 0) &&
           headers_find(&response->headers, SLICE("Content-Range")) == NULL && type_allowed(ex, p);
}

static enum mw_verdict on_response(struct exchange *ex, const void *params)
{
    const uint8_t *coding = exchange_kept(ex);
    struct encoder *encoder;

    if (coding == NULL || ex->response.status == 101) {
        return MW_PASS;
    }
    headers_add_id(&ex->response.headers, HEADER_VARY, SLICE("Accept-Encoding"));
    if (!wanted(ex, params) ||
        (encoder = encoder_take(ex->worker, *coding, ex->response.content_length)) == NULL) {
        return MW_PASS;
    }

    struct packing *packing = pool_zalloc(ex->pool, sizeof(*packing));

    packing->encoder = encoder;
    packing->coding = *coding;
    packing->discarded = ex->discarded;
    packing->timer.fire = on_timer;
    packing->filter = filter_response(ex, packing);
    exchange_at_end(ex, let_go, packing);
    if (ex->response.content_length < 0) {
        packing->prompt = packing->held = true;
        return MW_SUSPENDED;
    }
    mark_encoded(ex, *coding);
    return MW_PASS;
}

const struct middleware_type mw_compress = {
    .name = "compress",
    .on_request = on_request,
    .on_response = on_response,
    .filter = {.on_response_body = on_response_body,
               .on_response_end = on_response_end,
               .on_response_flush = on_response_flush},
};
