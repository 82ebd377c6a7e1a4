/*
 * chain.h - running a router's middlewares: the request half in order, the response half in reverse.
 *
 * Services on the way to a server that do more than choose (failover by status) are steps of the chain as well, behind the
 * router's middlewares: they are added when the way leads there, and taken off again when the way is gone once more from
 * before.
 */
#ifndef WEIR_WORKER_CHAIN_H
#define WEIR_WORKER_CHAIN_H

#include "shm/routes.h"
#include "worker/exchange.h"

struct middleware_type;
struct set_cookie;

struct service_step {  /* in the exchange's pool */
    uint32_t position; /* in the chain */
    const struct middleware_type *type;
    const struct middleware_row *row; /* of a middleware of the service; NULL: it is the service itself */
    const struct page *page;          /* that `service` lies on; good as long as the generation is held */
    const struct service *service;
    uint32_t way;               /* the service that is next */
    bool entered;               /* its middlewares have run */
    struct set_cookie *cookies; /* what was to be set when the way came here, ... */
    unsigned cookie_count;      /* ... so many */
    struct service_step *before;
};

void chain_start(struct exchange *ex, const struct route *route);
/* The request half once more, behind ex->position. */
void chain_again(struct exchange *ex);
/* The way to a server has come to this one: its request half, then on. */
void chain_step(struct exchange *ex, const struct middleware_type *type, const struct page *page,
                const struct service *service);
/* The same for the middlewares of a service that is not the router's own; `number` is the service's. */
void chain_middlewares(struct exchange *ex, const struct page *page, const struct service *service,
                       uint32_t number);
/* The step whose hook runs: the newest, for hooks of requests; for those of responses the one at ex->position. */
struct service_step *chain_service_step(const struct exchange *ex);
/* The service that the way goes on with, behind what ran of the chain; *entered: its middlewares have run. */
uint32_t chain_way(const struct exchange *ex, bool *entered);

enum chain_result {
    CHAIN_DONE,     /* the head may go out */
    CHAIN_HELD,     /* a middleware will say when: exchange_response_resume() */
    CHAIN_ANSWERED, /* the answer was replaced and is under way or over: nothing of this one may be touched */
};
/* The rest of the response half, from ex->position on. */
enum chain_result chain_response(struct exchange *ex);
/* The middleware whose hook runs. */
const struct middleware_type *chain_current(const struct exchange *ex);

#endif
