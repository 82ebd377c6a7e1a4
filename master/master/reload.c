/*
 * reload.c - from "something changed" to a new generation.
 *
 * One job at a time (job.h). What changes meanwhile makes one more job when it is back, for a cluster after a pause: so the
 * first change is in force at once, and a burst costs a few jobs, not one for each change. When no page differs nothing is
 * published.
 *
 * Not here: what is watched (inputs.c), when the first generation is held back (hold.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "common/base/text.h"
#include "master/compile/names.h"
#include "master/health/health.h"
#include "master/kube/live.h"
#include "master/master/job.h"
#include "master/master/waiting.h"

/* ---- what becomes of what a job found ---- */
static void say_changed(const struct job *job, uint64_t generation)
{
    char number[24], elapsed[24];

    (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)generation);
    (void)snprintf(elapsed, sizeof(elapsed), "%.1f", job->elapsed_ms);
    log_at(LOG_LEVEL_INFO, LOG_FIELDS("generation", number, "compileMs", elapsed),
           "Configuration changed: %s",
           job->changes && job->changes[0] ? job->changes : "options of the static configuration");
}

/* Whether what was found is in force now. model: the one that was compiled. */
static bool publish_job(struct job *job, const struct model *model, uint64_t words)
{
    struct master *master = job->master;
    int64_t took_ns = (int64_t)(job->elapsed_ms * 1e6);
    struct page_files pages;

    if (!job_differs(job)) {
        life_reload(master, RELOAD_SAME, took_ns, job->changes);
        life_counted(master, master->current.number, model);
        if (job->changes[0]) {
            say_changed(job,
                        master->current.number); /* objects that serve nothing: broken ones, unused ones */
        } else {
            log_debug("Nothing changed");
        }
        return true;
    }
    job_take_pages(job, &pages);
    if (publish_is_withdrawn(master, page_files_hash(&pages))) {
        life_reload(master, RELOAD_WITHDRAWN, took_ns, job->changes);
        log_error("This configuration made workers die when it was adopted and is not tried again: %s",
                  job->changes);
        for (size_t i = 0; i < pages.count; i++) {
            page_file_unref(pages.items[i]);
        }
        return false;
    }
    publish(master, &pages, xstrndup(job->changes, strlen(job->changes)), words);
    life_reload(master, RELOAD_PUBLISHED, took_ns, job->changes);
    life_counted(master, master->current.number, model);
    say_changed(job, master->current.number);
    return true;
}

/* The newest model is the one to compare with, also when it could not be compiled. What it replaces goes with the job. */
static void install(struct master *master, struct job *job)
{
    struct model *model = master->model;
    struct known *known = master->known;
    struct compiler *compiler = master->compiler;

    master->model = job->model;
    master->known = job->known;
    master->compiler = job->compiler;
    job->model = model;
    job->known = known;
    job->compiler = compiler;
    job->old_settings = master->model_settings;
    master->model_settings = settings_ref(job->settings);
}

/* What was judged is in force: it may be said. */
static void say_verdicts(struct job *job)
{
    for (size_t i = 0; i < job->master->input_count; i++) {
        struct input *input = &job->master->inputs[i];

        if (job->verdicts[i]) {
            input->provider->judged(input->state, job->verdicts[i]);
            job->verdicts[i] = NULL;
        }
    }
}

/* Of the configuration that is in force. */
static void check_health(struct master *master, const struct compiler *compiler)
{
    size_t count;
    const struct health_target *targets = compiler_health(compiler, &count);

    health_apply(master->health, targets, count);
}

/* ---- a cluster's bursts ---- */
static void begin(struct master *master);
static void cluster_begin(struct master *master);

static bool by_cluster(const struct master *master, const struct job *job)
{
    for (size_t i = 0; i < master->input_count; i++) {
        const struct provider *provider = master->inputs[i].provider;

        if (job->dirty[i] && provider->asks_cluster &&
            provider->asks_cluster(&job->settings->loaded.config)) {
            return true;
        }
    }
    return false;
}

