/*
 * recycle.h - memory of the data path that is used again: buffers, and the records of exchanges and connections.
 *
 * In the steady state nothing is asked of malloc: what an exchange gives back the next one takes. What was not needed
 * for some seconds goes back to the system little by little, so a burst is forgotten. Scratch areas belong to the worker
 * and hold their content only until control returns to the loop.
 */
#ifndef WEIR_WORKER_RECYCLE_H
#define WEIR_WORKER_RECYCLE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/slice.h"
#include "worker/helper.h"
#include "worker/timers.h"

struct worker;

#define BUFFER_SMALL ((size_t)16 * 1024) /* whole allocation: a head, or the rest of a small write */
#define BUFFER_LARGE ((size_t)64 * 1024)
#define SCRATCH_SIZE ((size_t)64 * 1024) /* one read of a body */

/* The beginning of everything that is kept. */
struct record {
    struct record *next;
};

struct buffer {
    struct record record;
    struct buffer *next;
    uint32_t size;     /* of data */
    uint32_t from, to; /* bytes in use: data[from..to) */
    char data[];
};

/* A record of fixed size, kept by kind. */
enum record_kind {
    RECORD_CLIENT,
    RECORD_STREAM,
    RECORD_UPSTREAM,
    RECORD_UPSTREAM_EXCHANGE,
    RECORD_TUNNEL,
    RECORD_TLS,
    RECORD_SUBREQUEST,
    RECORD_GZIP,
    RECORD_GZIP_SMALL,
    RECORD_BROTLI,
    RECORD_ZSTD,
    RECORD_H2_STREAM,
    RECORD_H2_CALL,
    RECORD_TCP_SESSION,
    RECORD_TCP_SERVER,
    RECORD_KINDS
};

/* Bytes built for one write. Grows, never shrinks below 4 KiB, cut back when a huge one was built. */
struct stage {
    char *ptr;
    size_t len, capacity;
};

/* What is kept of one kind. */
struct shelf {
    struct record *first;
    unsigned count;
    unsigned unused; /* the fewest there were since the last look: so many nobody needed */
    unsigned drop;   /* so many are still to go, piece by piece */
};

struct recycler {
    struct worker *worker;
    struct timer look;
    bool thinning, relieving; /* a look is under way; it leaves but a little */
    struct helper_job trim;   /* on the helper thread */
    bool trimming;
    struct shelf small, large; /* buffers */
    struct shelf records[RECORD_KINDS];
    void (*free_record[RECORD_KINDS])(void *record);
    struct stage response, request; /* heads under construction */
    struct stage frames;            /* of HTTP/2, on their way out */
    char *scratch;                  /* SCRATCH_SIZE bytes */
    struct pool *match;             /* scratch of the router */
};

void recycler_start(struct worker *worker);
void recycler_stop(struct worker *worker);

/* A buffer with room for at least `room` bytes, empty. NULL when memory is out (sizes above BUFFER_LARGE only), or when
 * a new one would be needed and the memory budget is overdrawn. */
struct buffer *buffer_take(struct worker *worker, size_t room);
void buffer_give(struct worker *worker, struct buffer *buffer); /* NULL is fine */
/* How much of a body to read at once: while the memory budget is tight only as much as a small buffer takes, because that
 * is what has to be kept when the other side does not take it. */
size_t scratch_size(const struct worker *worker);
/* Gives back to the system what is kept, but for a little: in the next turns of the loop. */
void recycler_relieve(struct worker *worker);

static inline size_t buffer_len(const struct buffer *buffer)
{
    return buffer->to - buffer->from;
}

/* How a record of that kind is freed, with what belongs to it; before the first one is given. */
void record_kind_set(struct worker *worker, enum record_kind kind, void (*free_record)(void *record));
/* A kept record of that kind, as it was given back, or NULL: then the caller makes one. */
void *record_take(struct worker *worker, enum record_kind kind);
/* Kept or freed. The first bytes of the record (struct record) are overwritten, what else is in it stays. */
void record_give(struct worker *worker, enum record_kind kind, void *record);

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
