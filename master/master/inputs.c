/*
 * inputs.c - the providers of this configuration: which are enabled, what of theirs is watched, what is tried again.
 */
#include "common/base/log.h"
#include "common/base/pool.h"
#include "common/base/text.h"
#include "master/master/master.h"
#include "master/source/source.h"

#define RETRY_MS 2000

static void on_changed(void *context)
{
    struct input *input = context;

    input->dirty = true;
    hold_changed(input->master);
    reload_request(input->master);
}

void inputs_stop(struct master *master)
{
    for (size_t i = 0; i < master->watch_count; i++) {
        watch_stop(master->watches[i]);
    }
    master->watch_count = 0;
}

static void watch_input(struct master *master, struct input *input)
{
    struct pool *pool = pool_new(1024, 0);
    struct list paths = {0};

    input->provider->watch_paths(&master->settings->loaded.config, pool, &paths);
    for (size_t i = 0; i < paths.count; i++) {
        struct slice path = ((const struct slice *)paths.items)[i];
        struct error why;

        if (master->watch_count == MASTER_WATCHES) {
            log_error("Provider %s: %.*s is not watched: more than %d paths", input->provider->name,
                      SLICE_ARG(path), MASTER_WATCHES);
        } else if (watch_start(&master->loop, path, on_changed, input, &master->watches[master->watch_count],
                               &why) == 0) {
            master->watch_count++;
        } else {
            if (!master->watch_missing) {
                log_warn("Provider %s: %.*s cannot be watched yet: %s", input->provider->name,
                         SLICE_ARG(path), why.text);
            }
            master->watch_missing = true;
        }
    }
    pool_free(pool);
}

static void watch_all(struct master *master)
{
    inputs_stop(master);
    for (size_t i = 0; i < master->input_count; i++) {
        if (master->inputs[i].enabled && master->inputs[i].provider->watch_paths) {
            watch_input(master, &master->inputs[i]);
        }
    }
}

static void on_retry(uv_timer_t *timer)
{
    struct master *master = timer->data;
    bool again = false;

    if (master->watch_missing) {
        master->watch_missing = false;
        watch_all(master);
    }
    for (size_t i = 0; i < master->input_count; i++) {
        struct input *input = &master->inputs[i];

        if (input->enabled && (input->failed || input->gaps)) {
            input->dirty = again = true;
        }
    }
    if (again || master->hold.why == HOLD_CLUSTER) {
        reload_request(master);
    } else {
        inputs_retry(master);
    }
}

void inputs_retry(struct master *master)
{
    bool needed = master->watch_missing || master->hold.why != HOLD_NONE;

    for (size_t i = 0; i < master->input_count; i++) {
        needed = needed || (master->inputs[i].enabled && master->inputs[i].failed);
    }
    if (needed && !uv_is_active((uv_handle_t *)&master->retry)) {
        (void)uv_timer_start(&master->retry, on_retry, hold_left_ms(master, RETRY_MS), 0);
    }
}

void inputs_apply(struct master *master)
{
    const struct static_config *config = &master->settings->loaded.config;

    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        master->inputs[i].master = master;
        master->inputs[i].provider = providers[i];
        master->inputs[i].enabled = providers[i]->enabled(config);
        master->inputs[i].dirty = true;
        master->input_count = i + 1;
    }
    life_providers(master);
    watch_all(master);
}
