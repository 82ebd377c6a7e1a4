/*
 * exchange.c - the life of an exchange: from a complete request head to the end of its answer. See exchange.h.
 *
 * Not here: forwarding headers (forwarded.c), the chain and own answers (chain.c, answer.c), the upstream (upstream*.c),
 * writing to the client (the codec).
 */
#include "worker/exchange.h"

#include "common/base/log.h"
#include "common/http/h1.h"
#include "common/http/path.h"
#include "common/rule/rule.h"
#include "shm/routes.h"
#include "shm/services.h"
#include "shm/tls_options.h"
#include "worker/chain.h"
#include "worker/codec.h"
#include "worker/forwarded.h"
#include "worker/internal.h"
#include "worker/listener.h"
#include "worker/upstream.h"
#include "worker/worker.h"

/* ---- the request ---- */

static bool any_header(const struct rule_request *request, struct slice name,
                       bool (*visit)(void *, struct slice), void *context)
{
    const struct headers *headers = request->context;
    enum header_id id = header_id(name);

    for (size_t i = 0; i < headers->count; i++) {
        const struct header *item = &headers->items[i];

        if (item->id != id || (item->flags & HEADER_REMOVED) ||
            (id == HEADER_OTHER && !slice_eq_nocase(item->name, name))) {
            continue;
        }
        if (visit(context, item->value)) {
            return true;
        }
    }
    return false;
}

static uint32_t find_route(struct exchange *ex)
{
    struct rule_request request = {
        .method = ex->request.method,
        .host = ex->request.host_name,
        .path = ex->request.path,
        .query = ex->request.query,
        .client = ex->client,
        .header = any_header,
        .context = &ex->request.headers,
        .scratch = ex->worker->recycler->match,
    };
    uint32_t route =
        routes_match(ex->generation->pages[PAGE_ROUTES], ex->entry_point_number, ex->request.tls, &request);

    if (pool_bytes(request.scratch) > 4096) {
        pool_reset(request.scratch);
    }
    return route;
}

/* Path, query and host in the forms that everyone behind sees. */
static enum path_result prepare_target(struct exchange *ex)
{
    struct exchange_request *request = &ex->request;
    struct request_path path;
    struct header *host = headers_get(&request->headers, HEADER_HOST);

    enum path_result result =
        path_prepare(ex->pool, request->method, request->target, ex->entry->sanitize_path, 0, &path);

    if (result != PATH_OK) {
        return result;
    }
    request->raw_path = path.raw;
    request->path = path.path;
    request->query = path.query;
    request->has_query = path.has_query;
    if (path.query.len && !query_semicolons(ex)) {
        return PATH_TOO_LONG;
    }
    request->host = path.host.len ? path.host : host ? host->value : SLICE("");
    if (host) {
        host->flags |= HEADER_REMOVED; /* it lives in request->host */
    }
    if (request->host.len && !host_canonical(ex->pool, request->host, &request->host_name)) {
        return PATH_BAD;
    }
    return PATH_OK;
}

/* False: a header with an underscore is to be refused. */
static bool apply_underscores(struct exchange *ex)
{
    for (size_t i = 0; i < ex->request.headers.count; i++) {
        struct header *item = &ex->request.headers.items[i];

        if (item->id == HEADER_OTHER && slice_find(item->name, '_') >= 0) {
            if (ex->entry->underscores == UNDERSCORE_REJECT) {
                return false;
            }
            item->flags |= HEADER_REMOVED;
        }
    }
    return true;
}

static void refuse(struct exchange *ex, enum path_result result)
{
    if (result == PATH_REFUSED) {
        exchange_answer_plain(ex, 400, REASON_bad_request, SLICE(""));
    } else if (result == PATH_TOO_LONG) {
        exchange_answer_close(ex, 414, REASON_uri_too_long);
    } else {
        exchange_answer_close(ex, 400, REASON_bad_request);
    }
    exchange_respond(ex);
}

static void route(struct exchange *ex)
{
    ex->doing = "routing";
    ex->route = find_route(ex);
    if (ex->route == ROUTE_NONE && !ex->request.tls &&
        tls_options_only(ex->generation->pages[PAGE_TLS], ex->entry_point_number)) {
        exchange_answer_body(ex, 400, REASON_plain_to_tls, SLICE("text/plain; charset=utf-8"),
                             SLICE("Client sent an HTTP request to an HTTPS server.\n"));
        exchange_respond(ex);
        return;
    }
    if (ex->route == ROUTE_NONE) {
        exchange_answer_body(ex, 404, REASON_no_route, SLICE("text/plain; charset=utf-8"),
                             SLICE("404 page not found\n"));
        exchange_respond(ex);
        return;
    }

    const struct route *row = routes_at(ex->generation->pages[PAGE_ROUTES], ex->route);

    log_debug("%.*s %.*s%.*s: router %.*s", SLICE_ARG(ex->request.method), SLICE_ARG(ex->request.host),
              SLICE_ARG(ex->request.path),
              SLICE_ARG(page_text(ex->generation->pages[PAGE_ROUTES], row->name)));
    if (path_encoded_refused(ex->request.raw_path,
                             ex->entry->refused | ((row->flags >> ROUTE_DENY_ENCODED_SHIFT) & 0x7f))) {
        exchange_answer_plain(ex, 400, REASON_encoded_character, SLICE(""));
        exchange_respond(ex);
        return;
    }
    if (row->tls && row->tls_options != ex->request.tls_options) {
        exchange_answer(ex, 421, REASON_misdirected);
        exchange_respond(ex);
        return;
    }
    ex->service = row->service;
    chain_start(ex, row);
}

