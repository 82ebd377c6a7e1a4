/*
 * service_parents.c - services that are made of others: weighted, by highest random weight, mirroring, failover. Whether
 * their children can be used, and tell of their health where a parent wants to know.
 *
 * Error texts are worded as in Traefik: they are seen in the API.
 */
#include "common/model/prepared.h"
#include "common/model/strategies.h"
#include "master/resolve/resolver.h"

#define NOTHING ((struct slice){NULL, 0})

static const struct http_service *child_of(struct resolver *resolver, const struct http_service *service,
                                           struct slice name)
{
    uint32_t child =
        name_table_find(resolver->model->pool, &resolver->services, name, service->element.provider);

    return resolver->model->services[child]; /* it was used before */
}

static struct slice child_wrong(struct resolver *resolver, struct http_service *service, struct slice name,
                                const struct frame *here)
{
    return service_use(resolver, name, service->element.provider, here);
}

/* ---- health ---- */

static bool knows_health(const struct service_config *config)
{
    return config->load_balancer || config->weighted || config->highest_random_weight || config->mirroring ||
           config->failover; /* internal ones do not */
}

static const char *kind_name(const struct service_config *config)
{
    enum service_strategy strategy = STRATEGY_WRR;

    if (config->mirroring) {
        return "mirroring";
    }
    if (config->failover) {
        return "failover";
    }
    if (config->highest_random_weight) {
        return strategy_list[STRATEGY_HRW].kind;
    }
    if (config->load_balancer) {
        (void)strategy_find(config->load_balancer->strategy, &strategy);
    }
    return strategy_list[strategy].kind;
}

/* What keeps a child from telling `service` of its health. */
static struct slice untold(struct resolver *resolver, const struct http_service *service, struct slice name)
{
    const struct service_config *child = &child_of(resolver, service, name)->config;
    struct pool *pool = resolver->model->pool;

    if (!knows_health(child)) {
        return pool_printf(pool, "child service %.*s of %.*s not a healthcheck.StatusUpdater",
                           SLICE_ARG(name), SLICE_ARG(service->element.name));
    }
    if (!service_tells_health(child)) {
        return pool_printf(pool,
                           "cannot register %.*s as updater for %.*s: healthCheck not enabled in config for "
                           "this %s service",
                           SLICE_ARG(name), SLICE_ARG(service->element.name), kind_name(child));
    }
    if (child->mirroring) {
        struct slice text = untold(resolver, child_of(resolver, service, name), child->mirroring->service);

        if (text.len) {
            return pool_printf(pool, "cannot register %.*s as updater for %.*s: %.*s", SLICE_ARG(name),
                               SLICE_ARG(service->element.name), SLICE_ARG(text));
        }
    }
    return NOTHING;
}

/* ---- kinds ---- */

struct slice weighted_wrong(struct resolver *resolver, struct http_service *service, const struct frame *here)
{
    const struct weighted *weighted = service->config.weighted;
    const struct weighted_service *children = weighted->services.items;
    struct slice text = NOTHING;

    service_note_sticky(resolver, service, weighted->sticky, "weighted");
    for (size_t i = 0; i < weighted->services.count && text.len == 0; i++) {
        text = child_wrong(resolver, service, children[i].name, here);
        if (text.len) { /* it is said whose error it is */
            text = pool_printf(resolver->model->pool, "building HTTP service \"%.*s\": %.*s",
                               SLICE_ARG(children[i].name), SLICE_ARG(text));
        } else if (weighted->health_check) {
            text = untold(resolver, service, children[i].name);
        }
    }
    return text;
}

struct slice hashed_wrong(struct resolver *resolver, struct http_service *service, const struct frame *here)
{
    const struct weighted *hashed = service->config.highest_random_weight;
    const struct weighted_service *children = hashed->services.items;
    struct slice text = NOTHING;

    for (size_t i = 0; i < hashed->services.count && text.len == 0; i++) {
        text = child_wrong(resolver, service, children[i].name, here);
        if (text.len == 0 && hashed->health_check) {
            text = untold(resolver, service, children[i].name);
        }
    }
    return text;
}

struct slice mirroring_wrong(struct resolver *resolver, struct http_service *service,
                             const struct frame *here)
{
    const struct mirroring *mirroring = service->config.mirroring;
    const struct mirror_service *mirrors = mirroring->mirrors.items;
    struct slice text = child_wrong(resolver, service, mirroring->service, here);

    for (size_t i = 0; i < mirroring->mirrors.count && text.len == 0; i++) {
        text = child_wrong(resolver, service, mirrors[i].name, here);
        if (text.len == 0 && (mirrors[i].percent < 0 || mirrors[i].percent > 100)) {
            text = SLICE("percent must be between 0 and 100");
        }
    }
    return text;
}

struct slice failover_wrong(struct resolver *resolver, struct http_service *service, const struct frame *here)
{
    const struct failover *failover = service->config.failover;
    bool by_status = failover->errors && failover->errors->status.count > 0;
    struct slice text = child_wrong(resolver, service, failover->service, here), ranges, bad;

    if (text.len == 0 && !by_status) {
        text = untold(resolver, service, failover->service);
    }
    if (text.len == 0 && by_status &&
        !status_ranges_make(resolver->model->pool, &failover->errors->status, &ranges, &bad)) {
        text = pool_printf(resolver->model->pool,
                           "error creating failover service %.*s: creating HTTP code ranges: \"%.*s\" is no "
                           "status and no range of them: write 404 or 500-599",
                           SLICE_ARG(service->element.name), SLICE_ARG(bad));
    }
    if (text.len == 0) {
        text = child_wrong(resolver, service, failover->fallback, here);
    }
    if (text.len == 0 && failover->health_check) {
        text = untold(resolver, service, failover->fallback);
    }
    return text;
}
