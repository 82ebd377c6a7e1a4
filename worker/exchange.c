/*
 * exchange.c - an exchange behind its router: bodies go through, somebody answers, the answer goes out, it ends. See
 * exchange.h.
 *
 * Not here: the way to the router (exchange_begin.c), what middlewares keep (exchange_kept.c), the chain and own answers
 * (chain.c, answer.c), the upstream (upstream*.c), writing to the client (the codec).
 */
#include "common/base/log.h"
#include "common/http/h1.h"
#include "worker/chain.h"
#include "worker/codec.h"
#include "worker/detect.h"
#include "worker/exchange_inner.h"
#include "worker/filter.h"
#include "worker/sticky.h"
#include "worker/upstream.h"
#include "worker/worker.h"

/* ---- the request's body ---- */

void exchange_serve(struct exchange *ex)
{
    ex->step = EXCHANGE_UPSTREAM;
    ex->doing = "choosing a server";
    upstream_begin(ex);
}

void exchange_want_body(struct exchange *ex)
{
    if (!ex->request_done && !(ex->request_filters && filters_request_wanted(ex))) {
        ex->codec->resume(ex);
    }
}

void exchange_read_body(struct exchange *ex)
{
    if (filters_request_held(ex)) {
        return;
    }
    ex->codec->send_continue(ex);
    ex->codec->resume(ex);
}

/* ---- who answers ---- */

void exchange_set_source(struct exchange *ex, const struct response_source *source, void *state)
{
    ex->source = source;
    ex->source_state = state;
}

static void let_go(struct exchange *ex)
{
    const struct response_source *source = ex->source;

    if (ex->upstream) {
        upstream_release(ex);
    }
    if (source) {
        ex->source = NULL;
        source->drop(ex, ex->source_state);
    }
}

static void feed_on(struct exchange *ex)
{
    if (ex->upstream) {
        upstream_resume(ex);
    } else if (ex->source) {
        ex->source->resume(ex, ex->source_state);
    }
}

bool exchange_give_request(struct exchange *ex, struct slice data, bool last, const struct headers *trailers)
{
    if (last) {
        ex->request_done = true;
    }
    if (ex->upstream == NULL) {
        return true; /* nobody wants it any more */
    }
    return upstream_body(ex, data, last, trailers);
}

bool exchange_request_body(struct exchange *ex, struct slice data, bool last, const struct headers *trailers)
{
    ex->bytes_in += data.len;
    return ex->request_filters ? filters_request_body(ex, data, last, trailers)
                               : exchange_give_request(ex, data, last, trailers);
}

/* ---- the response ---- */

void exchange_interim(struct exchange *ex, const struct h1_message *message)
{
    if (ex->step == EXCHANGE_UPSTREAM) {
        ex->codec->send_interim(ex, message->status, &message->headers);
    }
}

/* What came from a server lies where its next bytes, or those of others, will be read. */
static void own_response(struct exchange *ex)
{
    headers_own(&ex->response.headers);
    ex->response.phrase = pool_copy(ex->pool, ex->response.phrase);
}

static bool send_head(struct exchange *ex, enum chain_result result)
{
    if (result == CHAIN_DONE && ex->detect && detect_holds(ex)) {
        result = CHAIN_HELD;
    }
    switch (result) {
    case CHAIN_DONE:
        ex->step = EXCHANGE_RESPONSE;
        ex->doing = "passing the response on";
        ex->codec->send_head(ex);
        return true;
    case CHAIN_HELD:
        ex->step = EXCHANGE_HELD;
        ex->doing = "holding the response back";
        if (ex->upstream) {
            own_response(ex);
        }
        return true;
    case CHAIN_ANSWERED:
        break;
    }
    return false;
}

bool exchange_response_head(struct exchange *ex)
{
    if (ex->upstream) {
        upstream_answered(ex, ex->response.status);
    }
    if (ex->set_cookies) {
        sticky_send(ex);
    }
    return send_head(ex, chain_response(ex));
}

bool exchange_response_resume(struct exchange *ex)
{
    uint32_t discarded = ex->discarded;

    if (!send_head(ex, chain_response(ex)) || ex->discarded != discarded) {
        return false; /* over, or dropped by one that holds back what comes instead */
    }
    if (ex->step == EXCHANGE_RESPONSE) {
        feed_on(ex);
    }
    return true;
}

bool exchange_give_response(struct exchange *ex, struct slice data)
{
    ex->bytes_out += data.len;
    return ex->codec->send_body(ex, data);
}

bool exchange_response_body(struct exchange *ex, struct slice data)
{
    return ex->response_filters ? filters_response_body(ex, data) : exchange_give_response(ex, data);
}

ssize_t exchange_splice_response(struct exchange *ex, struct conn *from, uint64_t most, bool *more)
{
    if (ex->response_filters || ex->step != EXCHANGE_RESPONSE || ex->codec->splice_body == NULL) {
        return -ENOTSUP;
    }

    ssize_t n = ex->codec->splice_body(ex, from, most, more);

    ex->bytes_out += n > 0 ? (uint64_t)n : 0;
    return n;
}

void exchange_finish_response(struct exchange *ex, const struct headers *trailers)
{
    ex->step = EXCHANGE_ANSWERED;
    ex->doing = "ending";
    exchange_undo_answer(ex);
    ex->codec->finish(ex, trailers);
}

