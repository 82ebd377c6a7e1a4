/*
 * pick_strategy.c - which of the servers of one service: its turn, or what its strategy says.
 */
#include <math.h>

#include "common/base/hash.h"
#include "shm/hrw.h"
#include "worker/exchange.h"
#include "worker/forwarded.h"
#include "worker/pick_inner.h"
#include "worker/worker.h"

#define ANYTHING INFINITY /* of what a server may have to do */

uint64_t pick_ticket(struct worker *worker, const struct service *service)
{
    static uint64_t spare; /* the board was full: balanced within this worker only */
    _Atomic uint64_t *word = board_at(worker->board, service->ticket);

    return word ? atomic_fetch_add_explicit(word, 1, memory_order_relaxed) : spare++;
}

static uint16_t place(const struct pick *pick, const struct service *service, uint64_t ticket)
{
    const uint16_t *sequence = page_at(pick->page, service->sequence.items);

    return sequence[ticket % service->sequence.count];
}

static bool has_failed(const struct pick *pick, uint16_t position)
{
    for (unsigned i = 0; i < pick->failed_count; i++) {
        if (pick->failed[i] == position) {
            return true;
        }
    }
    return false;
}

bool pick_usable(struct worker *worker, const struct pick *pick, uint16_t position)
{
    const struct server *servers = page_at(pick->page, pick->service->servers.items);

    return !has_failed(pick, position) &&
           services_server_up(worker->board, &servers[position], worker->now_ns);
}

void pick_take(struct pick *pick, uint16_t position)
{
    const struct server *servers = page_at(pick->page, pick->service->servers.items);

    pick->server = &servers[position];
    pick->position = position;
}

static double part_of(struct worker *worker, const struct pick *pick, const struct server *server)
{
    return pick->service->slow_start > 0
               ? services_server_part(worker->board, server, pick->service->slow_start, worker->now_ns)
               : 1;
}

/* What a server has to do, the more the worse. */
static double burden(struct worker *worker, const struct pick *pick, uint16_t position)
{
    const struct server *servers = page_at(pick->page, pick->service->servers.items);
    const struct server *server = &servers[position];
    double load = 1 + (double)board_load_sum(worker->board, server->load);
    _Atomic uint64_t *word;

    load /= part_of(worker, pick, server);
    if (pick->service->strategy == STRATEGY_P2C) {
        return load;
    }
    if (pick->service->strategy == STRATEGY_LEASTCONN) {
        return load / server->weight;
    }
    word = board_at(worker->board, server->load);
    return word ? (double)atomic_load_explicit(word, memory_order_relaxed) * load / server->weight : 0;
}

/* Whether a server that starts slowly takes a turn: the part of its turns that it has. One answer for a ticket, however often
 * the server stands in the sequence. */
static bool takes_turn(struct worker *worker, const struct pick *pick, uint16_t position)
{
    const struct server *servers = page_at(pick->page, pick->service->servers.items);
    uint64_t chance;

    if (pick->service->slow_start == 0 || pick->service->strategy != STRATEGY_WRR) {
        return true;
    }
    chance = hash_finish(hash_bytes(pick->ticket, &position, sizeof(position)));
    return (double)(chance >> 11) * 0x1p-53 < part_of(worker, pick, &servers[position]);
}

/* From place `from` on, the first server that is up, was not tried, has no more to do than `most`, and takes the turn; if none
 * takes it, the first one that does not. */
static bool walk(struct worker *worker, struct pick *pick, uint32_t from, double most)
{
    uint32_t slow = UINT32_MAX;

    for (uint32_t i = from; i < pick->service->sequence.count; i++) {
        uint16_t position = place(pick, pick->service, pick->ticket + i);

        if (!pick_usable(worker, pick, position) ||
            (most < ANYTHING && burden(worker, pick, position) > most)) {
            continue;
        }
        if (takes_turn(worker, pick, position)) {
            pick_take(pick, position);
            pick->walked = i;
            return true;
        }
        slow = slow < i ? slow : i;
    }
    if (slow == UINT32_MAX) {
        return false;
    }
    pick_take(pick, place(pick, pick->service, pick->ticket + slow));
    pick->walked = slow;
    return true;
}

/* Of the servers, the one that is usable and has the highest score. */
static bool highest(struct exchange *ex, struct pick *pick)
{
    const struct server *servers = page_at(pick->page, pick->service->servers.items);
    uint64_t client = hrw_client(forwarded_client(ex));
    double best = -1;

    for (size_t i = 0; i < pick->service->servers.count; i++) {
        double score = servers[i].weight
                           ? hrw_score(client, page_text(pick->page, servers[i].url), servers[i].weight)
                           : -1;

        if (score > best && pick_usable(ex->worker, pick, (uint16_t)i)) {
            best = score;
            pick_take(pick, (uint16_t)i);
        }
    }
    return best >= 0;
}

static void draw(struct worker *worker, struct pick *pick)
{
    if (!pick->drawn) {
        pick->drawn = true;
        pick->ticket = pick->service->sequence.count ? pick_ticket(worker, pick->service) : 0;
    }
}

bool pick_in_turn(struct worker *worker, struct pick *pick)
{
    uint32_t from = pick->drawn ? pick->walked + 1 : 0;

    draw(worker, pick);
    return walk(worker, pick, from, ANYTHING) ||
           (from > 0 && pick->service->slow_start > 0 && walk(worker, pick, 0, ANYTHING)); /* passed over */
}

/* Those with the least to do, in turn. */
static bool least(struct exchange *ex, struct pick *pick)
{
    const struct server *servers = page_at(pick->page, pick->service->servers.items);
    double lowest = ANYTHING;

    for (size_t i = 0; i < pick->service->servers.count; i++) {
        if (servers[i].weight && pick_usable(ex->worker, pick, (uint16_t)i)) {
            lowest = fmin(lowest, burden(ex->worker, pick, (uint16_t)i));
        }
    }
    draw(ex->worker, pick);
    /* when other workers have given it something to do meanwhile, any will do */
    return walk(ex->worker, pick, 0, lowest) || walk(ex->worker, pick, 0, ANYTHING);
}

/* Two of the servers at random, and the one of them with less to do. */
static bool of_two(struct exchange *ex, struct pick *pick)
{
    uint16_t first, tried = pick->failed_count;
    uint64_t chance;
    bool found;

    pick->drawn = false;
    draw(ex->worker, pick);
    pick->ticket = chance = hash_finish(pick->ticket);
    found = walk(ex->worker, pick, 0, ANYTHING);
    if (!found || tried == PICK_ATTEMPTS) {
        return found;
    }
    first = pick->position;
    pick->failed[pick->failed_count++] = first; /* the second is another one */
    pick->ticket = chance >> 32;
    if (walk(ex->worker, pick, 0, ANYTHING) &&
        burden(ex->worker, pick, first) <= burden(ex->worker, pick, pick->position)) {
        pick_take(pick, first);
    }
    pick->failed_count = tried;
    return true;
}

bool pick_by_strategy(struct exchange *ex, struct pick *pick)
{
    switch (pick->service->strategy) {
    case STRATEGY_WRR:
        break;
    case STRATEGY_HRW:
        return highest(ex, pick);
    case STRATEGY_P2C:
        return of_two(ex, pick);
    case STRATEGY_LEASTTIME:
    case STRATEGY_LEASTCONN:
        return least(ex, pick);
    }
    return pick_in_turn(ex->worker, pick);
}
