/*
 * plugins.h - the modules of plugins that weir has an equivalent of.
 *
 * A middleware `plugin: {NAME: options}` is of the module that the static experimental.plugins.NAME.moduleName (or
 * localPlugins) says. One more module is one line here, master/plugin/<identifier>.c, which makes a program of its options, and
 * worker/plugin/<identifier>.c, which runs it. The program is bytes that only these two know: one for WebAssembly modules
 * would be the module and its configuration.
 */
#ifndef WEIR_COMMON_MODEL_PLUGINS_H
#define WEIR_COMMON_MODEL_PLUGINS_H

#define PLUGINS(PLUGIN) PLUGIN(plugin_demo, "github.com/traefik/plugindemo")

enum plugin_module {
#define PLUGIN(identifier, module) PLUGIN_##identifier,
    PLUGINS(PLUGIN)
#undef PLUGIN
        PLUGIN_MODULES
};

#endif
