/*
 * in_flight.h - how many requests of a source are under way, over all workers: a table of the board.
 *
 * Each worker counts in a cell of its own, marked with the life of its slot (tables.h): when a worker is buried its cells
 * count no more, whatever it held. The sum over the workers is what counts. Who would be one too many takes its own back, so
 * there are never more than allowed; of two that come at the same instant for the last place, both may have to look again.
 */
#ifndef WEIR_SHM_IN_FLIGHT_H
#define WEIR_SHM_IN_FLIGHT_H

#include "shm/board.h"

struct in_flight { /* what is held; give it back */
    struct table_ref table;
    uint32_t entry; /* number in the table + 1; 0: nothing */
};

/* Counts one request of the source in the worker's name. False: so many are under way, or the table is full of sources that
 * are. amount >= 0. */
bool in_flight_take(struct board *board, struct table_ref table, unsigned worker, uint64_t key,
                    int64_t amount, struct in_flight *out);
/* Harmless when the table was freed meanwhile. */
void in_flight_give(struct board *board, unsigned worker, const struct in_flight *held);

#endif
