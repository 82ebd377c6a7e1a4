/*
 * redis_cluster.c - which server a question goes to: the only one, or that node of a Redis Cluster which has the key. See
 * redis.h.
 */
#include "common/net/redis_cluster.h"
#include "worker/redis_inner.h"
#include "worker/worker.h"

#define HOPS_MOST 5

static uint32_t nodes_of(const struct redis_question *question)
{
    return (uint32_t)question->redis->nodes;
}

/* Without a map it is anybody, not the same for all keys. */
static uint32_t owner_of(const struct redis_question *question)
{
    struct slice ranges =
        page_text(question->ex->generation->pages[PAGE_MIDDLEWARES], question->redis->slots);
    unsigned slot = redis_slot_of(question->key);
    int node = redis_range_find(ranges, slot);

    return node < 0 || (uint32_t)node >= nodes_of(question) ? slot % nodes_of(question) : (uint32_t)node;
}

/* What a node is called; empty: it has no server. */
static struct slice name_of(const struct redis_question *question, uint32_t node)
{
    const struct page *page;
    const struct service *service =
        services_at(&question->ex->generation->services, exchange_asked_service(question->ex, node), &page);

    return service && service->servers.count
               ? page_text(page, ((const struct server *)page_at(page, service->servers.items))->host)
               : SLICE("");
}

/* False: the configuration in force has no such node. */
static bool find_node(struct redis_question *question, struct slice name)
{
    struct slice sayer = name_of(question, question->node);

    for (uint32_t node = 0; node < nodes_of(question); node++) {
        if (redis_node_is(name, name_of(question, node), sayer)) {
            question->node = node;
            return true;
        }
    }
    return false;
}

/* The master looks at that from time to time, and asks anew. */
static void say_old(const struct redis_question *question)
{
    _Atomic uint64_t *word = exchange_word(question->ex, 0);

    if (word) {
        atomic_store_explicit(word, 1, memory_order_relaxed);
    }
}

/* Another one each time, also when every second answer sends it back. */
static void go_to_next(struct redis_question *question)
{
    say_old(question);
    question->asking = false;
    question->node = (question->node + 1 + question->hops) % nodes_of(question);
    question->hops++;
}

/* Asks the node, or others instead. */
static bool ask_around(struct redis_question *question)
{
    for (; question->hops < HOPS_MOST; go_to_next(question)) {
        question->service = exchange_asked_service(question->ex, question->node);
        if (redis_ask_server(question)) {
            return true;
        }
    }
    return false;
}

bool redis_ask(struct redis_question *question)
{
    if (nodes_of(question) == 0) {
        question->service = exchange_asked_service(question->ex, 0);
        return redis_ask_server(question);
    }
    question->node = owner_of(question);
    return ask_around(question);
}

bool redis_ask_elsewhere(struct redis_question *question, const struct resp_answer *answer, bool late)
{
    enum redis_redirect redirect = REDIS_STAYS;
    struct slice name;

    if (answer == NULL) {
        if (late) {
            say_old(question);
            return false;
        }
        go_to_next(question);
        return ask_around(question);
    }
    if (answer->kind == RESP_ERROR) {
        redirect = redis_redirect_read(answer->text, &name);
    }
    if (redirect == REDIS_STAYS) {
        return false;
    }
    if (redirect == REDIS_MOVED) {
        say_old(question);
    }
    if (!find_node(question, name)) {
        say_old(question);
        return false;
    }
    question->asking = redirect == REDIS_ASK;
    question->hops++;
    return ask_around(question);
}
