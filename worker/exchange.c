/*
 * exchange.c - the life of an exchange: from a complete request head to the end of its answer. See exchange.h.
 *
 * Not here: forwarding headers (forwarded.c), the chain and own answers (chain.c, answer.c), the upstream (upstream*.c),
 * writing to the client (the codec).
 */
#include "worker/exchange.h"

#include <string.h>

#include "common/base/log.h"
#include "common/http/h1.h"
#include "common/http/path.h"
#include "common/rule/rule.h"
#include "shm/routes.h"
#include "shm/services.h"
#include "shm/tls_options.h"
#include "worker/chain.h"
#include "worker/codec.h"
#include "worker/detect.h"
#include "worker/filter.h"
#include "worker/forwarded.h"
#include "worker/internal.h"
#include "worker/listener.h"
#include "worker/sticky.h"
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

/* layer 0: by entry point; else among the routers of that layer. */
static uint32_t find_route(struct exchange *ex, uint32_t layer)
{
    const struct page *routes = ex->generation->pages[PAGE_ROUTES];
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
    uint32_t route = layer ? routes_match_layer(routes, layer, &request)
                           : routes_match(routes, ex->entry_point_number, ex->request.tls, &request);

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

static void answer_no_route(struct exchange *ex)
{
    exchange_answer_body(ex, 404, REASON_no_route, SLICE("text/plain; charset=utf-8"),
                         SLICE("404 page not found\n"));
    exchange_respond(ex);
}

const struct route *exchange_descend(struct exchange *ex, uint32_t layer)
{
    ex->doing = "routing";

    uint32_t child = find_route(ex, layer);

    if (child == ROUTE_NONE) {
        answer_no_route(ex);
        return NULL;
    }

    const struct route *row = routes_at(ex->generation->pages[PAGE_ROUTES], child);

    ex->route = child;
    ex->service = row->service;
    log_debug("%.*s %.*s%.*s: child router %.*s", SLICE_ARG(ex->request.method), SLICE_ARG(ex->request.host),
              SLICE_ARG(ex->request.path),
              SLICE_ARG(page_text(ex->generation->pages[PAGE_ROUTES], row->name)));
    return row;
}

static void route(struct exchange *ex)
{
    ex->doing = "routing";
    ex->route = find_route(ex, 0);
    if (ex->route == ROUTE_NONE && !ex->request.tls &&
        tls_options_only(ex->generation->pages[PAGE_TLS], ex->entry_point_number)) {
        exchange_answer_body(ex, 400, REASON_plain_to_tls, SLICE("text/plain; charset=utf-8"),
                             SLICE("Client sent an HTTP request to an HTTPS server.\n"));
        exchange_respond(ex);
        return;
    }
    if (ex->route == ROUTE_NONE) {
        answer_no_route(ex);
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
    if (ex->step != EXCHANGE_RESPONSE) {
        return;
    }
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
    feed_on(ex);
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
    if (ex->response_filters && !filters_response_drained(ex)) {
        return;
    }
    feed_on(ex);
}

/* An answer of weir's own is complete in ex->response: send it. */
void exchange_respond(struct exchange *ex)
{
    struct slice body = ex->response.own_body;

    ex->response.content_length = (int64_t)body.len;
    ex->response.has_body = body.len > 0;
    let_go(ex);
    ex->response_filters = NULL; /* of the answer that this one replaces */

    uint32_t discarded = ex->discarded;

    if (exchange_response_head(ex) && ex->discarded == discarded) {
        exchange_response_body(ex, body);
        exchange_response_end(ex, NULL);
    }
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

/* ---- what middlewares leave ---- */

struct kept {
    uint32_t position;
    void *state;
    struct kept *next;
};

struct at_end {
    uint32_t position;
    void (*undo)(struct exchange *ex, void *state);
    void *state;
    struct at_end *next;
};

void exchange_keep(struct exchange *ex, void *state)
{
    struct kept *kept = pool_alloc(ex->pool, sizeof(*kept));

    *kept = (struct kept){.position = ex->position, .state = state, .next = ex->kept};
    ex->kept = kept;
}

void *exchange_kept(const struct exchange *ex)
{
    for (const struct kept *kept = ex->kept; kept; kept = kept->next) {
        if (kept->position == ex->position) {
            return kept->state;
        }
    }
    return NULL;
}

/* That of the middlewares from a position on: others may stand there soon. */
static void forget_from(struct exchange *ex, uint32_t position)
{
    struct kept **link = &ex->kept;

    while (*link) {
        if ((*link)->position < position) {
            link = &(*link)->next;
        } else {
            *link = (*link)->next;
        }
    }
}

void exchange_at_end(struct exchange *ex, void (*undo)(struct exchange *ex, void *state), void *state)
{
    struct at_end *owed = pool_alloc(ex->pool, sizeof(*owed));

    *owed = (struct at_end){.position = ex->position, .undo = undo, .state = state, .next = ex->at_end};
    ex->at_end = owed;
}

/* That of the middlewares from a position on. */
static void undo_from(struct exchange *ex, uint32_t position)
{
    struct at_end **link = &ex->at_end;

    while (*link) {
        struct at_end *owed = *link;

        if (owed->position < position) {
            link = &owed->next;
            continue;
        }
        *link = owed->next;
        owed->undo(ex, owed->state);
    }
}

void exchange_client_gone(struct exchange *ex, enum reason reason)
{
    log_debug("%.*s%.*s: %s, while %s", SLICE_ARG(ex->request.host), SLICE_ARG(ex->request.path),
              reason_text(reason), ex->doing);
    let_go(ex);
    if (reason != REASON_client_gone && ex->step < EXCHANGE_RESPONSE) {
        uint16_t status = status_of(reason);

        undo_from(ex, ex->position); /* whoever has it now would go on with it */
        exchange_discard_response(ex);
        exchange_answer_plain(ex, status, reason, slice_cstr(http_status_text(status)));
        exchange_respond(ex);
        return;
    }
    ex->reason = reason;
    ex->codec->abort(ex);
}

/* ---- once more ---- */

/* The fields may be changed on the way: the list is the snapshot's own. */
static void copy_fields(struct exchange_request *request, struct pool *pool)
{
    struct headers *headers = &request->headers;
    struct header *items = pool_alloc(pool, (headers->count + 1) * sizeof(*items));

    if (headers->count) {
        memcpy(items, headers->items, headers->count * sizeof(*items));
    }
    headers->items = items;
    headers->capacity = headers->count;
}

void exchange_snapshot(const struct exchange *ex, struct exchange_snapshot *snapshot)
{
    snapshot->route = ex->route;
    snapshot->request = ex->request;
    copy_fields(&snapshot->request, ex->pool);
    snapshot->client_appended = ex->client_appended;
    snapshot->not_append_forwarded_for = ex->not_append_forwarded_for;
    snapshot->filter = ex->request_filters;
    while (snapshot->filter && snapshot->filter->next) {
        snapshot->filter = snapshot->filter->next;
    }
}

void exchange_again(struct exchange *ex, const struct exchange_snapshot *snapshot)
{
    if (ex->step != EXCHANGE_HELD) {
        return;
    }
    undo_from(ex, ex->position + 1);
    forget_from(ex, ex->position + 1);
    ex->route = snapshot->route;
    if (ex->route != ROUTE_NONE) { /* a request of our own has none */
        ex->service = routes_at(ex->generation->pages[PAGE_ROUTES], ex->route)->service;
    }
    ex->request = snapshot->request;
    copy_fields(&ex->request, ex->pool);
    ex->client_appended = snapshot->client_appended;
    ex->not_append_forwarded_for = snapshot->not_append_forwarded_for;
    if (snapshot->filter) {
        snapshot->filter->next = NULL;
    } else {
        ex->request_filters = NULL;
    }
    ex->request_done = !ex->request.has_body && !ex->request.tunnel;
    ex->contact = CONTACT_NONE;
    ex->answered = false;
    ex->reason = REASON_none;
    chain_again(ex);
}

void exchange_end(struct exchange *ex)
{
    let_go(ex);
    undo_from(ex, 0);
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
