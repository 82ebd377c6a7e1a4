/*
 * compile.h - the resolved model becomes the pages of a generation.
 *
 * Only routers that are not disabled, with the services and middlewares they use, get in. Board words (tickets, health)
 * are asked for by identity, so that state survives generations. Pure but for the board, the names and the errors that
 * it puts on objects it has to leave out: used by the master (on a thread), by check, explain and tests alike (tools pass
 * board NULL).
 */
#ifndef WEIR_MASTER_COMPILE_COMPILE_H
#define WEIR_MASTER_COMPILE_COMPILE_H

#include "common/model/dynamic.h"
#include "common/model/static.h"
#include "shm/board.h"
#include "shm/page.h"

struct names; /* resolved host names (master/compile/names.h); NULL: only literal addresses */
struct vault; /* certificates and keys (master/tls/vault.h); NULL: read for this compile alone, no tickets */
struct compiler;

struct compiled {
    struct compiler *compiler; /* what compile_servers() needs of it; of compile_model() only */
    size_t count;
    struct page_builder *pages[PAGE_PLACES]; /* by place */
};

/* The static page. Fails on what the workers could not live with, naming the option. *out is the caller's. */
int compile_static(const struct static_config *config, struct page_builder **out, struct error *why);
/* Dynamic pages: routes, middlewares, transports, TLS, secrets, services; pages[PAGE_STATIC] stays NULL. The model must be
 * resolved and sorted. What must be left out gets an error on its element (once, however often it is compiled). Numbers
 * depend on names alone (those of services: plan_services.c), so pages do not change when only something else changed. */
/* vault: between vault_begin() and vault_end(); NULL: what it reads is read for this once. */
int compile_model(const struct static_config *config, struct model *model, struct board *board,
                  uint64_t generation, struct names *names, struct vault *vault, struct compiled *out,
                  struct error *why);
/* For tools: compiles, waits up to timeout_ms for the names of servers to resolve, compiles again with what came. */
int compile_model_resolved(const struct static_config *config, struct model *model, unsigned timeout_ms,
                           struct compiled *out, struct error *why);
void compiled_free(struct compiled *compiled);

/* A service that has other servers now: its position in the model, and a list of struct server_config. */
struct servers_change {
    uint32_t position;
    struct list servers;
};

/* `changes` are sorted by position. Only the pages that they concern (out->pages is NULL in other places, out->count as
 * before), at a cost that does not grow with the model; `compiler` is of the last compile_model(), whose model, static
 * configuration and names must still be there. The model itself is not changed, and names of servers that are new are
 * asked for. -EAGAIN: more than servers would be others, so compile the whole. */
int compile_servers(struct compiler *compiler, const struct servers_change *changes, size_t count,
                    uint64_t generation, struct compiled *out);

/* OCSP answers, or keys of session tickets, are others: the pages that they stand on, in addition to those that are in `out`.
 * compiler: of the last compile_model(), which was the last one to use the vault; else -EAGAIN: compile the whole. */
int compile_secrets_again(struct compiler *compiler, struct vault *vault, struct compiled *out);

struct compile_change {           /* of a model that resolve_patch() brought up to date */
    const struct element **fresh; /* services that came, by address */
    size_t fresh_count;
    const struct servers_change *servers; /* as for compile_servers() */
    size_t server_count;
    bool middlewares_only; /* some of them were prepared anew, and nothing else is another */
};

/* The pages that may be others: that of routes, those of services and middlewares that are concerned. out->compiler takes the
 * place of `before`, which is of the last compile and is of no more use. -EAGAIN: compile the whole. -ESTALE: something cannot
 * be served as it is written, and the model has errors of that by now: resolve all once more and compile that. */
int compile_patch(struct compiler *before, const struct compile_change *change, uint64_t generation,
                  struct compiled *out, struct error *why);
void compiler_free(struct compiler *compiler); /* NULL is fine */
/* Something that resolve let pass could not be served: whether it could, now, only a resolve and a compile of all can tell. */
bool compiler_doubts(const struct compiler *compiler);
/* The last compile has found something wrong with an element that was not known before. */
bool compiler_noted(const struct compiler *compiler);
/* The servers whose health the master asks for, with words on the board; they point into the model. */
struct health_target;
const struct health_target *compiler_health(const struct compiler *compiler, size_t *count);

#endif
