/*
 * services_health.c - who is up: a server by its word on the board, a service by those below it. See services.h.
 *
 * A service is asked where a parent has to know (watched children), from top to bottom until somebody is found that is up:
 * as a rule that is the first one. Nothing is kept about services, so what the board says is in force at once.
 */
#include "shm/services.h"

#define PART_LEAST 0.01
#define LOOKS_MOST 4096 /* at servers and services, for one answer */

struct look {
    const struct services *services;
    struct board *board;
    int64_t now_ns;
    unsigned left;
};

bool services_server_up(struct board *board, const struct server *server, int64_t now_ns)
{
    _Atomic uint64_t *word;
    uint64_t health;

    if (server->addresses.count == 0) {
        return false; /* its name has not been resolved */
    }
    if (server->health.slot == 0 || (word = board_at(board, server->health)) == NULL) {
        return true;
    }
    health = atomic_load_explicit(word, memory_order_relaxed);
    return health == HEALTH_UP || (health != HEALTH_DOWN && (uint64_t)now_ns >= health);
}

double services_server_part(struct board *board, const struct server *server, int64_t slow_start,
                            int64_t now_ns)
{
    _Atomic uint64_t *since = board_at(board, server->since), *health = board_at(board, server->health);
    uint64_t from, back, now = (uint64_t)now_ns;

    if (since == NULL || slow_start <= 0) {
        return 1;
    }
    from = atomic_load_explicit(since, memory_order_relaxed);
    back = health ? atomic_load_explicit(health, memory_order_relaxed) : HEALTH_UP;
    if (back != HEALTH_DOWN && back > from) {
        from = back; /* it was out until then */
    }
    if (from <= SINCE_EVER || from + (uint64_t)slow_start <= now) {
        return 1;
    }
    return now <= from + (uint64_t)slow_start / 100 ? PART_LEAST : (double)(now - from) / (double)slow_start;
}

static bool any_server(struct look *look, const struct page *page, const struct list *list)
{
    const struct server *servers = page_at(page, list->items);

    for (size_t i = 0; i < list->count; i++) {
        if (look->left == 0 || services_server_up(look->board, &servers[i], look->now_ns)) {
            return true;
        }
        look->left--;
    }
    return false;
}

static bool service_up(struct look *look, uint32_t number) /* NOLINT(misc-no-recursion): without circles */
{
    const struct page *page;
    const struct service *service = services_at(look->services, number, &page);
    const struct service_child *children;

    if (look->left == 0 || service == NULL || service->kind == SERVICE_INTERNAL) {
        return true;
    }
    look->left--;
    if (service->kind == SERVICE_LOAD_BALANCER) {
        return any_server(look, page, &service->servers);
    }
    children = page_at(page, service->children.items);
    if (service->kind == SERVICE_MIRRORING) {
        return service_up(look, children[0].service); /* mirrors do not matter */
    }
    for (size_t i = 0; i < service->children.count; i++) {
        bool asked = service->kind != SERVICE_WEIGHTED || children[i].weight > 0;

        if (asked && (!children[i].watched || service_up(look, children[i].service))) {
            return true;
        }
    }
    return false;
}

bool services_up(const struct services *services, uint32_t number, struct board *board, int64_t now_ns)
{
    struct look look = {services, board, now_ns, LOOKS_MOST};

    return service_up(&look, number);
}
