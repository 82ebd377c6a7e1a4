/*
 * headers_cors.h - cross-origin requests: the part of the headers middleware that answers browsers' questions about them.
 */
#ifndef WEIR_WORKER_MIDDLEWARE_HEADERS_CORS_H
#define WEIR_WORKER_MIDDLEWARE_HEADERS_CORS_H

#include "common/model/prepared.h"
#include "worker/middleware.h"

/* A preflight is answered, everything else passes. */
enum mw_verdict cors_request(struct exchange *ex, const struct prepared_headers *p);
/* What scripts may see of an answer. */
void cors_response(struct exchange *ex, const struct prepared_headers *p);

#endif
