/*
 * redis_pool.c - pools of connections to Redis, and the questions that go over them. See redis.h.
 */
#include <openssl/mem.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "worker/redis_inner.h"
#include "worker/worker.h"

#define MILLISECOND INT64_C(1000000)
#define SECOND (1000 * MILLISECOND)
#define MOST_DEFAULT 10      /* connections of a worker */
#define DEPTH 64             /* so many answers are waited for on each before another one is opened */
#define UNDER_WAY_MOST 8192u /* of a pool; more are refused */
#define BACKLOG_MOST                                                                                         \
    ((size_t)16 << 20)       /* bytes that a connection has not taken, or that wait for one: the same */
#define LOOK_NS (2 * SECOND) /* after a change of generation */
#define PAUSE_LEAST_NS (50 * MILLISECOND)
#define PAUSE_MOST_NS SECOND

#define BUCKETS 256

struct redis_pools {
    struct redis_pool *buckets[BUCKETS];
};

/* ---- what is logged ---- */

void redis_say(struct redis_pool *pool, const char *format, ...)
{
    char text[512];
    va_list args;

    if (pool->worker->now_ns < pool->quiet_ns) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    pool->quiet_ns = pool->worker->now_ns + SECOND;
    pool->failing = true;
    log_at(LOG_LEVEL_ERROR, LOG_FIELDS("reason", reason_name(REASON_rate_store)), "Redis %s: %s", pool->host,
           text);
}

/* ---- answers ---- */
void redis_finish(struct redis_pool *pool, struct redis_command *command, const struct resp_answer *answer)
{
    struct redis_question *question = command->question;
    bool error = answer && answer->kind == RESP_ERROR;

    bool late = command->deadline_ns && command->deadline_ns <= pool->worker->now_ns;

    redis_command_give(command);
    if (question) {
        question->command = NULL;
        if (question->redis->nodes && redis_ask_elsewhere(question, answer, late)) {
            return;
        }
    }
    if (error && question) { /* else it may be a NOSCRIPT that nobody answers with the script any more */
        redis_say(pool, "it answered: %.*s", SLICE_ARG(resp_error_words(answer)));
    } else if (answer && !error && pool->failing) {
        pool->failing = false;
        log_info("Redis %s answers again", pool->host);
    }
    if (question) {
        question->answered(question->ex, question->context, answer);
    }
}

static void tell_nothing(struct redis_pool *pool, struct redis_queue *queue)
{
    struct redis_command *command;

    while ((command = redis_pop(queue))) {
        redis_uncount(command);
        redis_finish(pool, command, NULL);
    }
}

/* What waits now; whoever is told may ask something else, which waits then. */
static void tell_waiting_nothing(struct redis_pool *pool)
{
    struct redis_queue waiting = pool->waiting;

    pool->waiting = (struct redis_queue){.first = NULL};
    tell_nothing(pool, &waiting);
}

/* ---- connections ---- */

static struct redis_conn *least_busy(const struct redis_pool *pool)
{
    struct redis_conn *best = NULL;

    for (struct redis_conn *rc = pool->conns; rc; rc = rc->next) {
        if (rc->state == REDIS_READY && !rc->lost && (best == NULL || rc->sent.count < best->sent.count)) {
            best = rc;
        }
    }
    return best;
}

static void step_back(struct redis_pool *pool)
{
    pool->pause_ns = pool->pause_ns == 0                  ? PAUSE_LEAST_NS
                     : pool->pause_ns < PAUSE_MOST_NS / 2 ? pool->pause_ns * 2
                                                          : PAUSE_MOST_NS;
    pool->retry_ns = pool->worker->now_ns + pool->pause_ns;
}

static void dial_for(struct redis_pool *pool, const struct redis_question *question)
{
    if (pool->worker->now_ns >= pool->retry_ns &&
        !redis_dial(pool, question->ex->generation, question->service, 0, "its name has no address")) {
        step_back(pool);
    }
}

/* Those that nobody waits for any more go. */
static const struct redis_question *first_waiting(struct redis_pool *pool)
{
    while (pool->waiting.first && pool->waiting.first->question == NULL) {
        redis_finish(pool, redis_next_waiting(pool), NULL);
    }
    return pool->waiting.first ? pool->waiting.first->question : NULL;
}

/* What waits goes over a connection that is there, or one is opened for it; else it is told. */
static void go_on(struct redis_pool *pool)
{
    struct redis_conn *rc;

    while (first_waiting(pool) && (rc = least_busy(pool))) {
        redis_send(rc, redis_next_waiting(pool));
    }
    if (first_waiting(pool) && pool->opening == 0) {
        dial_for(pool, first_waiting(pool));
    }
    if (pool->opening == 0) {
        tell_waiting_nothing(pool);
    }
}

