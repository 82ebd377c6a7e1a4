/*
 * breaker_expression.h - when a circuit breaker opens: NetworkErrorRatio() > 0.3 && RequestThreshold() >= 20.
 *
 * NetworkErrorRatio() and ResponseCodeRatio(from, to, dividedByFrom, dividedByTo) are compared with a number that has a point,
 * LatencyAtQuantileMS(50.0) (its quantile has one) and RequestThreshold() with one that has none, as in Traefik; `to` is not part
 * of a range. What has to be counted for it comes out beside the program.
 */
#ifndef WEIR_COMMON_RULE_BREAKER_EXPRESSION_H
#define WEIR_COMMON_RULE_BREAKER_EXPRESSION_H

#include "common/base/error.h"
#include "common/base/pool.h"

/* Counters: requests, network errors (502 and 504), then one for each range of statuses. */
enum breaker_counter { BREAKER_REQUESTS, BREAKER_NETWORK, BREAKER_RANGES };
#define BREAKER_COUNTERS 16u

struct breaker_range {      /* of statuses; no alignment: stored as text */
    uint8_t from[2], to[2]; /* high byte first; to is not part of it */
};

struct breaker_program {
    struct slice code;
    struct slice ranges; /* struct breaker_range of the counters from BREAKER_RANGES on */
    bool latency;        /* times are needed */
};

/* False: *why says what is wrong and where. Lies in the pool. */
bool breaker_expression_compile(struct pool *pool, struct slice text, struct breaker_program *program,
                                struct error *why);

/* Which counters an answer belongs to, as bits. */
uint32_t breaker_counters_of(struct slice ranges, unsigned status);

struct breaker_facts {
    uint64_t (*count)(void *context, unsigned counter);
    int64_t (*latency_ms)(void *context, double quantile);
    void *context;
};

/* code: as compiled. */
bool breaker_expression_holds(struct slice code, const struct breaker_facts *facts);

#endif
