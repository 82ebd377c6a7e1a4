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

#include "common/model/patch.h"
#include "common/model/static.h"

/* models: one for each provider, kept by the caller until the result is freed (text may be shared). Never fails. */
struct model *resolve(const struct static_config *config, struct model *const *models, size_t count);

/* The same with the vault that remembers files which models name (between vault_begin() and vault_end()); NULL: each is read
 * for this once. */
struct vault;
struct model *resolve_with(const struct static_config *config, struct vault *vault,
                           struct model *const *models, size_t count);

struct resolve_patched {                      /* in the pool that was given */
    struct slice *names[PART_MIDDLEWARE + 1]; /* full names of all that came or went, by enum model_part */
    size_t counts[PART_MIDDLEWARE + 1];
    const struct element **gone, **came; /* routers; of nothing else there was or is anything to be said */
    size_t gone_count, came_count;
    const struct element **fresh; /* the services that came, by address */
    size_t fresh_count;
    bool tls;           /* other hosts, or on other entry points, are served by TLS than before */
    size_t left_behind; /* lists that nobody needs any more, in the memory of the model */
};

/* Brings a resolved model up to date: it is what resolve_with() would make of the patched models, at a cost that hardly grows
 * with them. patch->more is shared. -EAGAIN: that cannot be told, or something is wrong with a service or a middleware that came
 * or went: resolve the whole; what is left of the model can only be freed. */
int resolve_patch(const struct static_config *config, struct model *model, const struct model_patch *patch,
                  struct pool *pool, struct resolve_patched *out);

/* The same where nothing but files have changed that vault_accepted() read (paths: struct slice), between vault_amend() and
 * vault_amended(): only middlewares that name one of them are prepared, and only they are in *out. Model and -EAGAIN as above. */
int resolve_files(const struct static_config *config, struct vault *vault, struct model *model,
                  const struct list *paths, struct pool *pool, struct resolve_patched *out);

/* Whether resolving asked the vault for something that a compile does not ask for: who compiles alone must not sweep it. */
bool resolve_used_vault(const struct model *model);

/* JSON in the shape of /api/rawdata (struct text appended). */
void model_to_json(const struct model *model, struct text *out);

#endif
