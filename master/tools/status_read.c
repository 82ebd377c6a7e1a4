/*
 * status_read.c - see status.h. Whatever stands on the board is taken with care: counts are bounded, times may lie in the
 * future of the moment of reading.
 */
#include "master/tools/status.h"
#include "shm/control.h"

#define SECOND INT64_C(1000000000)

static int64_t age_of(uint64_t at, struct status_clock clock)
{
    if (at == 0) {
        return NEVER;
    }
    return at > (uint64_t)clock.now_ns ? 0 : clock.now_ns - (int64_t)at;
}

/* Of a time on the other clock, which may have been set since. */
static int64_t stale_age(uint64_t unix_s, struct status_clock clock)
{
    int64_t now = clock.unix_ns / SECOND;

    if (unix_s == 0) {
        return NEVER;
    }
    return now > 0 && unix_s < (uint64_t)now ? clock.unix_ns - (int64_t)unix_s * SECOND : 0;
}

static size_t bounded(uint64_t count, size_t most)
{
    return count < most ? (size_t)count : most;
}

static void read_process(struct status_process *process, uint64_t pid, uint64_t since, uint64_t beat,
                         struct status_clock clock, char (*process_state)(pid_t))
{
    process->pid = (pid_t)pid;
    process->age = age_of(since, clock);
    process->beat = pid ? age_of(beat, clock) : NEVER;
    process->state = pid && process_state ? process_state((pid_t)pid) : '\0';
}

static int64_t until(uint64_t at, struct status_clock clock)
{
    return at > (uint64_t)clock.now_ns && at < INT64_MAX ? (int64_t)at - clock.now_ns : 0;
}

/* ---- the guard's part ---- */
static void read_slot(struct board *board, unsigned number, struct status_clock clock,
                      char (*process_state)(pid_t), struct status_slot *slot)
{
    const struct board_slot *shown = &board_guard(board)->slot[number];
    const struct board_slab *slab = board_slab(board, number);
    uint64_t pid = life_get(&shown->pid);
    bool its = slab && pid != 0 && life_get(&slab->pid) == pid; /* else it has not got so far */

    *slot = (struct status_slot){.number = number, .lent_to = (int)life_get(&shown->lent_to) - 1};
    read_process(&slot->process, pid, life_get(&shown->since_ns), its ? life_get(&slab->heartbeat_ns) : 0,
                 clock, process_state);
    slot->process.start = until(life_get(&shown->start_ns), clock);
    slot->process.count = life_get(&shown->starts);
    slot->lent_age = age_of(life_get(&shown->lent_ns), clock);
    slot->retire_age = age_of(life_get(&shown->retire_ns), clock);
    slot->state = its ? life_get(&slab->state) : pid ? WORKER_STARTING : 0;
    slot->state_age = its ? age_of(life_get(&slab->state_ns), clock) : slot->process.age;
    slot->generation = its ? life_get(&slab->generation) : 0;
    slot->generation_age = its ? age_of(life_get(&slab->acknowledged_ns), clock) : NEVER;
    slot->laps = slab ? &slab->laps : NULL;
    for (size_t i = 0; its && i < BOARD_GAUGES; i++) {
        slot->gauges[i] = atomic_load_explicit(&slab->gauges[i], memory_order_relaxed);
    }
}

static void read_guard(struct board *board, struct status_clock clock, char (*process_state)(pid_t),
                       struct status *status)
{
    const struct board_guard *guard = board_guard(board);
    size_t slots = bounded(life_get(&guard->slots), BOARD_SLOTS);

