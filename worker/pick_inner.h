/*
 * pick_inner.h - between pick.c and pick_strategy.c only.
 */
#ifndef WEIR_WORKER_PICK_INNER_H
#define WEIR_WORKER_PICK_INNER_H

#include "worker/pick.h"

/* ---- pick_strategy.c; pick->service is one with servers ---- */
/* It is up, and was not tried. */
bool pick_usable(struct worker *worker, const struct pick *pick, uint16_t position);
void pick_take(struct pick *pick, uint16_t position);
/* False: there is none that is usable. */
bool pick_by_strategy(struct exchange *ex, struct pick *pick);
bool pick_in_turn(struct worker *worker, struct pick *pick);

#endif
