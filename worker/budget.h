/*
 * budget.h - how much of the memory budget the whole tree uses, and what follows for this worker.
 *
 * Measured ten times a second by whichever worker comes first, and at once by one that has taken a good part of the budget
 * since; the result lies on the board. So it needs neither master nor guard, and what grows between two looks is bounded.
 *   MEMORY_GROUP  what the kernel charges to the control group with the smallest limit, without the file cache that it
 *                 would give up: read from descriptors that the master opened. What others in the group take counts for
 *                 less, until the group is near its limit
 *   MEMORY_TREE   limits.memory: what the processes of the tree take, and an estimate of their sockets
 * What is not there yet counts too: connections by what an idle one costs, exchanges by what one costs whose client reads
 * nothing. So thousands of them cannot come in while they are cheap and then grow all at once.
 *
 * The request path looks at budget.exchanges_look and budget.level alone. What is done at each level: shed.h.
 */
#ifndef WEIR_WORKER_BUDGET_H
#define WEIR_WORKER_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/slice.h"
#include "shm/board.h"
#include "worker/timers.h"

struct worker;
struct conn;

enum budget_level { /* of the budget; each is left 5 % lower than it is entered */
                    BUDGET_CALM,
                    BUDGET_TIGHT, /* 50 %: nothing is kept for later, sockets get small buffers */
                    BUDGET_FULL,  /* 90 %: nothing new is taken, idle connections end */
                    BUDGET_OVER,  /* 97 %: what costs most ends */
};

struct budget {
    uint8_t level;
    bool on;                  /* there is a budget */
    bool rushed;              /* it was tight a short while ago: memory is still given back */
    uint64_t most;            /* bytes: the smaller budget */
    size_t taken, look_at;    /* bytes taken since the last look; with so many the next one is due */
    int64_t connections_left; /* until the next look */
    int64_t sessions_left;    /* of UDP, the same */
    int64_t exchanges_look;   /* with so many under way here the next look is due */
    int socket_buffer; /* SO_SNDBUF of new connections, and the least SO_RCVBUF; 0: the kernel's choice */
    uint64_t charged;  /* bytes in the kernel's buffers of connections that are backed up */
    uint64_t cache;    /* file cache of the group when it was looked at last */
    int statm;         /* -1: none */
    int usage, parts;  /* the group's files; -1: none */
    int64_t relieved_ns, calm_ns;
    /* shed.c */
    struct timer step;
    bool shedding;
    int step_clients, step_upstreams; /* so many are still to be looked at in this step; 0: it is over */
    uint64_t step_freed;
    int64_t idle_least_ns; /* connections that are idle for less stay */
    uint64_t cost_least;   /* ... and those that cost less */
    unsigned refusals;     /* connections that only take a refusal */
};

void budget_start(struct worker *worker); /* opens what there is to open, once: before the sandbox closes */
void budget_stop(struct worker *worker);
/* The group's files (usage, parts), taken over; or none of them. */
void budget_adopt(struct worker *worker, const int *fds, size_t count);
/* From the heart, ten times a second. */
void budget_tend(struct worker *worker);
/* Measures now. */
void budget_look(struct worker *worker);

/* May one more connection be taken? */
bool budget_admits(struct worker *worker);
/* May one more session of UDP begin? They may come to half of the connections there may be: senders that do not exist shut
 * nobody else out. */
bool budget_admits_session(struct worker *worker);
/* May one more exchange begin? */
bool budget_admits_exchange(struct worker *worker);
/* Keeps the kernel's buffers of a new connection small if that is needed. */
void budget_cap_socket(const struct worker *worker, int fd);
/* The same for a connection that is there, before something is written to it. */
void budget_cap(struct conn *conn);
/* A connection is backed up, or is no more. */
void budget_charge(struct worker *worker, struct conn *conn);
void budget_uncharge(struct worker *worker, struct conn *conn);
/* Bytes that wait in the kernel's buffers of a socket; only those that its peer has not taken. */
uint64_t budget_queued(int fd);
uint64_t budget_unsent(int fd);

/* Bytes of memory were asked of the system. Where a struct worker is at hand: budget_took(&worker->budget, n) tells
 * whether it is time for budget_look(). */
static inline bool budget_took(struct budget *budget, size_t bytes)
{
    budget->taken += bytes;
    return budget->on && budget->taken >= budget->look_at;
}

/* ---- budget_measure.c ---- */
/* Writes to the board what is used; parts: also looks how much of it is file cache. */
void budget_measure(struct worker *worker, bool parts);
/* Only this worker's part. */
void budget_measure_ourselves(struct worker *worker);
uint64_t budget_gauge(struct worker *worker, enum board_gauge which); /* the sum over the tree */

/* ---- for tests ---- */
/* The file cache that could be given up, from the text of memory.stat of either version. */
uint64_t budget_file_cache(struct slice text);
/* The level that follows from one in force and thousandths of the budget. */
enum budget_level budget_next_level(enum budget_level level, uint64_t permille);

#endif
