/*
 * pick.c - the way through services in each other to one with servers, and what is counted of requests under way. See pick.h.
 *
 * Which of its servers: pick_strategy.c.
 */
#include "shm/hrw.h"
#include "worker/exchange.h"
#include "worker/forwarded.h"
#include "worker/pick_inner.h"
#include "worker/sticky.h"
#include "worker/worker.h"

#define SAMPLES 16u  /* of times to the first byte: how far back an average reaches */
#define DEPTH_MAX 16 /* weighted services inside each other; the master refuses cycles */

/* ---- requests under way ---- */

/* A count that nobody else writes. */
static void count(_Atomic uint32_t *load, uint32_t by)
{
    atomic_store_explicit(load, atomic_load_explicit(load, memory_order_relaxed) + by, memory_order_relaxed);
}

static void enter(struct worker *worker, struct pick *pick)
{
    pick->load = board_load(worker->board, worker->slot, pick->server->load);
    if (pick->load) {
        count(pick->load, 1);
    }
}

void pick_leave(_Atomic uint32_t **load)
{
    if (*load) {
        count(*load, UINT32_MAX);
        *load = NULL;
    }
}

void pick_answered(struct worker *worker, const struct pick *pick, int64_t took_ns)
{
    _Atomic uint64_t *word = pick->load ? board_at(worker->board, pick->server->load) : NULL;

    if (word && took_ns >= 0) { /* a store that gets lost is one sample of many */
        uint64_t now = atomic_load_explicit(word, memory_order_relaxed), took = (uint64_t)took_ns + 1;

        atomic_store_explicit(word, now ? now - now / SAMPLES + took / SAMPLES : took, memory_order_relaxed);
    }
}

/* ---- the choice ---- */

/* A server for a client that has none, or whose server did not do. */
static bool choose(struct exchange *ex, struct pick *pick)
{
    bool found = pick_by_strategy(ex, pick);

    if (found) {
        enter(ex->worker, pick);
        pick->cookie = sticky_reset(ex, pick->cookie, pick->page, pick->service, pick->position);
    }
    return found;
}

static enum pick_result pick_balanced(struct exchange *ex, struct pick *pick)
{
    const struct sticky_value *stuck = sticky_find(ex, pick->page, pick->service);

    if (stuck && pick_usable(ex->worker, pick, (uint16_t)stuck->position)) {
        pick_take(pick, (uint16_t)stuck->position);
        enter(ex->worker, pick);
        if (stuck->outdated) {
            pick->cookie = sticky_set(ex, pick->page, pick->service, stuck->position);
        }
        return PICK_SERVER;
    }
    return choose(ex, pick) ? PICK_SERVER : PICK_NONE;
}

#define NOBODY UINT32_MAX

/* A child that its parent may send something to. */
static bool takes(struct worker *worker, const struct services *services, const struct service_child *child)
{
    return child->weight > 0 &&
           (!child->watched || services_up(services, child->service, worker->board, worker->now_ns));
}

static uint32_t highest_child(struct exchange *ex, const struct services *services, const struct page *page,
                              const struct service *service)
{
    const struct service_child *children = page_at(page, service->children.items);
    uint64_t client = hrw_client(forwarded_client(ex));
    uint32_t position = NOBODY;
    double best = -1;

    for (uint32_t i = 0; i < service->children.count; i++) {
        double score = children[i].weight
                           ? hrw_score(client, page_text(page, children[i].name), children[i].weight)
                           : -1;

        if (score > best && takes(ex->worker, services, &children[i])) {
            best = score;
            position = i;
        }
    }
    return position;
}

/* In turn; those that are down are passed over. */
static uint32_t next_child(struct worker *worker, const struct services *services, const struct page *page,
                           const struct service *service)
{
    const struct service_child *children = page_at(page, service->children.items);
    const uint16_t *sequence = page_at(page, service->sequence.items);
    uint64_t ticket = pick_ticket(worker, service);
    uint64_t down = 0; /* of the first 64: each is asked for once */

    for (size_t i = 0; i < service->sequence.count; i++) {
        uint16_t position = sequence[(ticket + i) % service->sequence.count];
        uint64_t bit = position < 64 ? UINT64_C(1) << position : 0;

        if (down & bit) {
            continue;
        }
        if (takes(worker, services, &children[position])) {
            return position;
        }
        down |= bit;
    }
    return NOBODY;
}

