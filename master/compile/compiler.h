/*
 * compiler.h - what the files of the compiler share: the plan that is made before any page is written.
 *
 * First every router that gets in marks what it uses (plan.c, plan_uses.c), then what is marked gets its number, in order of
 * names, then the pages are written (compile.c, compile_services.c).
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

struct tcp_plan {             /* one TCP router that gets in */
    uint32_t router, service; /* positions in the model's arrays */
    uint32_t *chain;          /* numbers of middlewares in the TCP page */
    uint32_t chain_count;
    const uint32_t *entry_points;
    size_t entry_point_count;
};

struct server_tls_compile; /* compile_server_tls.c */
struct secrets_chosen;
struct keypair;

/* What a user asks of TLS towards servers, whoever they are servers of. */
struct server_tls_wish {
    struct slice server_name, min_version, max_version, peer_cert_uri;
    struct list root_cas, cipher_suites; /* struct slice; root_cas empty: the system's */
    struct list certificates;            /* struct tls_certificate_file */
    struct list sans;                    /* struct peer_cert_san */
    bool insecure, spiffe;
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
    struct names *names;
    struct vault *vault; /* of the compile under way */
    uint64_t generation;
    struct pool *pool;    /* dies with the compile */
    struct pool *kept;    /* what is needed of it afterwards: numbers, names, ... */
    struct pool *lasting; /* ... transports and whose health is asked, which compile_patch() hands on */
    const struct element **service_elements; /* kept: by row */
    uint64_t middleware_sum;                 /* of middleware_rows, and the numbers of whom they ask */
    uint64_t chains_sum;                     /* of service_chains */
    uint64_t tls_only_sum;                   /* compile_tls_only_sum() */
    bool doubts; /* something that resolve let pass could not be served: what it is may depend on others */
    bool noted;  /* an element has got an error by this compile that it did not have before */

    struct name_index services, middlewares, transports;
    uint8_t *service_states; /* enum service_state, by position */
    uint32_t *
        service_orders; /* by position: a child is used only by a parent of higher order, so never in a circle */
    uint32_t service_order;
    struct service_chain *service_chains;       /* by position */
    uint32_t *service_numbers;                  /* by position: number in the page or NUMBER_NONE */
    uint32_t *service_positions;                /* by row: they lie one behind the other, page after page */
    uint32_t *service_firsts;                   /* by page: its first row; in the end, how many there are */
    unsigned service_shift;                     /* numbers of a page */
    uint32_t service_pages, http_service_pages; /* those of TCP are behind those of HTTP */
    struct middleware_use *middleware_rows; /* by number; those of one middleware stand behind each other */
    uint8_t *transport_used;
    uint32_t *transport_numbers;
    uint32_t middleware_count, transport_count; /* that are used; transports with the default one */
    const struct transport *transport_rows;
    struct server_tls_compile *server_tls;
    struct secrets_chosen *secrets; /* lasting: compile_secrets.h */
    bool system_wanted; /* somebody speaks TLS to servers: the system's authorities must be there, ... */
    bool system_there;  /* ... and are, on the pages of the last compile_model() */

    uint32_t tcp_service_count;
    struct name_index tcp_services;
    uint8_t *tcp_states;   /* enum service_state, by position in the model's array */
    uint32_t *tcp_orders;  /* as service_orders */
    uint32_t *tcp_numbers; /* by position; NUMBER_NONE: not used */
    struct tcp_plan *tcp_plans;
    size_t tcp_plan_count;
    const struct tcp_middleware_row *tcp_middlewares; /* by number */
    uint32_t tcp_middleware_count;
    const struct tcp_way *tcp_ways;            /* of each service in the order of numbers */
    const struct tls_options_row *tls_options; /* as on the TLS page, once that is made */
    size_t tls_option_count;

    const struct servers_change *changes; /* what is not in the model yet */
    size_t change_count;
    struct health_target *health; /* kept */
    size_t health_count, health_capacity;

    uint32_t *denied; /* by entry point */
    struct plan *plans;
    size_t plan_count, plan_capacity;
    uint32_t layer_count;
};

/* lookup.c */
void name_index_make(struct pool *pool, struct name_index *index, void *elements, size_t count);
/* `name` as it is, else, without a provider of its own, with `provider`. NUMBER_NONE when there is none. */
uint32_t name_find(const struct compiler *compiler, const struct name_index *index, struct slice name,
                   struct slice provider);

