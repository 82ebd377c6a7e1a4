/*
 * tcp_page.h - the TCP page: what entry points serve beside HTTP, how TCP services reach their servers, TCP middlewares.
 *
 * The routers themselves lie on a routes page of their own (PAGE_TCP_ROUTES, routes.h); their services beside those of HTTP
 * on the services pages, where they have the last numbers: from the first one on each has a way here.
 */
#ifndef WEIR_SHM_TCP_PAGE_H
#define WEIR_SHM_TCP_PAGE_H

#include "shm/page.h"
#include "shm/tables.h"

enum tcp_point {                         /* bits: what there is on an entry point */
                 TCP_PLAIN = 1 << 0,     /* TCP routers for connections without TLS */
                 TCP_TLS = 1 << 1,       /* TCP routers for those with TLS */
                 TCP_HTTPS = 1 << 2,     /* HTTP routers with TLS */
                 TCP_HTTPS_ALL = 1 << 3, /* at least one of those names no host */
};
#define TCP_ROUTERS (TCP_PLAIN | TCP_TLS)

struct tcp_way {               /* stored as it is given: how the servers of a service are reached */
    int64_t dial_timeout;      /* ns, 0: none */
    int64_t keep_alive;        /* ns between probes; negative: none are sent */
    int64_t termination_delay; /* ns that one side may go on when the other has ended; negative: for ever */
    uint32_t proxy_protocol;   /* version of the header that goes first; 0: none does */
    uint32_t tls;              /* settings for those servers that speak TLS: server_tls_at() */
};

enum tcp_middleware_kind { TCP_IP_LIST, TCP_IN_FLIGHT_CONN, TCP_MIDDLEWARE_KINDS };

struct tcp_middleware_row { /* stored */
    struct slice name;
    struct slice allowed; /* TCP_IP_LIST: ranges (common/net/ranges.h) */
    int64_t amount;       /* TCP_IN_FLIGHT_CONN: connections of a source at the same time */
    struct table_ref table;
    uint32_t kind, unused;
};

struct tcp_page_input {
    const uint8_t *points; /* enum tcp_point, by entry point */
    size_t point_count;
    const struct tcp_way *ways;
    size_t way_count;
    uint32_t first_service; /* whose way is the first */
    const struct tcp_middleware_row *middlewares;
    size_t middleware_count;
};

void tcp_page_build(struct page_builder *builder, const struct tcp_page_input *input);
int tcp_page_check(const struct page *page, struct error *why);

/* enum tcp_point; 0 when the page does not know the entry point. */
unsigned tcp_point_flags(const struct page *page, uint32_t entry_point);
const struct tcp_way *tcp_way_of(const struct page *page, uint32_t service); /* NULL: it is no TCP service */
uint32_t tcp_middlewares_count(const struct page *page);
const struct tcp_middleware_row *tcp_middleware_at(const struct page *page, uint32_t number);

#endif
