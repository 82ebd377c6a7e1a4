/*
 * in_flight_req.c - inFlightReq: so many requests of a source at the same time, over all workers (shm/in_flight.h).
 *
 * A request counts until its whole answer is about to leave, or its exchange is over; a WebSocket while it lasts. When the board
 * had no table nothing is counted.
 */
#include "shm/in_flight.h"
#include "worker/exchange.h"
#include "worker/middleware.h"
#include "worker/source.h"
#include "worker/worker.h"

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct prepared_in_flight_req *p = params;
    struct board *board = ex->worker->board;
    struct table_ref table = exchange_table(ex);

    if (table_at(board, table) == NULL) {
        return MW_PASS;
    }

    struct in_flight held;
    uint64_t key = table_key(board, table, source_bytes(ex, &p->source));

    if (!in_flight_take(board, table, ex->worker->slot, key, p->amount, &held)) {
        return exchange_answer_plain(ex, 429, REASON_in_flight, exchange_text(ex, p->body));
    }
    exchange_counted(ex, &held);
    return MW_PASS;
}

const struct middleware_type mw_in_flight_req = {.name = "inFlightReq", .on_request = on_request};
