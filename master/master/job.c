/*
 * job.c - contract in job.h.
 */
#include "master/master/job.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "master/compile/names.h"
#include "master/kube/verdict.h"
#include "master/master/waiting.h"
#include "master/resolve/resolve.h"
#include "master/tls/vault.h"

#define NAMES_WAIT_MS 3000
#define NAMES_STEP_MS 5

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

int job_seal(struct job *job, const struct compiled *compiled)
{
    job->page_count = compiled->count;
    for (size_t i = 0; i < compiled->count; i++) {
        struct target_hold *hold = (i < PAGE_SERVICES && i != PAGE_UDP) || compiled->pages[i] == NULL
                                       ? NULL
                                       : target_hold_page(job->master->targets, compiled->pages[i]);

        job->hashes[i] = compiled->pages[i] ? builder_hash(compiled->pages[i]) : job->published[i];
        if (i < job->published_count && job->hashes[i] == job->published[i]) {
            target_hold_free(hold); /* the published page holds the same */
            continue;
        }
        job->holds[i] = hold;
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

    if (rc < 0 || !job->hold.first || !names_pending(master->names)) {
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
        rc = job_seal(job, &compiled);
    }
    if (rc == 0) {
        job->compiler = compiled.compiler;
        compiled.compiler = NULL;
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

void job_judge(struct job *job, const struct model *model)
{
    for (size_t i = 0; i < job->master->input_count; i++) {
        const struct input *input = &job->master->inputs[i];

        if (job->enabled[i] && input->state && input->provider->judge) {
            job->verdicts[i] = input->provider->judge(&job->settings->loaded.config, input->state, model);
        }
    }
}

static void find(struct job *job)
{
    struct master *master = job->master;
    struct model *models[PROVIDER_COUNT];
    size_t count = 0;
    int64_t began = process_clock_ns();

    job->refresh = job->refresh && refresh_work(job);
    if (job->refresh) {
        job->elapsed_ms = (double)(process_clock_ns() - began) / 1e6;
        return;
    }
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
    }
    job->for_cluster = hold_for_cluster(master, &job->hold, job->enabled);
    if (job->for_cluster) {
        waiting_work(job);
        return;
    }
    vault_begin(master->vault);
    job->model = resolve_with(&job->settings->loaded.config, master->vault, models, count);
    job->rc = compile(job);
    vault_end(master->vault);
    job->known = known_new(job->model); /* after compiling, which finds errors too */
    known_log_errors(job->before, job->known);
    if (job->rc == 0) {
        job_judge(job, job->model);
    }
    job->changes = known_changes(job->before, job->known);
    job->elapsed_ms = (double)(process_clock_ns() - began) / 1e6;
}

/* Of this thread alone: others may keep it from its work, which is no cost of its own. */
static int64_t cpu_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void work(uv_work_t *request)
{
    struct job *job = request->data;
    int64_t before = cpu_ns();

    find(job);
    job->cost_ns = cpu_ns() - before;
}

/* ---- on the loop ---- */
struct job *job_new(struct master *master)
{
    struct job *job = xcalloc(1, sizeof(*job));

    job->master = master;
    job->began_ns = process_clock_ns();
    job->work.data = job;
    job->events = atomic_exchange_explicit(&master->cluster_events, 0, memory_order_relaxed);
    job->settings = settings_ref(master->settings);
    job->generation = publish_next_number(master);
    /* Unique over all masters of this tree: the guard's count of masters, then ours of pages. */
    job->page_base = (master->start_number << 40) + master->page_count;
    master->page_count += PAGE_PLACES;
    job->before = master->known;
    job->asked = master->whole;
    job->refresh = refresh_may(master);
    job->hold = hold_begin(master);
    job->recall = job->hold.first && !job->hold.cluster;
    job->published_count = master->current.pages.count;
    for (size_t i = 0; i < job->published_count; i++) {
        job->published[i] = master->current.pages.items[i]->hash;
    }
    for (size_t i = 0; i < PAGE_PLACES; i++) {
        job->fds[i] = -1;
    }
    job->files = master->files;
    job->secrets = master->secrets;
    master->whole = master->files = master->secrets = false;
    for (size_t i = 0; i < master->input_count; i++) {
        job->enabled[i] = master->inputs[i].enabled;
        job->dirty[i] = master->inputs[i].dirty;
        master->inputs[i].dirty = master->inputs[i].whole = false;
    }
    return job;
}

void job_start(struct job *job, uv_after_work_cb done)
{
    (void)uv_queue_work(&job->master->loop, &job->work, work, done);
}

void job_take_pages(struct job *job, struct page_files *pages)
{
    pages->count = job->page_count;
    for (size_t i = 0; i < job->page_count; i++) {
        pages->items[i] = job->fds[i] == -1 ? page_file_ref(job->master->current.pages.items[i])
                                            : page_file_new(job->fds[i], job->page_base + i + 1,
                                                            job->hashes[i], job->holds[i]);
        job->fds[i] = -1; /* the page's now */
        job->holds[i] = NULL;
    }
}

bool job_differs(const struct job *job)
{
    bool differ = job->page_count != job->published_count;

    for (size_t i = 0; i < job->page_count && !differ; i++) {
        differ = job->fds[i] != -1;
    }
    return differ;
}

/* ---- its end ---- */
void job_close_pages(struct job *job)
{
    for (size_t i = 0; i < PAGE_PLACES; i++) {
        if (job->fds[i] != -1) {
            close(job->fds[i]);
            job->fds[i] = -1;
        }
        target_hold_free(job->holds[i]);
        job->holds[i] = NULL;
    }
}

/* Freeing a large model takes as long as a large callback may not: it is done on the thread too. */
static void free_work(uv_work_t *request)
{
    struct job *job = request->data;

    compiler_free(job->compiler);
    model_free(job->model); /* before the providers' models, which its text may lie in */
    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        model_free(job->outdated[i]);
        kube_verdicts_free(job->verdicts[i]);
    }
    known_free(job->known);
    if (!job->refresh) {
        (void)malloc_trim(0); /* what a large configuration needed once is not kept for ever */
    }
}

static void end(struct job *job)
{
    settings_unref(job->old_settings);
    settings_unref(job->settings);
    free(job->changes);
    free(job);
}

static void after_free(uv_work_t *request, int status)
{
    (void)status;
    end(request->data);
}

void job_free(struct job *job)
{
    job_close_pages(job);
    refresh_free(job);
    if (job->refresh && !job->patched) {
        end(job);
        return;
    }
    (void)uv_queue_work(&job->master->loop, &job->work, free_work, after_free);
}