/* Puts an error on an element unless it has the very same one. */
void compile_note(struct compiler *compiler, struct element *element, bool critical, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* compile.c */
void compile_routes(struct compiler *compiler, struct page_builder *builder);
struct compiler *compiler_new(const struct static_config *config, struct model *model, struct board *board,
                              uint64_t generation, struct names *names);
void compiler_strip(struct compiler *compiler); /* what only the compile needed */

/* plan.c: fills plans, states, what is used, and all numbers. */
void plan_all(struct compiler *compiler);

/* plan_services.c: numbers of the services that are used, of HTTP and TCP, and how they are dealt out to pages. */
void plan_services(struct compiler *compiler);
/* The first of TCP. */
uint32_t plan_tcp_first(const struct compiler *compiler);

/* plan_points.c: the number of an entry point in the static page, or NUMBER_NONE. */
uint32_t entry_point_number(const struct map *entry_points, struct slice name);
/* Numbers of the router's entry points, ascending, each once, in the pool of the compile; returns how many. */
size_t plan_entry_points(struct compiler *compiler, struct element *router, const struct list *entry_points,
                         uint32_t **out);
/* What each entry point refuses in a path, as bits in the order of struct encoded_characters: compiler->denied. */
void plan_denied(struct compiler *compiler);

/* compile_server_tls.c: adds settings and returns their number for server_tls_at(); before the pages of transports and secrets
 * are made. Who speaks TLS to servers sets compiler->system_wanted too. What is wrong is an error on `owner`. */
uint32_t compile_server_tls(struct compiler *compiler, struct element *owner,
                            const struct server_tls_wish *wish);
/* Only says what is wrong with settings that nobody uses: they get no number. */
void compile_server_tls_check(struct compiler *compiler, struct element *owner,
                              const struct server_tls_wish *wish);
uint64_t compile_server_tls_identity(struct compiler *compiler, uint32_t number);
/* All of them, for the page; owner: who is told that the system's authorities cannot be read. */
struct server_tls_input compile_server_tls_input(struct compiler *compiler, struct element *owner);
/* Their client certificates: the first ones of the secrets page, in this order. */
const struct keypair **compile_client_pairs(const struct compiler *compiler, size_t *count);

/* compile_transports.c: the rows, before services; the page, after all who speak TLS to servers. */
void compile_transport_rows(struct compiler *compiler);
void compile_transports(struct compiler *compiler, struct page_builder *builder);

/* compile_tls.c, compile_secrets.c: after the plan, between vault_begin() and vault_end(). The builder is the caller's;
 * the secrets page and all those of certificates go to `out`. */
struct page_builder *compile_tls(struct compiler *compiler, struct vault *vault);
void compile_secrets(struct compiler *compiler, struct vault *vault, struct compiled *out);

/* Which entry points serve TLS alone: that stands on the TLS page too. */
uint64_t compile_tls_only_sum(struct compiler *compiler);

/* compile_tcp.c: which TCP routers get in, with numbers for what they use behind the services of HTTP; the row of such a
 * service. compile_tcp_pages.c: how its servers are reached, before the transports page is made; when the TLS page is, the
 * two pages of TCP. */
void tcp_plan_all(struct compiler *compiler);
void tcp_service_row(struct compiler *compiler, uint32_t position, struct service *row);
void tcp_ways_make(struct compiler *compiler);
void compile_tcp(struct compiler *compiler, struct compiled *out);

/* compile_services.c: the addresses of a host as server_address, none while its name is not known; a smooth sequence of the
 * weights with its ticket. */
struct list compile_addresses(struct compiler *compiler, struct slice host, const struct address *literal,
                              uint16_t port);
void compile_sequence(struct compiler *compiler, struct slice service, const uint32_t *weights, size_t count,
                      struct service *row);
uint32_t compile_weight(struct opt_int weight);

/* compile_middlewares.c: numbers for what the plans' chains name, and the page. */
void middlewares_number(struct compiler *compiler);
int compile_middlewares(struct compiler *compiler, struct page_builder *builder, struct error *why);

/* The word on the board of that identity; none without a board. */
struct board_ref compile_word(struct compiler *compiler, uint64_t identity);

/* compile_services.c: the rows of everything used, into pages of their own, which it makes; sets their number. */
void compile_services(struct compiler *compiler, struct compiled *out);
struct page_builder *compile_services_page(struct compiler *compiler, size_t page);

/* compile_udp.c: routes and services of UDP, apart from all others. The builder is the caller's. */
struct page_builder *compile_udp(struct compiler *compiler);

#define POSITIONS_MOST 65536u /* of servers or children: positions in a sequence have 16 bits */

/* What its ticket is known by. */
uint64_t compile_ticket_identity(const struct http_service *service);

/* compile_parents.c: rows of services that are made of others. */
void compile_weighted(struct compiler *compiler, uint32_t position, struct service *row);
void compile_failover(struct compiler *compiler, uint32_t position, struct service *row);
void compile_mirroring(struct compiler *compiler, uint32_t position, struct service *row);

/* compile_health.c: that server is asked for its health. Nothing without a board, or when servers alone are compiled. */
void compile_health(struct compiler *compiler, struct http_service *service,
                    const struct server_config *server, const struct server *row);

/* The same of a TCP server whose service has a health check; its word. */
struct board_ref compile_tcp_health(struct compiler *compiler, struct tcp_service *service,
                                    const struct tcp_server *server);

/* The words that failures of a server are counted in: one, and one for each that it takes to be taken out. */
struct list compile_failures(struct compiler *compiler, const struct http_service *service, struct slice url);

/* compile_sticky.c: fills the cookie of a row whose servers or children have these names (empty: it takes no clients). */
void compile_sticky(struct compiler *compiler, const struct sticky *sticky, const struct slice *names,
                    size_t count, struct service *row);

/* plan_uses.c: the services that a weighted one, or one by highest random weight, chooses from; NULL: it is neither. */
const struct weighted *service_children(const struct http_service *service);

/* What kind of service it is; NULL when this build serves it, else why not. */
const char *service_unserved(const struct http_service *service, enum service_kind *kind,
                             enum service_internal *internal);

#endif
