/*
 * rate_redis.h - the buckets of rateLimit in a Redis, which counts for all who ask it.
 */
#ifndef WEIR_WORKER_MIDDLEWARE_RATE_REDIS_H
#define WEIR_WORKER_MIDDLEWARE_RATE_REDIS_H

#include "common/model/prepared.h"
#include "worker/exchange.h"

#define RATE_REDIS_NOTHING INT64_C(-1) /* in place of a delay: Redis gave none */

/* delay_ns: how long the request is to be held back; more than max_delay_ns: it took no token. */
typedef void rate_redis_decided(struct exchange *ex, const struct prepared_rate_limit *p, int64_t delay_ns);

/* Takes a token of the source. decided() is called from the loop, unless the exchange ends before. False: nobody can be asked. */
bool rate_redis_take(struct exchange *ex, const struct prepared_rate_limit *p, rate_redis_decided *decided);

#endif
