/*
 * resolve.c - the order in which a model is resolved.
 *
 * TLS options first, then middlewares, then services (which may use middlewares), then routers (which use both): everything
 * is judged once, whoever refers to it.
 */
#include "master/resolve/resolver.h"

struct model *resolve(const struct static_config *config, struct model *const *models, size_t count)
{
    return resolve_with(config, NULL, models, count);
}

struct model *resolve_with(const struct static_config *config, struct vault *vault,
                           struct model *const *models, size_t count)
{
    struct resolver resolver = {
        .config = config, .vault = vault, .model = model_new(), .scratch = pool_new(16384, 0)};

    gather(&resolver, models, count);
    tls_check_all(&resolver);
    middlewares_check_all(&resolver);
    services_check_all(&resolver);
    layers_resolve(&resolver);
    routers_check_all(&resolver);
    used_by_fill(&resolver);
    tcp_check_all(&resolver);
    udp_check_all(&resolver);
    pool_free(resolver.scratch);
    return resolver.model;
}
