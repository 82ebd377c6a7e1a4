/*
 * health.c - the targets, when they are asked, and what becomes of the answers. See health.h.
 */
#include "master/health/health.h"

#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/pool.h"
#include "common/base/process.h"
#include "master/health/probe.h"
#include "shm/services.h"

#define AT_ONCE 64 /* probes that are under way; the others wait for their turn */
#define MILLISECOND INT64_C(1000000)
#define INTERVAL (30000 * MILLISECOND)
#define TIMEOUT (5000 * MILLISECOND)

struct target {
    struct target *next;         /* in the set */
    struct target *next_waiting; /* in the queue */
    struct health *health;
    struct pool *pool; /* of the texts */
    struct slice service, url;
    uint64_t identity; /* of service, server and options */
    struct probe_options options;
    probe_start *start;
    uint64_t interval_ms, unhealthy_ms;
    struct board_ref word, since;
    bool down; /* by the last answer */
    uv_timer_t timer;
    struct probe *probe;
    uint64_t began_ms; /* loop time of the last probe */
    bool wanted;       /* by the newest configuration */
    bool waiting;
};

struct health {
    uv_loop_t *loop;
    struct board *board;
    struct target *targets;
    struct target *first_waiting, *last_waiting;
    unsigned running;
};

/* ---- asking ---- */

static void begin_next(struct health *health);
static void on_due(uv_timer_t *timer);

static _Atomic uint64_t *word_of(const struct target *target)
{
    return board_at(target->health->board, target->word);
}

/* Stored only when it differs: a line that nobody changes stays in every cache. */
static void tell(const struct target *target, uint64_t health)
{
    _Atomic uint64_t *word = word_of(target);

    if (word && atomic_load_explicit(word, memory_order_relaxed) != health) {
        atomic_store_explicit(word, health, memory_order_relaxed);
    }
}

static void say(const struct target *target, const struct error *why)
{
    const char *name = target->start == probe_tcp_start ? "targetAddress" : "targetURL";
    char service[256], url[256];

    (void)slice_to_cstr(target->service, service, sizeof(service));
    (void)slice_to_cstr(target->url, url, sizeof(url));
    if (why) {
        log_at(LOG_LEVEL_WARN, LOG_FIELDS("serviceName", service, name, url, "error", why->text),
               "Health check failed.");
    } else if (target->down) {
        log_at(LOG_LEVEL_INFO, LOG_FIELDS("serviceName", service, name, url),
               "Health check passed: the server is up again");
    }
}

static void on_done(void *context, const struct error *why)
{
    struct target *target = context;
    struct health *health = target->health;
    _Atomic uint64_t *since = board_at(health->board, target->since);
    uint64_t passed = uv_now(health->loop) - target->began_ms;
    uint64_t interval = why ? target->unhealthy_ms : target->interval_ms;

    target->probe = NULL;
    health->running--;
    if (why == NULL && target->down && since) {
        atomic_store_explicit(since, (uint64_t)process_clock_ns(), memory_order_relaxed);
    }
    tell(target, why ? HEALTH_DOWN : HEALTH_UP); /* in force before anybody reads of it */
    say(target, why);
    target->down = why != NULL;
    (void)uv_timer_start(&target->timer, on_due, passed < interval ? interval - passed : 1, 0);
    begin_next(health);
}

static void begin_next(struct health *health)
{
    while (health->running < AT_ONCE && health->first_waiting) {
        struct target *target = health->first_waiting;

        health->first_waiting = target->next_waiting;
        if (health->first_waiting == NULL) {
            health->last_waiting = NULL;
        }
        target->next_waiting = NULL;
        target->waiting = false;
        target->began_ms = uv_now(health->loop);
        target->probe = target->start(health->loop, &target->options, on_done, target);
        health->running++;
    }
}

static void on_due(uv_timer_t *timer)
{
    struct target *target = timer->data;
    struct health *health = target->health;

    target->waiting = true;
    if (health->last_waiting) {
        health->last_waiting->next_waiting = target;
    } else {
        health->first_waiting = target;
    }
    health->last_waiting = target;
    begin_next(health);
}

/* ---- the set ---- */

