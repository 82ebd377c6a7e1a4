/*
 * refresh.c - the short way of a job: the providers say which load balancers have other servers and which few objects are
 * others, and nothing else changed; or nothing but files did that middlewares name (users, keys). OCSP answers and keys of
 * session tickets may have changed besides, or alone.
 *
 * Of servers its cost does not grow with the configuration (I3); of objects the plan and the page of routes are made anew.
 * Whatever is not certain goes the whole way: the first
 * generation, other settings, a service that anything was found wrong with (what is wrong may depend on its servers), a
 * generation in force that is not the model's. What providers gave to a refresh that came to nothing they give
 * again to a load.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "master/compile/url.h"
#include "master/master/job.h"
#include "master/tls/vault.h"

#define SECRETS_WORDS "OCSP answers or keys of session tickets"
#define INPUT_SAME 1 /* nothing of this provider differs */
#define REFRESHES_MOST                                                                                       \
    4096u /* then one whole job: words on the board and memory of what is long gone are given back */
#define PATCH_WEIGHT 4u /* of a patch, in refreshes, and one for each object: it leaves more behind */

/* ---- may it be tried ---- */
static bool input_may(const struct input *input)
{
    return input->provider->refresh && !input->whole && input->loaded && !input->failed && !input->waiting &&
           input->stale_s == 0;
}

bool refresh_may(const struct master *master)
{
    bool any = master->files || master->secrets;

    if (!master->in_step || master->whole || master->compiler == NULL ||
        master->settings != master->model_settings || master->refreshes >= REFRESHES_MOST) {
        return false;
    }
    for (size_t i = 0; i < master->input_count; i++) {
        const struct input *input = &master->inputs[i];

        if (input->enabled && input->dirty) {
            if (!input_may(input)) {
                return false;
            }
            any = true;
        }
    }
    return any;
}

