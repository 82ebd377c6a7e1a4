/*
 * legacy.c - the static options of Traefik 1 that mean something today; the table has warned about them already.
 */
#include "master/static/static_internal.h"

/* Unless today's asDefault is written somewhere. */
static void derive_default_points(struct static_loaded *loaded)
{
    const struct list *names = &loaded->config.legacy.default_entry_points;
    const struct map *map = &loaded->config.entry_points;
    struct entry_point *points = map->values;

    for (size_t i = 0; i < map->count; i++) {
        if (points[i].as_default && names->count) {
            static_warn(loaded, "defaultEntryPoints: ignored, entryPoints.%.*s.asDefault is written",
                        SLICE_ARG(map->keys[i]));
            return;
        }
    }
    for (size_t k = 0; k < names->count; k++) {
        struct slice name = slice_trim(((const struct slice *)names->items)[k]);
        bool found = false;

        for (size_t i = 0; i < map->count; i++) {
            if (slice_eq(map->keys[i], name)) {
                points[i].as_default = found = true;
            }
        }
        if (!found) {
            static_warn(loaded, "defaultEntryPoints: there is no entry point \"%.*s\"", SLICE_ARG(name));
        }
    }
}

/* `--kubernetes` and `[kubernetes]` switch the Ingress provider on; their options have the names of today's. */
static void derive_kubernetes(struct static_loaded *loaded)
{
    struct static_config *config = &loaded->config;
    const struct doc *written = config->legacy.kubernetes;
    struct kubernetes_provider *options;
    bool on = true;

    if (written == NULL || (doc_bool(written, &on) && !on) ||
        slice_eq_nocase(doc_text(written, SLICE("")), SLICE("false"))) {
        return;
    }
    if (config->providers.kubernetes_ingress) {
        if (written->kind == DOC_MAP) {
            static_warn(loaded, "kubernetes: ignored, providers.kubernetesIngress is read");
        }
        return;
    }
    options = pool_zalloc(loaded->pool, sizeof(*options));
    schema_defaults(&legacy_kubernetes_schema, loaded->pool, options);
    if (written->kind == DOC_MAP) {
        static_decode(loaded, &legacy_kubernetes_schema, SLICE("kubernetes"), written, options);
    }
    config->providers.kubernetes_ingress = options;
}

void static_derive_legacy(struct static_loaded *loaded)
{
    struct static_config *config = &loaded->config;

    if (config->legacy.log_level.len && slice_eq(config->log->level, SLICE("ERROR"))) {
        config->log->level = config->legacy.log_level;
    }
    derive_kubernetes(loaded);
    derive_default_points(loaded);
}
