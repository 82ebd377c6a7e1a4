/*
 * budget.c - the level that follows from what is used, and what follows from that: see budget.h. Measuring:
 * budget_measure.c.
 */
#include "worker/budget.h"

#include <inttypes.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/process.h"
#include "worker/conn.h"
#include "worker/shed.h"
#include "worker/worker.h"

#define MIB (UINT64_C(1) << 20)
#define SAMPLE_NS INT64_C(90000000) /* a little less than a heart takes */
#define SAID_NS (INT64_C(10) * 1000000000)
#define ENDED_NS (INT64_C(1) * 1000000000)
#define CALM_NS (INT64_C(5) * 1000000000)
#define RELIEF_NS INT64_C(500000000)
#define LOOKS 64                   /* so many parts of the budget, over all workers, make a look */
#define LOOK_LEAST ((size_t)65536) /* but never for less */
#define CONNECTION_BYTES 8192      /* of an idle one, the kernel's part and its first request included */
#define SESSIONS_PART 2            /* such a part of them may be sessions of UDP */
#define EXCHANGE_BYTES 98304       /* when its client reads nothing: outbox, buffers of both sockets */
#define PROMISED_MOST 900          /* thousandths: what is not there yet ends nothing that is */
#define SOCKET_SHARE 512           /* one connection's buffers may take so small a part of the budget */
#define SOCKET_LEAST (64 * 1024)
#define SOCKET_MOST (4 * 1024 * 1024) /* the kernel lets them grow no further by itself */
#define SOCKET_TIGHT (16 * 1024)
#define RECEIVE_LEAST (64 * 1024) /* less than a segment of the loopback waits 40 ms for each of them */

