/*
 * fence.h - the part of a worker's address space where addresses to connect to lie, and nothing else ever.
 *
 * The table of shm/targets.h is mapped there before the sandbox is entered, which then refuses every call that would change
 * what is mapped there, and every connect() to an address that lies elsewhere (sandbox.c).
 */
#ifndef WEIR_WORKER_FENCE_H
#define WEIR_WORKER_FENCE_H

#include "shm/targets.h"

struct fence {
    const struct target *targets; /* first thing in the upper 4 GiB of the fence */
    uint32_t upper; /* upper half of every pointer into them; in the lower 4 GiB it is one less */
};

/* Takes 8 GiB of address space, which cost nothing, and maps the table of fd there. For the life of the process. */
int fence_build(int fd, struct fence *out, struct error *why);

#endif
