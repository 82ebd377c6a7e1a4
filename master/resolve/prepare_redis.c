/*
 * prepare_redis.c - redis of rateLimit: its address becomes a service of its own, its numbers the words of a script.
 *
 * Keys and what they hold are Traefik's, so that both may count in one Redis (worker/middleware/rate_redis.c). They are the
 * middleware's, whichever router uses it.
 */
#include <inttypes.h>

#include "common/base/hash.h"
#include "master/compile/url.h"
#include "master/resolve/prepare.h"

#define SECOND INT64_C(1000000000)
#define DIAL_NS (5 * SECOND) /* Traefik has it where the option says 0 */
#define SEED_REDIS 0x7265646973ULL

/* One endpoint, host:port. */
static bool take_endpoint(struct preparation *at, const struct redis *redis)
{
    const struct slice *endpoints = redis->endpoints.items;
    struct server_url url;
    struct error why;

    if (redis->endpoints.count != 1) {
        prepare_wrong(
            at,
            "rateLimit.redis.endpoints has %zu entries: several are a Redis cluster, which this build "
            "does not ask; name the one server that counts, as HOST:PORT",
            redis->endpoints.count);
        return false;
    }

    struct slice text =
        pool_printf(at->pool, "%s://%.*s", redis->tls ? "https" : "http", SLICE_ARG(endpoints[0]));

    if (server_url_parse(text, &url, &why) < 0) {
        prepare_wrong(at, "rateLimit.redis.endpoints: %s", why.text);
        return false;
    }

    ptrdiff_t colon = slice_rfind(url.authority, ':'), bracket = slice_rfind(url.authority, ']');

    if (url.has_user || url.has_query || url.path.len || colon < 0 || colon < bracket ||
        !slice_eq(url.authority, endpoints[0])) {
        prepare_wrong(at, "rateLimit.redis.endpoints: write HOST:PORT and nothing else%s",
                      url.has_user ? "; username and password are options of their own" : "");
        return false;
    }
    prepare_server(at, text, redis->tls);
    return true;
}

/* What the script wants: tokens that come in a microsecond, how many there may be, how long (in seconds) what is not asked for is kept,
 * microseconds that a request may be held back. As Traefik has them. */
static struct list arguments(struct pool *pool, const struct rate_limit *options, int64_t max_delay_ns)
{
    double period = (double)(options->period ? options->period : SECOND) / (double)SECOND;
    double rate = (double)options->average / period; /* in a second */
    struct slice *items = pool_alloc(pool, 4 * sizeof(*items));

    items[0] = pool_printf(pool, "%.17g", rate / 1e6);
    items[1] = pool_printf(pool, "%" PRId64, options->burst > 1 ? options->burst : 1);
    items[2] = pool_printf(pool, "%" PRId64, rate >= 1 ? 2 : 1 + (int64_t)(1 / rate));
    items[3] = pool_printf(pool, "%" PRId64, max_delay_ns / 1000);
    return (struct list){items, 4};
}

static uint64_t identity_of(const struct prepared_redis *made)
{
    const int64_t numbers[] = {made->db,
                               made->most,
                               made->least,
                               made->dial_timeout,
                               made->read_timeout,
                               made->write_timeout,
                               (int64_t)made->username.len};
    uint64_t identity = hash_bytes(SEED_REDIS, numbers, sizeof(numbers));

    return hash_slice(hash_slice(identity, made->username), made->password);
}

bool prepare_redis(struct preparation *at, const struct rate_limit *options, struct prepared_rate_limit *made)
{
    const struct redis *redis = options->redis;
    struct prepared_redis *out;

    if (slice_eq(options->scope, SLICE("router"))) {
        prepare_wrong(
            at, "rateLimit.scope: router cannot be had with redis, where all routers of the middleware count "
                "together: give each router a rateLimit of its own, or leave scope out");
        return false;
    }
    if (redis->tls && (redis->tls->cert.len == 0) != (redis->tls->key.len == 0)) {
        prepare_wrong(at, "rateLimit.redis.tls: cert and key go together, and one of them is missing");
        return false;
    }
    if (made->interval == 0) { /* so many that it is no limit */
        return true;
    }
    if (!take_endpoint(at, redis)) {
        return false;
    }
    out = pool_zalloc(at->pool, sizeof(*out));
    out->prefix = pool_printf(at->pool, "rate:%.*s:", SLICE_ARG(at->middleware->element.name));
    out->arguments = arguments(at->pool, options, made->max_delay_ns);
    out->username = redis->username;
    out->password = redis->password;
    out->db = redis->db;
    out->most = redis->pool_size;
    if (redis->max_active_conns > 0 && (out->most == 0 || redis->max_active_conns < out->most)) {
        out->most = redis->max_active_conns;
    }
    out->least = redis->min_idle_conns;
    out->dial_timeout = redis->dial_timeout > 0 ? redis->dial_timeout : DIAL_NS;
    out->read_timeout = redis->read_timeout > 0 ? redis->read_timeout : 0;
    out->write_timeout = redis->write_timeout > 0 ? redis->write_timeout : 0;
    out->identity = identity_of(out);
    made->redis = out;
    return true;
}
