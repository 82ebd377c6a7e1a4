/*
 * reload.c - from "something changed" to a new generation.
 *
 * One job at a time runs on a thread: it loads the providers that changed, resolves, compiles and seals, while the loop
 * goes on. What changes meanwhile makes one more job when it is back: so the first change is in force at once, and a
 * burst costs a few jobs, not one for each change.
 *
 * A page whose content is that of the published one is not sealed again; when none changed nothing is published.
 *
 * The first generation is held back while a provider waits for its cluster: for ever when workers serve what an earlier
 * master published (stale is better than nothing), else for HOLD_MS, then the other providers are served without it, or
 * with what it kept of its cluster (stateDir).
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "common/base/text.h"
#include "master/compile/compile.h"
#include "master/compile/names.h"
#include "master/kube/live.h"
#include "master/master/master.h"
#include "master/resolve/resolve.h"
#include "master/source/source.h"

#define RETRY_MS 2000
#define HOLD_NS (INT64_C(60) * 1000000000)
#define NAMES_WAIT_MS 3000
#define NAMES_STEP_MS 5
#define HOLD_MS 10000

struct job {
    uv_work_t work;
    struct master *master;
    /* given */
    struct settings *settings, *old_settings; /* old: of the model that is replaced */
    bool enabled[PROVIDER_COUNT], dirty[PROVIDER_COUNT];
    uint64_t generation;             /* the number it will have, if it is published */
    uint64_t page_base;              /* page numbers above this are free */
    uint64_t published[PAGE_PLACES]; /* hashes of the pages in force */
    size_t published_count;          /* 0: there are none */
    const struct known *before;
    bool may_hold; /* the first generation may still be held back */
    bool recall;   /* it was for long enough: what was kept of a cluster will do */
    /* found */
    bool held;
    struct model *outdated[PROVIDER_COUNT]; /* models that newer ones replaced */
    struct model *model;
    struct known *known;
    char *changes;
    size_t page_count; /* of the new generation */
    uint64_t hashes[PAGE_PLACES];
    int fds[PAGE_PLACES]; /* -1: the published page is the same */
    double elapsed_ms;
    int rc;
    struct error why;
};

/* ---- on the thread ---- */
static void load_input(struct job *job, size_t i)
{
    struct input *input = &job->master->inputs[i];
    struct model *model = NULL;
    struct error why = {""};
    const struct static_config *config = &job->settings->loaded.config;
    int rc;

    if (job->recall && input->waiting && !input->loaded && input->provider->recall) {
        input->provider->recall(config, input->state);
    }
    rc = input->provider->load(config, &input->state, &model, &why);
    input->waiting = rc == -EAGAIN;
    if (input->waiting) {
        log_debug("Provider %s: %s", input->provider->name, why.text);
        return;
    }
    if (rc < 0) {
        if (strcmp(why.text, input->error.text) != 0 || why.text[0] == '\0') {
            log_error("Provider %s: %s%s", input->provider->name, why.text[0] ? why.text : strerror(-rc),
                      input->loaded ? "; what it gave before stays in force" : "");
        }
        input->error = why;
        input->failed = true;
        return;
    }
    if (input->failed) {
        log_info("Provider %s can be read again", input->provider->name);
    }
    input->failed = false;
    input->error.text[0] = '\0';
    input->loaded = true;
    input->loaded_ns = process_clock_ns();
    input->stale_s = 0;
    if (input->provider->keep) {
        input->provider->keep(config, input->state);
        input->stale_s = input->provider->stale(input->state);
    }
    job->outdated[i] = input->model;
    input->model = model;
}

