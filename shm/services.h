/*
 * services.h - the services page: load balancers with their servers, weighted services, servers transports.
 *
 * Rows are referred to by number. Each load balancer and weighted service has the smooth weighted sequence compiled in
 * and a ticket on the board: a pick is one fetch-add (I7). Names of servers were resolved by the master: a server row
 * has its addresses.
 */
#ifndef WEIR_SHM_SERVICES_H
#define WEIR_SHM_SERVICES_H

#include "common/model/dynamic.h"
#include "common/net/addr.h"
#include "shm/board.h"
#include "shm/page.h"

enum service_kind { SERVICE_LOAD_BALANCER, SERVICE_WEIGHTED, SERVICE_INTERNAL };
enum service_internal {
    INTERNAL_NONE,
    INTERNAL_PING,
    INTERNAL_READY,
    INTERNAL_NOOP /* 418, used by redirections */
};

struct server {            /* stored */
    struct slice url;      /* as in the configuration */
    struct slice scheme;   /* "http" (others are refused by the compiler until they are served) */
    struct slice host;     /* for the Host header: host or host:port as in the URL */
    struct slice path;     /* of the URL, used with preserve_path */
    struct list addresses; /* struct address with port; empty while a name has not been resolved */
    uint64_t identity; /* hash of what the pool of idle connections belongs to (scheme, address, transport) */
    struct board_ref health; /* word: 0 up, 1 down; slot 0 (always up) where nobody looks after its health */
    bool preserve_path;
};

struct service_child {
    uint32_t service;
    uint32_t weight;
};

struct service { /* stored */
    struct slice name;
    enum service_kind kind;
    enum service_internal internal;
    struct list servers;  /* struct server */
    struct list children; /* struct service_child */
    struct list sequence; /* uint16_t positions in servers or children: the smooth order, repeated for ever */
    struct board_ref
        ticket; /* slot 0 where the sequence has less than two entries: there is nothing to choose */
    bool pass_host_header;
    int64_t flush_interval; /* ns; negative: at once */
    uint32_t transport;     /* number in transports */
};

struct transport { /* stored */
    struct slice name;
    int64_t dial_timeout, response_header_timeout, idle_conn_timeout; /* ns, 0 none */
    int64_t
        max_idle_conns_per_host; /* never 0: the compiler applies the default of 200; negative: none is kept */
};

struct services_root {
    struct list services;   /* struct service */
    struct list transports; /* struct transport; number 0 is the default one */
};

/* ---- building: rows in native form (pointers), copied into the page ---- */
void services_build(struct page_builder *builder, const struct service *services, size_t service_count,
                    const struct transport *transports, size_t transport_count);

/* Smooth weighted order by nginx's method: weights divided by their gcd, at most 65,536 entries (larger sums are
 * scaled down, no positive weight below one entry). Zero weights never appear. Returns the number of entries. */
size_t smooth_sequence(struct pool *pool, const uint32_t *weights, size_t count, uint16_t **out);

/* ---- reading ---- */
int services_check(const struct page *page, struct error *why);
uint32_t services_count(const struct page *page);
const struct service *services_at(const struct page *page, uint32_t number); /* NULL when out of range */
const struct transport *transports_at(const struct page *page, uint32_t number);

#endif
