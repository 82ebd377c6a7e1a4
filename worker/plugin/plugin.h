/*
 * plugin.h - the seam of a plugin's module in workers: one file each, worker/plugin/<identifier>.c. The list:
 * common/model/plugins.h.
 *
 * Hooks are those of a middleware (worker/middleware.h); instead of options they get the program that master/plugin/
 * made. One that sees bodies is not there yet: its hooks would go beside these.
 */
#ifndef WEIR_WORKER_PLUGIN_PLUGIN_H
#define WEIR_WORKER_PLUGIN_PLUGIN_H

#include "common/model/plugins.h"
#include "worker/exchange.h"
#include "worker/middleware.h"

struct plugin_type {
    enum mw_verdict (*on_request)(struct exchange *ex, struct slice program);
    enum mw_verdict (*on_response)(struct exchange *ex, struct slice program);
};

#define PLUGIN(identifier, module) extern const struct plugin_type plugin_type_##identifier;
PLUGINS(PLUGIN)
#undef PLUGIN

#endif