static uint64_t load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void store(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

/* ---- the level ---- */

enum budget_level budget_next_level(enum budget_level level, uint64_t permille)
{
    static const struct {
        uint64_t enter, leave;
    } bounds[] = {
        [BUDGET_TIGHT] = {500, 450},
        [BUDGET_FULL] = {900, 850},
        [BUDGET_OVER] = {970, 920},
    };

    level = level < BUDGET_OVER ? level : BUDGET_OVER; /* it comes from the board, where workers can write */
    while (level < BUDGET_OVER && permille >= bounds[level + 1].enter) {
        level++;
    }
    while (level > BUDGET_CALM && permille < bounds[level].leave) {
        level--;
    }
    return level;
}

static uint64_t connections_most(const struct budget *budget)
{
    return budget->most / CONNECTION_BYTES + 1;
}

static uint64_t sessions_most(const struct budget *budget)
{
    return connections_most(budget) / SESSIONS_PART;
}

/* Of clients; a UDP session costs as much as an idle one, as far as its kind may go. */
static uint64_t connections_now(struct worker *worker)
{
    uint64_t sessions = budget_gauge(worker, GAUGE_UDP_SESSIONS), most = sessions_most(&worker->budget);

    return budget_gauge(worker, GAUGE_CONNECTIONS) + (sessions < most ? sessions : most);
}

/* The budget that is used most. */
static const struct board_memory *worst(struct board_tree *tree, uint64_t *permille)
{
    const struct board_memory *found = NULL;

    *permille = 0;
    for (int kind = 0; kind < MEMORY_KINDS; kind++) {
        uint64_t budget = load(&tree->memory[kind].budget);
        uint64_t used = budget ? load(&tree->memory[kind].used) * 1000 / budget : 0;

        if (budget && (found == NULL || used > *permille)) {
            found = &tree->memory[kind];
            *permille = used;
        }
    }
    return found;
}

/* One line when it begins, at most every ten seconds, and one when it ends. */
static void say(struct worker *worker, const struct board_memory *memory, uint64_t permille,
                enum budget_level level)
{
    struct board_tree *tree = board_tree(worker->board);
    uint64_t now = (uint64_t)process_clock_ns(), said = load(&tree->memory_said_ns), one = 1;

    if (level >= BUDGET_FULL) {
        if ((said == 0 || now - said >= SAID_NS) &&
            atomic_compare_exchange_strong(&tree->memory_said_ns, &said, now)) {
            store(&tree->memory_refusing, 1);
            log_warn("Memory budget: %" PRIu64 " %% of %" PRIu64 " MiB used, %" PRIu64
                     " connections where %" PRIu64 " may be, %" PRIu64
                     " exchanges: new connections are refused",
                     permille / 10, load(&memory->budget) / MIB, connections_now(worker),
                     connections_most(&worker->budget), budget_gauge(worker, GAUGE_EXCHANGES));
        }
    } else if (load(&tree->memory_refusing) && now - said >= ENDED_NS &&
               atomic_compare_exchange_strong(&tree->memory_refusing, &one, 0)) {
        log_info("Memory budget: %" PRIu64 " %% of %" PRIu64
                 " MiB used: new connections are taken again; until now "
                 "%" PRIu64 " were refused, %" PRIu64 " idle ones closed, %" PRIu64
                 " requests or answers broken off",
                 permille / 10, load(&memory->budget) / MIB,
                 board_counter_sum(worker->board, COUNT_REFUSED_CONNECTIONS),
                 board_counter_sum(worker->board, COUNT_SHED_IDLE),
                 board_counter_sum(worker->board, COUNT_SHED_BUSY));
    }
}

/* Thousandths of the budget that connections and exchanges may come to, beyond what they take now. */
static uint64_t promised(struct worker *worker, uint64_t used_permille)
{
    const struct budget *budget = &worker->budget;
    uint64_t exchanges = budget_gauge(worker, GAUGE_EXCHANGES), known = budget_gauge(worker, GAUGE_BACKED_UP);
    uint64_t connections = connections_now(worker) * PROMISED_MOST / connections_most(budget);
    uint64_t growth = exchanges > known ? (exchanges - known) * EXCHANGE_BYTES * 1000 / budget->most : 0;
    uint64_t most = used_permille + growth > connections ? used_permille + growth : connections;

    return most < PROMISED_MOST ? most : PROMISED_MOST;
}

static void decide(struct worker *worker)
{
    struct board_tree *tree = board_tree(worker->board);
    uint64_t used, full;
    const struct board_memory *memory = worst(tree, &used);

    if (memory == NULL) {
        return; /* the budget went away this very moment */
    }
    full = promised(worker, used);

    enum budget_level level =
        budget_next_level((enum budget_level)load(&tree->memory_level), full > used ? full : used);

    store(&tree->memory_level, level);
    say(worker, memory, used, level);
}

/* ---- what follows here ---- */

static int64_t exchanges_here(const struct worker *worker)
{
    return atomic_load_explicit(&worker->slab->gauges[GAUGE_EXCHANGES], memory_order_relaxed);
}

static void follow(struct worker *worker)
{
    struct budget *budget = &worker->budget;
    struct board_tree *tree = board_tree(worker->board);
    uint64_t workers = load(&tree->workers), most = connections_most(budget);
    uint64_t connections = connections_now(worker);
    uint64_t sessions = budget_gauge(worker, GAUGE_UDP_SESSIONS), sessions_all = sessions_most(budget);
    uint64_t share = budget->most / SOCKET_SHARE;

    workers = workers ? workers : 1;
    budget->taken = 0;
    budget->look_at = (size_t)(budget->most / LOOKS / workers);
    budget->look_at = budget->look_at > LOOK_LEAST ? budget->look_at : LOOK_LEAST;
    budget->connections_left =
        connections < most ? (int64_t)((most - connections + workers - 1) / workers) : 0;
    budget->sessions_left =
        sessions < sessions_all ? (int64_t)((sessions_all - sessions + workers - 1) / workers) : 0;
    budget->level = (uint8_t)load(&tree->memory_level);
    budget->exchanges_look = budget->level >= BUDGET_FULL
                                 ? 0
                                 : exchanges_here(worker) + (int64_t)(budget->look_at / EXCHANGE_BYTES) + 1;
    share = share > SOCKET_LEAST ? share : SOCKET_LEAST;
    budget->socket_buffer = budget->level >= BUDGET_TIGHT ? SOCKET_TIGHT
                            : share < SOCKET_MOST         ? (int)share
                                                          : 0;
    budget->rushed = budget->rushed || budget->level >= BUDGET_TIGHT;
    if (budget->level >= BUDGET_FULL) {
        shed_begin(worker);
    }
}

void budget_look(struct worker *worker)
{
    budget_measure(worker, false);
    decide(worker);
    follow(worker);
}

static void switch_off(struct budget *budget)
{
    budget->on = budget->rushed = false;
    budget->level = BUDGET_CALM;
    budget->socket_buffer = 0;
    budget->exchanges_look = INT64_MAX;
}

/* After a rush memory goes back faster than it does else. */
static void relieve(struct worker *worker)
{
    struct budget *budget = &worker->budget;

    if (!budget->rushed || worker->now_ns - budget->relieved_ns < RELIEF_NS) {
        return;
    }
    budget->relieved_ns = worker->now_ns;
    recycler_relieve(worker);
    if (budget->level >= BUDGET_TIGHT) {
        budget->calm_ns = worker->now_ns;
    } else if (worker->now_ns - budget->calm_ns > CALM_NS) {
        budget->rushed = false;
    }
}

void budget_tend(struct worker *worker)
{
    struct budget *budget = &worker->budget;
    struct board_tree *tree = board_tree(worker->board);
    uint64_t tree_budget = load(&tree->memory[MEMORY_TREE].budget);
    uint64_t group_budget = load(&tree->memory[MEMORY_GROUP].budget);
    uint64_t now = (uint64_t)process_clock_ns(), sampled = load(&tree->memory_sampled_ns);

    budget->most =
        tree_budget && (group_budget == 0 || tree_budget < group_budget) ? tree_budget : group_budget;
    if (budget->most == 0) {
        switch_off(budget);
        return;
    }
    budget->on = true;
    budget_measure_ourselves(worker);
    if ((now < sampled || now - sampled >= SAMPLE_NS) && (group_budget == 0 || budget->usage != -1) &&
        atomic_compare_exchange_strong(&tree->memory_sampled_ns, &sampled, now)) {
        budget_measure(worker, true);
        decide(worker);
    }
    follow(worker);
    relieve(worker);
}

/* ---- connections ---- */

bool budget_admits(struct worker *worker)
{
    struct budget *budget = &worker->budget;

    if (!budget->on) {
        return true;
    }
    if (budget_took(budget, CONNECTION_BYTES) || budget->connections_left <= 0) {
        budget_look(worker);
    }
    return budget->level < BUDGET_FULL && budget->connections_left-- > 0;
}

bool budget_admits_session(struct worker *worker)
{
    struct budget *budget = &worker->budget;

    if (!budget->on) {
        return true;
    }
    if (budget->level >= BUDGET_FULL || budget->sessions_left <= 0) {
        return false; /* a flood of them makes nobody look */
    }
    if (budget_took(budget, CONNECTION_BYTES)) {
        budget_look(worker);
    }
    return budget->level < BUDGET_FULL && budget->sessions_left-- > 0;
}

bool budget_admits_exchange(struct worker *worker)
{
    struct budget *budget = &worker->budget;

    if (!budget->on || exchanges_here(worker) < budget->exchanges_look) {
        return true;
    }
    if (budget->level < BUDGET_FULL) {
        budget_look(worker);
    }
    return budget->level < BUDGET_FULL;
}

void budget_cap_socket(const struct worker *worker, int fd)
{
    int send = worker->budget.socket_buffer;
    int receive = send < RECEIVE_LEAST ? RECEIVE_LEAST : send;

    if (send) {
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send, sizeof(send));
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof(receive));
    }
}