/* What the kinds have in common, and what TCP alone has. */
static uint64_t identity_begin(const struct health_target *from)
{
    const struct tcp_health_check *tcp = from->tcp;
    const int64_t numbers[] = {tcp ? tcp->port : -1,   tcp ? tcp->interval : 0,
                               tcp ? tcp->timeout : 0, tcp ? tcp->unhealthy_interval : 0,
                               from->by_tls,           from->insecure,
                               from->word.slot,        from->word.epoch,
                               from->since.slot,       from->since.epoch};
    const struct slice texts[] = {from->service,
                                  from->url,
                                  from->ca,
                                  from->server_name,
                                  tcp ? tcp->send : SLICE(""),
                                  tcp ? tcp->expect : SLICE("")};
    uint64_t hash = hash_bytes(0x6865616c7468ULL, numbers, sizeof(numbers));

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        hash = hash_slice(hash ^ texts[i].len, texts[i]);
    }
    return hash;
}

static uint64_t identity_of(const struct health_target *from)
{
    const struct health_check *options = from->options;
    uint64_t hash = identity_begin(from);

    if (options == NULL) {
        return hash;
    }
    const int64_t numbers[] = {options->status,
                               options->port,
                               options->interval,
                               options->timeout,
                               options->unhealthy_interval,
                               options->follow_redirects.set ? options->follow_redirects.value : 1};
    const struct slice texts[] = {options->scheme, options->mode, options->path, options->method,
                                  options->hostname};

    hash = hash_bytes(hash, numbers, sizeof(numbers));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        hash = hash_slice(hash ^ texts[i].len, texts[i]);
    }
    for (size_t i = 0; i < options->headers.count; i++) {
        hash = hash_slice(hash, options->headers.items[i].key);
        hash = hash_slice(hash, options->headers.items[i].value);
    }
    return hash;
}

static uint64_t milliseconds(int64_t ns, int64_t otherwise)
{
    int64_t ms = (ns > 0 ? ns : otherwise) / MILLISECOND;

    return ms > 0 ? (uint64_t)ms : 1;
}

static const struct string_pair *headers_copied(struct pool *pool, const struct string_map *map)
{
    struct string_pair *pairs = pool_alloc(pool, (map->count + 1) * sizeof(*pairs));

    for (size_t i = 0; i < map->count; i++) {
        pairs[i] =
            (struct string_pair){pool_copy(pool, map->items[i].key), pool_copy(pool, map->items[i].value)};
    }
    return pairs;
}

/* Times of either kind. */
static void times_set(struct target *target, int64_t interval, int64_t unhealthy, int64_t timeout)
{
    uint64_t most = milliseconds(timeout, TIMEOUT);

    target->interval_ms = milliseconds(interval, INTERVAL);
    target->unhealthy_ms = unhealthy == 0 ? target->interval_ms : milliseconds(unhealthy, INTERVAL);
    target->options.timeout_ms = most > INT32_MAX ? INT32_MAX : (unsigned)most;
}

static void http_options_copy(struct target *target, const struct health_check *options)
{
    struct pool *pool = target->pool;

    target->start = slice_eq(options->mode, SLICE("grpc")) ? probe_grpc_start : probe_http_start;
    target->options.tls.h2 = target->start == probe_grpc_start;
    target->options.scheme = pool_copy(pool, options->scheme);
    target->options.path = pool_copy(pool, options->path);
    target->options.method = pool_copy(pool, options->method);
    target->options.hostname = pool_copy(pool, options->hostname);
    target->options.port = (uint16_t)options->port;
    target->options.headers = headers_copied(pool, &options->headers);
    target->options.header_count = options->headers.count;
    target->options.status = options->status;
    target->options.follow_redirects = options->follow_redirects.set ? options->follow_redirects.value : true;
    times_set(target, options->interval, options->unhealthy_interval, options->timeout);
}

/* Too long: that part of the question is left out; master/resolve said so. */
static struct slice payload_copied(struct pool *pool, struct slice text)
{
    return text.len > TCP_HEALTH_TEXT_MOST ? SLICE("") : pool_copy(pool, text);
}

static void tcp_options_copy(struct target *target, const struct tcp_health_check *options)
{
    target->start = probe_tcp_start;
    target->options.send = payload_copied(target->pool, options->send);
    target->options.expect = payload_copied(target->pool, options->expect);
    target->options.port = (uint16_t)options->port;
    times_set(target, options->interval, options->unhealthy_interval, options->timeout);
}

