/*
 * refresh.c - the short way of a job: the providers say which load balancers have other servers, and nothing else changed.
 *
 * Its cost does not grow with the configuration (I3). Whatever is not certain goes the whole way: the first
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

#define INPUT_SAME 1 /* nothing of this provider differs */
#define REFRESHES_MOST                                                                                       \
    4096u /* then one whole job: words on the board and memory of what is long gone are given back */

/* ---- may it be tried ---- */
static bool input_may(const struct input *input)
{
    return input->provider->refresh && !input->whole && input->loaded && !input->failed && !input->waiting &&
           input->stale_s == 0;
}

bool refresh_may(const struct master *master)
{
    bool any = false;

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
static int add(struct job *job, const struct provider_servers *from)
{
    struct master *master = job->master;
    const struct element *element = &from->service->element;
    const struct server_config *servers = from->servers.items;
    struct pool *pool = pool_new(256, 0);
    struct slice name =
        pool_printf(pool, "%.*s@%.*s", SLICE_ARG(element->name), SLICE_ARG(element->provider));
    uint32_t position = compiler_service(master->compiler, name);
    bool good = position != UINT32_MAX;

    pool_free(pool);
    good = good && master->model->services[position]->element.errors.count == 0;
    good =
        good && !master->model->services[position]->config.load_balancer->health_check; /* others are asked */
    for (size_t i = 0; good && i < from->servers.count; i++) {
        struct server_url url;
        struct error why;

        good = server_url_parse(servers[i].url, &url, &why) == 0;
    }
    job->refreshed[job->refreshed_count++] = (struct refreshed){*from, position};
    return good ? 0 : -EAGAIN;
}

/* 0, INPUT_SAME or -EAGAIN. */
static int ask_input(struct job *job, struct input *input)
{
    struct provider_servers *found;
    size_t count;
    int rc = input->provider->refresh(input->state, &found, &count);

    if (rc < 0) {
        return rc;
    }
    job->refreshed = xrealloc(job->refreshed, (job->refreshed_count + count + 1) * sizeof(*job->refreshed));
    for (size_t i = 0; i < count; i++) { /* all are taken along: their pools are the job's */
        rc = add(job, &found[i]) < 0 ? -EAGAIN : rc;
    }
    free(found);
    return rc == 0 && count == 0 ? INPUT_SAME : rc;
}

static int by_position(const void *left, const void *right)
{
    uint32_t a = ((const struct refreshed *)left)->position, b = ((const struct refreshed *)right)->position;

    return (a > b) - (a < b);
}

static int compile(struct job *job)
{
    struct servers_change *changes = xcalloc(job->refreshed_count + 1, sizeof(*changes));
    struct compiled compiled = {.count = 0};
    int rc;

    for (size_t i = 0; i < job->refreshed_count; i++) {
        changes[i] = (struct servers_change){job->refreshed[i].position, job->refreshed[i].from.servers};
    }
    rc = compile_servers(job->master->compiler, changes, job->refreshed_count, job->generation, &compiled);
    if (rc == 0) {
        rc = job_seal(job, &compiled);
        compiled_free(&compiled);
    }
    free(changes);
    return rc;
}

bool refresh_work(struct job *job)
{
    struct master *master = job->master;
    int rc = 0;

    for (size_t i = 0; i < master->input_count; i++) {
        int one = job->enabled[i] && job->dirty[i] ? ask_input(job, &master->inputs[i]) : 0;

        if (one == INPUT_SAME) {
            job->dirty[i] =
                false; /* also when another one makes it a whole job: this one need not be loaded */
            master->inputs[i].loaded_ns = process_clock_ns();
        } else if (one < 0) {
            rc = one;
        }
    }
    if (rc == 0) {
        qsort(job->refreshed, job->refreshed_count, sizeof(*job->refreshed), by_position);
        rc = compile(job);
    }
    if (rc < 0) {
        refresh_free(job);
        job_close_pages(job);
        return false;
    }
    for (size_t i = 0; i < master->input_count; i++) {
        if (job->enabled[i] && job->dirty[i]) {
            master->inputs[i].loaded_ns = process_clock_ns();
        }
    }
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
    job->changes = known_refresh(master->known, master->model, positions, job->refreshed_count);
    master->refreshes++;
    free(positions);
}

void refresh_free(struct job *job)
{
    for (size_t i = 0; i < job->refreshed_count; i++) {
        pool_free(job->refreshed[i].from.pool);
    }
    free(job->refreshed);
    job->refreshed = NULL;
    job->refreshed_count = 0;
}
