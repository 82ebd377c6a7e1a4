/*
 * forwarded.h - what a request says about where it came from: X-Forwarded-*, X-Real-Ip, and fields of one hop only.
 */
#ifndef WEIR_WORKER_FORWARDED_H
#define WEIR_WORKER_FORWARDED_H

#include "worker/exchange.h"

/* At the entry point, before routing: fields of peers that are not trusted go, ours are set, what Connection names goes. */
void forwarded_apply(struct exchange *ex);
/* The client's address as text, without port; made once. */
struct slice forwarded_client(struct exchange *ex);
/* Before the request leaves: the client's address behind what X-Forwarded-For holds. */
void forwarded_append_client(struct exchange *ex);
/* ';' in a query: encoded or taken for '&', by the entry point's option. False: over the pool's bound. */
bool query_semicolons(struct exchange *ex);

#endif
