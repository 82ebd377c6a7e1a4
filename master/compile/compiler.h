/*
 * compiler.h - what the files of the compiler share: the plan that is made before any page is written.
 *
 * First every router that gets in marks what it uses (plan.c), then what is marked gets its number, in order of names,
 * then the pages are written (compile.c, compile_services.c).
 */
#ifndef WEIR_MASTER_COMPILE_COMPILER_H
#define WEIR_MASTER_COMPILE_COMPILER_H

#include "common/base/pool.h"
#include "master/compile/compile.h"
#include "master/health/health.h"
#include "shm/services.h"
#include "shm/transports.h"

#define NUMBER_NONE UINT32_MAX

/* Names of one array of the model to positions in it. */
struct name_index {
    uint32_t *slots; /* position + 1, 0 free; a power of two, at most half full */
    size_t size;
    struct element *const *elements; /* objects begin with their element */
};

/* A row of the middlewares page. */
struct middleware_use {
    uint32_t middleware; /* positions in the model */
    uint32_t router;     /* NUMBER_NONE: for all routers; behind them, services */
};

enum service_state { SERVICE_UNKNOWN, SERVICE_LOOKED_AT, SERVICE_GOOD, SERVICE_BAD };

struct plan { /* one router that gets in; for each group of entry points that refuse the same characters */
    uint32_t router; /* positions in the model's arrays */
    uint32_t service;
    uint32_t *chain;        /* positions of middlewares, those of parents first; in the end, their numbers */
    const uint32_t *owners; /* positions of the routers that name them */
    uint32_t chain_count;
    uint32_t layer, children; /* as in struct route_input */
    uint32_t entry_point_count;
    const uint32_t *entry_points;
    uint32_t denied;
};

/* The middlewares of a service that is not a router's own. */
struct service_chain {
    uint32_t *items; /* kept: positions; in the end, their numbers */
    uint32_t count;
    bool made;
};

struct compiler {
    const struct static_config *config;
    struct model *model;
    struct board *board;
    struct vault *vault; /* during compile_model(); may be NULL */
    struct names *names;
    uint64_t generation;
    struct pool *pool; /* dies with the compile */
    struct pool *kept; /* what is needed of it afterwards: numbers, names, transports */

    struct name_index services, middlewares, transports;
    uint8_t *service_states; /* enum service_state, by position */
    uint32_t *
        service_orders; /* by position: a child is used only by a parent of higher order, so never in a circle */
    uint32_t service_order;
    struct service_chain *service_chains;   /* by position */
    uint32_t *service_numbers;              /* by position: number in the page or NUMBER_NONE */
    uint32_t *service_positions;            /* by number */
    unsigned service_shift;                 /* how they are dealt out to pages */
    struct middleware_use *middleware_rows; /* by number; those of one middleware stand behind each other */
    uint8_t *transport_used;
    uint32_t *transport_numbers;
    uint32_t service_count, middleware_count,
        transport_count; /* that are used; transports with the default one */
    const struct transport *transport_rows;
    const struct servers_change *changes; /* what is not in the model yet */
    size_t change_count;
    struct health_target *health; /* kept */
    size_t health_count, health_capacity;

    uint32_t *denied; /* by entry point */
    struct plan *plans;
    size_t plan_count, plan_capacity;
    uint32_t layer_count;
};

void name_index_make(struct pool *pool, struct name_index *index, void *elements, size_t count);
/* `name` as it is, else, without a provider of its own, with `provider`. NUMBER_NONE when there is none. */
uint32_t name_find(const struct compiler *compiler, const struct name_index *index, struct slice name,
                   struct slice provider);

/* Puts an error on an element unless it has the very same one. */
void compile_note(struct compiler *compiler, struct element *element, bool critical, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* plan.c: fills plans, states, what is used, and all numbers. */
void plan_all(struct compiler *compiler);

/* plan_points.c: the number of an entry point in the static page, or NUMBER_NONE. */
uint32_t entry_point_number(const struct map *entry_points, struct slice name);
/* Numbers of the router's entry points, ascending, each once, in the pool of the compile; returns how many. */
size_t plan_entry_points(struct compiler *compiler, struct http_router *router, uint32_t **out);
/* What each entry point refuses in a path, as bits in the order of struct encoded_characters: compiler->denied. */
void plan_denied(struct compiler *compiler);

/* compile_tls.c, compile_secrets.c: after the plan, between vault_begin() and vault_end(). The builder is the caller's. */
struct page_builder *compile_tls(struct compiler *compiler, struct vault *vault);
struct page_builder *compile_secrets(struct compiler *compiler, struct vault *vault);

/* compile_middlewares.c: numbers for what the plans' chains name, and the page. */
void middlewares_number(struct compiler *compiler);
int compile_middlewares(struct compiler *compiler, struct page_builder *builder, struct error *why);

/* The word on the board of that identity; none without a board. */
struct board_ref compile_word(struct compiler *compiler, uint64_t identity);

/* compile_services.c: the rows of everything used, into pages of their own, which it makes; sets their number. */
void compile_services(struct compiler *compiler, struct compiled *out);
struct page_builder *compile_services_page(struct compiler *compiler, size_t page);

#define POSITIONS_MOST 65536u /* of servers or children: positions in a sequence have 16 bits */

/* For rows of both kinds: a share; the order in which positions take their turns, with its ticket. */
uint32_t compile_weight(struct opt_int weight);
void compile_sequence(struct compiler *compiler, const struct http_service *service, const uint32_t *weights,
                      size_t count, struct service *row);
uint64_t compile_ticket_identity(const struct http_service *service);

/* compile_parents.c: rows of services that are made of others. */
void compile_weighted(struct compiler *compiler, uint32_t position, struct service *row);
void compile_failover(struct compiler *compiler, uint32_t position, struct service *row);
void compile_mirroring(struct compiler *compiler, uint32_t position, struct service *row);

/* compile_health.c: that server is asked for its health. Nothing without a board, or when servers alone are compiled. */
void compile_health(struct compiler *compiler, struct http_service *service,
                    const struct server_config *server, struct board_ref word);

/* The words that failures of a server are counted in: one, and one for each that it takes to be taken out. */
struct list compile_failures(struct compiler *compiler, const struct http_service *service, struct slice url);

/* compile_sticky.c: fills the cookie of a row whose servers or children have these names (empty: it takes no clients). */
void compile_sticky(struct compiler *compiler, const struct sticky *sticky, const struct slice *names,
                    size_t count, struct service *row);

/* The services that a weighted one, or one by highest random weight, chooses from; NULL: it is neither. */
const struct weighted *service_children(const struct http_service *service);

/* What kind of service it is; NULL when this build serves it, else why not. */
const char *service_unserved(const struct http_service *service, enum service_kind *kind,
                             enum service_internal *internal);

#endif
