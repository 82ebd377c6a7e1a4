/*
 * redis_conn.c - a connection to a Redis: opened, TLS, logged in, commands out, answers in, time-outs. See redis.h.
 *
 * Nobody is called from within redis_dial() and redis_send(), which run within exchanges: what goes wrong there is found out
 * in the connection's next turn.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/base/memory.h"
#include "common/base/process.h"
#include "shm/transports.h"
#include "worker/dial.h"
#include "worker/redis_inner.h"
#include "worker/tls_upstream.h"
#include "worker/worker.h"

#define SECOND INT64_C(1000000000)
#define IDLE_NS (1800 * SECOND) /* then one that is not among the least goes, as with Traefik */
#define TURN_NS 1000000         /* so old may a turn be for another step of a handshake to begin */
#define READS_AT_ONCE 16

static void release_generation(struct redis_conn *rc)
{
    if (rc->generation) {
        generation_unref(rc->generation);
        rc->generation = NULL;
    }
}

void redis_close(struct redis_conn *rc)
{
    struct redis_pool *pool = rc->pool;
    struct redis_conn **link = &pool->conns;

    while (*link != rc) {
        link = &(*link)->next;
    }
    *link = rc->next;
    pool->count--;
    pool->opening -= rc->state != REDIS_READY;
    rc->state = REDIS_CLOSED;
    release_generation(rc);
    slab_gauge(rc->conn.worker->slab, rc->idle ? GAUGE_UPSTREAM_IDLE : GAUGE_UPSTREAM_ACTIVE, -1);
    conn_close(&rc->conn);
}

static void on_closed(struct io *io)
{
    free(io);
}

/* ---- time-outs ---- */

static void count(struct redis_conn *rc)
{
    struct board_slab *slab = rc->conn.worker->slab;
    bool idle = rc->sent.first == NULL;

    if (idle != rc->idle) {
        slab_gauge(slab, GAUGE_UPSTREAM_IDLE, idle ? 1 : -1);
        slab_gauge(slab, GAUGE_UPSTREAM_ACTIVE, idle ? -1 : 1);
        rc->idle = idle;
    }
}

/* Each time that something was asked or answered on one that is ready. */
static void arm(struct redis_conn *rc)
{
    const struct redis_pool *pool = rc->pool;
    int64_t at = TIMER_NEVER;

    count(rc);
    if (rc->sent.first) {
        at = rc->sent.first->deadline_ns;
    } else if (pool->count > pool->least) {
        at = rc->used_ns + IDLE_NS;
    }
    if (conn_backed_up(&rc->conn) && pool->write_timeout && rc->conn.waits_ns + pool->write_timeout < at) {
        at = rc->conn.waits_ns + pool->write_timeout;
    }
    timer_set(rc->conn.worker->timers, &rc->conn.timer, at);
}

static void lose(struct redis_conn *rc)
{
    struct redis_pool *pool = rc->pool;

    redis_close(rc);
    redis_lost(pool, &rc->sent, true);
}

/* It was not ready yet, and no other address is tried: who logs in wrongly does so everywhere. */
static void fail_to_open(struct redis_conn *rc)
{
    struct redis_pool *pool = rc->pool;

    redis_close(rc);
    redis_unreachable(pool);
}

/* This address did not take the connection. */
static void fail_to_connect(struct redis_conn *rc, const char *why)
{
    struct redis_pool *pool = rc->pool;
    struct generation *generation = generation_ref(rc->generation);

    redis_close(rc);
    if (!redis_dial(pool, generation, rc->service, rc->address + 1, why)) {
        redis_unreachable(pool);
    }
    generation_unref(generation);
}

static bool takes_nothing(const struct redis_conn *rc)
{
    return conn_backed_up(&rc->conn) && rc->pool->write_timeout &&
           rc->conn.waits_ns + rc->pool->write_timeout <= rc->conn.worker->now_ns;
}

static void on_late(struct timer *timer)
{
    struct redis_conn *rc = (struct redis_conn *)((char *)timer - offsetof(struct redis_conn, conn.timer));
    int64_t now = rc->conn.worker->now_ns;

    if (rc->state == REDIS_CONNECTING) {
        fail_to_connect(rc, "time-out (dialTimeout)");
    } else if (rc->state == REDIS_HANDSHAKE) {
        redis_say(rc->pool, "TLS: time-out (dialTimeout)");
        fail_to_open(rc);
    } else if (rc->state == REDIS_GREETING) {
        redis_say(rc->pool, "no answer to AUTH or SELECT in time (readTimeout)");
        fail_to_open(rc);
    } else if (takes_nothing(rc)) {
        redis_say(rc->pool, "takes no commands (writeTimeout)");
        lose(rc);
    } else if (rc->sent.first && rc->sent.first->deadline_ns <= now) {
        redis_say(rc->pool, "no answer in time (readTimeout)");
        lose(rc);
    } else if (rc->sent.first == NULL && rc->pool->count > rc->pool->least && rc->used_ns + IDLE_NS <= now) {
        redis_close(rc);
    } else {
        arm(rc);
    }
}

