/*
 * h1_response.h - reading a server's HTTP/1 response; see h1_response.c.
 */
#ifndef WEIR_WORKER_H1_RESPONSE_H
#define WEIR_WORKER_H1_RESPONSE_H

#include "worker/upstream_inner.h"

/* A request is on its way: the next bytes are the head of its response. */
void h1_response_expect(struct upstream_exchange *ux);
void h1_response_read(struct upstream_exchange *ux);

#endif