void redis_opened(struct redis_conn *rc)
{
    struct redis_pool *pool = rc->pool;

    pool->opening--;
    pool->pause_ns = pool->retry_ns = 0;
    rc->state = REDIS_READY;
    rc->used_ns = pool->worker->now_ns;
    generation_unref(rc->generation);
    rc->generation = NULL;
    timer_set(pool->worker->timers, &rc->conn.timer, TIMER_NEVER);
    go_on(pool);
    if (rc->state == REDIS_READY) {
        poller_again(&rc->conn.io);
    }
}

void redis_unreachable(struct redis_pool *pool)
{
    step_back(pool);
    go_on(pool);
}

void redis_lost(struct redis_pool *pool, struct redis_queue *sent, bool retry)
{
    struct redis_queue over = {.first = NULL};
    struct redis_command *command;

    while ((command = redis_pop(sent))) {
        bool again =
            retry && command->question && !command->again && command->deadline_ns > pool->worker->now_ns;

        command->again = true;
        command->whole = false;
        if (again) {
            redis_wait(pool, command);
        } else {
            redis_push(&over, command);
        }
    }
    go_on(pool);
    tell_nothing(pool, &over);
}

/* ---- pools ---- */

static void greeting_make(struct redis_pool *pool, const struct page *page,
                          const struct prepared_redis *redis)
{
    struct slice username = page_text(page, redis->username), password = page_text(page, redis->password);

    text_init(&pool->greeting);
    if (password.len) {
        resp_add_head(&pool->greeting, username.len ? 3 : 2);
        resp_add_word(&pool->greeting, SLICE("AUTH"));
        if (username.len) {
            resp_add_word(&pool->greeting, username);
        }
        resp_add_word(&pool->greeting, password);
        pool->greetings++;
    }
    if (redis->db) {
        resp_add_head(&pool->greeting, 2);
        resp_add_word(&pool->greeting, SLICE("SELECT"));
        resp_add_number(&pool->greeting, redis->db);
        pool->greetings++;
    }
}

/* This worker's part of so many connections. */
static uint32_t part_of(const struct worker *worker, int64_t connections)
{
    uint32_t workers =
        (uint32_t)atomic_load_explicit(&board_tree(worker->board)->workers, memory_order_relaxed);
    int64_t part = workers ? connections / workers : connections;

    return part < 1 ? 1 : (uint32_t)part;
}

static struct redis_pool **bucket_of(const struct worker *worker, uint64_t identity)
{
    return &worker->redis->buckets[hash_finish(identity) % BUCKETS];
}

static void end_pool(struct redis_pool *pool)
{
    struct redis_pool **link = bucket_of(pool->worker, pool->identity);

    while (*link != pool) {
        link = &(*link)->next;
    }
    *link = pool->next;
    while (pool->conns) {
        struct redis_conn *rc = pool->conns;

        redis_close(rc);
        redis_drop(&rc->sent);
    }
    redis_drop(&pool->waiting);
    redis_commands_free(pool);
    timer_remove(pool->worker->timers, &pool->look);
    if (pool->greeting.ptr) {
        OPENSSL_cleanse(pool->greeting.ptr, pool->greeting.capacity);
    }
    text_free(&pool->greeting);
    text_free(&pool->scratch);
    free(pool->host);
    free(pool);
}

/* One that the configuration in force did not ask goes with the last question. */
static void on_look(struct timer *timer)
{
    struct redis_pool *pool = (struct redis_pool *)((char *)timer - offsetof(struct redis_pool, look));

    if (pool->generation == pool->worker->generation->number) {
        return;
    }
    if (pool->under_way == 0) {
        end_pool(pool);
    } else {
        timer_set(pool->worker->timers, &pool->look, pool->worker->now_ns + LOOK_NS);
    }
}

void redis_switch(struct worker *worker)
{
    for (size_t i = 0; worker->redis && i < BUCKETS; i++) {
        for (struct redis_pool *pool = worker->redis->buckets[i]; pool; pool = pool->next) {
            timer_set(worker->timers, &pool->look, worker->now_ns + LOOK_NS);
        }
    }
}

