/*
 * redis_queue.c - commands of a pool of connections to Redis: in queues, waiting for a connection, used again. See redis.h.
 */
#include <stdlib.h>

#include "common/base/memory.h"
#include "worker/redis_inner.h"

/* ---- queues ---- */

void redis_push(struct redis_queue *queue, struct redis_command *command)
{
    command->next = NULL;
    *(queue->last ? &queue->last->next : &queue->first) = command;
    queue->last = command;
    queue->count++;
}

struct redis_command *redis_pop(struct redis_queue *queue)
{
    struct redis_command *command = queue->first;

    if (command) {
        queue->first = command->next;
        queue->last = queue->first ? queue->last : NULL;
        queue->count--;
    }
    return command;
}

void redis_drop(struct redis_queue *queue)
{
    struct redis_command *command;

    while ((command = redis_pop(queue))) {
        if (command->question) {
            command->question->command = NULL;
        }
        free(command);
    }
}

/* ---- what waits for a connection ---- */

void redis_wait(struct redis_pool *pool, struct redis_command *command)
{
    command->waits = true;
    pool->waiting_bytes += command->question->key.len;
    redis_push(&pool->waiting, command);
}

/* It waits no more, or nobody waits for it. */
void redis_uncount(struct redis_command *command)
{
    if (command->waits) {
        command->waits = false;
        command->pool->waiting_bytes -= command->question->key.len;
    }
}

struct redis_command *redis_next_waiting(struct redis_pool *pool)
{
    struct redis_command *command = redis_pop(&pool->waiting);

    redis_uncount(command);
    return command;
}

/* ---- commands that are used again: as many as were under way at once ---- */

struct redis_command *redis_command_take(struct redis_pool *pool, struct redis_question *question)
{
    struct redis_command *command = pool->spare;

    if (command) {
        pool->spare = command->next;
    } else {
        command = xmalloc(sizeof(*command));
    }
    *command = (struct redis_command){.pool = pool, .question = question};
    pool->under_way++;
    return command;
}

void redis_command_give(struct redis_command *command)
{
    struct redis_pool *pool = command->pool;

    pool->under_way--;
    command->next = pool->spare;
    pool->spare = command;
}

void redis_commands_free(struct redis_pool *pool)
{
    while (pool->spare) {
        struct redis_command *command = pool->spare;

        pool->spare = command->next;
        free(command);
    }
}