static void options_copy(struct target *target, const struct health_target *from)
{
    struct pool *pool = target->pool;

    target->service = pool_copy(pool, from->service);
    target->url = pool_copy(pool, from->url);
    target->options = (struct probe_options){
        .url = target->url,
        .by_tls = from->by_tls,
        .tls = {.ca = pool_copy(pool, from->ca), .insecure = from->insecure},
        .server_name = pool_copy(pool, from->server_name),
    };
    if (from->tcp) {
        tcp_options_copy(target, from->tcp);
    } else {
        http_options_copy(target, from->options);
    }
}

static void target_add(struct health *health, const struct health_target *from, uint64_t identity)
{
    struct target *target = xcalloc(1, sizeof(*target));
    _Atomic uint64_t *word;

    target->health = health;
    target->identity = identity;
    target->word = from->word;
    target->since = from->since;
    target->wanted = true;
    target->pool = pool_new(512, 0);
    options_copy(target, from);
    word = word_of(target);
    target->down = word && atomic_load_explicit(word, memory_order_relaxed) == HEALTH_DOWN;
    target->next = health->targets;
    health->targets = target;
    (void)uv_timer_init(health->loop, &target->timer);
    target->timer.data = target;
    (void)uv_timer_start(&target->timer, on_due, 0, 0);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct target *target = handle->data;

    pool_free(target->pool); /* holds secrets of headers: it is wiped by nobody else */
    free(target);
}

static void leave_queue(struct health *health, const struct target *target)
{
    struct target **link = &health->first_waiting, *last = NULL;

    while (*link) {
        if (*link == target) {
            *link = target->next_waiting;
        } else {
            last = *link;
            link = &(*link)->next_waiting;
        }
    }
    health->last_waiting = last;
}

/* It is in the set no longer. */
static void target_end(struct target *target)
{
    struct health *health = target->health;

    if (target->waiting) {
        leave_queue(health, target);
    }
    if (target->probe) {
        probe_cancel(target->probe);
        health->running--;
    }
    uv_close((uv_handle_t *)&target->timer, on_timer_closed);
}

static void unwanted_end(struct health *health)
{
    struct target **link = &health->targets;

    while (*link) {
        struct target *target = *link;

        if (target->wanted) {
            link = &target->next;
            continue;
        }
        *link = target->next;
        target_end(target);
    }
}

struct index {
    struct target **slots; /* by identity, open addressing, at most half full */
    size_t mask;
};

static void index_put(struct index *index, struct target *target)
{
    size_t at = hash_finish(target->identity) & index->mask;

    while (index->slots[at]) {
        at = (at + 1) & index->mask;
    }
    index->slots[at] = target;
}

static struct target *index_find(const struct index *index, uint64_t identity)
{
    size_t at = hash_finish(identity) & index->mask;

    while (index->slots[at] && index->slots[at]->identity != identity) {
        at = (at + 1) & index->mask;
    }
    return index->slots[at];
}

static struct index index_make(struct health *health, size_t more)
{
    size_t count = more, size = 16;
    struct index index;

    for (struct target *target = health->targets; target; target = target->next) {
        count++;
    }
    while (size < count * 2) {
        size *= 2;
    }
    index = (struct index){xcalloc(size, sizeof(struct target *)), size - 1};
    for (struct target *target = health->targets; target; target = target->next) {
        target->wanted = false;
        index_put(&index, target);
    }
    return index;
}

void health_apply(struct health *health, const struct health_target *targets, size_t count)
{
    struct index index = index_make(health, count);

    for (size_t i = 0; i < count; i++) {
        uint64_t identity = identity_of(&targets[i]);
        struct target *known = index_find(&index, identity);

        if (known) {
            known->wanted = true;
            continue;
        }
        target_add(health, &targets[i], identity);
        index_put(&index, health->targets);
    }
    free(index.slots);
    unwanted_end(health);
    begin_next(health);
}

/* ---- life ---- */

struct health *health_new(uv_loop_t *loop, struct board *board)
{
    struct health *health = xcalloc(1, sizeof(*health));

    health->loop = loop;
    health->board = board;
    return health;
}

void health_close(struct health *health)
{
    if (health) {
        for (struct target *target = health->targets; target; target = target->next) {
            target->wanted = false;
        }
        unwanted_end(health);
        free(health);
    }
}
