/*
 * passive.h - servers whose answers fail are left out for a while (passiveHealthCheck): counted over all workers, on the board.
 *
 * A failure is an answer of 500 or more, or none. So many in a row within the window take the server out, for as long as the
 * window, or, where the master asks the servers as well, until it finds that one well.
 */
#ifndef WEIR_WORKER_PASSIVE_H
#define WEIR_WORKER_PASSIVE_H

#include "worker/pick.h"

/* What became of a request to pick->server. Costs nothing where nobody looks. */
void passive_note(struct worker *worker, const struct pick *pick, bool failed);

#endif
