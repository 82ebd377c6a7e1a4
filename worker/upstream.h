/*
 * upstream.h - the way to the servers: an attempt of an exchange, connections, and the pools of idle ones.
 *
 * upstream_begin() picks a server, takes an idle connection or opens one, sends the head and then the body as it comes,
 * and feeds the response back into the exchange. A pooled connection that dies before any byte of a response is retried
 * once; a server that does not accept is passed over for the next one.
 *
 * Not here: which server (pick.h).
 */
#ifndef WEIR_WORKER_UPSTREAM_H
#define WEIR_WORKER_UPSTREAM_H

#include "worker/conn.h"
#include "worker/exchange.h"
#include "worker/pick.h"

struct upstream_pools;

void upstream_start(struct worker *worker);
void upstream_stop(struct worker *worker); /* closes all idle connections */
/* Closes up to so many idle connections, in each pool the one that waited longest first; returns how many. */
unsigned upstream_shed(struct worker *worker, unsigned most);

/* The service is known (ex->service): begins. What follows comes as exchange_* calls, maybe before this returns. */
void upstream_begin(struct exchange *ex);
/* A part of the request's body. false: backed up; exchange_want_body() comes when there is room. */
bool upstream_body(struct exchange *ex, struct slice data, bool last, const struct headers *trailers);
/* The head of the answer is there, with this status. */
void upstream_answered(struct exchange *ex, uint16_t status);
/* The client took what was sent: read on. */
void upstream_resume(struct exchange *ex);
/* Bytes of its bodies that wait here, or in the kernel, because one side or the other is slow. */
size_t upstream_held(const struct exchange *ex);
/* The connection to its server, if no other exchange is on it; else NULL. */
struct conn *upstream_conn(const struct exchange *ex);
/* Copies what is still needed of the generation. */
void upstream_unpin(struct exchange *ex);
/* The exchange wants nothing more of it: the connection is pooled if it is clean, else closed. ex->upstream is NULL. */
void upstream_release(struct exchange *ex);

#endif
