/*
 * chain.h - running a router's middlewares: the request half in order, the response half in reverse, the end.
 */
#ifndef WEIR_WORKER_CHAIN_H
#define WEIR_WORKER_CHAIN_H

#include "shm/routes.h"
#include "worker/exchange.h"

void chain_start(struct exchange *ex, const struct route *route);
void chain_response(struct exchange *ex);
void chain_done(struct exchange *ex);
/* The response half has run: is nothing left to do for the chain? Then it is forgotten. */
bool chain_release(struct exchange *ex);

/* exchange.c's, called by the chain and by services */
void exchange_serve(struct exchange *ex);
void exchange_respond(struct exchange *ex);

/* answer.c: as Traefik's services answer: the text and no header about it. */
int exchange_answer_plain(struct exchange *ex, uint16_t status, enum reason reason, struct slice body);
/* As Go's server answers what it cannot read; the connection closes behind it. */
int exchange_answer_close(struct exchange *ex, uint16_t status, enum reason reason);

#endif