    read_process(&status->guard, life_get(&guard->pid), life_get(&guard->since_ns), 0, clock, process_state);
    read_process(&status->master, life_get(&guard->master_pid), life_get(&guard->master_since_ns), 0, clock,
                 process_state);
    status->master.beat =
        age_of(life_get(&board_tree(board)->master_heartbeat_ns), clock); /* also a dead one's */
    status->master.start = until(life_get(&guard->master_start_ns), clock);
    status->master.count = life_get(&guard->master_starts);
    status->upgrades = life_get(&guard->upgrades);
    status->upgraded_age = age_of(life_get(&guard->upgraded_ns), clock);
    for (unsigned i = 0; i < slots; i++) {
        if (life_get(&guard->slot[i].pid) != 0 || i < status->workers) {
            read_slot(board, i, clock, process_state, &status->slots[status->slot_count++]);
        }
    }
    status->point_count = bounded(life_get(&guard->points), BOARD_POINTS);
    for (size_t i = 0; i < status->point_count; i++) {
        struct status_point *point = &status->points[i];

        board_text_get(&guard->point[i].name, point->name);
        board_text_get(&guard->point[i].address, point->address);
        point->sockets = life_get(&guard->point[i].sockets);
        point->leaving_age = age_of(life_get(&guard->point[i].leaving_ns), clock);
    }
    status->old_all = life_get(&guard->old_count);
    status->old_count = bounded(status->old_all, BOARD_OLD);
    for (size_t i = 0; i < status->old_count; i++) {
        status->old[i] = (struct status_old){.pid = (pid_t)life_get(&guard->old[i].pid),
                                             .is_master = life_get(&guard->old[i].is_master) != 0,
                                             .age = age_of(life_get(&guard->old[i].since_ns), clock)};
    }
}

/* ---- the master's part ---- */
static void read_generations(const struct board_master *master, struct status_clock clock,
                             struct status *status)
{
    for (uint64_t back = 0; back < BOARD_PUBLICATIONS && back < status->generation; back++) {
        uint64_t number = status->generation - back;
        const struct board_publication *shown = &master->publication[number % BOARD_PUBLICATIONS];

        if (life_get(&shown->number) != number) {
            continue; /* not written yet, or overwritten already */
        }
        status->generations[status->generation_count++] =
            (struct status_generation){.number = number,
                                       .routers = life_get(&shown->routers),
                                       .services = life_get(&shown->services),
                                       .middlewares = life_get(&shown->middlewares),
                                       .age = age_of(life_get(&shown->published_ns), clock),
                                       .withdrawn_age = age_of(life_get(&shown->withdrawn_ns), clock)};
    }
}

static void read_master(struct board *board, struct status_clock clock, struct status *status)
{
    const struct board_master *master = board_master(board);
    uint64_t result = life_get(&master->reload_result), took = life_get(&master->reload_took_ns);

    status->settings_age = age_of(life_get(&master->settings_ns), clock);
    board_text_get(&master->settings_error, status->settings_error);
    status->reload_age = age_of(life_get(&master->reload_ns), clock);
    status->reload_took = took < INT64_MAX ? (int64_t)took : 0;
    status->reload_result = result < RELOAD_KINDS ? (enum board_reload)result : RELOAD_NONE;
    board_text_get(&master->reload_changes, status->reload_changes);
    status->provider_count = bounded(life_get(&master->providers), BOARD_PROVIDERS);
    for (size_t i = 0; i < status->provider_count; i++) {
        struct status_provider *provider = &status->providers[i];

        board_text_get(&master->provider[i].name, provider->name);
        board_text_get(&master->provider[i].error, provider->error);
        provider->enabled = life_get(&master->provider[i].enabled) != 0;
        provider->loaded_age = age_of(life_get(&master->provider[i].loaded_ns), clock);
        provider->stale_age = stale_age(life_get(&master->provider[i].stale_s), clock);
    }
    read_generations(master, clock, status);
}

static void read_memory(const struct board_tree *tree, struct status_memory *memory)
{
    for (int kind = 0; kind < MEMORY_KINDS; kind++) {
        uint64_t budget = life_get(&tree->memory[kind].budget), used = life_get(&tree->memory[kind].used);

        if (budget != 0 && (memory->budget == 0 ||
                            (double)used / (double)budget > (double)memory->used / (double)memory->budget)) {
            *memory =
                (struct status_memory){.is_group = kind == MEMORY_GROUP, .budget = budget, .used = used};
        }
    }
    memory->level = life_get(&tree->memory_level);
}

void status_read(struct board *board, struct status_clock clock, char (*process_state)(pid_t),
                 struct status *status)
{
    const struct board_tree *tree = board_tree(board);

    *status = (struct status){.unix_ns = clock.unix_ns};
    status->ready = board_ready(board, status->missing);
    status->stale = status->ready && board_stale(board);
    status->stopping = life_get(&tree->stopping) != 0;
    status->workers = life_get(&tree->workers);
    status->generation = life_get(&tree->generation);
    read_guard(board, clock, process_state, status);
    read_master(board, clock, status);
    read_memory(tree, &status->memory);
    for (unsigned i = 0; i < BOARD_COUNTERS; i++) {
        status->counters[i] = board_counter_sum(board, (enum board_counter)i);
    }
}
