/*
 * upstream.c - an exchange on its way to a server: picking, connecting, trying again, letting go. See upstream.h.
 */
#include "worker/upstream.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/http/path.h"
#include "worker/chain.h"
#include "worker/codec.h"
#include "worker/exchange_inner.h"
#include "worker/h2_upstream.h"
#include "worker/internal.h"
#include "worker/listener.h"
#include "worker/passive.h"
#include "worker/service_step.h"
#include "worker/upstream_inner.h"
#include "worker/worker.h"

#define RESPONSE_HEAD_MAX ((size_t)1024 * 1024)
#define RESPONSE_FIELDS_MAX 1000
#define CONTINUE_NS INT64_C(1000000000)      /* as Go: then the body goes without the server's word */
#define HANDSHAKE_NS INT64_C(10000000000)    /* as Go */
#define STALL_NS (INT64_C(300) * 1000000000) /* a side of a tunnel that takes nothing for that long */
#define REFUSALS_MOST 3 /* of a request that the server did nothing of: then it is not asked again */

static bool is_opening(const struct upstream *up)
{
    return up->state == UPSTREAM_CONNECTING || up->state == UPSTREAM_HANDSHAKE;
}

static struct upstream_exchange *ux_take(struct exchange *ex)
{
    struct upstream_exchange *ux = record_take(ex->worker, RECORD_UPSTREAM_EXCHANGE);
    struct h1_parser *parser;

    if (ux) {
        parser = ux->parser;
        memset(ux, 0, sizeof(*ux));
    } else {
        ux = xcalloc(1, sizeof(*ux));
        parser = h1_parser_new(H1_RESPONSE, &ux->limits);
    }
    ux->parser = parser;
    ux->ex = ex;
    ux->limits = (struct h1_limits){.max_head = RESPONSE_HEAD_MAX, .max_headers = RESPONSE_FIELDS_MAX};
    return ux;
}

void upstream_exchange_free(void *record)
{
    struct upstream_exchange *ux = record;

    h1_parser_free(ux->parser);
    free(ux);
}

/* How long a server may take nothing, ns; 0: for ever. */
static int64_t patience(const struct upstream_exchange *ux)
{
    return ux->raw ? STALL_NS : ux->transport->send_timeout;
}

void upstream_arm(struct upstream_exchange *ux)
{
    struct worker *worker = ux->ex->worker;
    int64_t deadline = TIMER_NEVER;

    ux->stalling = false;
    if (ux->up->state == UPSTREAM_CONNECTING) {
        if (ux->transport->dial_timeout > 0) {
            deadline = worker->now_ns + ux->transport->dial_timeout;
        }
    } else if (ux->up->state == UPSTREAM_HANDSHAKE) {
        deadline = worker->now_ns + HANDSHAKE_NS;
    } else if (ux->codec->backed_up(ux)) {
        ux->stalling = true;
        ux->unsent = ux->codec->waiting(ux);
        deadline = patience(ux) > 0 ? ux->moved_ns + patience(ux) : TIMER_NEVER;
    } else if (ux->body_held) {
        deadline = worker->now_ns + CONTINUE_NS;
    } else if (ux->request_sent && ux->phase < RESPONSE_BODY && ux->transport->response_header_timeout > 0) {
        deadline = worker->now_ns + ux->transport->response_header_timeout;
    }
    timer_set(worker->timers, ux->timer, deadline);
}

/* ---- attempts ---- */

static void begin_attempt(struct upstream_exchange *ux)
{
    ux->phase = RESPONSE_NOTHING;
    ux->request_sent = ux->raw = ux->end_due = ux->stale = ux->untouched = ux->starved = false;
}

/* An earlier attempt had asked for the body, and it came while this one was on its way. False: backed up. */
static bool send_early(struct upstream_exchange *ux)
{
    const struct headers *trailers = ux->early_trailers.count ? &ux->early_trailers : NULL;
    bool last = ux->early_last, room = true;

    while (ux->early.first) {
        struct buffer *buffer = h2_bytes_pop(&ux->early);
        bool end = last && ux->early.first == NULL;

        room = ux->codec->send_body(ux, slice_of(buffer->data + buffer->from, buffer_len(buffer)), end,
                                    end ? trailers : NULL);
        buffer_give(ux->ex->worker, buffer);
        ux->early_last = ux->early_last && !end;
    }
    if (ux->early_last) {
        ux->early_last = false;
        room = ux->codec->send_body(ux, slice_of(NULL, 0), true, trailers);
    }
    return room;
}