static int seal(struct job *job, const struct compiled *compiled)
{
    job->page_count = compiled->count;
    for (size_t i = 0; i < compiled->count; i++) {
        job->hashes[i] = builder_hash(compiled->pages[i]);
        if (i < job->published_count && job->hashes[i] == job->published[i]) {
            continue;
        }
        int rc = page_seal(compiled->pages[i], job->page_base + i + 1, &job->fds[i], &job->why);

        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* The first generation of a master waits a little for the names of servers: routes without servers answer 503, and if
 * an earlier master had published good addresses they would be lost for that time. */
static int compile_dynamic(struct job *job, struct compiled *compiled)
{
    struct master *master = job->master;
    const struct static_config *config = &job->settings->loaded.config;
    int rc = compile_model(config, job->model, master->board, job->generation, master->names, master->vault,
                           compiled, &job->why);

    if (rc < 0 || job->published_count > 0 || !names_pending(master->names)) {
        return rc;
    }
    for (int waited = 0; waited < NAMES_WAIT_MS && names_pending(master->names); waited += NAMES_STEP_MS) {
        (void)usleep(NAMES_STEP_MS * 1000); /* on the thread: the loop goes on and gets the answers */
    }
    compiled_free(compiled);
    return compile_model(config, job->model, master->board, job->generation, master->names, master->vault,
                         compiled, &job->why);
}

static int compile(struct job *job)
{
    const struct static_config *config = &job->settings->loaded.config;
    struct compiled compiled = {.count = 0};
    int rc = compile_dynamic(job, &compiled);

    if (rc == 0) {
        rc = compile_static(config, &compiled.pages[PAGE_STATIC], &job->why);
    }
    if (rc == 0) {
        rc = seal(job, &compiled);
    }
    compiled_free(&compiled);
    return rc;
}

/* A provider that is no longer enabled lets go of what it keeps. */
static void drop_input(struct input *input)
{
    if (input->state && input->provider->free_state) {
        input->provider->free_state(input->state);
        input->state = NULL;
    }
    input->waiting = input->failed = false;
    input->stale_s = 0;
}

static void work(uv_work_t *request)
{
    struct job *job = request->data;
    struct master *master = job->master;
    struct model *models[PROVIDER_COUNT];
    size_t count = 0;
    int64_t began = process_clock_ns();

    for (size_t i = 0; i < master->input_count; i++) {
        if (!job->enabled[i]) {
            drop_input(&master->inputs[i]);
            continue;
        }
        if (job->dirty[i] || (job->recall && master->inputs[i].waiting && !master->inputs[i].loaded)) {
            load_input(job, i);
        }
        if (master->inputs[i].model) {
            models[count++] = master->inputs[i].model;
        }
        job->held = job->held || (job->may_hold && master->inputs[i].waiting && !master->inputs[i].loaded);
    }
    if (job->held) {
        return;
    }
    job->model = resolve(&job->settings->loaded.config, models, count);
    job->rc = compile(job);
    job->known = known_new(job->model); /* after compiling, which finds errors too */
    known_log_errors(job->before, job->known);
    job->changes = known_changes(job->before, job->known);
    job->elapsed_ms = (double)(process_clock_ns() - began) / 1e6;
}

/* ---- back on the loop ---- */
static void close_pages(struct job *job)
{
    for (size_t i = 0; i < PAGE_PLACES; i++) {
        if (job->fds[i] != -1) {
            close(job->fds[i]);
            job->fds[i] = -1;
        }
    }
}

/* Freeing a large model takes as long as a large callback may not: it is done on the thread too. */
static void free_work(uv_work_t *request)
{
    struct job *job = request->data;

    model_free(job->model); /* before the providers' models, which its text may lie in */
    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        model_free(job->outdated[i]);
    }
    known_free(job->known);
    free(job->changes);
    (void)malloc_trim(0); /* what a large configuration needed once is not kept for ever */
}

static void after_free(uv_work_t *request, int status)
{
    struct job *job = request->data;

    (void)status;
    settings_unref(job->old_settings);
    settings_unref(job->settings);
    free(job);
}

static void job_free(struct job *job)
{
    close_pages(job);
    (void)uv_queue_work(&job->master->loop, &job->work, free_work, after_free);
}

static void say_changed(const struct job *job, uint64_t generation)
{
    char number[24], elapsed[24];

    (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)generation);
    (void)snprintf(elapsed, sizeof(elapsed), "%.1f", job->elapsed_ms);
    log_at(LOG_LEVEL_INFO, LOG_FIELDS("generation", number, "compileMs", elapsed),
           "Configuration changed: %s",
           job->changes && job->changes[0] ? job->changes : "options of the static configuration");
}

/* Those of the generation that is to be published; what is the same as now is shared. */
static void take_pages(struct job *job, struct page_files *pages)
{
    pages->count = job->page_count;
    for (size_t i = 0; i < job->page_count; i++) {
        pages->items[i] = job->fds[i] == -1
                              ? page_file_ref(job->master->current.pages.items[i])
                              : page_file_new(job->fds[i], job->page_base + i + 1, job->hashes[i]);
        job->fds[i] = -1; /* the page's now */
    }
}

static bool pages_differ(const struct job *job)
{
    bool differ = job->page_count != job->published_count;

    for (size_t i = 0; i < job->page_count && !differ; i++) {
        differ = job->fds[i] != -1;
    }
    return differ;
}

/* A master that follows another one knows nothing of what that one had read. As long as a provider cannot be read, what
 * the workers have is better than what is missing without it: for as long as nothing else changes, and then for HOLD_NS,
 * in which whoever writes a file in two goes, or has made a mistake in it, comes back. */
