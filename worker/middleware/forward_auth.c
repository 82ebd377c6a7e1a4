/*
 * forward_auth.c - a server of the operator's decides who passes (forwardAuth).
 *
 * The request waits. With forwardBody its body is read first and kept, for that server and for the one behind. An answer of 2xx
 * lets the request pass with some of its headers; any other goes to the client. Of that one's body so much is kept as
 * maxResponseBodySize says, at most KEPT_MOST.
 *
 * Not here: which headers go where (forward_auth_headers.c). Test: tests/integration/test_middleware_forward_auth.py
 */
#include "worker/middleware/forward_auth.h"

#include "common/http/url.h"
#include "worker/body_keep.h"
#include "worker/middleware.h"
#include "worker/middleware/rewrite.h"
#include "worker/subrequest.h"
#include "worker/timers.h"
#include "worker/worker.h"

#define PATIENCE_NS (INT64_C(30) * 1000000000) /* for the whole answer, as Traefik's */
#define KEPT_MOST (1024 * 1024)

struct asking {
    struct exchange *ex;
    const struct prepared_forward_auth *params;
    struct subrequest *sub; /* NULL: not asked yet, or answered */
    struct timer patience;
    struct body_keep body;  /* of the request: for the server that decides, then for the one behind */
    struct body_place sent; /* so far to the former */
    uint16_t status;        /* of the answer */
    struct headers answer;
    struct body_store answer_body;
    uint64_t answer_len;
    bool too_large;
};

static bool admits(const struct asking *asking)
{
    return asking->status >= 200 && asking->status < 300;
}

static void forget(struct asking *asking)
{
    struct worker *worker = asking->ex->worker;

    subrequest_cancel(asking->sub);
    asking->sub = NULL;
    timer_remove(worker->timers, &asking->patience);
    body_place_reset(worker, &asking->sent);
    body_store_clear(worker, &asking->answer_body);
}

static void at_end(struct exchange *ex, void *state)
{
    (void)ex;
    forget(state);
}

static void answer_empty(struct asking *asking, uint16_t status, enum reason reason)
{
    forget(asking);
    (void)exchange_answer_plain(asking->ex, status, reason, SLICE(""));
    exchange_resume(asking->ex);
}

static void out_of_patience(struct timer *timer)
{
    struct asking *asking = (struct asking *)((char *)timer - offsetof(struct asking, patience));

    answer_empty(asking, 500, REASON_auth_failed);
}

/* ---- the answer goes to the client ---- */

static void send_to_signin(struct exchange *ex, struct slice url)
{
    headers_set_id(&ex->response.headers, HEADER_LOCATION, url);
    (void)exchange_answer_plain(ex, 302, REASON_auth_denied, SLICE(""));
}

/* False: there is one that cannot be read. */
static bool set_location(struct exchange *ex, const struct prepared_forward_auth *p)
{
    const struct header *item = headers_get(&ex->response.headers, HEADER_LOCATION);
    struct slice url;
    enum path_result result;

    if (item == NULL || item->value.len == 0) {
        return true;
    }
    result = p->keep_location ? url_normalise(ex->pool, item->value, &url)
                              : url_resolve(ex->pool, p->tls ? SLICE("https") : SLICE("http"),
                                            exchange_text(ex, p->authority), exchange_text(ex, p->path),
                                            item->value, &url);
    if (result != PATH_OK) {
        return false;
    }
    headers_set_id(&ex->response.headers, HEADER_LOCATION, url);
    return true;
}

static bool body_of(struct asking *asking, struct slice *out)
{
    struct body_place place = {0};
    char *text = pool_try_alloc(asking->ex->pool, asking->answer_body.len + 1);
    size_t len = 0;
    struct slice piece;

    while (text && (piece = body_store_next(asking->ex->worker, &asking->answer_body, &place)).len) {
        memcpy(text + len, piece.ptr, piece.len);
        len += piece.len;
    }
    *out = slice_of(text, len);
    return text != NULL;
}

static void pass_answer_on(struct asking *asking)
{
    struct exchange *ex = asking->ex;
    struct slice body;

    if (!body_of(asking, &body)) {
        (void)exchange_answer(ex, 503, REASON_limit);
        return;
    }
    for (size_t i = 0; i < asking->answer.count; i++) {
        const struct header *item = &asking->answer.items[i];
        bool asks = item->id == HEADER_PROXY_AUTHENTICATE; /* whoever decides speaks in our name */
        bool passes = item->id != HEADER_CONTENT_LENGTH && (asks || !(item->flags & HEADER_HOP_BY_HOP));

        if (passes && !(item->flags & HEADER_REMOVED)) {
            headers_add(&ex->response.headers, item->name, item->value)->flags &= (uint8_t)~HEADER_HOP_BY_HOP;
        }
    }
    if (!set_location(ex, asking->params)) {
        (void)exchange_answer_plain(ex, 500, REASON_auth_failed, SLICE(""));
        return;
    }
    (void)exchange_answer_plain(ex, asking->status, REASON_auth_denied, body);
}

/* A ';' of the query that stands for '&' is shown as that from here on, as in Traefik. */
static void settle_target(struct exchange *ex)
{
    struct url_path url;

    if (slice_find(ex->request.target, ';') < 0) {
        return;
    }
    if (rewrite_load(ex, &url)) {
        (void)rewrite_store(ex, &url);
    } else {
        (void)rewrite_refuse(ex);
    }
}