static void send_request(struct upstream_exchange *ux)
{
    ux->ex->doing = "sending the request";
    ux->ex->contact = CONTACT_SENT;
    ux->sent_ns = ux->moved_ns = ux->ex->worker->now_ns;
    ux->codec->send_head(ux);
    if ((ux->early.len || ux->early_last) && send_early(ux)) {
        exchange_want_body(ux->ex);
    }
}

static bool keep_early(struct upstream_exchange *ux, struct slice data, bool last,
                       const struct headers *trailers)
{
    if (!h2_bytes_add(ux->ex->worker, &ux->early, data)) {
        exchange_upstream_failed(ux->ex, REASON_limit);
        return true;
    }
    ux->early_last = last;
    headers_init(&ux->early_trailers, ux->ex->pool);
    if (trailers) {
        headers_copy(&ux->early_trailers, trailers);
    }
    return false;
}

void upstream_connected(struct upstream_exchange *ux)
{
    log_debug("connected to %.*s", SLICE_ARG(page_text(ux->pick.page, ux->pick.server->url)));
    send_request(ux);
}

/* HTTP/2 may carry it. Not a switch of protocols: that is a matter of HTTP/1, and such servers are asked in it, as Go does. */
static bool may_share(const struct upstream_exchange *ux)
{
    const struct server *server = ux->pick.server;

    return (server->h2c || (server->tls && !ux->transport->http1_only)) && !ux->ex->request.upgrade;
}

/* What a new connection is attached as; that to a server of https may turn out to be one of HTTP/2. */
static const struct upstream_codec *opening_codec(const struct upstream_exchange *ux)
{
    return ux->pick.server->h2c && may_share(ux) ? &upstream_h2 : &upstream_h1;
}

/* On a connection that is there: a shared one, or an idle one of HTTP/1 if that is wanted. */
static bool join(struct upstream_exchange *ux, bool idle_too)
{
    begin_attempt(ux);
    ux->codec = &upstream_h2;
    if (!may_share(ux) || !ux->codec->join(ux)) {
        ux->codec = opening_codec(ux);
        if (!idle_too || ux->codec != &upstream_h1 || !ux->codec->join(ux)) {
            return false;
        }
    }
    log_debug("reusing a connection to %.*s", SLICE_ARG(page_text(ux->pick.page, ux->pick.server->url)));
    if (ux->up->state == UPSTREAM_CONNECTING) {
        ux->ex->doing = "connecting to the server";
        upstream_arm(ux);
    } else {
        send_request(ux);
    }
    return true;
}

/* Opens a connection to one of the server's addresses, or of the next servers', until one does not fail at once. What is
 * shared is looked for anew with each server. */
static void dial(struct upstream_exchange *ux)
{
    struct exchange *ex = ux->ex;
    struct worker *worker = ex->worker;

    for (;;) {
        const struct server *server = ux->pick.server;
        const struct server_address *addresses = page_at(ux->pick.page, server->addresses.items);
        struct upstream *up;

        if (join(ux, false)) {
            return;
        }
        if (ux->address < server->addresses.count) {
            int rc = upstream_dial(worker, server, &addresses[ux->address], &up);

            if (rc == 0) {
                ex->doing = "connecting to the server";
                ux->codec->attach(ux, up);
                upstream_arm(ux);
                return;
            }
            log_debug("connecting to %.*s failed: %s", SLICE_ARG(page_text(ux->pick.page, server->url)),
                      strerror(-rc));
            if (rc == -EMFILE || rc == -ENFILE) { /* ours are short: no other server would help */
                exchange_upstream_failed(ex, REASON_limit);
                return;
            }
            ux->address++;
            continue;
        }
        passive_note(worker, &ux->pick, true);
        if (pick_next(ex, &ux->pick)) {
            ux->address = 0;
            slab_count(worker->slab, COUNT_RETRIES, 1);
        } else {
            exchange_upstream_failed(ex, ux->refused ? ux->refused : REASON_connect_refused);
            return;
        }
    }
}

