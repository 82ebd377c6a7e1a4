/*
 * headers_secure.h - allowed hosts and security headers: a part of the headers middleware.
 */
#ifndef WEIR_WORKER_MIDDLEWARE_HEADERS_SECURE_H
#define WEIR_WORKER_MIDDLEWARE_HEADERS_SECURE_H

#include "common/model/prepared.h"
#include "worker/middleware.h"

/* Hosts that are not allowed are answered, everything else passes. */
enum mw_verdict secure_request(struct exchange *ex, const struct prepared_headers *p);
void secure_response(struct exchange *ex, const struct prepared_headers *p);

#endif
