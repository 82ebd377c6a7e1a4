/*
 * life.c - what the master says of itself on the board (shm/board_life.h): for /ready and `weir status`.
 *
 * Nothing here decides anything. Called on the loop when something has happened, before the log says so: who reads the
 * log finds it on the board.
 */
#include "common/base/process.h"
#include "master/master/master.h"

_Static_assert(PROVIDER_COUNT <= BOARD_PROVIDERS, "each provider has its place on the board");

static uint64_t now(void)
{
    return (uint64_t)process_clock_ns();
}

void life_settings(struct master *master, const char *refused)
{
    struct board_master *life = board_master(master->board);

    board_text_set(&life->settings_error, slice_cstr(refused ? refused : ""));
    if (refused == NULL) {
        life_set(&life->settings_ns, now());
    }
}

void life_providers(struct master *master)
{
    struct board_master *life = board_master(master->board);

    for (size_t i = 0; i < master->input_count; i++) {
        const struct input *input = &master->inputs[i];
        struct board_provider *shown = &life->provider[i];
        uint64_t loaded = life_get(&shown->loaded_ns); /* an earlier master's word stands */

        board_text_set(&shown->name, slice_cstr(input->provider->name));
        life_set(&shown->enabled, input->enabled);
        if (master->job == NULL) { /* else these are the job's, and it will be back */
            board_text_set(&shown->error, slice_cstr(input->failed ? input->error.text : ""));
            life_set(&shown->loaded_ns, input->loaded_ns != 0 ? (uint64_t)input->loaded_ns : loaded);
            if (input->loaded || !input->enabled) { /* as above */
                life_set(&shown->stale_s, (uint64_t)input->stale_s);
            }
        }
    }
    life_set(&life->providers, master->input_count);
}

void life_reload(struct master *master, enum board_reload result, int64_t took_ns, const char *text)
{
    struct board_master *life = board_master(master->board);

    life_set(&life->reload_took_ns, (uint64_t)took_ns);
    life_set(&life->reload_result, result);
    board_text_set(&life->reload_changes, slice_cstr(text));
    life_set(&life->reload_ns, now());
}

static struct board_publication *publication(struct master *master, uint64_t number)
{
    return &board_master(master->board)->publication[number % BOARD_PUBLICATIONS];
}

void life_published(struct master *master, uint64_t number)
{
    struct board_publication *shown = publication(master, number);

    life_set(&shown->number, 0); /* while the rest is of neither */
    life_set(&shown->published_ns, now());
    life_set(&shown->withdrawn_ns, 0);
    life_set(&shown->routers, 0);
    life_set(&shown->services, 0);
    life_set(&shown->middlewares, 0);
    atomic_store_explicit(&shown->number, number, memory_order_release);
}

void life_counted(struct master *master, uint64_t number, const struct model *model)
{
    struct board_publication *shown = publication(master, number);

    life_set(&shown->routers, model->router_count);
    life_set(&shown->services, model->service_count);
    life_set(&shown->middlewares, model->middleware_count);
}

void life_recounted(struct master *master, uint64_t number, uint64_t like)
{
    struct board_publication *shown = publication(master, number);
    const struct board_publication *other = publication(master, like);

    if (life_get(&other->number) == like) {
        life_set(&shown->routers, life_get(&other->routers));
        life_set(&shown->services, life_get(&other->services));
        life_set(&shown->middlewares, life_get(&other->middlewares));
    }
}

void life_withdrawn(struct master *master, uint64_t number)
{
    life_set(&publication(master, number)->withdrawn_ns, now());
}
