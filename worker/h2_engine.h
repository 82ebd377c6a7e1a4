/*
 * h2_engine.h - what both sides of HTTP/2 need beside nghttp2: its memory, fields as it takes them, frames for one write, and how
 * much a peer may send that serves nobody.
 */
#ifndef WEIR_WORKER_H2_ENGINE_H
#define WEIR_WORKER_H2_ENGINE_H

#include <nghttp2/nghttp2.h>

#include "common/http/headers.h"
#include "worker/recycle.h"

/* malloc, counted by the worker's budget. */
nghttp2_mem h2_memory(struct worker *worker);

/* ---- calm ---- */
#define H2_CALM_DATA 4 /* what a frame of a body gives back */

struct h2_calm {      /* zeroed: full */
    int64_t since_ns; /* when `left` was counted last */
    int left;
};
void h2_calm_add(struct h2_calm *calm, int more);
/* False: that was too much. */
bool h2_calm_take(struct h2_calm *calm, int cost, int64_t now_ns);
/* What a frame of the peer costs. */
int h2_calm_cost(const nghttp2_frame *frame);
/* Of one that we sent: a reset that what the peer sent asked for. */
int h2_calm_cost_sent(const nghttp2_frame *frame);

/* ---- fields ---- */
/* As Go writes a name: what servers, clients and middlewares see is as of HTTP/1. In place. */
void h2_name_canonical(char *name, size_t len);
/* Points to what it is given. */
nghttp2_nv h2_pair(struct slice name, struct slice value);
/* The digits, at the end of space. */
struct slice h2_number(uint64_t number, char *space, size_t size);
/* Fields of one connection are not for this one; nghttp2 copies and turns names to lower case. A middleware may have made a
 * field from parts of the request: such a one may not leave if it holds what no field may. `to` has room for all; `skip` and
 * `written` are sets of ids (HEADER_BIT). Returns how many. */
size_t h2_put_fields(nghttp2_nv *to, const struct headers *headers, uint64_t skip, uint64_t *written);

/* ---- writing ---- */
#define H2_WRITE_SIZE ((size_t)49152)
/* Frames into the stage, up to about H2_WRITE_SIZE bytes. False: nghttp2 cannot go on. */
bool h2_gather(nghttp2_session *engine, struct stage *stage);

#endif
