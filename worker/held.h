/*
 * held.h - what a connection counts for with middlewares (in_flight.h) while it lasts: a session of TCP, an exchange that has
 * become a tunnel.
 */
#ifndef WEIR_WORKER_HELD_H
#define WEIR_WORKER_HELD_H

#include "shm/in_flight.h"

struct worker;

struct held { /* zeroed: nothing */
    struct in_flight *items;
    size_t count;
};

/* The list owns it from now on. */
void held_add(struct held *held, const struct in_flight *item);
/* Gives all of it back; the list is empty then. */
void held_give(struct worker *worker, struct held *held);

#endif
