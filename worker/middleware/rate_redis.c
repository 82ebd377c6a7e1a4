/*
 * rate_redis.c - see rate_redis.h.
 *
 * A bucket is what Traefik makes of one: a hash "rate:MIDDLEWARE:SOURCE" with the fields "last", microseconds since 1970, and
 * "tokens", in that order, because Traefik reads them by their places. Time is that of Redis, so that clocks of hosts that differ
 * give nobody more. Tests: tests/integration/test_middleware_rate_limit_redis.py, _hostile.py
 */
#include "worker/middleware/rate_redis.h"

#include "worker/redis.h"
#include "worker/source.h"

#define MICROSECOND 1000

/* ARGV: tokens that come in a microsecond, how many there may be, seconds after which it is forgotten, microseconds to
 * wait at most. Answers how many microseconds to wait. A bucket that was never seen is full; one that is asked too early
 * keeps its token. */
static struct redis_script script = {
    .text = SLICE_INIT(
        "local rate, most, keep, patience = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], "
        "tonumber(ARGV[4])\n"
        "local clock = redis.call('TIME')\n"
        "local now = clock[1] * 1000000 + clock[2]\n"
        "local seen = redis.call('HMGET', KEYS[1], 'last', 'tokens')\n"
        "local left, wait = most, 0\n"
        "if seen[1] and seen[2] then\n"
        "  left = math.min(most, tonumber(seen[2]) + rate * math.max(0, now - tonumber(seen[1])))\n"
        "end\n"
        "left = left - 1\n"
        "if left < 0 then\n"
        "  wait = math.ceil(-left / rate)\n"
        "  if wait > patience then\n"
        "    left = left + 1\n"
        "  end\n"
        "end\n"
        "redis.call('HSET', KEYS[1], 'last', string.format('%.0f', now), 'tokens', string.format('%.17g', "
        "left))\n"
        "redis.call('EXPIRE', KEYS[1], keep)\n"
        "return wait\n"),
};

struct taking { /* of a request, in its exchange's pool */
    struct redis_question question;
    const struct prepared_rate_limit *params;
    rate_redis_decided *decided;
};

static void answered(struct exchange *ex, void *context, const struct resp_answer *answer)
{
    const struct taking *taking = context;
    bool good = answer && answer->kind == RESP_NUMBER && answer->number >= 0;
    int64_t most = INT64_MAX / MICROSECOND;

    taking->decided(ex, taking->params,
                    !good ? RATE_REDIS_NOTHING
                          : (answer->number < most ? answer->number : most) * MICROSECOND);
}

static struct slice key_of(struct exchange *ex, struct slice prefix, struct slice source)
{
    char *key = pool_alloc(ex->pool, prefix.len + source.len + 1);

    memcpy(key, prefix.ptr, prefix.len);
    if (source.len) {
        memcpy(key + prefix.len, source.ptr, source.len);
    }
    return slice_of(key, prefix.len + source.len);
}

bool rate_redis_take(struct exchange *ex, const struct prepared_rate_limit *p, rate_redis_decided *decided)
{
    struct taking *taking = pool_zalloc(ex->pool, sizeof(*taking));
    const struct prepared_redis *redis = exchange_items(ex, (struct list){p->redis, 1});

    taking->params = p;
    taking->decided = decided;
    taking->question = (struct redis_question){
        .ex = ex,
        .redis = redis,
        .script = &script,
        .key = key_of(ex, exchange_text(ex, redis->prefix), source_words(ex, &p->source)),
        .answered = answered,
        .context = taking,
    };
    return redis_ask(&taking->question);
}
