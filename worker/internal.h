/*
 * internal.h - services that a worker answers itself: ping@internal, ready@internal, noop@internal.
 */
#ifndef WEIR_WORKER_INTERNAL_H
#define WEIR_WORKER_INTERNAL_H

#include "shm/services.h"
#include "worker/exchange.h"

/* Fills in the answer; the caller sends it. */
void internal_answer(struct exchange *ex, enum service_internal internal);

#endif
