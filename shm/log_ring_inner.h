/*
 * log_ring_inner.h - the layout of the log's shared memory: for log_ring.c (writing) and log_reader.c (reading) only.
 *
 *   0      struct log_head, with two cache lines for each ring: the producer's and the reader's
 *   ...    the bytes of the large rings, then of the others; nothing is touched before it is used
 *
 * Positions count bytes since the beginning and never go around; a ring's size is a power of two. A record begins at a
 * multiple of 16, so that its head never goes around the end.
 */
#ifndef WEIR_SHM_LOG_RING_INNER_H
#define WEIR_SHM_LOG_RING_INNER_H

#include <stdatomic.h>

#include "shm/board.h"
#include "shm/log_ring.h"

#define RINGS_LARGE 4u /* guard, master, and some to spare */
/* Each slot may have a worker of this build, one of the build before and those of two sets that finish. */
#define RINGS (RINGS_LARGE + 4u * BOARD_WORKERS)
#define RECORD_ALIGN 16u

struct record_head {
    uint32_t len; /* of the bytes that follow */
    uint8_t stream;
    uint8_t unused[3];
    uint64_t time_ns; /* monotonic, for the order between rings */
};

struct ring_head {
    _Atomic uint64_t head; /* behind the last whole record: raised when its bytes are there */
    _Atomic uint64_t lost;
    _Atomic uint32_t owner; /* pid; 0: free */
    uint32_t unused;
    char name[LOG_RING_NAME];
    _Alignas(64) _Atomic uint64_t tail; /* the oldest record that is not written out */
    _Atomic uint64_t told;              /* how many of the lost ones were said */
};

struct log_head {
    uint64_t magic, layout, size;
    _Alignas(64) _Atomic uint32_t wake; /* futex: raised for a reader that waits */
    _Atomic uint32_t waiting;           /* 1: the reader sleeps or is about to */
    _Atomic uint32_t used;              /* rings below have had an owner */
    _Alignas(64) struct ring_head rings[RINGS];
};

_Static_assert(sizeof(struct record_head) == RECORD_ALIGN, "records are aligned to their head");
_Static_assert(sizeof(struct ring_head) == 128, "two cache lines");

struct log_rings {
    char *base;
    struct log_head *head;
    uint32_t seen; /* so many rings have had an owner; for log_rings_mend() */
};

static inline size_t ring_size(unsigned ring)
{
    return ring < RINGS_LARGE ? LOG_RING_BYTES_LARGE : LOG_RING_BYTES;
}

static inline size_t rings_at(void)
{
    return (sizeof(struct log_head) + 4095) & ~(size_t)4095;
}

static inline char *ring_bytes(const struct log_rings *rings, unsigned ring)
{
    size_t large = ring < RINGS_LARGE ? ring : RINGS_LARGE;

    return rings->base + rings_at() + large * LOG_RING_BYTES_LARGE + (ring - large) * LOG_RING_BYTES;
}

static inline size_t record_space(size_t len)
{
    return sizeof(struct record_head) + ((len + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1));
}

#endif
