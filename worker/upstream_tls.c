/*
 * upstream_tls.c - the handshake with a server of https, between its TCP connection and the request. See upstream_inner.h.
 *
 * Which codec goes on is decided behind it: tls_upstream_protocol() of the connection says what was agreed on.
 */
#include "common/base/log.h"
#include "common/base/process.h"
#include "worker/tls_upstream.h"
#include "worker/upstream_inner.h"
#include "worker/worker.h"

#define TURN_NS 1000000 /* so old may a turn be for another step to begin */

static void say(const struct upstream_exchange *ux, const char *why)
{
    const struct page *transports = ux->ex->generation->pages[PAGE_TRANSPORTS];

    log_at(LOG_LEVEL_ERROR, LOG_FIELDS("reason", reason_name(REASON_upstream_tls)),
           "TLS with the server %.*s (serversTransport %.*s) failed: %s",
           SLICE_ARG(page_text(ux->pick.page, ux->pick.server->url)),
           SLICE_ARG(page_text(transports, ux->transport->name)), why);
}

static void failed(struct upstream *up, const struct error *why)
{
    say(up->ux, why->text);
    upstream_attempt_failed(up->ux, REASON_upstream_tls);
}

bool upstream_tls_broke(const struct upstream_exchange *ux)
{
    const char *words = ux->up->conn.tls ? tls_broken_words(&ux->up->conn) : NULL;

    if (words && ux->pick.server) { /* else the generation was let go: there is no name to say any more */
        say(ux, words);
    }
    return words != NULL;
}

void upstream_tls_start(struct upstream *up)
{
    const struct upstream_exchange *ux = up->ux;
    const struct tls_upstream_want want = {
        .generation = ux->ex->generation,
        .settings = ux->transport->tls,
        .host = page_text(ux->pick.page, ux->pick.server->host),
        .peer = ux->pick.server->identity,
        .alpn = ux->transport->http1_only ? SLICE("") : TLS_UPSTREAM_ALPN_H1,
    };
    struct error why;

    up->state = UPSTREAM_HANDSHAKE;
    ux->ex->doing = "shaking hands with the server";
    if (tls_upstream_start(&up->conn, &want, &why) < 0) {
        failed(up, &why);
        return;
    }
    upstream_arm(up->ux);
    upstream_tls_step(up);
}

void upstream_tls_step(struct upstream *up)
{
    struct worker *worker = up->conn.worker;
    struct error why;

    if (process_clock_ns() - worker->now_ns >= TURN_NS) {
        poller_again(&up->conn.io);
        return;
    }
    enum tls_upstream_step step = tls_upstream_step(&up->conn, &why);

    stopwatch_end(&worker->watch,
                  LAP_UPSTREAM); /* it may take a millisecond: what follows is another matter */
    switch (step) {
    case TLS_UPSTREAM_MORE:
        break;
    case TLS_UPSTREAM_DONE:
        upstream_opened(up);
        break;
    case TLS_UPSTREAM_FAILED:
        failed(up, &why);
        break;
    }
}
