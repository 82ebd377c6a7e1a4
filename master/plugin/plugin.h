/*
 * plugin.h - what a module makes of its options: one function each, in master/plugin/<identifier>.c. The list:
 * common/model/plugins.h.
 */
#ifndef WEIR_MASTER_PLUGIN_PLUGIN_H
#define WEIR_MASTER_PLUGIN_PLUGIN_H

#include "common/doc/doc.h"
#include "common/model/plugins.h"

/* options is a map. Writes into *program, in the pool, what worker/plugin/<identifier>.c reads. False: *why says what is wrong
 * with them (never the value of an option: it may be a secret). */
typedef bool plugin_compile(struct pool *pool, const struct doc *options, struct slice *program,
                            struct error *why);

#define PLUGIN(identifier, module) plugin_compile identifier##_compile;
PLUGINS(PLUGIN)
#undef PLUGIN

#endif