static struct redis_pool *make_pool(struct worker *worker, uint64_t identity, const struct page *page,
                                    const struct prepared_redis *redis, struct slice host)
{
    struct redis_pool *pool = xcalloc(1, sizeof(*pool)), **bucket = bucket_of(worker, identity);

    pool->worker = worker;
    pool->identity = identity;
    pool->most = redis->most ? part_of(worker, redis->most) : MOST_DEFAULT;
    pool->least = redis->least ? part_of(worker, redis->least) : 0;
    pool->least = pool->least > pool->most ? pool->most : pool->least;
    pool->dial_timeout = redis->dial_timeout;
    pool->read_timeout = redis->read_timeout;
    pool->write_timeout = redis->write_timeout;
    pool->host = xstrndup(host.ptr, host.len);
    pool->look.fire = on_look;
    text_init(&pool->scratch);
    greeting_make(pool, page, redis);
    pool->next = *bucket;
    *bucket = pool;
    timer_set(worker->timers, &pool->look, worker->now_ns + LOOK_NS);
    return pool;
}

/* NULL: there is no such server. */
static struct redis_pool *pool_for(const struct redis_question *question)
{
    struct exchange *ex = question->ex;
    const struct generation *generation = ex->generation;
    const struct page *page;
    const struct service *service = services_at(&generation->services, question->service, &page);
    struct redis_pool *pool;

    if (service == NULL || service->servers.count == 0) {
        return NULL;
    }
    const struct server *server = page_at(page, service->servers.items);
    uint64_t identity = hash_bytes(question->redis->identity, &server->identity, sizeof(server->identity));

    if (ex->worker->redis == NULL) {
        ex->worker->redis = xcalloc(1, sizeof(*ex->worker->redis));
    }
    pool = *bucket_of(ex->worker, identity);
    while (pool && pool->identity != identity) {
        pool = pool->next;
    }
    if (pool == NULL) {
        pool = make_pool(ex->worker, identity, generation->pages[PAGE_MIDDLEWARES], question->redis,
                         page_text(page, server->host));
    }
    pool->generation = generation->number > pool->generation ? generation->number : pool->generation;
    return pool;
}

void redis_stop(struct worker *worker)
{
    for (size_t i = 0; worker->redis && i < BUCKETS; i++) {
        while (worker->redis->buckets[i]) {
            end_pool(worker->redis->buckets[i]);
        }
    }
    free(worker->redis);
    worker->redis = NULL;
}

/* ---- questions ---- */

static void sha_make(struct redis_script *script)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[SHA_DIGEST_LENGTH];

    (void)SHA1((const uint8_t *)script->text.ptr, script->text.len, digest);
    for (size_t i = 0; i < sizeof(digest); i++) {
        script->sha[2 * i] = digits[digest[i] >> 4];
        script->sha[2 * i + 1] = digits[digest[i] & 15];
    }
}

/* The exchange is over. */
static void leave(struct exchange *ex, void *state)
{
    struct redis_question *question = state;

    (void)ex;
    if (question->command) {
        redis_uncount(question->command);
        question->command->question = NULL;
        question->command = NULL;
    }
}

/* Another connection, when there are too few or those that are there have much to do. */
static void open_more(struct redis_pool *pool, const struct redis_question *question,
                      const struct redis_conn *best)
{
    bool wanted = best == NULL || best->sent.count >= DEPTH || pool->count < pool->least;

    if (wanted && pool->opening == 0 && pool->count < pool->most) {
        dial_for(pool, question);
    }
}

static bool has_room(struct redis_pool *pool, const struct redis_question *question,
                     const struct redis_conn *best)
{
    if (pool->under_way >= UNDER_WAY_MOST) {
        redis_say(pool, "%u questions wait for their answers: no more are asked", UNDER_WAY_MOST);
        return false;
    }
    if (best && best->conn.out_len >= BACKLOG_MOST) {
        redis_say(pool, "%zu MiB of questions wait until it takes them: no more are asked",
                  BACKLOG_MOST >> 20);
        return false;
    }
    if (best == NULL && pool->waiting_bytes + question->key.len > BACKLOG_MOST) {
        redis_say(pool, "%zu MiB of questions wait for a connection: no more are asked", BACKLOG_MOST >> 20);
        return false;
    }
    return true;
}

bool redis_ask_server(struct redis_question *question)
{
    struct redis_pool *pool = pool_for(question);
    struct redis_conn *rc;

    if (pool == NULL) {
        return false;
    }
    rc = least_busy(pool);
    if (!has_room(pool, question, rc)) {
        return false;
    }
    if (question->script->sha[0] == '\0') {
        sha_make(question->script);
    }
    open_more(pool, question, rc);
    if (rc == NULL && pool->opening == 0) {
        return false;
    }

    struct redis_command *command = redis_command_take(pool, question);

    question->command = command;
    if (!question->begun) {
        question->begun = true;
        exchange_at_end(question->ex, leave, question);
    }
    if (rc) {
        redis_send(rc, command);
    } else {
        redis_wait(pool, command);
    }
    return true;
}
