/*
 * body_store.h - bytes of a body that must wait, or be sent more than once: in the worker's buffers, and
 * from some length on in its spool file (spool.h).
 *
 * The beginning stays in memory; behind it each full buffer goes to the file, and is a piece there. The
 * last piece, as long as it is not full, and those that are being written are in memory too. Readers see
 * what was added behind them.
 */
#ifndef WEIR_WORKER_BODY_STORE_H
#define WEIR_WORKER_BODY_STORE_H

#include "common/base/slice.h"
#include "common/http/reason.h"

struct worker;
struct buffer;
struct body_file;
struct spool_io;

#define BODY_MEMORY                                                                                          \
    (UINT64_C(1) << 20) /* what stays in memory of a body that may be long, if nothing else is said */

struct body_store { /* zeroed but for what the owner sets */
    uint64_t
        memory_most; /* bytes; the rest goes to the file, if there is one. 0: all of it stays in memory */
    /* On the loop, never within calls of the functions here: body_store_is_busy() no longer holds, or
     * body_store_is_written() does, or a part was lost (failed). */
    void (*changed)(struct body_store *store);
    /* ---- its own, but for reading ---- */
    uint64_t len;
    struct buffer *first, *last; /* the beginning */
    struct body_file *file;      /* NULL: all of it is in memory */
    enum reason failed; /* REASON_none, or why nothing more can be added; what was lost cannot be read */
};

/* Copies. False: store->failed says why; the store stays as it was, maybe longer by a part: give up. */
bool body_store_add(struct worker *worker, struct body_store *store, struct slice data);
/* As much waits to be written as should: changed() says when more is to come. What comes nevertheless is taken. */
bool body_store_is_busy(const struct body_store *store);
/* Nothing is on its way to the file any more. */
bool body_store_is_written(const struct body_store *store);
/* Forgets and gives back everything; harmless twice. No reader reads on. */
void body_store_clear(struct worker *worker, struct body_store *store);

/* Where a reader is; zeroed but for what its owner sets: at the beginning. */
struct body_place {
    void (*ready)(struct body_place *place); /* on the loop: what was not here yet is */
    /* ---- its own, but for reading ---- */
    uint64_t offset; /* in the body */
    struct buffer *at;
    uint32_t at_offset;   /* in it */
    struct spool_io *io;  /* NULL: nothing is being read */
    struct buffer *piece; /* what was read last */
    uint64_t piece_number;
    enum reason failed; /* REASON_none, or why it cannot go on */
};

/* The next piece, good until the next call or the next turn of the loop. Empty: there is none behind it;
 * or it has to be read, if place->offset < store->len: then ready() follows, unless place->failed says why
 * not. */
struct slice body_store_next(struct worker *worker, const struct body_store *store, struct body_place *place);
/* To the beginning. Also when a reader goes: it is called no more, and what it holds is given back. */
void body_place_reset(struct worker *worker, struct body_place *place);

#endif
