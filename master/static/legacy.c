/*
 * legacy.c - the static options of Traefik 1: those that mean something today (the table has warned about them already), and
 * what to write instead of others.
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

static bool first_only(struct slice name)
{
    return slice_eq_nocase(name, SLICE("kubernetes")) || slice_eq_nocase(name, SLICE("logLevel")) ||
           slice_eq_nocase(name, SLICE("defaultEntryPoints"));
}

bool static_first_generation(int argc, char **argv, const struct doc *tree)
{
    for (int i = 0; i < argc; i++) {
        struct slice name = static_flag_name(argv[i]);

        if (name.len && first_only(slice_split(&name, '.'))) {
            return true;
        }
    }
    for (size_t i = 0; tree->kind == DOC_MAP && i < tree->map.count; i++) {
        if (first_only(tree->map.entries[i].key)) {
            return true;
        }
    }
    return false;
}

void static_hint_flags(struct static_loaded *loaded, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        struct slice arg = slice_cstr(argv[i]);

        if (arg.len > 14 && slice_eq_nocase(slice_head(arg, 14), SLICE("--entryPoints="))) {
            static_error(loaded, "--entryPoints=...: entry points are no longer written so, write "
                                 "--entryPoints.NAME.address=:PORT");
        }
    }
}

/* Of one entry point. */
static void hint_entry_point(struct static_loaded *loaded, struct slice name, const struct doc *point)
{
    static const struct {
        const char *key, *instead;
    } gone[] = {
        {"redirect",
         "http.redirections.entryPoint, or a middleware redirectRegex that http.middlewares names"},
        {"tls", "http.tls; certificates stand in a file of providers.file, below tls.certificates"},
        {"compress", "a middleware compress that http.middlewares names"},
        {"whiteList", "a middleware ipAllowList that http.middlewares names"},
        {"whitelistSourceRange", "a middleware ipAllowList that http.middlewares names"},
        {"auth", "a middleware basicAuth, digestAuth or forwardAuth that http.middlewares names"},
    };

    for (size_t i = 0; point->kind == DOC_MAP && i < point->map.count; i++) {
        const struct doc_entry *entry = &point->map.entries[i];

        for (size_t k = 0; k < ARRAY_LEN(gone); k++) {
            if (slice_eq_nocase(entry->key, slice_cstr(gone[k].key))) {
                static_error(loaded, "%.*s:%u: entryPoints.%.*s.%s: an option of Traefik 1: write %s",
                             SLICE_ARG(point->file), entry->line, SLICE_ARG(name), gone[k].key,
                             gone[k].instead);
            }
        }
    }
}

void static_hint_entry_points(struct static_loaded *loaded, const struct doc *tree)
{
    for (size_t i = 0; tree && tree->kind == DOC_MAP && i < tree->map.count; i++) {
        const struct doc_entry *entry = &tree->map.entries[i];

        if (!slice_eq_nocase(entry->key, SLICE("entryPoints")) || entry->value->kind != DOC_MAP) {
            continue;
        }
        for (size_t k = 0; k < entry->value->map.count; k++) {
            hint_entry_point(loaded, entry->value->map.entries[k].key, entry->value->map.entries[k].value);
        }
    }
}
