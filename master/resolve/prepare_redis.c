/*
 * prepare_redis.c - redis of rateLimit: its addresses become services of their own, its numbers the words of a script.
 *
 * Several endpoints are those of a cluster, through which its other nodes are learned (master/tls/learned.h).
 *
 * Keys and what they hold are Traefik's, so that both may count in one Redis (worker/middleware/rate_redis.c). They are the
 * middleware's, whichever router uses it.
 */
#include <inttypes.h>

#include "common/base/hash.h"
#include "common/net/redis_cluster.h"
#include "master/compile/url.h"
#include "master/resolve/prepare.h"
#include "master/tls/learned.h"
#include "master/tls/vault.h"

#define SECOND INT64_C(1000000000)
#define DIAL_NS (5 * SECOND) /* Traefik has it where the option says 0 */
#define ENDPOINTS_MOST 100
#define SEED_REDIS 0x7265646973ULL

/* ---- where it is ---- */

/* HOST:PORT and nothing else, as the URL of a server. */
static bool endpoint_url(struct preparation *at, const struct redis *redis, struct slice endpoint,
                         struct slice *out)
{
    struct server_url url;
    struct error why;

    *out = pool_printf(at->pool, "%s://%.*s", redis->tls ? "https" : "http", SLICE_ARG(endpoint));
    if (server_url_parse(*out, &url, &why) < 0) {
        prepare_wrong(at, "rateLimit.redis.endpoints: %s", why.text);
        return false;
    }

    ptrdiff_t colon = slice_rfind(url.authority, ':'), bracket = slice_rfind(url.authority, ']');

    if (url.has_user || url.has_query || url.path.len || colon < 0 || colon < bracket ||
        !slice_eq(url.authority, endpoint)) {
        prepare_wrong(at, "rateLimit.redis.endpoints: write HOST:PORT and nothing else%s",
                      url.has_user ? "; username and password are options of their own" : "");
        return false;
    }
    return true;
}

/* Its number; it is added when it is not there. */
static size_t add_node(struct slice *urls, size_t *count, struct slice url)
{
    for (size_t i = 0; i < *count; i++) {
        if (slice_eq_nocase(urls[i], url)) {
            return i;
        }
    }
    urls[(*count)++] = url;
    return *count - 1;
}

/* ---- several: a cluster ---- */

/* What the nodes said last, empty as long as none has; tools ask nobody. */
static bool learn(struct preparation *at, const struct redis *redis, struct slice *map)
{
    struct learned *learned = at->resolver->vault ? vault_learned(at->resolver->vault) : NULL;
    struct learned_way way = {.kind = &learned_clusters,
                              .username = redis->username,
                              .password = redis->password,
                              .retries = (unsigned)redis->endpoints.count,
                              .timeout_ns = redis->dial_timeout > 0 && redis->dial_timeout < DIAL_NS
                                                ? redis->dial_timeout
                                                : DIAL_NS};
    const struct slice *endpoints = redis->endpoints.items;
    struct slice url = pool_printf(at->pool, "%s://", redis->tls ? "rediss" : "redis");

    for (size_t i = 0; i < redis->endpoints.count; i++) {
        url = pool_printf(at->pool, "%.*s%s%.*s", SLICE_ARG(url), i ? "," : "", SLICE_ARG(endpoints[i]));
    }
    if (redis->tls && learned && !prepare_client_tls(at, "rateLimit.redis.tls", redis->tls, &way.tls)) {
        return false;
    }
    at->middleware->learns = prepare_way_key(at, url, redis->tls, redis->username, redis->password);
    prepare_words(at, 1, false);
    *map = learned ? learned_for(learned, at->middleware->learns, &way, at->pool) : SLICE("");
    return true;
}

/* The map's nodes behind those that are there, and its ranges by the numbers that they have then. */
static struct slice add_learned(struct preparation *at, struct slice scheme, struct slice map,
                                struct slice *urls, size_t *count)
{
    uint16_t numbers[REDIS_NODES_MOST];
    struct slice nodes, ranges;
    size_t known = 0;

    if (!redis_map_parts(map, &nodes, &ranges)) {
        return SLICE("");
    }
    while (nodes.ptr && known < REDIS_NODES_MOST) {
        struct slice node = slice_split(&nodes, '\n');

        numbers[known++] = (uint16_t)add_node(
            urls, count, pool_printf(at->pool, "%.*s://%.*s", SLICE_ARG(scheme), SLICE_ARG(node)));
    }

    struct slice copy = pool_copy(at->pool, ranges);
    struct redis_range *items = (void *)(uintptr_t)copy.ptr;

    for (size_t i = 0; i < copy.len / sizeof(*items); i++) {
        size_t node = (size_t)items[i].node[0] << 8 | items[i].node[1];
        uint16_t number = node < known ? numbers[node] : 0;

        items[i].node[0] = (uint8_t)(number >> 8);
        items[i].node[1] = (uint8_t)number;
    }
    return copy;
}

static bool take_endpoints(struct preparation *at, const struct redis *redis, struct prepared_redis *out)
{
    const struct slice *endpoints = redis->endpoints.items;
    size_t given = redis->endpoints.count, count = 0;
    struct slice *urls, url, map = SLICE("");

    if (given == 0 || given > ENDPOINTS_MOST) {
        prepare_wrong(at,
                      "rateLimit.redis.endpoints has %zu entries: name one server, or up to %d of a cluster",
                      given, ENDPOINTS_MOST);
        return false;
    }
    urls = pool_alloc(at->pool, (given + REDIS_NODES_MOST) * sizeof(*urls));
    for (size_t i = 0; i < given; i++) {
        if (!endpoint_url(at, redis, endpoints[i], &url)) {
            return false;
        }
        (void)add_node(urls, &count, url);
    }
    if (given > 1) {
        if (!learn(at, redis, &map)) {
            return false;
        }
        out->slots = add_learned(at, redis->tls ? SLICE("https") : SLICE("http"), map, urls, &count);
        out->nodes = (int64_t)count;
    }
    prepare_servers(at, &(struct list){urls, count}, redis->tls);
    return true;
}

/* ---- the rest ---- */

/* What the script wants: tokens that come in a microsecond, how many there may be, how long (in seconds) what is not asked
 * for is kept, microseconds that a request may be held back. As Traefik has them. */
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
    out = pool_zalloc(at->pool, sizeof(*out));
    if (!take_endpoints(at, redis, out)) {
        return false;
    }
    out->prefix = pool_printf(at->pool, "rate:%.*s:", SLICE_ARG(at->middleware->element.name));
    out->arguments = arguments(at->pool, options, made->max_delay_ns);
    out->username = redis->username;
    out->password = redis->password;
    out->db = out->nodes ? 0 : redis->db; /* a cluster has one, whatever is said, as Traefik has it */
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
