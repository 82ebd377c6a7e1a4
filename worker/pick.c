/*
 * pick.c - see pick.h.
 */
#include "worker/pick.h"

#include "worker/worker.h"

#define DEPTH_MAX 16 /* weighted services inside each other; the master refuses cycles */

static uint64_t draw_ticket(struct worker *worker, const struct service *service)
{
    static uint64_t spare; /* the board was full: balanced within this worker only */
    _Atomic uint64_t *word = board_at(worker->board, service->ticket);

    return word ? atomic_fetch_add_explicit(word, 1, memory_order_relaxed) : spare++;
}

static bool is_down(struct worker *worker, const struct server *server)
{
    if (server->addresses.count == 0) {
        return true; /* its name has not been resolved */
    }
    if (server->health.slot == 0) {
        return false;
    }

    _Atomic uint64_t *word = board_at(worker->board, server->health);

    return word && atomic_load_explicit(word, memory_order_relaxed) == 1;
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

/* From place `from` on, the first server that is up and was not tried. */
static bool walk(struct worker *worker, struct pick *pick, uint32_t from)
{
    const struct server *servers = page_at(pick->page, pick->service->servers.items);

    for (uint32_t i = from; i < pick->service->sequence.count; i++) {
        uint16_t position = place(pick, pick->service, pick->ticket + i);

        if (!has_failed(pick, position) && !is_down(worker, &servers[position])) {
            pick->server = &servers[position];
            pick->position = position;
            pick->walked = i;
            return true;
        }
    }
    return false;
}

static enum pick_result pick_in(struct worker *worker, const struct services *services, struct pick *pick,
                                uint32_t number, unsigned depth)
{
    const struct service *service = services_at(services, number, &pick->page);

    if (service == NULL || depth > DEPTH_MAX) {
        return PICK_NONE;
    }
    pick->service = service;
    if (service->kind == SERVICE_INTERNAL) {
        return PICK_INTERNAL;
    }
    if (service->sequence.count == 0) {
        return PICK_NONE;
    }

    uint64_t ticket = draw_ticket(worker, service);

    if (service->kind == SERVICE_LOAD_BALANCER) {
        pick->ticket = ticket;
        return walk(worker, pick, 0) ? PICK_SERVER : PICK_NONE;
    }

    const struct service_child *children = page_at(pick->page, service->children.items);

    return pick_in(worker, services, pick, children[place(pick, service, ticket)].service, depth + 1);
}

enum pick_result pick_server(struct worker *worker, const struct services *services, uint32_t number,
                             struct pick *pick)
{
    *pick = (struct pick){.page = NULL};
    return pick_in(worker, services, pick, number, 0);
}

bool pick_next(struct worker *worker, struct pick *pick)
{
    if (pick->failed_count == PICK_ATTEMPTS) {
        return false;
    }
    pick->failed[pick->failed_count++] = pick->position;
    return walk(worker, pick, pick->walked + 1);
}
