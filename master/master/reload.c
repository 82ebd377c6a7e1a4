/*
 * reload.c - from "something changed" to a new generation.
 *
 * One job at a time (job.h). What changes meanwhile makes one more job when it is back: so the first change is in force at
 * once, and a burst costs a few jobs, not one for each change. When no page differs nothing is published.
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
#include "master/compile/names.h"
#include "master/kube/live.h"
#include "master/master/job.h"

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

/* Whether what was found is in force now. */
static bool publish_job(struct job *job)
{
    struct master *master = job->master;
    int64_t took_ns = (int64_t)(job->elapsed_ms * 1e6);
    struct page_files pages;

    if (!job_differs(job)) {
        life_reload(master, RELOAD_SAME, took_ns, job->changes);
        life_counted(master, master->current.number, job->model);
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
    publish(master, &pages, xstrndup(job->changes, strlen(job->changes)));
    life_reload(master, RELOAD_PUBLISHED, took_ns, job->changes);
    life_counted(master, master->current.number, job->model);
    say_changed(job, master->current.number);
    return true;
}

/* The newest model is the one to compare with, also when it could not be compiled. What it replaces goes with the job. */
static void install(struct master *master, struct job *job)
{
    struct model *model = master->model;
    struct known *known = master->known;

    master->model = job->model;
    master->known = job->known;
    job->model = model;
    job->known = known;
    job->old_settings = master->model_settings;
    master->model_settings = settings_ref(job->settings);
}

static void after_work(uv_work_t *request, int status)
{
    struct job *job = request->data;
    struct master *master = job->master;

    master->job = NULL;
    if (!master->stopping && status == 0) {
        bool held = hold_back(master, &job->hold, job->enabled, job->for_cluster);

        if (!job->for_cluster) {
            if (job->rc < 0) {
                life_reload(master, RELOAD_FAILED, (int64_t)(job->elapsed_ms * 1e6), job->why.text);
                log_error("The new configuration cannot be compiled, the old one stays: %s", job->why.text);
            } else if (!held && publish_job(job)) {
                publish_loaded(master);
            }
            life_providers(master);
            install(master, job);
        }
    }
    job_free(job);
    if (master->stopping) {
        reload_stop(master);
        return;
    }
    inputs_retry(master);
    publish_tend(master, process_clock_ns());
    if (master->wanted) {
        reload_request(master);
    }
}

/* ---- when ---- */
void reload_request(struct master *master)
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
    reload_request(master);
}

static void on_cluster_changed(void *context)
{
    (void)uv_async_send(context);
}

int reload_start(struct master *master, struct error *why)
{
    int rc = uv_async_init(&master->loop, &master->cluster, on_cluster);

    if (rc < 0) {
        return error_set(why, rc, "cannot be woken by sources: %s", uv_strerror(rc));
    }
    master->cluster.data = master;
    kube_live_listen(on_cluster_changed, &master->cluster);
    return names_new(&master->loop, on_names_changed, master, &master->names, why);
}

void reload_stop(struct master *master)
{
    inputs_stop(master);
    kube_live_listen(NULL, NULL);
    if (!uv_is_closing((uv_handle_t *)&master->cluster)) {
        uv_close((uv_handle_t *)&master->cluster, NULL);
    }
    if (master->job == NULL) { /* else when it is back: it uses them */
        names_close(master->names);
        master->names = NULL;
    }
}

void reload_free(struct master *master)
{
    model_free(master->model);
    known_free(master->known);
    for (size_t i = 0; i < master->input_count; i++) {
        model_free(master->inputs[i].model);
        if (master->inputs[i].state && master->inputs[i].provider->free_state) {
            master->inputs[i].provider->free_state(master->inputs[i].state);
        }
    }
    settings_unref(master->model_settings);
}
