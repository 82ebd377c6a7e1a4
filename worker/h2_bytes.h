/*
 * h2_bytes.h - bytes in a row that wait for a window or for somebody who takes them, in buffers of the worker.
 */
#ifndef WEIR_WORKER_H2_BYTES_H
#define WEIR_WORKER_H2_BYTES_H

#include "common/base/slice.h"
#include "worker/recycle.h"

struct h2_bytes { /* zeroed: empty */
    struct buffer *first, *last;
    size_t len;
};

/* Copies. False: no memory, a part of it may have been added. */
bool h2_bytes_add(struct worker *worker, struct h2_bytes *bytes, struct slice data);
/* The first buffer, which is the caller's now; there is one. */
struct buffer *h2_bytes_pop(struct h2_bytes *bytes);
/* Takes up to len bytes out. */
size_t h2_bytes_take(struct worker *worker, struct h2_bytes *bytes, uint8_t *to, size_t len);
void h2_bytes_drop(struct worker *worker, struct h2_bytes *bytes);

#endif
