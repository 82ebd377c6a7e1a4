/*
 * forwarded.h - what a request says about where it came from: X-Forwarded-*, X-Real-Ip, and fields of one hop only.
 */
#ifndef WEIR_WORKER_FORWARDED_H
#define WEIR_WORKER_FORWARDED_H

#include "worker/exchange.h"

/* At the entry point, before routing: fields of peers that are not trusted go, ours are set, what Connection names goes. */
void forwarded_apply(struct exchange *ex);
/* A field that tells where a request comes from, in any spelling. */
bool forwarded_managed(const struct header *item);
/* The client's address without its port. */
struct slice forwarded_client(struct exchange *ex);
/* The port that the client asked for: of Host, else by the scheme; proto: what X-Forwarded-Proto says. */
struct slice forwarded_port(const struct exchange *ex, struct slice proto);
/* Before the request leaves: the client's address behind what X-Forwarded-For holds. */
void forwarded_append_client(struct exchange *ex);
/* ';' in a query: encoded or taken for '&', by the entry point's option. False: over the pool's bound. */
bool query_semicolons(struct exchange *ex);

#endif
