/*
 * encoder.h - streams of gzip, brotli and zstd: the states of the libraries, used again, with a bound on their memory.
 *
 * A state costs 0.3 MB (gzip; 60 KB for a small body), up to 0.8 MB (brotli, window of 64 KiB) or 1.4 MB (zstd, window of 128 KiB). Levels are those
 * of Traefik. None of them is made while the memory budget is tight: then bodies go as they are.
 */
#ifndef WEIR_WORKER_ENCODER_H
#define WEIR_WORKER_ENCODER_H

#include "common/http/content_coding.h"

struct worker;
struct encoder;

enum encoder_step {
    ENCODER_GO,    /* encodes what there is, may keep it back */
    ENCODER_FLUSH, /* what came so far can be decoded by whoever has the output */
    ENCODER_END,
};

/* At the beginning of a stream; length: bytes that will come, -1: nobody knows. NULL: no memory may be used for it. */
struct encoder *encoder_take(struct worker *worker, enum content_coding coding, int64_t length);
void encoder_give(struct worker *worker, struct encoder *encoder);

/* One piece of output, good until the next call; *input becomes what is left of it. Call until *more is false. False: the
 * library failed (out of memory). */
bool encoder_run(struct encoder *encoder, struct slice *input, enum encoder_step step, struct slice *output,
                 bool *more);

/* Before the first one is given back: how they are freed. */
void encoders_start(struct worker *worker);

#endif