static bool idempotent(struct slice method)
{
    static const struct slice methods[] = {SLICE_INIT("GET"),    SLICE_INIT("HEAD"), SLICE_INIT("OPTIONS"),
                                           SLICE_INIT("DELETE"), SLICE_INIT("PUT"),  SLICE_INIT("TRACE")};

    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (slice_eq(method, methods[i])) {
            return true;
        }
    }
    return false;
}

/* A connection from the pool that was closed just when it was used, or a stream that the server refused: nothing of the answer
 * came, nothing is lost. */
static bool may_retry(const struct upstream_exchange *ux, enum reason reason)
{
    const struct exchange *ex = ux->ex;
    bool whole = !ex->request.has_body || (ex->bytes_in == 0 && !ex->request_done);

    if (reason != REASON_reset_before_headers || ux->phase != RESPONSE_NOTHING ||
        ex->step != EXCHANGE_UPSTREAM || !whole) {
        return false;
    }
    if (ux->untouched) {
        return ux->refusals < REFUSALS_MOST;
    }
    /* over HTTP/1 it was idle; over HTTP/2 others were on it, so the server may have begun */
    return ux->stale && !ux->retried &&
           (idempotent(ex->request.method) || (ux->codec == &upstream_h1 && !ex->request.has_body));
}

void upstream_attempt_failed(struct upstream_exchange *ux, enum reason reason)
{
    bool connecting = is_opening(ux->up);

    reason = ux->starved ? REASON_limit : reason;

    bool again = !connecting && may_retry(ux, reason);

    buffer_give(ux->ex->worker, ux->head);
    ux->head = NULL;
    ux->codec->leave(ux);
    if (connecting) {
        ux->refused = reason;
        ux->address++;
        dial(ux);
    } else if (again) {
        log_debug(ux->untouched ? "the server refused the request: trying again"
                                : "a kept connection was closed by the server: trying again on a new one");
        ux->retried = ux->retried || !ux->untouched;
        ux->refusals += ux->untouched;
        ux->address = 0;
        slab_count(ux->ex->worker->slab, COUNT_RETRIES, 1);
        dial(ux);
    } else {
        if (ux->phase < RESPONSE_BODY && !ux->starved &&
            reason != REASON_limit) { /* no fault of the server */
            passive_note(ux->ex->worker, &ux->pick, true);
        }
        exchange_upstream_failed(ux->ex, reason);
    }
}

void upstream_answered(struct exchange *ex, uint16_t status)
{
    passive_note(ex->worker, &ex->upstream->pick, status >= 500);
}

/* It may have moved since, if only what the kernel holds of it; and while the client does not take the answer it is no
 * wonder. */
static bool is_stalled(struct upstream_exchange *ux)
{
    const struct upstream_codec *codec = ux->codec;
    int64_t now = ux->ex->worker->now_ns;

    if (ux->paused || codec->waiting(ux) < ux->unsent ||
        (codec->held_by_others && codec->held_by_others(ux))) {
        ux->moved_ns = now;
    }
    return codec->backed_up(ux) && now - ux->moved_ns >= patience(ux);
}

void upstream_late(struct upstream_exchange *ux)
{
    if (is_opening(ux->up)) {
        upstream_attempt_failed(ux, REASON_connect_timeout);
    } else if (ux->body_held) {
        ux->body_held = false;
        upstream_arm(ux);
        ux->ex->codec->send_continue(ux->ex);
        exchange_want_body(ux->ex);
    } else if (ux->stalling && !is_stalled(ux)) {
        upstream_arm(ux);
    } else {
        if (ux->stalling) {
            log_debug("the server took nothing of the request for too long");
        }
        upstream_attempt_failed(ux, REASON_response_timeout);
    }
}

/* What could end the request line or a field is not sent. The client's was looked at when it was read, what middlewares made of
 * it when they did; a request of our own may have come by without that. */
static bool sendable(const struct exchange *ex)
{
    if (ex->route != ROUTE_NONE) {
        return !ex->request.bad_path && !ex->request.bad_host;
    }
    return target_valid(ex->request.raw_path) && target_valid(ex->request.query) &&
           target_valid(ex->request.host);
}

