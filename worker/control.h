/*
 * control.h - a worker's ends of the control channels: to the guard, and to whichever master lives now.
 *
 * The guard gives listening sockets and says when to stop; the master gives generations. The serving side (worker.h)
 * is called on the loop only.
 */
#ifndef WEIR_WORKER_CONTROL_H
#define WEIR_WORKER_CONTROL_H

#include "shm/control.h"
#include "worker/worker.h"

struct control;

/* Takes over the guard's channel and begins to listen to it. */
struct control *control_start(struct worker *worker, int guard_channel);
/* From the heart, ten times a second: gives back generations that nothing uses any more. */
void control_tend(struct control *control);
/* Closes both channels and what waits; afterwards the loop runs dry. */
void control_stop(struct control *control);
/* After the loop ran dry. */
void control_free(struct control *control);

#endif