void exchange_response_end(struct exchange *ex, const struct headers *trailers)
{
    let_go(ex);
    if (ex->response_filters) {
        filters_response_end(ex, trailers);
    } else {
        exchange_finish_response(ex, trailers);
    }
}

void exchange_response_flush(struct exchange *ex)
{
    if (ex->response_filters) {
        filters_response_flush(ex);
    }
    ex->codec->flush(ex);
}

void exchange_discard_response(struct exchange *ex)
{
    let_go(ex);
    ex->discarded++;
    ex->response = (struct exchange_response){.content_length = -1};
    headers_init(&ex->response.headers, ex->pool);
    ex->response_filters = NULL;
    ex->set_cookies = NULL;
}

void exchange_client_drained(struct exchange *ex)
{
    if ((ex->response_filters == NULL || filters_response_drained(ex)) && ex->step == EXCHANGE_RESPONSE) {
        feed_on(ex);
    }
}

void exchange_response_want(struct exchange *ex)
{
    if (filters_response_drained(ex) && ex->step == EXCHANGE_HELD) {
        feed_on(ex);
    }
}

void exchange_respond(struct exchange *ex)
{
    struct slice body = ex->response.own_body;
    bool over = false, *before = ex->over;

    ex->response.content_length = (int64_t)body.len;
    ex->response.has_body = body.len > 0;
    let_go(ex);
    ex->response_filters = NULL; /* of the answer that this one replaces */

    uint32_t discarded = ex->discarded;

    ex->over = &over; /* cppcheck-suppress autoVariables ; taken back below while there is an exchange */
    if (exchange_response_head(ex) && !over && ex->discarded == discarded) {
        exchange_response_body(ex, body);
        if (!over &&
            ex->discarded == discarded) { /* else one that keeps bodies had no room: it was answered so */
            exchange_response_end(ex, NULL);
        }
    }
    if (!over) {
        ex->over = before;
    } else if (before) {
        *before = true;
    }
}

static uint16_t status_of(enum reason reason)
{
    switch ((int)reason) {
    case REASON_no_server:
    case REASON_limit:
    case REASON_spool_full:
        return 503;
    case REASON_connect_timeout:
    case REASON_response_timeout:
        return 504;
    case REASON_request_timeout:
        return 408;
    case REASON_bad_request:
        return 400;
    case REASON_internal_error:
        return 500;
    default:
        return 502;
    }
}

void exchange_upstream_failed(struct exchange *ex, enum reason reason)
{
    log_debug("%.*s%.*s: %s, while %s", SLICE_ARG(ex->request.host), SLICE_ARG(ex->request.path),
              reason_text(reason), ex->doing);
    let_go(ex);
    if (ex->step >= EXCHANGE_RESPONSE) {
        ex->reason = reason;
        ex->codec->abort(ex);
        return;
    }
    if (ex->step == EXCHANGE_HELD) {
        exchange_discard_response(ex);
    }

    uint16_t status = status_of(reason);

    if (reason == REASON_no_server) {
        exchange_answer_body(ex, 503, reason, SLICE("text/plain; charset=utf-8"),
                             SLICE("no available server\n"));
    } else {
        exchange_answer_plain(ex, status, reason, slice_cstr(http_status_text(status)));
    }
    exchange_respond(ex);
}

bool exchange_unpin(struct exchange *ex)
{
    if (ex->step != EXCHANGE_RESPONSE) {
        return false;
    }
    if (ex->upstream) {
        upstream_unpin(ex);
    }
    generation_unref(ex->generation);
    ex->generation = NULL;
    ex->route = ROUTE_NONE;
    ex->entry_point = NULL;
    return true;
}

void exchange_client_gone(struct exchange *ex, enum reason reason)
{
    log_debug("%.*s%.*s: %s, while %s", SLICE_ARG(ex->request.host), SLICE_ARG(ex->request.path),
              reason_text(reason), ex->doing);
    let_go(ex);
    if (reason != REASON_client_gone && ex->step < EXCHANGE_RESPONSE) {
        uint16_t status = status_of(reason);

        exchange_undo(ex, ex->position); /* whoever has it now would go on with it */
        exchange_discard_response(ex);
        exchange_answer_plain(ex, status, reason, slice_cstr(http_status_text(status)));
        exchange_respond(ex);
        return;
    }
    ex->reason = reason;
    ex->codec->abort(ex);
}

void exchange_end(struct exchange *ex)
{
    let_go(ex);
    exchange_undo(ex, 0);
    if (ex->reason != REASON_none) {
        slab_count(ex->worker->slab, COUNT_REASONS + (unsigned)ex->reason, 1);
        log_at(LOG_LEVEL_DEBUG, LOG_FIELDS("reason", reason_name(ex->reason)), "%.*s %.*s%.*s: %u, %s",
               SLICE_ARG(ex->request.method), SLICE_ARG(ex->request.host), SLICE_ARG(ex->request.raw_path),
               ex->response.status, reason_text(ex->reason));
    }
    slab_gauge(ex->worker->slab, GAUGE_EXCHANGES, -1);
    generation_unref(ex->generation);
    ex->generation = NULL;
    if (ex->over) {
        *ex->over = true;
        ex->over = NULL;
    }
}
