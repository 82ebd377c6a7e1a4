/*
 * chain.h - running a router's middlewares: the request half in order, the response half in reverse.
 */
#ifndef WEIR_WORKER_CHAIN_H
#define WEIR_WORKER_CHAIN_H

#include "shm/routes.h"
#include "worker/exchange.h"

struct middleware_type;

void chain_start(struct exchange *ex, const struct route *route);
/* The request half once more, behind ex->position. */
void chain_again(struct exchange *ex);

enum chain_result {
    CHAIN_DONE,     /* the head may go out */
    CHAIN_HELD,     /* a middleware will say when: exchange_response_resume() */
    CHAIN_ANSWERED, /* the answer was replaced and is under way or over: nothing of this one may be touched */
};
/* The rest of the response half, from ex->position on. */
enum chain_result chain_response(struct exchange *ex);
/* The middleware whose hook runs. */
const struct middleware_type *chain_current(const struct exchange *ex);

/* exchange.c's, called by the chain, by filters and by services */
/* The child router for the request as it is now, which becomes its route; NULL: there is none and that was answered. */
const struct route *exchange_descend(struct exchange *ex, uint32_t layer);
void exchange_serve(struct exchange *ex);
void exchange_respond(struct exchange *ex);
bool exchange_give_request(struct exchange *ex, struct slice data, bool last, const struct headers *trailers);
bool exchange_give_response(struct exchange *ex, struct slice data);
void exchange_finish_response(struct exchange *ex, const struct headers *trailers);

/* answer.c: as Go's server answers what it cannot read; the connection closes behind it. */
int exchange_answer_close(struct exchange *ex, uint16_t status, enum reason reason);

#endif
