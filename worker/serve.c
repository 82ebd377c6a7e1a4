/*
 * serve.c - the serving side as a whole: start, generations, draining, stop. See worker.h.
 */
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "shm/control.h"
#include "worker/encoder.h"
#include "worker/h1_client.h"
#include "worker/h2_client.h"
#include "worker/helper.h"
#include "worker/listener.h"
#include "worker/passwords.h"
#include "worker/tokens.h"
#include "worker/poller.h"
#include "worker/redis.h"
#include "worker/timers.h"
#include "worker/splice.h"
#include "worker/spool.h"
#include "worker/subrequest.h"
#include "worker/tcp_session.h"
#include "worker/tunnel.h"
#include "worker/udp.h"
#include "worker/upstream.h"
#include "worker/worker.h"

struct drain {
    struct worker *worker;
    struct timer timer;
    int64_t accept_until_ns, finish_until_ns;
    void (*done)(struct worker *);
    int64_t idle_look_ns; /* when to look for idle connections next */
    bool refusing;        /* the time of accepting is over */
};

/* Asks answers that stream for a long time to let go of old generations, and cuts what is left of an entry point that is
 * gone: piece by piece. */
struct walker {
    struct worker *worker;
    struct timer timer;
};

#define DRAIN_LOOK_NS TIMER_TICK_NS
#define IDLE_LOOK_NS (INT64_C(100) * 1000000)
#define IDLE_ENOUGH_NS INT64_C(1000000000) /* a client that asked nothing for so long loses its connection */
#define WALK_NS (10 * TIMER_TICK_NS)
#define MAPPED_CALM 3 /* so many generations mapped are nobody's trouble */
#define RESERVED_DESCRIPTORS                                                                                 \
    32 /* pages of a generation, sockets of new entry points; less where there are few */
#define LONG_ANSWER_NS (INT64_C(30) * 1000000000)

/* When the next entry point that is gone is to lose its last connections. */
static int64_t next_cut(const struct worker *worker)
{
    int64_t first = TIMER_NEVER;

    for (const struct listener *listener = worker->listeners; listener; listener = listener->next) {
        if (listener->cut_ns < first) {
            first = listener->cut_ns;
        }
    }
    return first;
}

static void walk_later(struct worker *worker)
{
    struct walker *walker = worker->walker;
    int64_t cut_ns = next_cut(worker), at_ns = TIMER_NEVER;

    if (atomic_load_explicit(&worker->slab->gauges[GAUGE_GENERATIONS], memory_order_relaxed) > MAPPED_CALM) {
        at_ns = worker->now_ns + WALK_NS;
    }
    if (cut_ns < at_ns) {
        at_ns = cut_ns > worker->now_ns ? cut_ns : worker->now_ns + TIMER_TICK_NS;
    }
    if (at_ns < walker->timer.deadline_ns) {
        timer_set(worker->timers, &walker->timer, at_ns);
    }
}

static void walk(struct timer *timer)
{
    struct worker *worker = ((struct walker *)((char *)timer - offsetof(struct walker, timer)))->worker;

    int64_t piece = piece_begin();

    worker->walk = worker->walk ? worker->walk : worker->clients;
    while (worker->walk && !piece_is_over(piece)) {
        struct client *client = worker->walk;
        struct exchange *ex = client->state == CLIENT_EXCHANGE ? &client->stream->ex : NULL;

        worker->walk = client->next; /* moved on by the one that it points to, should that be closed */
        if (client->listener->cut_ns <= worker->now_ns) {
            client_stop(client);
        } else if (client->state == CLIENT_H2) {
            h2_unpin(client, worker->now_ns - LONG_ANSWER_NS);
        } else if (client->tcp) {
            tcp_session_unpin(client, worker->now_ns - LONG_ANSWER_NS);
        } else if (ex && ex->generation && ex->generation != worker->generation &&
                   worker->now_ns - ex->started_ns > LONG_ANSWER_NS) {
            exchange_unpin(ex);
        }
    }
    walk_later(worker);
}

/* Numbers of descriptors are given out from below, so a number tells how many there are. Clients leave a quarter for the
 * servers that serve them; both leave some for the next generation. */
static void share_descriptors(struct worker *worker)
{
    struct rlimit limit = {.rlim_cur = INT_MAX};

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    int all = limit.rlim_cur < INT_MAX ? (int)limit.rlim_cur : INT_MAX;

    worker->fd_servers = all - (all / 4 < RESERVED_DESCRIPTORS ? all / 4 : RESERVED_DESCRIPTORS);
    worker->fd_clients = worker->fd_servers - all / 4;
}

int serve_start(struct worker *worker, struct error *why)
{
    int rc = poller_new(worker, &worker->poller, why);

    if (rc < 0 || (rc = helper_new(worker, WORKER_JOBS, false, &worker->helper, why)) < 0 ||
        (rc = passwords_start(worker, why)) < 0 || (rc = spool_start(worker, why)) < 0) {
        return rc;
    }
    share_descriptors(worker);
    worker->timers = timers_new(worker->now_ns);
    recycler_start(worker);
    worker->walker = xcalloc(1, sizeof(*worker->walker));
    worker->walker->worker = worker;
    worker->walker->timer = (struct timer){.deadline_ns = TIMER_NEVER, .fire = walk};
    client_start(worker);
    tls_start(worker);
    udp_start(worker);
    upstream_start(worker);
    tunnel_start(worker);
    splice_start(worker);
    subrequest_start_all(worker);
    encoders_start(worker);
    budget_start(worker);
    return 0;
}

void serve_run(struct worker *worker)
{
    poller_run(worker->poller);
}

void serve_quit(struct worker *worker)
{
    worker->quit = true;
}

