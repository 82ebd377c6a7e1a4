/*
 * ready.h - whether the tree is ready, read off the board: what /ready answers and `weir status` shows.
 */
#ifndef WEIR_SHM_READY_H
#define WEIR_SHM_READY_H

#include "shm/board.h"

#define READY_TEXT (BOARD_TEXT + 64)

/* Once ready, ready, whatever becomes of sources, master and workers: only a stop ends it. `missing` says what there is
 * to wait for, without a line feed ("waiting for provider file", "worker 1 has not acknowledged generation 3"); it is
 * empty when the result is true. */
bool board_ready(struct board *board, char missing[READY_TEXT]);

/* Whether a provider serves what was kept of its cluster, which does not answer. */
bool board_stale(struct board *board);

#endif