static void pause_after(struct master *master, const struct job *job)
{
    const struct pace_job done = {.began_ns = job->began_ns,
                                  .ended_ns = process_clock_ns(),
                                  .cost_ns = job->cost_ns,
                                  .changes = job->events,
                                  .idle = job->refresh && job->changes && job->changes[0] == '\0',
                                  .work = job->patched   ? PACE_OBJECTS
                                          : job->refresh ? PACE_SERVERS
                                                         : PACE_WHOLE};

    if (!job->asked && by_cluster(master, job)) {
        pace_job_done(&master->pace, &done);
    }
}

/* Another job may have taken it along. */
static bool any_dirty(const struct master *master)
{
    for (size_t i = 0; i < master->input_count; i++) {
        if (master->inputs[i].enabled && master->inputs[i].dirty) {
            return true;
        }
    }
    return false;
}

static void on_pause_over(uv_timer_t *timer)
{
    cluster_begin(timer->data);
}

static void cluster_begin(struct master *master)
{
    int64_t left = master->pace.next_ns - process_clock_ns();

    master->cluster_wanted = master->job != NULL;
    if (master->stopping || master->cluster_wanted || !any_dirty(master)) {
        return;
    }
    if (left > 0) {
        uint64_t ms = (uint64_t)left / 1000000 + 1;

        (void)uv_timer_start(&master->pause, on_pause_over, ms, 0);
    } else {
        begin(master);
    }
}

/* ---- a job is back ---- */
#define OWED_MOST 2000 /* bytes of the log's line */

/* What a job found that could not be compiled is new in the one that can. */
static void join_owed(struct master *master, struct job *job)
{
    struct text all;

    if (master->owed == NULL) {
        return;
    }
    text_init(&all);
    text_printf(&all, "%.*s%s%s", OWED_MOST, master->owed, master->owed[0] && job->changes[0] ? "; " : "",
                job->changes);
    free(master->owed);
    free(job->changes);
    master->owed = NULL;
    job->changes = xstrndup(all.ptr ? all.ptr : "", all.len);
    text_free(&all);
}

/* Mostly for want of memory or descriptors: it is tried again (inputs.c). */
static void not_compiled(struct master *master, struct job *job)
{
    life_reload(master, RELOAD_FAILED, (int64_t)(job->elapsed_ms * 1e6), job->why.text);
    log_error("The new configuration cannot be compiled, the old one stays: %s; it is tried again",
              job->why.text);
    master->uncompiled = true;
    master->owed = job->changes;
    job->changes = NULL;
}

/* The whole way. */
static void after_load(struct master *master, struct job *job)
{
    bool held = hold_back(master, &job->hold, job->enabled, job->for_cluster);

    if (job->for_cluster) {
        waiting_publish(job);
        return;
    }
    master->in_step = false;
    master->refreshes = 0;
    master->uncompiled = false;
    join_owed(master, job);
    if (job->rc < 0) {
        not_compiled(master, job);
    } else if (!held && publish_job(job, job->model, job->generation)) {
        publish_loaded(master);
        say_verdicts(job);
        check_health(master, job->compiler);
        master->in_step = true;
    }
    life_providers(master);
    install(master, job);
}

/* The short way: what is in force may be another generation by now, after one was withdrawn. */
static void after_refresh(struct master *master, struct job *job)
{
    if (!master->in_step) {
        for (size_t i = 0; i < master->input_count; i++) {
            master->inputs[i].dirty = master->inputs[i].dirty || job->dirty[i];
            master->inputs[i].whole = master->inputs[i].whole || job->dirty[i];
        }
        master->files = master->files || job->files;
        master->secrets = master->secrets || job->secrets;
        master->wanted = true;
        return;
    }
    if (job->files) {
        log_debug("Only files of users or keys changed: %zu middlewares alone are prepared anew",
                  job->changed.counts[PART_MIDDLEWARE]);
    } else if (job->patched) {
        log_debug("Only a few objects changed: %zu routers, services and middlewares alone are looked at",
                  job->changed.counts[PART_ROUTER] + job->changed.counts[PART_SERVICE] +
                      job->changed.counts[PART_MIDDLEWARE]);
    } else if (job->secrets && job->refreshed_count == 0) {
        log_debug("Only OCSP answers or keys of session tickets changed: their pages alone are made anew");
    } else {
        log_debug("Only servers changed, of %zu load balancers: their pages alone are made anew",
                  job->refreshed_count);
    }
    refresh_install(job);
    master->in_step =
        publish_job(job, master->model, job->all_pages ? job->generation : master->current.words);
    if (job->patched && master->in_step) {
        say_verdicts(job);
        check_health(master, master->compiler);
    }
    life_providers(master);
}