int serve_listen(struct worker *worker, int fd, uint32_t entry_point, const char *name,
                 struct socket_place place, struct error *why)
{
    return listener_open(worker, fd, entry_point, name, place, why);
}

bool socket_is_meant(struct socket_place place, struct socket_place asked)
{
    return (asked.set == 0 || asked.set == place.set) &&
           (asked.slot == SOCKET_ANY_SLOT || asked.slot == place.slot);
}

void serve_unlisten(struct worker *worker, struct socket_place asked)
{
    struct listener *listener = worker->listeners;
    bool retiring =
        asked.set == 0 && asked.slot == worker->slot; /* all of our own: nothing is ours any more */

    while (listener) {
        struct listener *next = listener->next;

        listener->leaving = listener->leaving || retiring;
        if (socket_is_meant(listener->place, asked)) {
            listener_close(listener, asked.slot == SOCKET_ANY_SLOT || asked.slot == worker->slot);
        }
        listener = next;
    }
}

void serve_switch(struct worker *worker, struct generation *next)
{
    struct generation *old = worker->generation;

    worker->generation = next;
    for (struct listener *listener = worker->listeners; listener; listener = listener->next) {
        listener_refresh(listener, next);
    }
    tls_switch(worker);
    udp_switch(worker);
    redis_switch(worker);
    generation_unref(old); /* control.c holds one more and unmaps on a thread */
    walk_later(worker);
    log_debug("generation %llu in force", (unsigned long long)next->number);
}

/* ---- draining ---- */

static void stop_accepting(struct worker *worker)
{
    struct listener *listener = worker->listeners;

    while (listener) {
        struct listener *next = listener->next;

        listener_close(listener, true);
        listener = next;
    }
}

/* A request that is there, though not read yet, is answered. */
static bool may_end(const struct client *client, int64_t now_ns)
{
    char byte;

    return client->state == CLIENT_IDLE && now_ns - client->idle_ns >= IDLE_ENOUGH_NS &&
           recv(client->conn.io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

/* Nobody waits for clients that only keep a connection, unless there is no end to the waiting. */
static void close_idle(struct drain *drain)
{
    struct worker *worker = drain->worker;
    int64_t piece = piece_begin();

    if (drain->finish_until_ns - drain->accept_until_ns >= GRACE_WITHOUT_END) {
        return;
    }
    if (worker->leaving == NULL && worker->now_ns >= drain->idle_look_ns) {
        drain->idle_look_ns = worker->now_ns + IDLE_LOOK_NS;
        worker->leaving = worker->clients;
    }
    while (worker->leaving && !piece_is_over(piece)) {
        struct client *client = worker->leaving;

        worker->leaving = client->next;
        if (client->state == CLIENT_H2) {
            h2_leave(client->h2); /* streams that are open end as they would */
        } else if (may_end(client, worker->now_ns)) {
            client_close(client);
        }
    }
}

static void drain_look(struct timer *timer)
{
    struct drain *drain = (struct drain *)((char *)timer - offsetof(struct drain, timer));
    struct worker *worker = drain->worker;

    if (!drain->refusing && worker->now_ns >= drain->accept_until_ns) {
        drain->refusing = true;
        worker->draining = true;
        stop_accepting(worker);
    }
    if (drain->refusing) {
        close_idle(drain);
    }
    bool finished = worker->clients == NULL && worker->listeners == NULL && /* their queues are empty too */
                    udp_is_idle(worker);

    if (drain->refusing && (finished || worker->now_ns >= drain->finish_until_ns)) {
        void (*done)(struct worker *) = drain->done;

        worker->drain = NULL;
        free(drain);
        done(worker);
        return;
    }
    bool queues = worker->clients == NULL && worker->listeners != NULL;

    if (drain->refusing && (queues || worker->leaving)) {
        timer_again(worker->timers, &drain->timer); /* queues are emptied turn by turn */
    } else {
        timer_set(worker->timers, &drain->timer, worker->now_ns + DRAIN_LOOK_NS);
    }
}

void serve_drain(struct worker *worker, int64_t accept_until_ns, int64_t finish_until_ns,
                 void (*done)(struct worker *))
{
    struct drain *drain = worker->drain;

    if (drain == NULL) {
        drain = xcalloc(1, sizeof(*drain));
        drain->worker = worker;
        drain->timer.fire = drain_look;
        worker->drain = drain;
    }
    drain->accept_until_ns = accept_until_ns;
    drain->finish_until_ns = finish_until_ns;
    drain->done = done;
    worker->drain_deadline_ns = finish_until_ns;
    timer_again(worker->timers, &drain->timer);
}

void serve_stop(struct worker *worker)
{
    if (worker->poller == NULL) {
        return;
    }
    helper_end(worker->helper);
    passwords_end(worker);
    tokens_end(worker);
    for (struct listener *listener = worker->listeners; listener; listener = listener->next) {
        listener_end(listener); /* what waits in a queue may have somebody else to accept it */
    }
    while (worker->clients) {
        client_stop(worker->clients);
    }
    subrequest_stop_all(worker);
    upstream_stop(worker);
    redis_stop(worker);
    udp_stop(worker);
    splice_stop(worker);
    spool_stop(worker);
    if (worker->drain) {
        timer_remove(worker->timers, &worker->drain->timer);
        free(worker->drain);
        worker->drain = NULL;
    }
    timer_remove(worker->timers, &worker->budget.step);
    budget_stop(worker);
    timer_remove(worker->timers, &worker->walker->timer);
    free(worker->walker);
    worker->walker = NULL;
    poller_free(worker->poller);
    tls_stop(worker);
    recycler_stop(worker);
    timers_free(worker->timers);
    worker->poller = NULL;
    worker->timers = NULL;
}
