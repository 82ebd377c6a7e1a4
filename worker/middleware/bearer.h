/*
 * bearer.h - where clients put keys and tokens: a header, the query.
 */
#ifndef WEIR_WORKER_MIDDLEWARE_BEARER_H
#define WEIR_WORKER_MIDDLEWARE_BEARER_H

#include "worker/exchange.h"

/* The value of that header; with a scheme, what stands behind that word. False: there is none, or it is empty. An empty
 * name: false. */
bool bearer_of_header(const struct exchange *ex, struct slice name, struct slice scheme, struct slice *out);
/* The first value of a parameter of the query, decoded, in the exchange's pool. */
bool bearer_of_query(struct exchange *ex, struct slice name, struct slice *out);

#endif
