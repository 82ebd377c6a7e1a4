/*
 * services.h - the services pages: load balancers with their servers, weighted services.
 *
 * A change of one endpoint rewrites the page that its service is on and no other (I3), so services are dealt out to
 * pages by a hash of their names: who comes or goes moves only those behind it on its page. Rows are referred to by number,
 * 2^shift of which belong to a page, however few it has. Services of TCP, which come and go with all else, lie on the pages
 * behind. Each load balancer and weighted service has the smooth weighted sequence compiled in and a ticket on the board: a
 * pick is one fetch-add (I7). Names of servers were resolved by the master: a server row has its addresses.
 */
#ifndef WEIR_SHM_SERVICES_H
#define WEIR_SHM_SERVICES_H

#include "common/model/dynamic.h"
#include "common/model/strategies.h"
#include "common/net/addr.h"
#include "shm/board.h"
#include "shm/page.h"

enum service_kind {
    SERVICE_LOAD_BALANCER,
    SERVICE_WEIGHTED,
    SERVICE_FAILOVER,  /* children: the one that answers while it is well, then the fallback */
    SERVICE_MIRRORING, /* children: the one that answers, then the mirrors, of weights that are percents */
    SERVICE_INTERNAL
};
enum service_internal {
    INTERNAL_NONE,
    INTERNAL_PING,
    INTERNAL_READY,
    INTERNAL_NOOP /* 418, used by redirections */
};

/* The word of a server's health. Anything else: it is down until that time (monotonic, ns). */
enum health_word { HEALTH_UP, HEALTH_DOWN };

/* The word of since: when a server was new, beside others that were not, or up again. */
#define SINCE_EVER 1u

struct server_address {
    struct address address; /* with port */
    uint32_t target;        /* its place in shm/targets.h; 0: none, nobody can connect to it */
};

struct server {            /* stored */
    struct slice url;      /* as in the configuration */
    struct slice scheme;   /* "http", "https" or "h2c" (others are refused by the compiler) */
    uint32_t weight;       /* 0: it takes nobody new (fenced, or without a share) */
    struct slice host;     /* for the Host header: host or host:port as in the URL */
    struct slice path;     /* of the URL, used with preserve_path */
    struct list addresses; /* struct server_address; empty while a name has not been resolved */
    uint64_t identity; /* hash of what the pool of idle connections belongs to (scheme, address, transport) */
    struct board_ref health; /* enum health_word, or a time; slot 0 where nobody looks after its health */
    struct board_ref
        since; /* its word: when it was new or up again (monotonic, ns); slot 0 without slow_start */
    struct list failures; /* struct board_ref: what worker/passive.c counts in; empty: it does not */
    struct board_ref
        load; /* counts requests under way (board_load()); its word: nanoseconds to the first byte on
                              average, 0: not known. Only where the strategy asks */
    bool preserve_path;
    bool tls; /* of https */
    bool h2c; /* HTTP/2 from the first byte on, without TLS */
};

struct service_child { /* stored */
    struct slice name; /* as the parent calls it */
    uint32_t service;
    uint32_t weight;
    uint32_t watched; /* 1: it gets nothing while it is down (services_up()) */
    uint32_t unused;
};

struct sticky_value { /* stored: what a client's cookie may hold */
    uint64_t
        hash; /* sticky_hash() of it: the value itself is not needed, and who guesses one chose a server */
    uint32_t position; /* in servers or children */
    uint32_t outdated; /* 1: a form of earlier releases; the client gets the one of today */
};