/* ---- answers ---- */

/* One that belongs to the greeting. */
static void greeted(struct redis_conn *rc, const struct resp_answer *answer)
{
    if (answer->kind == RESP_ERROR) {
        redis_say(rc->pool, "AUTH or SELECT was refused: %.*s", SLICE_ARG(resp_error_words(answer)));
        fail_to_open(rc);
    } else if (--rc->greetings == 0) {
        redis_opened(rc);
    }
}

static void answered(struct redis_conn *rc, const struct resp_answer *answer)
{
    struct redis_command *command;

    if (rc->state == REDIS_GREETING) {
        greeted(rc, answer);
        return;
    }
    if (rc->sent.first && rc->sent.first->asking) {
        rc->sent.first->asking = false; /* what it means comes with the next one */
        return;
    }
    command = redis_pop(&rc->sent);
    if (command == NULL) {
        redis_say(rc->pool, "it spoke without being asked");
        lose(rc);
    } else if (command->question && !command->whole && resp_is_error(answer, SLICE("NOSCRIPT"))) {
        command->whole = true;
        redis_send(rc, command);
    } else {
        redis_finish(rc->pool, command, answer);
    }
}

/* Whole answers that are there; false: the connection is closed. */
static bool take_answers(struct redis_conn *rc)
{
    struct slice left = slice_of(rc->inbox, rc->inbox_len);
    struct resp_answer answer;
    ssize_t n;

    while ((n = resp_read(left, &answer)) > 0) {
        answered(rc, &answer);
        if (rc->state == REDIS_CLOSED) {
            return false;
        }
        left = slice_from(left, (size_t)n);
    }
    if (n < 0) {
        redis_say(rc->pool, "its answer is none of Redis");
        if (rc->state == REDIS_READY) {
            lose(rc);
        } else {
            fail_to_open(rc);
        }
        return false;
    }
    memmove(rc->inbox, left.ptr, left.len);
    rc->inbox_len = left.len;
    return true;
}

static void ended(struct redis_conn *rc)
{
    if (rc->state == REDIS_GREETING) {
        redis_say(rc->pool, "it closed the connection before it answered to AUTH or SELECT");
        fail_to_open(rc);
        return;
    }
    lose(rc);
}

static void read_answers(struct redis_conn *rc)
{
    for (unsigned i = 0; i < READS_AT_ONCE; i++) {
        ssize_t n = conn_read(&rc->conn, rc->inbox + rc->inbox_len, sizeof(rc->inbox) - rc->inbox_len);

        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0) {
            ended(rc);
            return;
        }
        rc->inbox_len += (size_t)n;
        if (!take_answers(rc)) {
            return;
        }
    }
    poller_again(&rc->conn.io);
}

/* ---- opening ---- */

static void greet(struct redis_conn *rc)
{
    struct redis_pool *pool = rc->pool;

    rc->state = REDIS_GREETING;
    rc->greetings = pool->greetings;
    if (rc->greetings == 0) {
        redis_opened(rc);
        return;
    }
    timer_set(rc->conn.worker->timers, &rc->conn.timer,
              pool->read_timeout ? rc->conn.worker->now_ns + pool->read_timeout : TIMER_NEVER);
    rc->lost = conn_send_one(&rc->conn, slice_of(pool->greeting.ptr, pool->greeting.len)) < 0;
    poller_again(&rc->conn.io); /* what came behind the handshake has no event of its own */
}

static void shake_hands(struct redis_conn *rc)
{
    struct worker *worker = rc->conn.worker;
    struct error why = {""};

    if (process_clock_ns() - worker->now_ns >= TURN_NS) {
        poller_again(&rc->conn.io);
        return;
    }
    enum tls_upstream_step step = tls_upstream_step(&rc->conn, &why);

    stopwatch_end(&worker->watch, LAP_UPSTREAM); /* it may take a millisecond */
    if (step == TLS_UPSTREAM_DONE) {
        greet(rc);
    } else if (step == TLS_UPSTREAM_FAILED) {
        redis_say(rc->pool, "TLS failed: %s", why.text);
        fail_to_open(rc);
    }
}

static const struct server *server_of(const struct generation *generation, uint32_t service,
                                      const struct service **row, const struct page **page)
{
    *row = services_at(&generation->services, service, page);
    return *row && (*row)->servers.count ? page_at(*page, (*row)->servers.items) : NULL;
}

static void connected(struct redis_conn *rc)
{
    const struct generation *generation = rc->generation;
    const struct service *service;
    const struct page *page;
    const struct server *server = server_of(generation, rc->service, &service, &page);
    struct error why = {""};

    if (!server->tls) {
        greet(rc);
        return;
    }
    const struct tls_upstream_want want = {
        .generation = generation,
        .settings = transports_at(generation->pages[PAGE_TRANSPORTS], service->transport)->tls,
        .host = page_text(page, server->host),
        .peer = server->identity,
    };

    rc->state = REDIS_HANDSHAKE;
    if (tls_upstream_start(&rc->conn, &want, &why) < 0) {
        redis_say(rc->pool, "TLS failed: %s", why.text);
        fail_to_open(rc);
        return;
    }
    shake_hands(rc);
}

