/*
 * url.h - the URL of a server, taken apart.
 */
#ifndef WEIR_MASTER_COMPILE_URL_H
#define WEIR_MASTER_COMPILE_URL_H

#include "common/base/error.h"
#include "common/base/pool.h"
#include "common/net/addr.h"

struct server_url {         /* slices point into the text */
    struct slice scheme;    /* as written */
    struct slice authority; /* host and port as written, without user information: the Host header */
    struct slice host;      /* without brackets */
    struct slice path;      /* from the first slash, as written; may be empty */
    uint16_t port;          /* default of the scheme when not written: 443 for https, else 80 */
    struct address literal; /* family 0: host is a name */
    bool has_user, has_query;
};

int server_url_parse(struct slice text, struct server_url *out, struct error *why);
/* Of one that is no good: Go cannot read it either, so Traefik refuses the whole service (else only this server fails there). */
bool server_url_is_malformed(struct slice text);
/* The same of one that weir itself asks: http or https, without a user; it may have a query. */
int server_url_to_ask(struct slice text, struct server_url *out, struct error *why);
/* Its path as Go sends it: blanks and letters of any kind are escaped. From the pool, or the path itself. */
struct slice server_url_sent_path(struct pool *pool, struct slice path);

#endif
