/*
 * pick.h - which server of a service: the one that the client's cookie names, else as the service's strategy says: smooth
 * weighted round robin by the ticket on the board (I7), or what the board knows of the servers' load.
 *
 * A choice in a sticky service is told the client: what Set-Cookie says is kept with the exchange (sticky.h) until its
 * response goes out, outer services first.
 */
#ifndef WEIR_WORKER_PICK_H
#define WEIR_WORKER_PICK_H

#include "shm/services.h"

struct exchange;
struct worker;
struct set_cookie;

#define PICK_NUMBER_NONE UINT32_MAX
#define PICK_ATTEMPTS 16 /* different servers tried for one request, at most */

struct pick {
    const struct page *page;       /* that `service` lies on */
    const struct service *service; /* the load balancer that was reached */
    const struct server *server;
    uint64_t ticket;                /* of that load balancer; a retry walks on from it without drawing one */
    bool drawn;                     /* there is a ticket: a client that sticks to its server needs none */
    _Atomic uint32_t *load;         /* where this request is counted as under way; NULL: nowhere */
    struct set_cookie *cookie;      /* that is set for this server; NULL: none is */
    uint32_t walked;                /* places passed over so far */
    uint16_t failed[PICK_ATTEMPTS]; /* positions of servers that did not accept */
    uint16_t failed_count;
    uint16_t position; /* of server */
    uint32_t number;   /* of `service`, whose middlewares are to run, or of TCP; else PICK_NUMBER_NONE */
};

enum pick_result {
    PICK_SERVER,
    PICK_INTERNAL,
    PICK_NONE,
    PICK_DOWN, /* a failover service with nobody to fail over to */
    PICK_STEP  /* a service that does more than choosing: chain_step(), then on from there */
};

/* Walks down weighted and failover services to a server that is up. PICK_INTERNAL, PICK_STEP: pick->service says which.
 * entered: middlewares of service `number` have run. */
enum pick_result pick_server(struct exchange *ex, const struct services *services, uint32_t number,
                             bool entered, struct pick *pick);
/* The request that is counted there is no longer under way; *load is NULL then. Harmless twice. */
void pick_leave(_Atomic uint32_t **load);
/* The first byte of the answer came after so many nanoseconds. */
void pick_answered(struct worker *worker, const struct pick *pick, int64_t took_ns);
/* Passes over pick->server: the next one that is up and has not been tried; false when there is none left. */
bool pick_next(struct exchange *ex, struct pick *pick);

/* The next turn of a service: one count for all workers (I7). */
uint64_t pick_ticket(struct worker *worker, const struct service *service);
/* The same for a session of TCP: in turn alone, nothing is counted. False: there is no server that is up. */
bool pick_turn(struct worker *worker, const struct services *services, uint32_t number, struct pick *pick);
bool pick_turn_next(struct worker *worker, struct pick *pick);

#endif
