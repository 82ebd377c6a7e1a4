/*
 * h1_body.h - taking the payload out of an HTTP/1 body, request or response.
 *
 * Works in place: however many chunks came in one read, their payload becomes one slice. Trailers are collected.
 */
#ifndef WEIR_WORKER_H1_BODY_H
#define WEIR_WORKER_H1_BODY_H

#include "common/http/h1.h"

struct pool;

struct h1_body {
    enum h1_framing framing;
    bool done;     /* nothing of it is to come */
    uint64_t left; /* H1_LENGTH */
    struct h1_chunked chunked;
    struct slice trailers; /* so far, in the pool */
    uint32_t trailers_room;
};

void h1_body_start(struct h1_body *body, const struct h1_message *message);
/* Takes what belongs to the body from *input (memory of ours: payload is moved together in it). False: the framing is
 * broken. */
bool h1_body_take(struct h1_body *body, struct pool *pool, struct slice *input, struct slice *payload);
/* What is wrong, after false. */
const char *h1_body_why(const struct h1_body *body);
/* The trailers of a complete body; NULL when there were none. `out` is filled in. */
const struct headers *h1_body_trailers(const struct h1_body *body, struct pool *pool, struct headers *out);

#endif
