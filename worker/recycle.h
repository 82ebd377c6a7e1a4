/*
 * recycle.h - memory of the data path that is used again: buffers, and the records of exchanges and connections.
 *
 * In the steady state nothing is asked of malloc: what an exchange gives back the next one takes. What stays kept is
 * bounded; the rest goes back to the system. Scratch areas belong to the worker and hold their content only until
 * control returns to the loop.
 */
#ifndef WEIR_WORKER_RECYCLE_H
#define WEIR_WORKER_RECYCLE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/slice.h"

struct worker;

#define BUFFER_SMALL ((size_t)16 * 1024) /* whole allocation: a head, or the rest of a small write */
#define BUFFER_LARGE ((size_t)64 * 1024)
#define SCRATCH_SIZE ((size_t)64 * 1024) /* one read of a body */

struct buffer {
    struct buffer *next;
    uint32_t size;     /* of data */
    uint32_t from, to; /* bytes in use: data[from..to) */
    char data[];
};

/* A record of fixed size, kept by kind. */
enum record_kind { RECORD_CLIENT, RECORD_STREAM, RECORD_UPSTREAM, RECORD_UPSTREAM_EXCHANGE, RECORD_TUNNEL, RECORD_KINDS };
struct record {
    struct record *next;
};

/* Bytes built for one write. Grows, never shrinks below 4 KiB, cut back when a huge one was built. */
struct stage {
    char *ptr;
    size_t len, capacity;
};

struct recycler {
    struct buffer *small, *large;
    unsigned small_count, large_count;
    struct record *records[RECORD_KINDS];
    unsigned record_counts[RECORD_KINDS];
    struct stage response, request; /* heads under construction */
    char *scratch;                  /* SCRATCH_SIZE bytes */
    struct pool *match;             /* scratch of the router */
    char host_name[256];
};

void recycler_start(struct worker *worker);
void recycler_stop(struct worker *worker);

/* A buffer with room for at least `room` bytes, empty. NULL when memory is out (sizes above BUFFER_LARGE only). */
struct buffer *buffer_take(struct worker *worker, size_t room);
void buffer_give(struct worker *worker, struct buffer *buffer); /* NULL is fine */

static inline size_t buffer_len(const struct buffer *buffer)
{
    return buffer->to - buffer->from;
}

/* A kept record of that kind, as it was given back, or NULL: then the caller makes one. */
void *record_take(struct worker *worker, enum record_kind kind);
/* True when it was kept; false: the caller frees it. The first bytes of the record are overwritten. */
bool record_give(struct worker *worker, enum record_kind kind, void *record);

/* Room for `more` bytes behind stage->len. */
void stage_reserve(struct stage *stage, size_t more);
void stage_reset(struct stage *stage);

static inline void stage_put(struct stage *stage, struct slice s)
{
    if (stage->capacity - stage->len < s.len) {
        stage_reserve(stage, s.len);
    }
    if (s.len) {
        memcpy(stage->ptr + stage->len, s.ptr, s.len);
        stage->len += s.len;
    }
}

#define stage_literal(stage, text) stage_put((stage), SLICE(text))
void stage_number(struct stage *stage, uint64_t number);
void stage_hex(struct stage *stage, uint64_t number);

#endif
