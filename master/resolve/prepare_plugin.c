/*
 * prepare_plugin.c - plugin: which module a name is of, by the static configuration, and its options as the module wants them.
 */
#include "common/model/plugins.h"
#include "master/plugin/plugin.h"
#include "master/resolve/prepare.h"

static const struct {
    struct slice module;
    plugin_compile *compile;
} modules[PLUGIN_MODULES] = {
#define PLUGIN(identifier, module) [PLUGIN_##identifier] = {SLICE_INIT(module), identifier##_compile},
    PLUGINS(PLUGIN)
#undef PLUGIN
};

static const struct plugin_config *find(const struct map *map, struct slice name)
{
    const struct plugin_config *configs = map->values;

    for (size_t i = 0; i < map->count; i++) {
        if (slice_eq_nocase(map->keys[i], name)) { /* flags have lower case */
            return &configs[i];
        }
    }
    return NULL;
}

/* PLUGIN_MODULES: there is none; at->wrong says why. */
static enum plugin_module module_of(struct preparation *at, struct slice name)
{
    const struct experimental_config *experimental = at->resolver->config->experimental;
    const struct plugin_config *config = experimental ? find(&experimental->plugins, name) : NULL;

    if (config == NULL && experimental) {
        config = find(&experimental->local_plugins, name);
    }
    if (config == NULL) {
        prepare_wrong(
            at, "plugin: unknown plugin type: %.*s: experimental.plugins.%.*s.moduleName names no module",
            SLICE_ARG(name), SLICE_ARG(name));
        return PLUGIN_MODULES;
    }
    for (unsigned i = 0; i < PLUGIN_MODULES; i++) {
        if (slice_eq_nocase(modules[i].module, config->module_name)) {
            return (enum plugin_module)i;
        }
    }
    prepare_wrong(at, "plugin %.*s: this build has no equivalent of the module \"%.*s\"", SLICE_ARG(name),
                  SLICE_ARG(config->module_name));
    return PLUGIN_MODULES;
}

const void *prepare_plugin(struct preparation *at, const struct doc *options)
{
    static const struct doc none = {.kind = DOC_MAP};
    struct prepared_plugin *made = pool_zalloc(at->pool, sizeof(*made));
    const struct doc_entry *entry;
    enum plugin_module module;
    struct error why = {0};

    if (options->kind != DOC_MAP || options->map.count != 1) {
        return prepare_wrong(at,
                             "plugin: invalid configuration: no configuration or too many plugin definition");
    }
    entry = &options->map.entries[0];
    module = module_of(at, entry->key);
    if (module == PLUGIN_MODULES) {
        return NULL;
    }
    if (!modules[module].compile(at->pool, entry->value->kind == DOC_MAP ? entry->value : &none,
                                 &made->program, &why)) {
        return prepare_wrong(at, "plugin %.*s: %s", SLICE_ARG(entry->key), why.text);
    }
    made->module = module;
    return made;
}