/* ---- the answer comes ---- */

static void on_head(struct subrequest *sub)
{
    struct asking *asking = sub->context;

    asking->status = sub->ex.answered ? 0 : sub->ex.response.status;
    headers_init(&asking->answer, asking->ex->pool);
    headers_copy(&asking->answer, &sub->ex.response.headers);
}

static bool on_body(struct subrequest *sub, struct slice data)
{
    struct asking *asking = sub->context;
    int64_t most = asking->params->answer_most;

    if (asking->status == 0) {
        return true; /* no server's */
    }
    asking->answer_len += data.len;
    if (most >= 0 && asking->answer_len > (uint64_t)most) {
        asking->too_large = true;
    } else if (!admits(asking) && !asking->too_large) {
        asking->too_large =
            asking->answer_len > KEPT_MOST || !body_store_add(asking->ex->worker, &asking->answer_body, data);
    }
    if (asking->too_large) {
        answer_empty(asking, 401, REASON_auth_failed);
    }
    return true;
}

static void on_end(struct subrequest *sub, bool complete)
{
    struct asking *asking = sub->context;
    struct exchange *ex = asking->ex;
    struct slice signin = exchange_text(ex, asking->params->signin);

    asking->sub = NULL; /* it goes by itself */
    if (!complete || asking->status == 0) {
        answer_empty(asking, 500, REASON_auth_failed);
        return;
    }
    if (admits(asking)) {
        auth_take_headers(ex, asking->params, &asking->answer);
        settle_target(ex);
    } else if (asking->status == 401 && signin.len) {
        send_to_signin(ex, signin);
    } else {
        pass_answer_on(asking);
    }
    forget(asking);
    exchange_resume(ex);
}

/* ---- the question ---- */

static void on_wanted(struct subrequest *sub)
{
    struct asking *asking = sub->context;
    bool room = true;

    while (room && asking->sent.offset < body_keep_len(&asking->body)) {
        struct slice piece = body_store_next(asking->ex->worker, &asking->body.share->store, &asking->sent);

        if (piece.len == 0 && asking->sent.failed != REASON_none) {
            answer_empty(asking, 503, asking->sent.failed);
            return;
        }
        if (piece.len == 0) {
            return; /* on_read() follows */
        }
        room = subrequest_body(sub, piece, asking->sent.offset == body_keep_len(&asking->body));
    }
}

static void on_read(struct body_place *place)
{
    on_wanted(((struct asking *)((char *)place - offsetof(struct asking, sent)))->sub);
}

static void ask(struct asking *asking)
{
    static const struct subrequest_hooks hooks = {
        .on_head = on_head, .on_body = on_body, .on_end = on_end, .on_wanted = on_wanted};
    const struct prepared_forward_auth *p = asking->params;
    struct exchange *ex = asking->ex;
    struct subrequest *sub = subrequest_new(ex, &hooks, asking);
    struct exchange_request *request = &sub->ex.request;

    request->method = p->keep_method ? ex->request.method : SLICE("GET");
    request->host = exchange_text(ex, p->authority);
    request->raw_path = exchange_text(ex, p->path);
    request->has_query = p->has_query;
    request->query = exchange_text(ex, p->query);
    auth_request_headers(ex, p, &request->headers);
    request->has_body = body_keep_len(&asking->body) > 0;
    request->content_length = (int64_t)body_keep_len(&asking->body);
    asking->sub = sub;
    timer_set(ex->worker->timers, &asking->patience, ex->worker->now_ns + PATIENCE_NS);
    subrequest_start(sub, exchange_asked_service(ex, 0));
}

/* ---- the body of the request ---- */

static enum mw_verdict on_kept(struct body_keep *body, enum body_kept how)
{
    struct asking *asking = (struct asking *)((char *)body - offsetof(struct asking, body));

    if (how == KEPT_TOO_LARGE) {
        return exchange_answer_plain(asking->ex, 401, REASON_body_too_large, SLICE(""));
    }
    ask(asking);
    return MW_SUSPENDED;
}

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    struct asking *asking = pool_zalloc(ex->pool, sizeof(*asking));

    asking->ex = ex;
    asking->params = params;
    asking->patience = (struct timer){.deadline_ns = TIMER_NEVER, .fire = out_of_patience};
    exchange_keep(ex, asking);
    exchange_at_end(ex, at_end, asking);
    if (!asking->params->forward_body || !ex->request.has_body) {
        ask(asking);
        return MW_SUSPENDED;
    }
    asking->body.most = asking->params->body_most < 0 ? UINT64_MAX : (uint64_t)asking->params->body_most;
    asking->body.memory_most = BODY_MEMORY;
    asking->body.done = on_kept;
    asking->sent.ready = on_read;
    body_keep_start(&asking->body, ex);
    return body_keep_gather(&asking->body);
}

static enum mw_verdict on_response(struct exchange *ex, const void *params)
{
    const struct asking *asking = exchange_kept(ex);

    auth_set_cookies(ex, params, &asking->answer);
    return MW_PASS;
}

const struct middleware_type mw_forward_auth = {
    .name = "forwardAuth",
    .on_request = on_request,
    .on_response = on_response,
    .filter = {.on_request_body = body_keep_take, .on_request_wanted = body_keep_wanted},
};