/* ---- on the thread ---- */
/* UINT32_MAX: there is none. */
static uint32_t position_of(const struct model *model, const struct element *element)
{
    struct pool *pool = pool_new(256, 0);
    struct slice name =
        pool_printf(pool, "%.*s@%.*s", SLICE_ARG(element->name), SLICE_ARG(element->provider));
    size_t low = 0, high = model->service_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_cmp(model->services[middle]->element.name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < model->service_count && slice_eq(model->services[low]->element.name, name);

    pool_free(pool);
    return found ? (uint32_t)low : UINT32_MAX;
}

/* Without servers nobody asks for the transport: whether it is there is told when the first one comes. */
static bool transport_is_there(const struct model *model, const struct http_service *service)
{
    const struct load_balancer *balancer = service->config.load_balancer;

    return balancer->servers.count > 0 || balancer->servers_transport.len == 0 ||
           model_find_transport(model, balancer->servers_transport) != NULL;
}

/* The authorities of the system are published while some server is asked by https: without the last one they are not. */
static bool last_https_goes(const struct http_service *service, const struct list *servers)
{
    const struct server_config *before = service->config.load_balancer->servers.items;

    return servers->count == 0 && service->config.load_balancer->servers.count > 0 &&
           slice_eq_nocase(slice_head(before[0].url, 6), SLICE("https:"));
}

static int place(const struct job *job, struct refreshed *refreshed)
{
    const struct model *model = job->master->model;
    const struct server_config *servers = refreshed->from.servers.items;
    uint32_t position = position_of(model, &refreshed->from.service->element);
    bool good = position != UINT32_MAX;

    good = good && model->services[position]->element.errors.count == 0;
    good = good && !model->services[position]->config.load_balancer->health_check; /* others are asked */
    good = good && transport_is_there(model, model->services[position]) &&
           !last_https_goes(model->services[position], &refreshed->from.servers);
    for (size_t i = 0; good && i < refreshed->from.servers.count; i++) {
        struct server_url url;
        struct error why;

        good = server_url_parse(servers[i].url, &url, &why) == 0;
    }
    refreshed->position = position;
    return good ? 0 : -EAGAIN;
}

/* 0, INPUT_SAME or -EAGAIN. */
static int ask_input(struct job *job, size_t number)
{
    struct input *input = &job->master->inputs[number];
    struct provider_changes found;
    int rc = input->provider->refresh(&job->settings->loaded.config, input->state, &found);

    if (rc < 0) {
        return rc;
    }
    job->refreshed =
        xrealloc(job->refreshed, (job->refreshed_count + found.count + 1) * sizeof(*job->refreshed));
    for (size_t i = 0; i < found.count; i++) { /* all are taken along: their pools are the job's */
        job->refreshed[job->refreshed_count++] = (struct refreshed){.from = found.servers[i]};
    }
    job->patches[number] = found.patch;
    free(found.servers);
    if (found.patch.more) {
        model_patch_own(input->model, &job->patches[number]);
        if (job->patched) {
            return -EAGAIN; /* of two providers at once */
        }
        job->patched = true;
    }
    return found.count == 0 && found.patch.more == NULL ? INPUT_SAME : 0;
}

/* What has other servers is among what is others. */
static void name_refreshed(struct job *job)
{
    struct slice *names = job->changed.names[PART_SERVICE];
    size_t count = job->changed.counts[PART_SERVICE], capacity = count;

    for (size_t i = 0; i < job->refreshed_count; i++) {
        names = pool_grow(job->pool, names, count, &capacity, sizeof(*names));
        names[count++] = job->master->model->services[job->refreshed[i].position]->element.name;
    }
    job->changed.names[PART_SERVICE] = names;
    job->changed.counts[PART_SERVICE] = count;
}

/* The master's model is what it will be; if that fails it is of no more use. */
static int patch_models(struct job *job)
{
    struct master *master = job->master;
    int rc = 0;

    job->pool = job->patched ? pool_new(4096, 0) : NULL;
    for (size_t i = 0; i < master->input_count && rc == 0; i++) {
        if (job->patches[i].more) {
            rc = resolve_patch(&job->settings->loaded.config, master->model, &job->patches[i], job->pool,
                               &job->changed);
        }
    }
    for (size_t i = 0; i < job->refreshed_count && rc == 0; i++) {
        rc = place(job, &job->refreshed[i]);
    }
    if (rc == 0 && job->patched) {
        name_refreshed(job);
    }
    return rc;
}

/* The middlewares that name files which have changed are others, if that and nothing else did. */
static int patch_files(struct job *job)
{
    struct master *master = job->master;
    struct list paths;
    int rc;

    for (size_t i = 0; i < master->input_count; i++) {
        if (job->enabled[i] && job->dirty[i]) {
            return -EAGAIN; /* both at once */
        }
    }
    job->pool = pool_new(4096, 0);
    rc = vault_amend(master->vault, job->pool, &paths);
    if (rc == 0) {
        rc = resolve_files(&job->settings->loaded.config, master->vault, master->model, &paths, job->pool,
                           &job->changed);
        vault_amended(master->vault, rc == 0);
    }
    job->patched = true;
    return rc;
}

static int by_position(const void *left, const void *right)
{
    uint32_t a = ((const struct refreshed *)left)->position, b = ((const struct refreshed *)right)->position;

    return (a > b) - (a < b);
}

/* The model's servers and those that are to be: once more, and all is as before. */
static void swap_servers(struct job *job)
{
    for (size_t i = 0; i < job->refreshed_count; i++) {
        struct refreshed *refreshed = &job->refreshed[i];
        struct load_balancer *balancer =
            job->master->model->services[refreshed->position]->config.load_balancer;
        struct list before = balancer->servers;

        balancer->servers = refreshed->from.servers;
        refreshed->from.servers = before;
    }
}

/* More than a few pages are others: all are made anew, of the model as it will be. */
static int compile_whole(struct job *job, struct compiled *compiled)
{
    struct master *master = job->master;
    int rc;

    if (compiler_doubts(master->compiler) || resolve_used_vault(master->model)) {
        return -EAGAIN;
    }
    swap_servers(job);
    vault_begin(master->vault);
    rc = compile_model(&job->settings->loaded.config, master->model, master->board, job->generation,
                       master->names, master->vault, compiled, &job->why);
    vault_end(master->vault);
    swap_servers(job);
    for (size_t i = 0; rc == 0 && i < job->changed.fresh_count; i++) {
        rc = job->changed.fresh[i]->errors.count ? -EAGAIN : 0;
    }
    for (size_t i = 0; rc == 0 && i < job->refreshed_count; i++) {
        rc = master->model->services[job->refreshed[i].position]->element.errors.count ? -EAGAIN : 0;
    }
    if (rc == 0 && (compiler_doubts(compiled->compiler) || compiler_noted(compiled->compiler))) {
        rc = -EAGAIN;
    }
    if (rc < 0) {
        compiled_free(compiled);
    }
    job->all_pages = rc == 0;
    return rc;
}

static int compile_patched(struct job *job, const struct servers_change *changes, struct compiled *compiled)
{
    const struct compile_change change = {job->changed.fresh, job->changed.fresh_count, changes,
                                          job->refreshed_count, job->files};
    int rc = job->changed.tls
                 ? -EAGAIN
                 : compile_patch(job->master->compiler, &change, job->generation, compiled, &job->why);

    return rc == -EAGAIN ? compile_whole(job, compiled) : rc;
}

static int compile(struct job *job)
{
    struct servers_change *changes = xcalloc(job->refreshed_count + 1, sizeof(*changes));
    struct compiled compiled = {.count = 0};
    int rc;

    for (size_t i = 0; i < job->refreshed_count; i++) {
        changes[i] = (struct servers_change){job->refreshed[i].position, job->refreshed[i].from.servers};
    }
    rc = job->patched ? compile_patched(job, changes, &compiled)
                      : compile_servers(job->master->compiler, changes, job->refreshed_count, job->generation,
                                        &compiled);
    if (rc == 0 && job->secrets && !job->all_pages) {
        rc = compile_secrets_again(compiled.compiler ? compiled.compiler : job->master->compiler,
                                   job->master->vault, &compiled);
        vault_keep_staples(job->master->vault);
    }
    if (rc == 0) {
        rc = job_seal(job, &compiled);
        job->compiler = compiled.compiler;
        compiled.compiler = NULL;
    }
    compiled_free(&compiled);
    free(changes);
    return rc;
}

/* The providers' models are brought up to date, too: who is not asked next time gives what it has. */
static void finish(struct job *job)
{
    struct master *master = job->master;

    for (size_t i = 0; i < master->input_count; i++) {
        if (job->patches[i].more) {
            model_patch_apply(master->inputs[i].model, &job->patches[i]);
        }
        if (job->enabled[i] && job->dirty[i]) {
            master->inputs[i].loaded_ns = process_clock_ns();
        }
    }
    if (job->patched) {
        job_judge(job, master->model);
    }
}

bool refresh_work(struct job *job)
{
    struct master *master = job->master;
    int rc = 0;

    for (size_t i = 0; i < master->input_count; i++) {
        int one = job->enabled[i] && job->dirty[i] ? ask_input(job, i) : 0;

        if (one == INPUT_SAME) {
            job->dirty[i] =
                false; /* also when another one makes it a whole job: this one need not be loaded */
            master->inputs[i].loaded_ns = process_clock_ns();
        } else if (one < 0) {
            rc = one;
        }
    }
    if (rc == 0) {
        rc = job->files ? patch_files(job) : patch_models(job);
    }
    if (rc == 0 && job->refreshed_count) {
        qsort(job->refreshed, job->refreshed_count, sizeof(*job->refreshed), by_position);
    }
    if (rc == 0) {
        rc = compile(job);
    }
    if (rc < 0) {
        refresh_free(job);
        compiler_free(job->compiler);
        job->compiler = NULL;
        job->patched = false;
        job_close_pages(job);
        return false;
    }
    finish(job);
    return true;
}

/* ---- on the loop ---- */
void refresh_install(struct job *job)
{
    struct master *master = job->master;
    uint32_t *positions = xcalloc(job->refreshed_count + 1, sizeof(*positions));

    for (size_t i = 0; i < job->refreshed_count; i++) {
        struct refreshed *refreshed = &job->refreshed[i];
        struct http_service *service = refreshed->from.service;

        /* the model's load balancer may be a copy of the provider's */
        master->model->services[refreshed->position]->config.load_balancer->servers = refreshed->from.servers;
        service->config.load_balancer->servers = refreshed->from.servers;
        pool_free(service->servers_pool);
        service->servers_pool = refreshed->from.pool;
        refreshed->from.pool = NULL;
        positions[i] = refreshed->position;
    }
    if (job->patched) {
        struct compiler *before = master->compiler;

        master->compiler = job->compiler;
        job->compiler = before;
        master->refreshes += PATCH_WEIGHT + (unsigned)job->changed.left_behind;
        for (size_t part = 0; part < ARRAY_LEN(job->changed.counts); part++) {
            master->refreshes += (unsigned)job->changed.counts[part];
        }
        /* a file that is being written is read as it was: nobody is another */
        job->changes = job->files ? known_read(job->changed.names[PART_MIDDLEWARE],
                                               job_differs(job) ? job->changed.counts[PART_MIDDLEWARE] : 0)
                                  : known_patch(master->known, master->model, &job->changed);
    } else {
        master->refreshes++;
        job->changes = job->refreshed_count == 0 && job->secrets && job_differs(job)
                           ? xstrndup(SECRETS_WORDS, strlen(SECRETS_WORDS))
                           : known_refresh(master->known, master->model, positions, job->refreshed_count);
    }
    free(positions);
}

void refresh_free(struct job *job)
{
    for (size_t i = 0; i < job->refreshed_count; i++) {
        pool_free(job->refreshed[i].from.pool);
    }
    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        model_patch_free(&job->patches[i]);
    }
    free(job->refreshed);
    pool_free(job->pool);
    job->refreshed = NULL;
    job->refreshed_count = 0;
    job->pool = NULL;
}