void budget_cap(struct conn *conn)
{
    conn->capped = true;
    budget_cap_socket(conn->worker, conn->io.fd);
}

void budget_charge(struct worker *worker, struct conn *conn)
{
    struct budget *budget = &worker->budget;
    uint64_t queued = budget_queued(conn->io.fd);

    queued += RECEIVE_LEAST; /* and as much on the other side, which has to wait */
    conn->charged = queued < UINT32_MAX ? (uint32_t)queued : UINT32_MAX;
    budget->charged += conn->charged;
    slab_gauge(worker->slab, GAUGE_BACKED_UP, 1);
    if (budget->level >= BUDGET_TIGHT && !conn->capped) {
        budget_cap(conn);
    }
    budget->taken += conn->charged; /* looked at with the next buffer: nothing may end in here */
}

void budget_uncharge(struct worker *worker, struct conn *conn)
{
    slab_gauge(worker->slab, GAUGE_BACKED_UP, -1);
    worker->budget.charged -= conn->charged;
    conn->charged = 0;
}

/* ---- life ---- */

void budget_start(struct worker *worker)
{
    worker->budget = (struct budget){
        .statm = process_memory_open(), .usage = -1, .parts = -1, .exchanges_look = INT64_MAX};
    worker->budget.step.deadline_ns = TIMER_NEVER;
    worker->budget.step.fire = shed_step;
    budget_tend(worker);
}

static void take_files(struct budget *budget, const int *fds, size_t count)
{
    if (budget->usage != -1) {
        close(budget->usage);
        close(budget->parts);
    }
    budget->usage = count == 2 ? fds[0] : -1;
    budget->parts = count == 2 ? fds[1] : -1;
    budget->cache = 0;
}

void budget_adopt(struct worker *worker, const int *fds, size_t count)
{
    take_files(&worker->budget, fds, count);
    budget_tend(worker); /* the first connection may come before the next beat */
}

void budget_stop(struct worker *worker)
{
    take_files(&worker->budget, NULL, 0);
    if (worker->budget.statm != -1) {
        close(worker->budget.statm);
        worker->budget.statm = -1;
    }
}
