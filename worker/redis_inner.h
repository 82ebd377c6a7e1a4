/*
 * redis_inner.h - between the files that speak to Redis. See redis.h.
 */
#ifndef WEIR_WORKER_REDIS_INNER_H
#define WEIR_WORKER_REDIS_INNER_H

#include "common/base/text.h"
#include "worker/conn.h"
#include "worker/redis.h"

/* A question on its way: lives until its answer came, whether somebody waits for it or not; then its pool keeps it
 * for another. */
struct redis_command {
    struct redis_command *next;
    struct redis_pool *pool;
    struct redis_question *question; /* NULL: its exchange is over */
    int64_t deadline_ns;             /* of its answer, once it was sent */
    bool again;                      /* was lost with a connection before */
    bool whole;                      /* the script went with it */
    bool asking;                     /* the answer to ASKING comes first */
    bool waits;                      /* in pool->waiting, and its key is counted there */
};

struct redis_queue { /* in order; zeroed: empty */
    struct redis_command *first, *last;
    uint32_t count;
};

enum redis_state {
    REDIS_CONNECTING,
    REDIS_HANDSHAKE, /* of TLS */
    REDIS_GREETING,  /* logging in, choosing the database */
    REDIS_READY,
    REDIS_CLOSED
};

struct redis_conn {
    struct conn conn; /* first */
    struct redis_pool *pool;
    struct redis_conn *next;
    enum redis_state state;
    bool idle;                     /* it is counted as such: ready, and no answer is waited for */
    bool lost;                     /* writing failed: it is given up in its next turn */
    unsigned greetings;            /* answers that belong to no question and are still to come */
    struct redis_queue sent;       /* whose answers are to come */
    struct generation *generation; /* until it is ready: it says where the server is */
    uint32_t service, address;
    int64_t used_ns;
    size_t inbox_len;
    char inbox[RESP_ANSWER_MOST];
};

struct redis_pool {
    struct redis_pool *next;
    struct worker *worker;
    uint64_t identity;
    struct redis_conn *conns;
    uint32_t count, opening;    /* connections; those of them that are not ready */
    uint32_t most, least;       /* of this worker; how many are kept though nobody needs them */
    struct redis_queue waiting; /* for a connection that is being opened */
    size_t waiting_bytes;       /* keys of those whose exchanges are there */
    uint32_t under_way;         /* commands, here and on connections */
    struct redis_command *spare;
    uint64_t generation;                               /* number of the newest one that asked */
    int64_t dial_timeout, read_timeout, write_timeout; /* ns; 0: none */
    int64_t retry_ns, pause_ns; /* no connection is opened before; the pause that led there */
    int64_t quiet_ns;           /* nothing is logged before */
    bool failing;               /* it was logged that it does not answer */
    struct timer look;
    char *host;           /* for the log */
    struct text greeting; /* bytes; a secret */
    unsigned greetings;   /* commands in there */
    struct text scratch;  /* of a command that is written */
};

/* ---- redis_pool.c ---- */
/* At most once a second: why it does not answer. */
void redis_say(struct redis_pool *pool, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* It is ready: gets what waits. */
void redis_opened(struct redis_conn *rc);
/* None could be opened: what waits is told so, unless another one is being opened or there. */
void redis_unreachable(struct redis_pool *pool);
/* Of a connection that is closed: asked once more where that may be (retry), else told that there is no answer. */
void redis_lost(struct redis_pool *pool, struct redis_queue *sent, bool retry);
/* The command is over: whoever waits gets the answer. */
void redis_finish(struct redis_pool *pool, struct redis_command *command, const struct resp_answer *answer);

/* That server and no other: else as redis_ask(). */
bool redis_ask_server(struct redis_question *question);

/* ---- redis_cluster.c ---- */
/* Of a question to a cluster, which is under way no more: whether another node was asked because of that answer (NULL: there was
 * none). late: the time for answers is over. */
bool redis_ask_elsewhere(struct redis_question *question, const struct resp_answer *answer, bool late);

/* ---- redis_queue.c ---- */
void redis_push(struct redis_queue *queue, struct redis_command *command);
struct redis_command *redis_pop(struct redis_queue *queue); /* NULL: it is empty */
/* All of it, and nobody is told. */
void redis_drop(struct redis_queue *queue);
/* Into pool->waiting, with a question. */
void redis_wait(struct redis_pool *pool, struct redis_command *command);
/* Out of there; there is one. */
struct redis_command *redis_next_waiting(struct redis_pool *pool);
/* It waits no more, or nobody waits for it: its key is not counted. */
void redis_uncount(struct redis_command *command);
/* One that was used before, or a new one; it is under way from then until it is given back. */
struct redis_command *redis_command_take(struct redis_pool *pool, struct redis_question *question);
void redis_command_give(struct redis_command *command);
void redis_commands_free(struct redis_pool *pool); /* those that were given back */

/* ---- redis_conn.c ---- */
/* Opens one more, to the first address that takes it, from number `address` on. False: there is none, and that was logged;
 * why: what became of those before. */
bool redis_dial(struct redis_pool *pool, struct generation *generation, uint32_t service, uint32_t address,
                const char *why);
/* On one that is ready. */
void redis_send(struct redis_conn *rc, struct redis_command *command);
/* Takes it out of its pool and closes it; what was sent stays in rc->sent, for the caller. */
void redis_close(struct redis_conn *rc);

#endif
