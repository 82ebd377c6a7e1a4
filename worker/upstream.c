/*
 * upstream.c - an exchange on its way to a server: picking, connecting, trying again, letting go. See upstream.h.
 */
#include "worker/upstream.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "worker/chain.h"
#include "worker/codec.h"
#include "worker/internal.h"
#include "worker/listener.h"
#include "worker/passive.h"
#include "worker/service_step.h"
#include "worker/upstream_inner.h"
#include "worker/worker.h"

#define RESPONSE_HEAD_MAX ((size_t)1024 * 1024)
#define RESPONSE_FIELDS_MAX 1000
#define CONTINUE_NS INT64_C(1000000000)      /* as Go: then the body goes without the server's word */
#define STALL_NS (INT64_C(300) * 1000000000) /* a server that takes nothing of a body for that long */

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

void upstream_arm(struct upstream_exchange *ux)
{
    struct worker *worker = ux->ex->worker;
    int64_t deadline = TIMER_NEVER;

    if (ux->up->state == UPSTREAM_CONNECTING) {
        if (ux->transport->dial_timeout > 0) {
            deadline = worker->now_ns + ux->transport->dial_timeout;
        }
    } else if (conn_backed_up(&ux->up->conn)) {
        deadline = worker->now_ns + STALL_NS;
    } else if (ux->body_held) {
        deadline = worker->now_ns + CONTINUE_NS;
    } else if (ux->request_sent && ux->phase < RESPONSE_BODY && ux->transport->response_header_timeout > 0) {
        deadline = worker->now_ns + ux->transport->response_header_timeout;
    }
    timer_set(worker->timers, &ux->up->conn.timer, deadline);
}

/* ---- attempts ---- */

static void attach(struct upstream_exchange *ux, struct upstream *up)
{
    ux->up = up;
    up->ux = ux;
    ux->phase = RESPONSE_NOTHING;
    ux->request_sent = false;
}

static void send_request(struct upstream_exchange *ux)
{
    ux->ex->doing = "sending the request";
    ux->sent_ns = ux->ex->worker->now_ns;
    ux->codec->send_head(ux);
}

void upstream_connected(struct upstream_exchange *ux)
{
    log_debug("connected to %.*s", SLICE_ARG(page_text(ux->pick.page, ux->pick.server->url)));
    send_request(ux);
}

/* Dials addresses of the server, and of the next servers, until one does not fail at once. */
static void dial(struct upstream_exchange *ux)
{
    struct exchange *ex = ux->ex;
    struct worker *worker = ex->worker;

    for (;;) {
        const struct server *server = ux->pick.server;
        const struct server_address *addresses = page_at(ux->pick.page, server->addresses.items);
        struct upstream *up;

        if (ux->address < server->addresses.count) {
            int rc = upstream_dial(worker, server, &addresses[ux->address], &up);

            if (rc == 0) {
                ex->doing = "connecting to the server";
                attach(ux, up);
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
            exchange_upstream_failed(ex, ux->timed_out ? REASON_connect_timeout : REASON_connect_refused);
            return;
        }
    }
}

static void start_attempt(struct upstream_exchange *ux)
{
    struct upstream *up = upstream_reuse(ux->ex->worker, ux->pick.server);

    if (up == NULL) {
        dial(ux);
        return;
    }
    attach(ux, up);
    log_debug("reusing a connection to %.*s", SLICE_ARG(page_text(ux->pick.page, ux->pick.server->url)));
    send_request(ux);
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

/* A connection from the pool that was closed just when it was used: nothing of the answer came, nothing is lost. */
static bool may_retry(const struct upstream_exchange *ux, enum reason reason)
{
    const struct exchange *ex = ux->ex;

    return reason == REASON_reset_before_headers && ux->up->reused && !ux->retried &&
           ux->phase == RESPONSE_NOTHING && ex->step == EXCHANGE_UPSTREAM &&
           (!ex->request.has_body ||
            (ex->bytes_in == 0 && !ex->request_done && idempotent(ex->request.method)));
}

void upstream_attempt_failed(struct upstream_exchange *ux, enum reason reason)
{
    struct upstream *up = ux->up;
    bool connecting = up->state == UPSTREAM_CONNECTING;
    bool again = !connecting && may_retry(ux, reason);

    ux->up = NULL;
    buffer_give(ux->ex->worker, ux->head);
    ux->head = NULL;
    upstream_close(up);
    if (connecting) {
        ux->timed_out = reason == REASON_connect_timeout;
        ux->address++;
        dial(ux);
    } else if (again) {
        log_debug("a kept connection was closed by the server: trying again on a new one");
        ux->retried = true;
        ux->address = 0;
        slab_count(ux->ex->worker->slab, COUNT_RETRIES, 1);
        dial(ux);
    } else {
        if (ux->phase < RESPONSE_BODY) {
            passive_note(ux->ex->worker, &ux->pick, true);
        }
        exchange_upstream_failed(ux->ex, reason);
    }
}

void upstream_answered(struct exchange *ex, uint16_t status)
{
    passive_note(ex->worker, &ex->upstream->pick, status >= 500);
}

void upstream_on_timer(struct upstream *up)
{
    struct upstream_exchange *ux = up->ux;

    if (up->state == UPSTREAM_CONNECTING) {
        upstream_attempt_failed(ux, REASON_connect_timeout);
    } else if (ux->body_held) {
        ux->body_held = false;
        upstream_arm(ux);
        ux->ex->codec->send_continue(ux->ex);
        exchange_want_body(ux->ex);
    } else {
        upstream_attempt_failed(ux, REASON_response_timeout);
    }
}

/* Middlewares may have rewritten host and target: what could end the request line or a field is not sent. */
static bool sendable(const struct exchange *ex)
{
    const struct slice parts[] = {ex->request.raw_path, ex->request.query, ex->request.host};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        for (size_t k = 0; k < parts[i].len; k++) {
            if ((unsigned char)parts[i].ptr[k] <= ' ' || parts[i].ptr[k] == 0x7f) {
                return false;
            }
        }
    }
    return true;
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
    if ((ex->chain_done > 0 || ex->route == ROUTE_NONE) && !sendable(ex)) {
        log_debug("the rewritten target or host holds bytes that may not be sent");
        exchange_upstream_failed(ex, REASON_bad_request);
        return;
    }
    ux->transport = transports_at(ex->generation->pages[PAGE_TRANSPORTS], ux->pick.service->transport);
    ux->codec = &upstream_h1;
    start_attempt(ux);
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
    return ux->codec->send_body(ux, data, last, trailers);
}

void upstream_resume(struct exchange *ex)
{
    struct upstream_exchange *ux = ex->upstream;

    if (ux->paused && ux->up) {
        ux->paused = false;
        poller_again(&ux->up->conn.io);
    }
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
    struct upstream *up = ux->up;

    ex->upstream = NULL;
    pick_leave(&ux->pick.load);
    if (up) {
        up->ux = NULL;
        if (up->state == UPSTREAM_BUSY && ux->codec->reusable(ux)) {
            upstream_keep(up, ux->transport);
        } else {
            upstream_close(up);
        }
    }
    buffer_give(ex->worker, ux->head);
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
