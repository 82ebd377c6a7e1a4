/*
 * ready.c - see ready.h. The words are an interface (docs/operations.md).
 */
#include "shm/ready.h"

#include <stdio.h>

static void say_unsynced(const struct board_master *master, char missing[READY_TEXT])
{
    uint64_t count = life_get(&master->providers);
    char name[BOARD_TEXT];

    (void)snprintf(missing, READY_TEXT, "waiting for the first configuration");
    for (uint64_t i = 0; i < count && i < BOARD_PROVIDERS; i++) {
        const struct board_provider *provider = &master->provider[i];

        if (life_get(&provider->enabled) != 0 && life_get(&provider->loaded_ns) == 0) {
            board_text_get(&provider->name, name);
            (void)snprintf(missing, READY_TEXT, "waiting for provider %s", name);
            return;
        }
    }
}

bool board_ready(struct board *board, char missing[READY_TEXT])
{
    const struct board_master *master = board_master(board);
    uint64_t wanted = life_get(&board_tree(board)->workers), synced = life_get(&master->synced_generation);

    missing[0] = '\0';
    if (life_get(&board_tree(board)->stopping) != 0) {
        (void)snprintf(missing, READY_TEXT, "stopping");
        return false;
    }
    if (life_get(&master->ready_ns) != 0 || life_get(&board_guard(board)->was_ready) != 0) {
        return true;
    }
    if (synced == 0) {
        say_unsynced(master, missing);
        return false;
    }
    for (uint64_t i = 0; i < wanted && i < BOARD_WORKERS; i++) {
        const struct board_slab *slab = board_slab(board, (unsigned)i);

        if (slab == NULL || life_get(&slab->generation) < synced) {
            (void)snprintf(missing, READY_TEXT, "worker %u has not acknowledged generation %llu", (unsigned)i,
                           (unsigned long long)synced);
            return false;
        }
    }
    return true;
}

bool board_stale(struct board *board)
{
    const struct board_master *master = board_master(board);
    uint64_t count = life_get(&master->providers);

    for (uint64_t i = 0; i < count && i < BOARD_PROVIDERS; i++) {
        if (life_get(&master->provider[i].enabled) != 0 && life_get(&master->provider[i].stale_s) != 0) {
            return true;
        }
    }
    return false;
}
