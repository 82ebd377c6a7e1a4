/*
 * inputs.c - the providers of this configuration: which are enabled, what of theirs is watched, what is tried again.
 */
#include "common/base/log.h"
#include "common/base/pool.h"
#include "common/base/text.h"
#include "master/master/master.h"
#include "master/source/source.h"

#define RETRY_MS 2000
#define RETRY_DOUBLED 5 /* times: what goes on for long is looked at every 64 s */

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

/* Once, until all is watched again. */
static void not_watched(struct master *master, const struct input *input, struct slice path, const char *why)
{
    if (!master->watch_said) {
        log_warn("Provider %s: %.*s cannot be watched: %s; until then it is read every %d s",
                 input->provider->name, SLICE_ARG(path), why, RETRY_MS / 1000);
    }
    master->watch_said = master->watch_missing = true;
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
            master->watched[master->watch_count++] = input;
        } else {
            not_watched(master, input, path, why.text);
        }
    }
    pool_free(pool);
}

static void watch_all(struct master *master)
{
    inputs_stop(master);
    master->watch_missing = false;
    for (size_t i = 0; i < master->input_count; i++) {
        if (master->inputs[i].enabled && master->inputs[i].provider->watch_paths) {
            watch_input(master, &master->inputs[i]);
        }
    }
}

/* Directories that came later count as well. */
static void look_for_full(struct master *master)
{
    for (size_t i = 0; i < master->watch_count; i++) {
        if (watch_full(master->watches[i])) {
            not_watched(master, master->watched[i], watch_path(master->watches[i]),
                        "fs.inotify.max_user_watches are in use");
        }
    }
}

static bool unread(const struct input *input)
{
    return input->model && input->model->unread;
}

static void on_retry(uv_timer_t *timer)
{
    struct master *master = timer->data;
    bool again = false;

    bool missed = master->watch_missing; /* events of what was not watched until now */

    if (missed) {
        watch_all(master);
        look_for_full(master);
    }
    if (missed && !master->watch_missing) {
        master->watch_said = false;
        log_info("All files of providers are watched again");
    }
    for (size_t i = 0; i < master->input_count; i++) {
        struct input *input = &master->inputs[i];

        if (input->enabled &&
            ((missed && input->provider->watch_paths) || input->failed || input->gaps || unread(input))) {
            input->dirty = again = true;
        }
    }
    if (again || master->uncompiled || master->hold.why == HOLD_CLUSTER) {
        reload_request(master);
    } else {
        inputs_retry(master);
    }
}

/* What nobody tells when it has passed, looked for less often the longer it lasts. */
static uint64_t passing_ms(struct master *master)
{
    bool passing = master->uncompiled;

    for (size_t i = 0; i < master->input_count; i++) {
        passing = passing || (master->inputs[i].enabled && unread(&master->inputs[i]));
    }
    if (!passing) {
        master->retries = 0;
        return 0;
    }
    return (uint64_t)RETRY_MS << (master->retries < RETRY_DOUBLED ? master->retries : RETRY_DOUBLED);
}

void inputs_retry(struct master *master)
{
    look_for_full(master);

    bool needed = master->watch_missing || master->hold.why != HOLD_NONE;
    uint64_t wait = passing_ms(master);

    for (size_t i = 0; i < master->input_count; i++) {
        needed = needed || (master->inputs[i].enabled && master->inputs[i].failed);
    }
    if (needed) {
        wait = hold_left_ms(master, RETRY_MS);
    }
    if (wait > 0 && !uv_is_active((uv_handle_t *)&master->retry)) {
        master->retries++;
        (void)uv_timer_start(&master->retry, on_retry, wait, 0);
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
