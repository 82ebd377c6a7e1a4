/*
 * exchange_begin.c - an exchange from the complete head of its request to its router. See exchange.h.
 *
 * What cannot be read, or only in two ways (I11), is answered here before any middleware has seen it.
 *
 * Not here: forwarding headers (forwarded.c), the middlewares (chain.c), which answer looks how (answer.c).
 */
#include "common/base/log.h"
#include "common/http/path.h"
#include "common/rule/regex.h"
#include "common/rule/rule.h"
#include "shm/routes.h"
#include "shm/tls_options.h"
#include "worker/chain.h"
#include "worker/exchange_inner.h"
#include "worker/forwarded.h"
#include "worker/listener.h"
#include "worker/recycle.h"
#include "worker/worker.h"

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
    struct regex_effort effort = {0};
    struct rule_request request = {
        .method = ex->request.method,
        .host = ex->request.host_name,
        .path = ex->request.path,
        .query = ex->request.query,
        .client = ex->client,
        .header = any_header,
        .context = &ex->request.headers,
        .scratch = ex->worker->recycler->match,
        .effort = &effort,
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
