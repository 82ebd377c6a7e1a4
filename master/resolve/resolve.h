/*
 * resolve.h - merges the providers' models into the one that is in force, and finds what is wrong with it.
 *
 * Names get "@provider"; duplicates are reported; default entry points, entry-point middlewares, redirections and
 * priorities are applied; rules are parsed; references to services, middlewares and transports are followed (cycles
 * found). What is wrong is kept on the object (status, errors); nothing valid is lost (I1). The internal provider's
 * objects (redirections, ping@internal, noop@internal...) are made here.
 */
#ifndef WEIR_MASTER_RESOLVE_RESOLVE_H
#define WEIR_MASTER_RESOLVE_RESOLVE_H

#include "common/model/dynamic.h"
#include "common/model/static.h"

/* models: one for each provider, kept by the caller until the result is freed (text may be shared). Never fails. */
struct model *resolve(const struct static_config *config, struct model *const *models, size_t count);

/* The same with the vault that remembers files which models name (between vault_begin() and vault_end()); NULL: each is read
 * for this once. */
struct vault;
struct model *resolve_with(const struct static_config *config, struct vault *vault,
                           struct model *const *models, size_t count);

/* JSON in the shape of /api/rawdata (struct text appended). */
void model_to_json(const struct model *model, struct text *out);

#endif
