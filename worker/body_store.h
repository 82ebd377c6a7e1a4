/*
 * body_store.h - bytes of a body that must wait, or be sent more than once: in the worker's buffers.
 */
#ifndef WEIR_WORKER_BODY_STORE_H
#define WEIR_WORKER_BODY_STORE_H

#include "common/base/slice.h"

struct worker;
struct buffer;

struct body_store { /* zeroed: empty */
    struct buffer *first, *last;
    uint64_t len;
};

/* Copies. False when no memory may be used for it (the store stays as it was, maybe longer by a part): give up. */
bool body_store_add(struct worker *worker, struct body_store *store, struct slice data);
/* Forgets and gives back everything; harmless twice. */
void body_store_clear(struct worker *worker, struct body_store *store);

/* Where a reader is; zeroed: at the beginning. Readers see what was added behind them. */
struct body_place {
    struct buffer *at;
    uint32_t offset;
    bool begun;
};
/* The next piece; empty at the end. */
struct slice body_store_next(const struct body_store *store, struct body_place *place);

#endif
