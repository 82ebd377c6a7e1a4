/*
 * head_write.h - header fields into a stage: untouched lines in runs as they came, changed ones built.
 */
#ifndef WEIR_WORKER_HEAD_WRITE_H
#define WEIR_WORKER_HEAD_WRITE_H

#include "common/http/headers.h"
#include "worker/recycle.h"

/* All fields that are neither removed, hop-by-hop, nor in skip (HEADER_BIT). Returns the bits of the known names among
 * those written. With `check`, a field that a middleware made and that could end its line is left out; without
 * middlewares every field comes from a parser or is our own. */
uint64_t head_put_fields(struct stage *stage, const struct headers *headers, uint64_t skip, bool check);
void head_put_field(struct stage *stage, struct slice name, struct slice value);

#endif