void upstream_begin(struct exchange *ex)
{
    struct upstream_exchange *ux = ux_take(ex);

    ex->upstream = ux;
    bool entered;
    uint32_t way = chain_way(ex, &entered);

    switch (pick_server(ex, &ex->generation->services, way, entered, &ux->pick)) {
    case PICK_SERVER:
        break;
    case PICK_INTERNAL: {
        enum service_internal internal = ux->pick.service->internal;

        upstream_release(ex);
        internal_answer(ex, internal);
        exchange_respond(ex);
        return;
    }
    case PICK_NONE:
        exchange_upstream_failed(ex, REASON_no_server);
        return;
    case PICK_DOWN:
        upstream_release(ex);
        exchange_answer(ex, 503, REASON_no_server);
        exchange_respond(ex);
        return;
    case PICK_STEP: {
        const struct page *page = ux->pick.page;
        const struct service *service = ux->pick.service;

        uint32_t number = ux->pick.number;

        upstream_release(ex);
        if (number != PICK_NUMBER_NONE) {
            chain_middlewares(ex, page, service, number);
            return;
        }
        chain_step(ex, service->kind == SERVICE_FAILOVER ? &step_failover : &step_mirroring, page, service);
        return;
    }
    }
    if (slice_eq(ex->request.method, SLICE("CONNECT"))) {
        upstream_release(ex);
        exchange_answer_plain(ex, 501, REASON_unsupported, SLICE(""));
        exchange_respond(ex);
        return;
    }
    if (!sendable(ex)) {
        log_debug("the rewritten target or host holds bytes that may not be sent");
        exchange_upstream_failed(ex, REASON_bad_request);
        return;
    }
    ux->transport = transports_at(ex->generation->pages[PAGE_TRANSPORTS], ux->pick.service->transport);
    ex->contact = CONTACT_CHOSEN;
    if (!join(ux, true)) {
        dial(ux);
    }
}

void upstream_tunnel_closed(struct conn *conn)
{
    struct upstream *up = (struct upstream *)conn;

    pick_leave(&up->load);
    upstream_close(up);
}

bool upstream_body(struct exchange *ex, struct slice data, bool last, const struct headers *trailers)
{
    struct upstream_exchange *ux = ex->upstream;

    if (ux->up == NULL) {
        return true;
    }
    if (is_opening(ux->up) || ux->early.len) {
        return keep_early(ux, data, last, trailers);
    }
    return ux->codec->send_body(ux, data, last, trailers);
}

void upstream_resume(struct exchange *ex)
{
    struct upstream_exchange *ux = ex->upstream;

    if (ux->paused && ux->up) {
        ux->paused = false;
        ux->codec->resume(ux);
    }
}

size_t upstream_held(const struct exchange *ex)
{
    const struct upstream_exchange *ux = ex->upstream;

    return ux ? ux->early.len + (ux->up ? ux->codec->held(ux) : 0) : 0;
}

struct conn *upstream_conn(const struct exchange *ex)
{
    const struct upstream_exchange *ux = ex->upstream;

    return ux && ux->up && ux->codec == &upstream_h1 ? &ux->up->conn : NULL;
}

void upstream_unpin(struct exchange *ex)
{
    struct upstream_exchange *ux = ex->upstream;

    ux->transport_copy = *ux->transport;
    ux->transport = &ux->transport_copy;
    ux->pick = (struct pick){.load = ux->pick.load};
}

void upstream_release(struct exchange *ex)
{
    struct upstream_exchange *ux = ex->upstream;

    ex->upstream = NULL;
    pick_leave(&ux->pick.load);
    if (ux->up) {
        ux->codec->leave(ux);
    }
    buffer_give(ex->worker, ux->head);
    h2_bytes_drop(ex->worker, &ux->early);
    ux->released = true;
    if (!ux->entered) {
        record_give(ex->worker, RECORD_UPSTREAM_EXCHANGE, ux);
    }
}

bool upstream_leave(struct worker *worker, struct upstream_exchange *ux)
{
    ux->entered = false;
    if (ux->released) {
        record_give(worker, RECORD_UPSTREAM_EXCHANGE, ux);
        return false;
    }
    return true;
}
