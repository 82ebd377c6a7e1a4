/*
 * middleware_list.c - the one list of middlewares, from MIDDLEWARES in common/model/middlewares.h.
 *
 * A middleware of kind x is mw_x in worker/middleware/x.c.
 */
#include "worker/middleware.h"

#define MIDDLEWARE(identifier, option) extern const struct middleware_type mw_##identifier;
MIDDLEWARES(MIDDLEWARE)
#undef MIDDLEWARE
extern const struct middleware_type mw_plugin;

/* Chains are flattened by the master: one that is met all the same does nothing. */
const struct middleware_type mw_chain = {.name = "chain"};

const struct middleware_type *const middleware_types[MIDDLEWARE_KINDS] = {
#define MIDDLEWARE(identifier, option) [MIDDLEWARE_##identifier] = &mw_##identifier,
    MIDDLEWARES(MIDDLEWARE)
#undef MIDDLEWARE
        [MIDDLEWARE_plugin] = &mw_plugin,
};
