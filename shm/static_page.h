/*
 * static_page.h - the static page: what workers need of the static configuration, entry points by number.
 */
#ifndef WEIR_SHM_STATIC_PAGE_H
#define WEIR_SHM_STATIC_PAGE_H

#include "common/model/static.h"
#include "common/net/addr.h"
#include "shm/page.h"

struct entry_point_row { /* stored */
    struct slice name;
    struct entry_point config; /* packed by its schema */
    struct list trusted;       /* struct cidr: forwardedHeaders.trustedIPs */
    struct slice proxies;      /* ranges.h: proxyProtocol.trustedIPs */
    bool proxy_protocol, proxy_insecure;
    uint16_t port;   /* of the address; for X-Forwarded-Port and redirects */
    bool internal;   /* the implicit "traefik" one */
    bool acme_taken; /* acme-tls/1 is asked of weir itself, no router gets it */
};

struct static_root {
    struct list entry_points; /* struct entry_point_row, sorted by name; their numbers are used everywhere */
    struct slice host_name;   /* for X-Forwarded-Server */
    uint32_t log_level;       /* enum log_level */
    uint32_t log_format;
    uint32_t stopping_status; /* of /ping while weir stops */
};

struct entry_point_input {
    struct slice name;
    const struct entry_point *config;
    const struct cidr *trusted;
    size_t trusted_count;
    struct slice proxies; /* ranges.h */
    uint16_t port;
    bool internal, acme_taken;
};

/* root: all but its entry points, which are made of the rows; texts are copied. */
void static_page_build(struct page_builder *builder, const struct entry_point_input *rows, size_t count,
                       const struct static_root *root);
int static_page_check(const struct page *page, struct error *why);
uint32_t entry_points_count(const struct page *page);
const struct entry_point_row *entry_points_at(const struct page *page, uint32_t number);

#endif
