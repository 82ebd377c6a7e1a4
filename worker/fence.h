/*
 * fence.h - the part of a worker's address space in which nothing changes any more once the sandbox is entered.
 *
 * The table of shm/targets.h is mapped there, to be read, and the board, of which a worker writes its own part (board_join()).
 * The sandbox refuses every call that would change what is mapped there or how, and every connect() whose address does not
 * lie in the table (sandbox.c).
 */
#ifndef WEIR_WORKER_FENCE_H
#define WEIR_WORKER_FENCE_H

#include "shm/targets.h"

struct fence {
    const struct target *targets;
    uint32_t upper; /* upper half of every pointer into their 4 GiB */
    void *board;    /* where it is to be mapped: the 4 GiB after those */
};

/* Of 4 GiB each. The fence begins at a multiple of its size, with a part that is before that of the targets. */
#define FENCE_PARTS 4u

/* Takes 16 GiB of address space, which cost nothing, and maps the table of fd there. For the life of the process. */
int fence_build(int fd, struct fence *out, struct error *why);

/* The socket is to end with a reset, at once. The sandbox lets workers set no other SO_LINGER: closing a descriptor that came
 * from a worker never makes anybody wait. */
void fence_reset_on_close(const struct fence *fence, int fd);

#endif