static void connecting(struct redis_conn *rc)
{
    if (!rc->conn.io.writable) {
        return;
    }

    int error = dial_error(rc->conn.io.fd);

    if (error) {
        fail_to_connect(rc, strerror(error));
    } else {
        connected(rc);
    }
}

static void on_ready(struct io *io)
{
    struct redis_conn *rc = (struct redis_conn *)io;

    if (rc->state == REDIS_CLOSED) {
        return;
    }
    if (rc->state == REDIS_CONNECTING) {
        connecting(rc);
        return;
    }
    if (rc->state == REDIS_HANDSHAKE) {
        shake_hands(rc);
        return;
    }
    if (conn_backed_up(&rc->conn) && io->writable) {
        rc->lost = conn_flush(&rc->conn) < 0 || rc->lost;
    }
    if (io->readable) {
        read_answers(rc);
    }
    if (rc->state == REDIS_CLOSED) {
        return;
    }
    if (rc->lost) {
        ended(rc);
    } else if (rc->state == REDIS_READY) {
        arm(rc);
    }
}

/* 0 or a negative errno. */
static int open_to(struct worker *worker, const struct server_address *address, struct redis_conn **out)
{
    int fd = dial_address(worker, address), rc;
    struct redis_conn *made;

    if (fd < 0) {
        return fd;
    }
    made = xcalloc(1, sizeof(*made));
    made->conn.io.kind = LAP_UPSTREAM;
    made->conn.io.on_ready = on_ready;
    made->conn.io.on_closed = on_closed;
    made->conn.timer.fire = on_late;
    if ((rc = conn_open(&made->conn, worker, fd)) < 0) {
        free(made);
        return rc;
    }
    *out = made;
    return 0;
}

bool redis_dial(struct redis_pool *pool, struct generation *generation, uint32_t service, uint32_t address,
                const char *why)
{
    const struct service *row;
    const struct page *page;
    const struct server *server = server_of(generation, service, &row, &page);
    const struct server_address *addresses = server ? page_at(page, server->addresses.items) : NULL;
    struct redis_conn *made = NULL;

    for (; server && made == NULL && address < server->addresses.count; address++) {
        int rc = open_to(pool->worker, &addresses[address], &made);

        if (rc < 0) {
            why = strerror(-rc);
        } else {
            made->address = address;
        }
    }
    if (made == NULL) {
        redis_say(pool, "cannot be connected to: %s", why);
        return false;
    }
    made->pool = pool;
    made->next = pool->conns;
    pool->conns = made;
    pool->count++;
    pool->opening++;
    made->state = REDIS_CONNECTING;
    made->generation = generation_ref(generation);
    made->service = service;
    slab_gauge(pool->worker->slab, GAUGE_UPSTREAM_ACTIVE, 1);
    slab_count(pool->worker->slab, COUNT_UPSTREAM_CONNECTS, 1);
    timer_set(pool->worker->timers, &made->conn.timer, pool->worker->now_ns + pool->dial_timeout);
    return true;
}

void redis_send(struct redis_conn *rc, struct redis_command *command)
{
    struct redis_pool *pool = rc->pool;
    struct redis_question *question = command->question;
    const struct page *page = question->ex->generation->pages[PAGE_MIDDLEWARES];
    const struct list *arguments = &question->redis->arguments;
    const struct slice *items = page_at(page, arguments->items);
    struct worker *worker = pool->worker;

    text_clear(&pool->scratch);
    command->asking = question->asking;
    if (command->asking) {
        resp_add_head(&pool->scratch, 1);
        resp_add_word(&pool->scratch, SLICE("ASKING"));
    }
    resp_add_head(&pool->scratch, 4 + arguments->count);
    resp_add_word(&pool->scratch, command->whole ? SLICE("EVAL") : SLICE("EVALSHA"));
    resp_add_word(&pool->scratch, command->whole
                                      ? question->script->text
                                      : slice_of(question->script->sha, sizeof(question->script->sha)));
    resp_add_word(&pool->scratch, SLICE("1"));
    resp_add_word(&pool->scratch, question->key);
    for (size_t i = 0; i < arguments->count; i++) {
        resp_add_word(&pool->scratch, page_text(page, items[i]));
    }

    rc->used_ns = worker->now_ns;
    command->deadline_ns = pool->read_timeout ? worker->now_ns + pool->read_timeout : TIMER_NEVER;
    redis_push(&rc->sent, command);
    if (rc->lost || conn_send_one(&rc->conn, slice_of(pool->scratch.ptr, pool->scratch.len)) < 0) {
        rc->lost = true;
        poller_again(&rc->conn.io);
    }
    arm(rc);
}
