/*
 * targets.h - the addresses that workers may connect to, ready-made for connect(2).
 *
 * A memfd made by the guard, written by the master alone, mapped by workers to be read, at a place of their address space
 * where nothing else can ever be mapped (worker/fence.h): their sandbox lets connect() take its address from there only.
 * So a worker that went wrong reaches the servers that the configuration names and nothing else.
 *
 * layout   places of 32 bytes; place 0 is the head. A place that is not taken, the head and the end of the last block hold
 *          a family that no socket has. Never AF_UNSPEC, which is 0: with that connect() ends a listening socket.
 * growth   in whole blocks that are written before the file is longer, so there is no moment at which zeros can be read.
 *
 * Not here: which address has which place and for how long (master/compile/target_places.h).
 */
#ifndef WEIR_SHM_TARGETS_H
#define WEIR_SHM_TARGETS_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "common/base/error.h"
#include "common/net/addr.h"

#define TARGETS_MOST (1u << 20) /* places: 32 MiB of address space, memory only where it is used */

struct target {
    _Alignas(32) union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        _Atomic uint64_t first; /* family and port, and of IPv4 all: written last, in one go */
        uint64_t words[4];
    };
};

#define TARGETS_AT_ONCE 24u /* where in the head the only value of SO_LINGER lies that workers may set */
#define TARGETS_BYTES ((size_t)TARGETS_MOST * sizeof(struct target))

/* A new memfd with one block of free places. */
int targets_create(int *fd, struct error *why);
/* Maps TARGETS_BYTES, to be read (at `place`, over what is there) or to be written (place NULL); fd stays the caller's. What
 * lies behind the end of the file cannot be touched. */
int targets_map(int fd, void *place, struct target **out, struct error *why);
void targets_unmap(struct target *targets); /* what was mapped to be written */
/* How many places there are, the head included; those of a lower number can be read. */
uint32_t targets_count(const struct target *targets);
/* Close at once, with a reset. */
const struct linger *targets_at_once(const struct target *targets);
/* Whether this is what stands in that place; 0 and numbers that are too high hold nothing. */
bool targets_hold(const struct target *targets, uint32_t place, const struct address *address);

/* ---- the master ---- */
/* One more block. */
int targets_grow(int fd, struct target *targets, struct error *why);
void targets_put(struct target *targets, uint32_t place, const struct address *address);
void targets_clear(struct target *targets, uint32_t place);
/* False when the place is free. */
bool targets_get(const struct target *targets, uint32_t place, struct address *out);

#endif
