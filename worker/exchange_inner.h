/*
 * exchange_inner.h - between the files of the exchange and those it goes through.
 *
 *   exchange_begin.c  a complete head -> its router, or the refusal
 *   chain*            the router's middlewares, both halves: chain.h
 *   exchange.c        bodies, who answers, the answer on its way out, the end
 *   exchange_kept.c   what middlewares keep and owe; the request once more
 *   answer.c          answers of weir's own
 *
 * For chain, filters and services. What middlewares, codecs and the upstream's side may call stands in exchange.h.
 */
#ifndef WEIR_WORKER_EXCHANGE_INNER_H
#define WEIR_WORKER_EXCHANGE_INNER_H

#include "worker/exchange.h"
#include "worker/held.h"

struct route;

/* ---- exchange_begin.c ---- */
/* The child router for the request as it is now, which becomes its route; NULL: there is none and that was answered. */
const struct route *exchange_descend(struct exchange *ex, uint32_t layer);

/* ---- exchange.c ---- */
/* The chain let the request through: on to a server. */
void exchange_serve(struct exchange *ex);
/* An answer of weir's own is complete in ex->response: instead of whoever else would have answered it goes the way of all
 * answers. The exchange may be over afterwards. */
void exchange_respond(struct exchange *ex);
/* Behind the last filter: to the server, to the client. false: backed up, as in exchange.h. */
bool exchange_give_request(struct exchange *ex, struct slice data, bool last, const struct headers *trailers);
bool exchange_give_response(struct exchange *ex, struct slice data);
void exchange_finish_response(struct exchange *ex, const struct headers *trailers);

/* ---- exchange_kept.c ---- */
/* Runs, and forgets, what the middlewares from this position of the chain on owe at the end. */
void exchange_undo(struct exchange *ex, uint32_t position);
/* What they owe at the answer. */
void exchange_undo_answer(struct exchange *ex);
/* Its counts go to what outlives it. */
void exchange_hand_over(struct exchange *ex, struct held *held);

/* ---- answer.c ---- */
/* As Go's server answers what it cannot read; the connection closes behind it. */
int exchange_answer_close(struct exchange *ex, uint16_t status, enum reason reason);

#endif
