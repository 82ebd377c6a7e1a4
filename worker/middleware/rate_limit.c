/*
 * rate_limit.c - rateLimit: a token bucket for each source, exact over all workers (shm/rate.h), or over all who ask one Redis
 * (rate_redis.h).
 *
 * A request that comes a little too early is held back, one that comes much too early is refused. When the board had no table
 * nothing is counted.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "shm/rate.h"
#include "worker/exchange.h"
#include "worker/middleware.h"
#include "worker/middleware/rate_redis.h"
#include "worker/source.h"
#include "worker/worker.h"

#define MILLISECOND INT64_C(1000000)
#define SECOND (1000 * MILLISECOND)

/* Held back: lives until the exchange is over. */
struct held {
    uv_timer_t timer;
    struct exchange *ex;
};

static void on_time(uv_timer_t *timer)
{
    struct held *held = timer->data;

    exchange_resume(held->ex);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void let_go(struct exchange *ex, void *state)
{
    struct held *held = state;

    (void)ex;
    uv_close((uv_handle_t *)&held->timer, on_closed);
}

static enum mw_verdict hold_back(struct exchange *ex, int64_t delay_ns)
{
    struct held *held = xcalloc(1, sizeof(*held));
    uv_loop_t *loop = &ex->worker->loop;

    held->ex = ex;
    uv_update_time(loop);
    (void)uv_timer_init(loop, &held->timer);
    held->timer.data = held;
    (void)uv_timer_start(&held->timer, on_time, (uint64_t)((delay_ns + MILLISECOND - 1) / MILLISECOND), 0);
    exchange_at_end(ex, let_go, held);
    return MW_SUSPENDED;
}

/* As Go shows a duration: 1h2m3.5s, 12.5ms, 7µs. */
static struct slice duration_text(struct pool *pool, int64_t ns)
{
    static const struct {
        int64_t size;
        const char *name;
    } units[] = {{SECOND, "s"}, {MILLISECOND, "ms"}, {1000, "µs"}, {1, "ns"}};
    int64_t minutes = ns / SECOND / 60, hours = minutes / 60;
    int64_t rest = minutes ? ns % (60 * SECOND) : ns;
    char digits[16] = "";
    size_t unit = 0;

    while (minutes == 0 && unit < 3 && rest < units[unit].size) {
        unit++;
    }
    if (rest % units[unit].size) {
        int places = unit == 0 ? 9 : unit == 1 ? 6 : 3;
        int len = snprintf(digits, sizeof(digits), ".%0*" PRId64, places, rest % units[unit].size);

        while (len > 0 && digits[len - 1] == '0') {
            digits[--len] = '\0';
        }
    }
    struct slice seconds =
        pool_printf(pool, "%" PRId64 "%s%s", rest / units[unit].size, digits, units[unit].name);

    return hours ? pool_printf(pool, "%" PRId64 "h%" PRId64 "m%.*s", hours, minutes % 60, SLICE_ARG(seconds))
           : minutes ? pool_printf(pool, "%" PRId64 "m%.*s", minutes, SLICE_ARG(seconds))
                     : seconds;
}

static enum mw_verdict refuse(struct exchange *ex, int64_t delay_ns)
{
    headers_set(&ex->response.headers, SLICE("Retry-After"),
                pool_printf(ex->pool, "%" PRId64, delay_ns / SECOND + (delay_ns % SECOND > 0)));
    headers_set(&ex->response.headers, SLICE("X-Retry-In"), duration_text(ex->pool, delay_ns));
    return exchange_answer_plain(ex, 429, REASON_rate_limit, SLICE("Too Many Requests"));
}

/* As Traefik: without a count nobody passes. */
static enum mw_verdict fail(struct exchange *ex)
{
    return (enum mw_verdict)exchange_answer_body(ex, 500, REASON_rate_store,
                                                 SLICE("text/plain; charset=utf-8"),
                                                 SLICE("Could not insert/update bucket\n"));
}

static void redis_decided(struct exchange *ex, const struct prepared_rate_limit *p, int64_t delay_ns)
{
    if (delay_ns > 0 && delay_ns <= p->max_delay_ns) {
        (void)hold_back(ex, delay_ns);
        return;
    }
    if (delay_ns == RATE_REDIS_NOTHING) {
        (void)fail(ex);
    } else if (delay_ns > 0) {
        (void)refuse(ex, delay_ns);
    }
    exchange_resume(ex);
}

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct prepared_rate_limit *p = params;
    const struct rate rate = {.interval = p->interval,
                              .tolerance = p->tolerance,
                              .max_delay_ns = p->max_delay_ns,
                              .shift = p->shift};

    if (rate.interval == 0) {
        return MW_PASS;
    }
    if (p->redis) {
        return rate_redis_take(ex, p, redis_decided) ? MW_SUSPENDED : fail(ex);
    }

    struct table_ref ref = exchange_table(ex);
    void *table = table_at(ex->worker->board, ref);

    if (table == NULL) {
        return MW_PASS;
    }

    uint64_t key = table_key(ex->worker->board, ref, source_bytes(ex, &p->source));
    struct rate_verdict verdict = rate_take(&rate, table, key, ex->worker->now_ns);

    if (!verdict.pass) {
        return refuse(ex, verdict.delay_ns);
    }
    return verdict.delay_ns > 0 ? hold_back(ex, verdict.delay_ns) : MW_PASS;
}

const struct middleware_type mw_rate_limit = {.name = "rateLimit", .on_request = on_request};