void exchange_begin(struct exchange *ex)
{
    enum path_result result;

    slab_count(ex->worker->slab, COUNT_REQUESTS, 1);
    slab_gauge(ex->worker->slab, GAUGE_EXCHANGES, 1);
    ex->doing = "reading the request";
    ex->step = EXCHANGE_REQUEST;
    ex->route = ROUTE_NONE;
    ex->reason = REASON_none;
    ex->response.content_length = -1;
    headers_init(&ex->response.headers, ex->pool);
    if ((result = prepare_target(ex)) != PATH_OK) {
        refuse(ex, result);
        return;
    }
    if (slice_eq(ex->request.target, SLICE("*")) && slice_eq(ex->request.method, SLICE("OPTIONS"))) {
        exchange_answer_plain(ex, 200, REASON_internal,
                              SLICE("")); /* a question to this very server, as Go has it */
        exchange_respond(ex);
        return;
    }
    if (ex->entry->underscores != UNDERSCORE_KEEP && !apply_underscores(ex)) {
        exchange_answer_body(ex, 400, REASON_underscore_header, SLICE("text/plain; charset=utf-8"),
                             SLICE("Bad Request\n"));
        exchange_respond(ex);
        return;
    }
    forwarded_apply(ex);
    route(ex);
}

/* The chain let the request through. */
void exchange_serve(struct exchange *ex)
{
    ex->step = EXCHANGE_UPSTREAM;
    ex->doing = "choosing a server";
    upstream_begin(ex);
}

void exchange_want_body(struct exchange *ex)
{
    if (!ex->request_done) {
        ex->codec->resume(ex);
    }
}

bool exchange_request_body(struct exchange *ex, struct slice data, bool last, const struct headers *trailers)
{
    ex->bytes_in += data.len;
    if (last) {
        ex->request_done = true;
    }
    if (ex->upstream == NULL) {
        return true; /* nobody wants it any more */
    }
    return upstream_body(ex, data, last, trailers);
}

/* ---- the response ---- */

void exchange_interim(struct exchange *ex, const struct h1_message *message)
{
    if (ex->step == EXCHANGE_UPSTREAM) {
        ex->codec->send_interim(ex, message->status, &message->headers);
    }
}

void exchange_response_head(struct exchange *ex)
{
    ex->step = EXCHANGE_RESPONSE;
    ex->doing = "passing the response on";
    chain_response(ex);
    ex->codec->send_head(ex);
}

bool exchange_response_body(struct exchange *ex, struct slice data)
{
    ex->bytes_out += data.len;
    return ex->codec->send_body(ex, data);
}

void exchange_response_end(struct exchange *ex, const struct headers *trailers)
{
    ex->step = EXCHANGE_ANSWERED;
    ex->doing = "ending";
    upstream_release(ex);
    ex->codec->finish(ex, trailers);
}

void exchange_client_drained(struct exchange *ex)
{
    if (ex->upstream && ex->step == EXCHANGE_RESPONSE) {
        upstream_resume(ex);
    }
}

/* An answer of weir's own is complete in ex->response: send it. */
void exchange_respond(struct exchange *ex)
{
    struct slice body = ex->response.own_body;

    ex->response.content_length = (int64_t)body.len;
    ex->response.has_body = body.len > 0;
    if (ex->upstream) {
        upstream_release(ex);
    }
    exchange_response_head(ex);
    exchange_response_body(ex, body);
    ex->step = EXCHANGE_ANSWERED;
    ex->codec->finish(ex, NULL);
}

static uint16_t status_of(enum reason reason)
{
    switch ((int)reason) {
    case REASON_no_server:
    case REASON_limit:
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
    if (ex->upstream) {
        upstream_release(ex);
    }
    if (ex->step >= EXCHANGE_RESPONSE) {
        ex->reason = reason;
        ex->codec->abort(ex);
        return;
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

void exchange_client_gone(struct exchange *ex, enum reason reason)
{
    log_debug("%.*s%.*s: %s, while %s", SLICE_ARG(ex->request.host), SLICE_ARG(ex->request.path),
              reason_text(reason), ex->doing);
    if (ex->upstream) {
        upstream_release(ex);
    }
    if (reason != REASON_client_gone && ex->step < EXCHANGE_RESPONSE) {
        uint16_t status = status_of(reason);

        exchange_answer_plain(ex, status, reason, slice_cstr(http_status_text(status)));
        exchange_respond(ex);
        return;
    }
    ex->reason = reason;
    ex->codec->abort(ex);
}

bool exchange_unpin(struct exchange *ex)
{
    if (ex->step != EXCHANGE_RESPONSE || !chain_release(ex)) {
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

void exchange_end(struct exchange *ex)
{
    if (ex->upstream) {
        upstream_release(ex);
    }
    chain_done(ex);
    if (ex->reason != REASON_none) {
        slab_count(ex->worker->slab, COUNT_REASONS + (unsigned)ex->reason, 1);
        log_at(LOG_LEVEL_DEBUG, LOG_FIELDS("reason", reason_name(ex->reason)), "%.*s %.*s%.*s: %u, %s",
               SLICE_ARG(ex->request.method), SLICE_ARG(ex->request.host), SLICE_ARG(ex->request.raw_path),
               ex->response.status, reason_text(ex->reason));
    }
    slab_gauge(ex->worker->slab, GAUGE_EXCHANGES, -1);
    generation_unref(ex->generation);
    ex->generation = NULL;
}
