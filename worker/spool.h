/*
 * spool.h - the worker's file for bodies that are too long for memory.
 *
 * The master opened it and no folder knows it, so it is gone with the worker. It is cut in slots, each of
 * which holds the bytes of one large buffer. Bytes go there and come back on a thread of its own: the loop
 * never waits for a disk. That thread does one thing after the other, in the order in which they were
 * asked for; so a slot may be given back, and taken by the next one, while it is still read or written for
 * the one before. What the disk has set aside for slots that are free is given back on the same thread.
 *
 * Bound: limits.spool, for all workers together. Who uses it: body_store.h.
 */
#ifndef WEIR_WORKER_SPOOL_H
#define WEIR_WORKER_SPOOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "worker/recycle.h"

#define SPOOL_DATA (BUFFER_LARGE - sizeof(struct buffer)) /* bytes in a slot */

struct spool_io { /* bytes on their way */
    struct helper_job job;
    struct spool *spool;
    struct buffer
        *buffer; /* of a write: may be read until done(), goes back to the worker's buffers by itself */
    uint32_t slot;
    bool write;
    int error;             /* 0, or the errno */
    atomic_bool unwanted;  /* of no use any more: not worth a look at the disk */
    struct spool_io *next; /* its owner's */
    /* On the loop; the io is gone afterwards, so is the buffer of a write. That of a read belongs to the
     * one who is called; it is full (SPOOL_DATA bytes), or empty when there was an error. NULL: nobody
     * waits any more. */
    void (*done)(struct spool_io *io);
    void *context;
};

/* Makes the thread; before sandbox_enter(). */
int spool_start(struct worker *worker, struct error *why);
/* When no body is left. */
void spool_stop(struct worker *worker);
/* The file, taken over; a second one is closed. */
void spool_adopt(struct worker *worker, int fd);

/* There is a file, and it may be used. */
bool spool_there(const struct worker *worker);
/* False: all that may be used is. */
bool spool_take(struct worker *worker, uint32_t *slot);
void spool_give(struct worker *worker, uint32_t slot);

/* A full buffer, which is the spool's from now on. */
struct spool_io *spool_write(struct worker *worker, uint32_t slot, struct buffer *buffer,
                             void (*done)(struct spool_io *io), void *context);
/* NULL: no memory may be used for it. */
struct spool_io *spool_read(struct worker *worker, uint32_t slot, void (*done)(struct spool_io *io),
                            void *context);
/* Nobody waits for it any more. NULL is fine. */
void spool_forget(struct spool_io *io);

/* Says in the log that a body was lost, once in a while. error: errno; 0: the bound was reached. */
void spool_complain(struct spool *spool, int error);

#endif
