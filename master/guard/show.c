/*
 * show.c - what the guard says on the board of itself, of its children and of its sockets (shm/board_life.h).
 *
 * One look at all of it in each turn of the loop, before it waits, so that nothing else has to remember to tell. Nothing here
 * decides anything, and nothing is stored that stands there already.
 */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/net/addr.h"
#include "master/guard/guard.h"

/* A process that is there already keeps its time, also over an upgrade in which the guard forgets it. */
static bool show_process(_Atomic uint64_t *pid, _Atomic uint64_t *since_ns, const struct child *child)
{
    if (life_get(pid) == (uint64_t)child->pid) {
        return false;
    }
    life_set(since_ns, child->pid ? (uint64_t)child->started_ns : 0);
    life_set(pid, (uint64_t)child->pid);
    return child->pid != 0;
}

static void show_slot(struct board_slot *shown, const struct child *worker, int64_t now)
{
    uint64_t lent_to = (uint64_t)(worker->lent_to + 1);

    if (show_process(&shown->pid, &shown->since_ns, worker)) {
        life_set(&shown->starts, life_get(&shown->starts) + 1);
    }
    if (life_get(&shown->lent_to) != lent_to) {
        life_set(&shown->lent_ns, lent_to ? (uint64_t)now : 0);
        life_set(&shown->lent_to, lent_to);
    }
    life_set(&shown->retire_ns, (uint64_t)worker->retire_ns);
    life_set(&shown->start_ns, worker->pid == 0 ? (uint64_t)worker->start_at_ns : 0);
}

static void write_address(int fd, char *out, size_t size)
{
    struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
    struct address address;
    char text[ADDRESS_TEXT_SIZE];
    socklen_t len = sizeof(name);

    if (fd == -1 || getsockname(fd, (struct sockaddr *)&name, &len) == -1) {
        (void)snprintf(out, size, "?");
        return;
    }
    address_from_sockaddr((const struct sockaddr *)&name, &address);
    int width = (int)address_format(&address, text);

    (void)snprintf(out, size, address.family == 6 ? "[%.*s]:%u" : "%.*s:%u", width, text, address.port);
}

static void show_points(const struct guard *guard, struct board_guard *life)
{
    uint64_t count = 0;

    for (const struct kept *kept = guard->kept; kept && count < BOARD_POINTS; kept = kept->next) {
        struct board_point *shown = &life->point[count++];
        char address[ADDRESS_TEXT_SIZE + 16];

        if (life_get(&shown->set) != kept->id) {
            write_address(kept->count > 0 ? kept->fds[kept->order[0]] : -1, address, sizeof(address));
            board_text_set(&shown->name, slice_cstr(kept->name));
            board_text_set(&shown->address, slice_cstr(address));
            life_set(&shown->set, kept->count > 0 ? kept->id : 0);
        }
        life_set(&shown->sockets, kept->count);
        life_set(&shown->leaving_ns, (uint64_t)kept->leaving_ns);
    }
    for (const struct sharded *set = guard->sharded; set && count < BOARD_POINTS; set = set->next) {
        struct board_point *shown = &life->point[count++];
        char where[ADDRESS_TEXT_SIZE + 16], address[ADDRESS_TEXT_SIZE + 16];

        if (life_get(&shown->set) != set->id) {
            write_address(set->shards[0].fd, where, sizeof(where));
            (void)snprintf(address, sizeof(address), "%.*s/udp", (int)sizeof(address) - 5, where);
            board_text_set(&shown->name, slice_cstr(set->name));
            board_text_set(&shown->address, slice_cstr(address));
            life_set(&shown->set, set->shards[0].fd != -1 ? set->id : 0);
        }
        life_set(&shown->sockets, UDP_SHARDS);
        life_set(&shown->leaving_ns, 0);
    }
    life_set(&life->points, count);
}

static void show_old(const struct guard *guard, struct board_guard *life)
{
    uint64_t count = 0;

    for (const struct old_child *old = guard->old; old; old = old->next) {
        if (count < BOARD_OLD) {
            life_set(&life->old[count].pid, (uint64_t)old->pid);
            life_set(&life->old[count].since_ns, (uint64_t)old->since_ns);
            life_set(&life->old[count].is_master, old->set == OLD_MASTER);
        }
        count++;
    }
    life_set(&life->old_count, count);
}

void show(const struct guard *guard, int64_t now)
{
    struct board_guard *life = board_guard(guard->board);

    life_set(&life->pid, (uint64_t)getpid());
    life_set(&life->since_ns, (uint64_t)guard->since_ns);
    life_set(&life->upgrades, guard->upgrades);
    life_set(&life->upgraded_ns, (uint64_t)guard->upgraded_ns);
    life_set(&life->was_ready, guard->was_ready);
    (void)show_process(&life->master_pid, &life->master_since_ns, &guard->master);
    life_set(&life->master_starts, guard->master_starts);
    life_set(&life->master_start_ns, guard->master.pid == 0 ? (uint64_t)guard->master.start_at_ns : 0);
    for (unsigned slot = 0; slot < guard->slots; slot++) {
        show_slot(&life->slot[slot], &guard->workers[slot], now);
    }
    life_set(&life->slots, guard->slots);
    show_points(guard, life);
    show_old(guard, life);
}
