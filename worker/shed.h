/*
 * shed.h - what a worker does when the memory budget is used up (budget.h): who is refused, who is closed.
 *
 *   BUDGET_FULL  new connections get a bare 503 and are closed; idle connections of clients and to servers are closed, those
 *                that idle longest first; heads that grow beyond one small buffer get 503; handshakes that take more
 *                than a second end; answers end their connection;
 *                whoever has taken nothing of an answer for ten seconds is ended, and so is whoever sends to a server that
 *                has taken nothing for as long
 *   BUDGET_OVER  what holds most ends too: answers that are read too slowly, half-sent heads, tunnels and requests that
 *                are backed up on either side; nobody gets a new buffer
 * All of it with reason `limit`. A step every tick, each of bounded length, until the level falls.
 */
#ifndef WEIR_WORKER_SHED_H
#define WEIR_WORKER_SHED_H

#include "common/net/addr.h"
#include "worker/timers.h"

struct worker;
struct listener;

void shed_begin(struct worker *worker); /* steps begin, if they do not run yet */
void shed_step(struct timer *timer);
/* A connection that was accepted and may not stay: fd is taken over. */
void shed_refuse(struct listener *listener, int fd, const struct address *peer);

#endif