struct service { /* stored */
    struct slice name;
    enum service_kind kind;
    enum service_internal internal;
    enum service_strategy strategy;
    struct list servers;  /* struct server */
    struct list children; /* struct service_child */
    struct list
        sequence; /* uint16_t positions in servers or children: the smooth order, repeated for ever; not of STRATEGY_HRW */
    struct board_ref
        ticket;          /* slot 0 where the sequence has less than two entries: there is nothing to choose */
    struct slice cookie; /* name of the cookie that keeps a client where it is; empty: there is none */
    struct list cookies; /* struct slice: what Set-Cookie says, by position */
    struct list sticky_values; /* struct sticky_value, by hash; none of who takes no clients at all */
    bool pass_host_header;
    uint32_t transport;     /* number in transports */
    struct slice statuses;  /* struct status_range: answers of the first child that the second one replaces */
    int64_t failure_window; /* ns: failures of a server in it take it out, for as long */
    int64_t slow_start;     /* ns: so long the shares of servers grow; 0: they have all at once */
    bool checked;           /* somebody asks the servers too: who was taken out waits for that */
    bool mirror_body;
    struct list middlewares; /* uint32_t: they run where the service is not the router's own */
    int64_t body_most;       /* bytes of a request that is kept to be sent twice; -1: no bound */
};

struct services_root {
    struct list services; /* struct service */
    uint32_t first;       /* number of the first one on this page */
    uint32_t shift;
    uint32_t pages; /* of the whole */
    uint32_t unused;
};

/* ---- building: rows in native form (pointers), copied into the page ---- */
/* How many pages for so many services that are dealt out by name: a power of two, 64 to 128 usual ones on each (about 40 KiB) as
 * long as SERVICES_DEALT_MOST will do; at least 1. */
#define SERVICES_DEALT_MOST 128u
#define SERVICES_SHIFT_LEAST 9u /* so unevenly no names are dealt out but on purpose */
uint32_t services_pages(size_t service_count);
uint32_t services_page_of(struct slice name, uint32_t pages);
/* So that the fullest page has room, and one that is in order no more than PAGE_SERVICES_MOST - SERVICES_DEALT_MOST. */
unsigned services_shift(size_t fullest, size_t in_order);
/* `services` are those of the page only, which is one of so many. */
void services_build(struct page_builder *builder, uint32_t first, unsigned shift, uint32_t pages,
                    const struct service *services, size_t count);

/* The addresses on a page that is being built, one after the other; NULL: that were all. Begins with all zero but the
 * builder. What is given dies with the next builder_alloc(). */
struct services_cursor {
    struct page_builder *builder;
    size_t service, server, address;
};
struct server_address *services_next_address(struct services_cursor *cursor);

/* Smooth weighted order by nginx's method: weights divided by their gcd, at most 65,536 entries (larger sums are
 * scaled down, no positive weight below one entry). Zero weights never appear. Returns the number of entries. */
size_t smooth_sequence(struct pool *pool, const uint32_t *weights, size_t count, uint16_t **out);

uint64_t sticky_hash(struct slice value);

/* ---- reading ---- */
struct services { /* all of a generation */
    struct page *const *pages;
    uint32_t page_count, count; /* every number is less, and not all that are less are there */
    unsigned shift;
};

/* Everything that can be said of one page alone. */
int services_check(const struct page *page, struct error *why);
/* Pages that were checked become one whole: in order, none missing, children and transports exist, no circles. `pages`
 * is kept, not copied; nothing is owned. before: a good whole with no more transports, whose pages, where they are the
 * same ones, need not be looked at again; may be NULL. */
int services_link(struct page *const *pages, size_t page_count, uint32_t transport_count,
                  const struct services *before, struct services *out, struct error *why);
/* Whether every number that is there in `before` is there in `now`. */
bool services_cover(const struct services *now, const struct services *before);
/* NULL when there is none; *page is the one it lies on, for its texts and lists. */
const struct service *services_at(const struct services *services, uint32_t number, const struct page **page);
/* Whether a server takes requests at `now_ns`, by what the board knows of its health. */
bool services_server_up(struct board *board, const struct server *server, int64_t now_ns);
/* What part of its share a server has while it starts slowly: the part of slow_start that has passed since it was new or up
 * again, from 0.01 to 1. */
double services_server_part(struct board *board, const struct server *server, int64_t slow_start,
                            int64_t now_ns);
/* services_server_up() of a whole service: any server, any child. Looks at no more than a bounded number of them, and then
 * says that it is up. */
bool services_up(const struct services *services, uint32_t number, struct board *board, int64_t now_ns);
/* Whom the value of a client's cookie stands for; NULL: nobody. */
const struct sticky_value *services_sticky(const struct page *page, const struct service *service,
                                           struct slice value);

#endif
