/*
 * waiting.c - contract in waiting.h.
 */
#include "master/master/waiting.h"

#include <string.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "master/master/job.h"
#include "master/resolve/resolve.h"
#include "master/tls/vault.h"

#define POINT "traefik" /* only weir's own objects are there */

/* The static configuration without any other entry point; `points` is where it has its map. False: nobody asks there. */
static bool narrow(const struct static_config *config, struct entry_point *point, struct static_config *out)
{
    static struct slice name = SLICE_INIT(POINT);
    const struct entry_point *points = config->entry_points.values;

    if (config->ping == NULL || config->ping->manual_routing ||
        !slice_eq(config->ping->entry_point, SLICE(POINT))) {
        return false;
    }
    for (size_t i = 0; i < config->entry_points.count; i++) {
        if (slice_eq(config->entry_points.keys[i], SLICE(POINT))) {
            *point = points[i];
            *out = *config;
            out->entry_points = (struct map){&name, point, 1};
            return true;
        }
    }
    return false;
}

static int compile(struct job *job, const struct static_config *config)
{
    struct master *master = job->master;
    struct compiled compiled = {.count = 0};
    struct model *model = resolve_with(config, master->vault, NULL, 0);
    int rc = compile_model(config, model, master->board, job->generation, master->names, master->vault,
                           &compiled, &job->why);

    if (rc == 0) {
        rc = compile_static(config, &compiled.pages[PAGE_STATIC], &job->why);
    }
    if (rc == 0) {
        rc = job_seal(job, &compiled);
    }
    compiled_free(&compiled);
    model_free(model);
    return rc;
}

void waiting_work(struct job *job)
{
    struct entry_point point;
    struct static_config config;

    if (job->hold.earlier || !narrow(&job->settings->loaded.config, &point, &config)) {
        return;
    }
    vault_begin(job->master->vault);
    job->waiting = compile(job, &config) == 0;
    vault_end(job->master->vault);
    if (!job->waiting) {
        log_debug("/ping and /ready are not answered yet: %s", job->why.text);
    }
}

void waiting_publish(struct job *job)
{
    struct master *master = job->master;
    struct page_files pages;

    if (!job->waiting || !job_differs(job)) {
        return;
    }
    job_take_pages(job, &pages);
    publish_waiting(master, &pages, job->generation);
    log_debug("Waiting for a cluster: until then entry point " POINT " alone is served");
}
