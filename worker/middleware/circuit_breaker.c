/*
 * circuit_breaker.c - circuitBreaker: while what is behind fails, it is not asked (shm/breaker.h).
 *
 * An answer counts when it is over, with the status that left this middleware and the time it took in all; not when it says
 * nothing about what is behind (exchange_is_final()): no client opens it by being slow. When the board had no room nothing is
 * counted and everything passes. Test: tests/integration/test_middleware_circuit_breaker.py
 */
#include "common/http/h1.h"
#include "common/model/prepared.h"
#include "common/rule/breaker_expression.h"
#include "shm/breaker.h"
#include "worker/exchange.h"
#include "worker/middleware.h"
#include "worker/worker.h"

#define CLIENT_GONE 499 /* as Traefik says when there is no answer for it */

struct watched {                                   /* in the exchange's pool */
    const struct prepared_circuit_breaker *params; /* while the exchange holds its generation */
    struct table_ref table;
    struct slice ranges; /* a copy: for answers that outlive their configuration */
    int64_t begun_ns;
    uint16_t status;
    bool latency, final;
};

struct question {
    struct breaker *breaker;
    int64_t now_ns;
};

static struct breaker *find(struct exchange *ex, struct table_ref ref)
{
    struct board *board = ex->worker->board;
    void *table = table_at(board, ref);

    return table ? breaker_at(table, table_key(board, ref, SLICE(""))) : NULL;
}

static struct breaker_times times_of(const struct prepared_circuit_breaker *p)
{
    return (struct breaker_times){.check = p->check, .fallback = p->fallback, .recovery = p->recovery};
}

static uint64_t count_of(void *context, unsigned counter)
{
    const struct question *question = context;

    return breaker_count(question->breaker, counter, question->now_ns);
}

static int64_t latency_of(void *context, double quantile)
{
    const struct question *question = context;

    return breaker_latency_ms(question->breaker, quantile, question->now_ns);
}

static void look(struct exchange *ex, struct breaker *breaker, const struct prepared_circuit_breaker *p)
{
    struct breaker_times times = times_of(p);
    struct question question = {breaker, ex->worker->now_ns};
    struct breaker_facts facts = {count_of, latency_of, &question};

    if (breaker_due(breaker, &times, question.now_ns) &&
        breaker_expression_holds(exchange_text(ex, p->code), &facts)) {
        breaker_open(breaker, &times, question.now_ns);
    }
}

static void over(struct exchange *ex, void *state)
{
    const struct watched *watched = state;
    struct breaker *breaker = find(ex, watched->table);
    int64_t took_ns = ex->worker->now_ns - watched->begun_ns;

    if (breaker == NULL || watched->final) {
        return;
    }
    breaker_record(breaker, breaker_counters_of(watched->ranges, watched->status),
                   watched->latency ? took_ns : -1, ex->worker->now_ns);
    if (ex->generation) {
        look(ex, breaker, watched->params);
    }
}

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct prepared_circuit_breaker *p = params;
    struct breaker_times times = times_of(p);
    struct breaker *breaker = find(ex, exchange_table(ex));
    struct watched *watched;

    if (breaker == NULL) {
        return MW_PASS;
    }
    if (!breaker_passes(breaker, &times, ex->worker->now_ns)) {
        return exchange_answer_plain(ex, (uint16_t)p->status, REASON_circuit_open,
                                     slice_cstr(http_status_text((uint16_t)p->status)));
    }
    watched = pool_alloc(ex->pool, sizeof(*watched));
    *watched = (struct watched){.params = p,
                                .table = exchange_table(ex),
                                .ranges = pool_copy(ex->pool, exchange_text(ex, p->ranges)),
                                .begun_ns = ex->worker->now_ns,
                                .status = CLIENT_GONE,
                                .latency = p->latency};
    exchange_keep(ex, watched);
    exchange_at_end(ex, over, watched);
    return MW_PASS;
}

static enum mw_verdict on_response(struct exchange *ex, const void *params)
{
    struct watched *watched = exchange_kept(ex);

    (void)params;
    if (watched) {
        watched->status = ex->response.status == 101 ? 200 : ex->response.status;
        watched->final = exchange_is_final(ex);
    }
    return MW_PASS;
}

const struct middleware_type mw_circuit_breaker = {
    .name = "circuitBreaker", .on_request = on_request, .on_response = on_response};
