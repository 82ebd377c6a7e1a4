/*
 * common.h - what check, explain and config share: loading a configuration the way the master does, without serving it.
 *
 * The steps are the master's own functions (static_load, the providers' load, resolve, compile, page_adopt), in its
 * order. Nothing is bound, nothing is started. Everything that a tool has to say goes to stdout, errors to stderr.
 */
#ifndef WEIR_MASTER_TOOLS_COMMON_H
#define WEIR_MASTER_TOOLS_COMMON_H

#include "master/provider/provider.h"
#include "master/static/load.h"
#include "shm/generation.h"

struct tool {
    struct pool *pool;
    struct static_loaded loaded;
    const struct provider *active[PROVIDER_COUNT];
    struct provider_state *states[PROVIDER_COUNT];
    struct model *models[PROVIDER_COUNT]; /* of the active ones; those that could not be read are left out */
    size_t active_count, model_count;
    struct model *model;           /* resolved */
    struct generation *generation; /* after tool_compile() */
    size_t failures;               /* providers that could not be read, said on stderr */
};

/* Static configuration, providers, resolve. A first argument that is no flag is a directory (or file) of manifests.
 * Returns 0; otherwise the errors of the static configuration were printed. tool_free() in either case. */
int tool_load(struct tool *tool, int argc, char **argv);

/* Says on stderr what was not read because another form of the static configuration counts: whoever wrote flags beside a
 * file would not know the answer's question. */
void tool_warn_of_choice(const struct tool *tool);

/* Compiles and adopts the pages as a worker would. names_ms: how long to wait for names of servers, 0: not asked. */
int tool_compile(struct tool *tool, unsigned names_ms, struct error *why);

void tool_free(struct tool *tool);

/* "file.yml:12: IngressRoute default/x: " as far as known, in the pool; texts that begin with the place keep it. */
struct slice tool_locate(struct pool *pool, const struct origin *origin, struct slice object,
                         struct slice text);

const char *tool_version(void); /* of weir, "unknown" when the build was not told */

#endif