static void after_work(uv_work_t *request, int status)
{
    struct job *job = request->data;
    struct master *master = job->master;

    master->job = NULL;
    if (!master->stopping && status == 0) {
        if (job->refresh) {
            after_refresh(master, job);
        } else {
            after_load(master, job);
        }
    }
    pause_after(master, job);
    job_free(job);
    if (master->stopping) {
        reload_stop(master);
        return;
    }
    inputs_retry(master);
    publish_tend(master, process_clock_ns());
    if (master->wanted) {
        begin(master);
    } else if (master->cluster_wanted) {
        cluster_begin(master);
    }
}

/* ---- when ---- */
static void begin(struct master *master)
{
    if (master->stopping) {
        return;
    }
    master->wanted = master->job != NULL;
    if (!master->wanted) {
        master->job = job_new(master);
        job_start(master->job, after_work);
    }
}

void reload_files(struct master *master)
{
    master->files = true;
    begin(master);
}

void reload_secrets(struct master *master)
{
    master->secrets = true;
    begin(master);
}

void reload_request(struct master *master)
{
    master->whole = true;
    begin(master);
}

static void on_names_changed(void *context)
{
    struct master *master = context;

    hold_changed(master);
    reload_request(master);
}

static void on_cluster(uv_async_t *cluster)
{
    struct master *master = cluster->data;

    for (size_t i = 0; i < master->input_count; i++) {
        struct input *input = &master->inputs[i];

        if (input->enabled && input->provider->asks_cluster &&
            input->provider->asks_cluster(&master->settings->loaded.config)) {
            input->dirty = true;
        }
    }
    cluster_begin(master);
}

/* On the sources' threads, once for each change. */
static void on_cluster_changed(void *context)
{
    struct master *master = context;

    (void)atomic_fetch_add_explicit(&master->cluster_events, 1, memory_order_relaxed);
    (void)uv_async_send(&master->cluster);
}

int reload_start(struct master *master, struct error *why)
{
    int rc = uv_async_init(&master->loop, &master->cluster, on_cluster);

    if (rc < 0) {
        return error_set(why, rc, "cannot be woken by sources: %s", uv_strerror(rc));
    }
    (void)uv_timer_init(&master->loop, &master->pause);
    master->cluster.data = master->pause.data = master;
    kube_live_listen(on_cluster_changed, master);
    master->health = health_new(&master->loop, master->board);
    return names_new(&master->loop, on_names_changed, master, &master->names, why);
}

void reload_stop(struct master *master)
{
    inputs_stop(master);
    health_close(master->health);
    master->health = NULL;
    kube_live_listen(NULL, NULL);
    if (!uv_is_closing((uv_handle_t *)&master->cluster)) {
        uv_close((uv_handle_t *)&master->cluster, NULL);
        uv_close((uv_handle_t *)&master->pause, NULL);
    }
    if (master->job == NULL) { /* else when it is back: it uses them */
        names_close(master->names);
        master->names = NULL;
    }
}

void reload_free(struct master *master)
{
    compiler_free(master->compiler);
    model_free(master->model);
    known_free(master->known);
    free(master->owed);
    for (size_t i = 0; i < master->input_count; i++) {
        model_free(master->inputs[i].model);
        if (master->inputs[i].state && master->inputs[i].provider->free_state) {
            master->inputs[i].provider->free_state(master->inputs[i].state);
        }
    }
    settings_unref(master->model_settings);
}
