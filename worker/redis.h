/*
 * redis.h - questions to a Redis on the way of an exchange, over connections that many exchanges share.
 *
 * A question is the run of a script for one key. It is known to Redis by its hash; a Redis that does not know it gets it whole.
 * Questions go one behind the other over few connections (RESP answers in order). One that was lost with its connection is
 * asked once more, so a script may run twice.
 *
 * A cluster: the node that has the key is asked, by the map that the master learned (common/model/prepared.h); as long as
 * there is none, any. A node that says who has it is obeyed, if the configuration in force has that one; where one cannot be
 * asked, another is, which says where its slots have gone. Both at most HOPS_MOST times, and the master is told that its map
 * is old.
 *
 *   redis_cluster.c  which node of a cluster is asked; redirections
 *   redis_pool.c  who has connections: one pool for each server and way to log in; what is asked
 *   redis_queue.c commands: in queues, waiting for a connection, used again
 *   redis_conn.c  a connection: opened, TLS, logged in, its answers, its time-outs
 *
 * Nothing here belongs to a generation: a new configuration finds the connections of the old one, and those that it does not
 * name (nor asks soon) are closed once nobody waits for an answer. When a server cannot be reached questions fail at once for
 * a moment that grows to a second.
 */
#ifndef WEIR_WORKER_REDIS_H
#define WEIR_WORKER_REDIS_H

#include "common/model/prepared.h"
#include "common/net/resp.h"
#include "worker/exchange.h"

#define REDIS_SHA_DIGITS 40

struct redis_script {
    struct slice text;
    char sha[REDIS_SHA_DIGITS]; /* zeroed: filled in with the first question */
};

/* answer: what Redis said, which may be an error (RESP_ERROR); NULL: nothing. */
typedef void redis_answered(struct exchange *ex, void *context, const struct resp_answer *answer);

struct redis_question { /* lives in the exchange's pool, and its key there too */
    struct exchange *ex;
    const struct prepared_redis *redis; /* on the middlewares page, of the middleware that runs */
    struct redis_script *script;
    struct slice key;
    redis_answered *answered; /* from the loop, unless the exchange ends before */
    void *context;
    /* zeroed */
    struct redis_command *command;
    uint32_t service; /* whose server is asked */
    uint32_t node;    /* of a cluster: its number, ... */
    uint32_t hops;    /* ... how many were asked before it */
    bool asking;      /* it is told that the slot is on its way to it */
    bool begun;
};

/* False: nobody can be asked now, and answered() is not called. */
bool redis_ask(struct redis_question *question);

/* There is another generation: connections that nobody of it has asked in a while after are closed. */
void redis_switch(struct worker *worker);
/* Closes all; nobody is told. */
void redis_stop(struct worker *worker);

#endif
