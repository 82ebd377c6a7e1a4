/*
 * cookie.h - reading a client's cookies, and what stands behind the value in Set-Cookie, both as Go's net/http does it.
 *
 * Not here: which cookies there are (shm/services.h, worker/sticky.h).
 */
#ifndef WEIR_COMMON_HTTP_COOKIE_H
#define WEIR_COMMON_HTTP_COOKIE_H

#include "common/http/headers.h"

struct cookie_options {
    struct slice path, domain; /* empty: not said */
    struct slice same_site;    /* none, lax, strict in any case; anything else: not said */
    int64_t max_age;           /* seconds; 0: not said, negative: gone at once */
    bool http_only, secure;
};

/* The value of the first cookie of that name, its quotes taken off; false when there is none. The name's case counts. A
 * cookie with bytes that may not stand in one (RFC 6265 4.1.1) is passed over. *value points into the header. */
bool cookie_find(const struct headers *headers, struct slice name, struct slice *value);
/* "; Path=/; HttpOnly": bytes that may not stand in a path are left out, and a domain that is none. */
struct slice cookie_attributes(struct pool *pool, const struct cookie_options *options);
/* Whether it would be said: a host name, with or without a dot before it, or an IPv4 address. */
bool cookie_domain_valid(struct slice domain);

#endif