static bool must_wait(const struct job *job)
{
    struct master *master = job->master;

    if (job->published_count > 0 || job->generation == 1) {
        return false;
    }
    const char *broken = NULL;

    for (size_t i = 0; i < master->input_count; i++) {
        struct input *input = &master->inputs[i];

        input->gaps = job->enabled[i] && input->model && input->model->gaps;
        if (job->enabled[i] && (!input->loaded || input->gaps)) {
            broken = input->provider->name;
        }
    }
    if (broken && master->changed_meanwhile && process_clock_ns() - master->holding_ns >= HOLD_NS) {
        log_error("Provider %s still cannot be read, and there are changes: what it gave before goes",
                  broken);
        broken = NULL;
    }
    if (broken && master->holding_ns == 0) {
        master->holding_ns = process_clock_ns();
        log_warn("Provider %s could not be read yet: the configuration of the earlier master stays in force",
                 broken);
    } else if (broken == NULL) {
        master->holding_ns = 0;
        master->changed_meanwhile = false;
    }
    return broken != NULL;
}

/* Whether what was found is in force now. */
static bool publish_job(struct job *job)
{
    struct master *master = job->master;
    int64_t took_ns = (int64_t)(job->elapsed_ms * 1e6);
    struct page_files pages;

    if (!pages_differ(job)) {
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
    take_pages(job, &pages);
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

static void arm_retry(struct master *master);

static void after_work(uv_work_t *request, int status)
{
    struct job *job = request->data;
    struct master *master = job->master;

    master->job = NULL;
    master->held = job->held;
    if (!master->stopping && status == 0 && !job->held) {
        if (job->rc < 0) {
            life_reload(master, RELOAD_FAILED, (int64_t)(job->elapsed_ms * 1e6), job->why.text);
            log_error("The new configuration cannot be compiled, the old one stays: %s", job->why.text);
        } else if (!must_wait(job) && publish_job(job)) {
            publish_loaded(master);
        }
        life_providers(master);
        install(master, job);
    }
    job_free(job);
    if (master->stopping) {
        reload_stop(master);
        return;
    }
    arm_retry(master);
    publish_tend(master, process_clock_ns());
    if (master->wanted) {
        reload_request(master);
    }
}

/* ---- when ---- */
static bool may_hold(struct master *master)
{
    int64_t now = process_clock_ns();

    if (master->current.number != 0) {
        return false;
    }
    if (master->hold_until == 0) {
        master->hold_until = now + HOLD_MS * 1000000ll;
    }
    return atomic_load(&master->tree->generation) > 0 || now < master->hold_until;
}

void reload_request(struct master *master)
{
    if (master->stopping) {
        return;
    }
    if (master->job) {
        master->wanted = true;
        return;
    }
    struct job *job = xcalloc(1, sizeof(*job));

    master->wanted = false;
    master->job = job;
    job->master = master;
    job->work.data = job;
    job->settings = settings_ref(master->settings);
    job->generation = publish_next_number(master);
    /* Unique over all masters of this tree: the guard's count of masters, then ours of pages. */
    job->page_base = (master->start_number << 40) + master->page_count;
    master->page_count += PAGE_PLACES;
    job->before = master->known;
    job->may_hold = may_hold(master);
    job->recall = !job->may_hold && master->current.number == 0;
    job->published_count = master->current.pages.count;
    for (size_t i = 0; i < job->published_count; i++) {
        job->published[i] = master->current.pages.items[i]->hash;
    }
    for (size_t i = 0; i < PAGE_PLACES; i++) {
        job->fds[i] = -1;
    }
    for (size_t i = 0; i < master->input_count; i++) {
        job->enabled[i] = master->inputs[i].enabled;
        job->dirty[i] = master->inputs[i].dirty;
        master->inputs[i].dirty = false;
    }
    (void)uv_queue_work(&master->loop, &job->work, work, after_work);
}

static void on_changed(void *context)
{
    struct input *input = context;

    input->dirty = true;
    input->master->changed_meanwhile = input->master->holding_ns != 0;
    reload_request(input->master);
}

/* ---- watching ---- */
static void stop_watches(struct master *master)
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
    stop_watches(master);
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
    if (again || master->held) {
        reload_request(master);
    } else {
        arm_retry(master);
    }
}

/* When the first generation is held back, the end of that is not missed. */
static uint64_t retry_ms(const struct master *master)
{
    int64_t left = (master->hold_until - process_clock_ns()) / 1000000 + 1;

    return master->held && left > 0 && left < RETRY_MS ? (uint64_t)left : RETRY_MS;
}

static void arm_retry(struct master *master)
{
    bool needed = master->watch_missing || master->held || master->holding_ns != 0;

    for (size_t i = 0; i < master->input_count; i++) {
        needed = needed || (master->inputs[i].enabled && master->inputs[i].failed);
    }
    if (needed && !uv_is_active((uv_handle_t *)&master->retry)) {
        (void)uv_timer_start(&master->retry, on_retry, retry_ms(master), 0);
    }
}

void reload_inputs(struct master *master)
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

static void on_names_changed(void *context)
{
    struct master *master = context;

    master->changed_meanwhile = master->holding_ns != 0;
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
    stop_watches(master);
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