/* Which of the children of a weighted service; NOBODY: none takes clients. */
static uint32_t pick_child(struct exchange *ex, const struct services *services, const struct page *page,
                           const struct service *service)
{
    const struct service_child *children = page_at(page, service->children.items);
    const struct sticky_value *stuck = sticky_find(ex, page, service);
    uint32_t position;

    if (service->strategy == STRATEGY_HRW) {
        return highest_child(ex, services, page, service);
    }
    if (service->sequence.count == 0) {
        return NOBODY;
    }
    if (stuck && !takes(ex->worker, services, &children[stuck->position])) {
        stuck = NULL;
    }
    if (stuck && !stuck->outdated) {
        return stuck->position;
    }
    position = stuck ? stuck->position : next_child(ex->worker, services, page, service);
    if (position != NOBODY) {
        (void)sticky_set(ex, page, service, position);
    }
    return position;
}

static enum pick_result pick_in(struct exchange *ex, const struct services *services, struct pick *pick,
                                uint32_t number, bool entered, unsigned depth);

static enum pick_result pick_failover(struct exchange *ex, const struct services *services, struct pick *pick,
                                      unsigned depth)
{
    const struct service_child *children = page_at(pick->page, pick->service->children.items);

    if (takes(ex->worker, services, &children[0])) {
        return pick->service->statuses.len
                   ? PICK_STEP
                   : pick_in(ex, services, pick, children[0].service, false, depth + 1);
    }
    return takes(ex->worker, services, &children[1])
               ? pick_in(ex, services, pick, children[1].service, false, depth + 1)
               : PICK_DOWN;
}

static enum pick_result pick_in(struct exchange *ex, const struct services *services, struct pick *pick,
                                uint32_t number, bool entered, unsigned depth)
{
    const struct service *service = services_at(services, number, &pick->page);

    if (service == NULL || depth > DEPTH_MAX) {
        return PICK_NONE;
    }
    pick->service = service;
    if (service->middlewares.count && !entered) {
        pick->number = number;
        return PICK_STEP;
    }
    switch (service->kind) {
    case SERVICE_INTERNAL:
        return PICK_INTERNAL;
    case SERVICE_LOAD_BALANCER:
        return pick_balanced(ex, pick);
    case SERVICE_FAILOVER:
        return pick_failover(ex, services, pick, depth);
    case SERVICE_MIRRORING:
        return PICK_STEP;
    case SERVICE_WEIGHTED:
        break;
    }

    const struct service_child *children = page_at(pick->page, service->children.items);
    uint32_t position = pick_child(ex, services, pick->page, service);

    return position == NOBODY ? PICK_NONE
                              : pick_in(ex, services, pick, children[position].service, false, depth + 1);
}

enum pick_result pick_server(struct exchange *ex, const struct services *services, uint32_t number,
                             bool entered, struct pick *pick)
{
    *pick = (struct pick){.number = PICK_NUMBER_NONE};
    if (ex->steps == NULL) {
        ex->set_cookies = NULL;
    }
    return pick_in(ex, services, pick, number, entered, 0);
}

bool pick_next(struct exchange *ex, struct pick *pick)
{
    if (pick->failed_count == PICK_ATTEMPTS) {
        return false;
    }
    pick_leave(&pick->load);
    pick->failed[pick->failed_count++] = pick->position;
    return choose(ex, pick);
}

/* ---- sessions of TCP ---- */

bool pick_turn(struct worker *worker, const struct services *services, uint32_t number, struct pick *pick)
{
    *pick = (struct pick){.page = NULL};
    for (unsigned depth = 0; depth <= DEPTH_MAX; depth++) {
        const struct service *service = services_at(services, number, &pick->page);

        if (service == NULL || service->sequence.count == 0) {
            return false;
        }
        pick->service = service;
        pick->number = number;
        if (service->kind == SERVICE_LOAD_BALANCER) {
            return pick_in_turn(worker, pick);
        }

        const struct service_child *children = page_at(pick->page, service->children.items);

        uint32_t position = next_child(worker, services, pick->page, service);

        if (position == NOBODY) {
            return false;
        }
        number = children[position].service;
    }
    return false;
}

bool pick_turn_next(struct worker *worker, struct pick *pick)
{
    if (pick->failed_count == PICK_ATTEMPTS) {
        return false;
    }
    pick->failed[pick->failed_count++] = pick->position;
    return pick_in_turn(worker, pick);
}
