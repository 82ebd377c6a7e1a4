/*
 * transports.h - the transports page: how servers are spoken to (time-outs, idle connections, TLS), by number.
 */
#ifndef WEIR_SHM_TRANSPORTS_H
#define WEIR_SHM_TRANSPORTS_H

#include "shm/server_tls.h"

struct transport { /* stored */
    struct slice name;
    int64_t dial_timeout, response_header_timeout, idle_conn_timeout; /* ns, 0 none */
    int64_t
        max_idle_conns_per_host; /* never 0: the compiler applies the default of 200; negative: none is kept */
    uint64_t identity;           /* of all of it, TLS included: what idle connections may be shared by */
    uint32_t tls;                /* number of the settings for servers of https: server_tls_at() */
    uint32_t http1_only;         /* 1: HTTP/2 is never offered (disableHTTP2) */
    int64_t read_idle_timeout,
        ping_timeout;     /* of HTTP/2, ns: silence before a PING (0: none is sent), and before its answer */
    int64_t send_timeout; /* ns in which a server takes nothing of a request; 0 none */
};

/* Rows in native form, copied into the page; number 0 is the default one. tls: the settings that they name, and those of others
 * who speak TLS to servers; NULL: none. */
void transports_build(struct page_builder *builder, const struct transport *transports, size_t count,
                      const struct server_tls_input *tls);

int transports_check(const struct page *page, struct error *why);
uint32_t transports_count(const struct page *page);
const struct transport *transports_at(const struct page *page, uint32_t number); /* NULL when out of range */
const struct server_tls_root *transports_tls(const struct page *page);

#endif
