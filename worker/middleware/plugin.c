/*
 * plugin.c - plugin: hands on to the module that the plugin is of (worker/plugin/).
 */
#include "common/model/prepared.h"
#include "worker/plugin/plugin.h"

static const struct plugin_type *const types[PLUGIN_MODULES] = {
#define PLUGIN(identifier, module) [PLUGIN_##identifier] = &plugin_type_##identifier,
    PLUGINS(PLUGIN)
#undef PLUGIN
};

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct prepared_plugin *p = params;
    const struct plugin_type *type = p->module >= 0 && p->module < PLUGIN_MODULES ? types[p->module] : NULL;

    return type && type->on_request ? type->on_request(ex, exchange_text(ex, p->program)) : MW_PASS;
}

static enum mw_verdict on_response(struct exchange *ex, const void *params)
{
    const struct prepared_plugin *p = params;
    const struct plugin_type *type = p->module >= 0 && p->module < PLUGIN_MODULES ? types[p->module] : NULL;

    return type && type->on_response ? type->on_response(ex, exchange_text(ex, p->program)) : MW_PASS;
}

const struct middleware_type mw_plugin = {
    .name = "plugin", .on_request = on_request, .on_response = on_response};
