/*
 * encoder.c - see encoder.h. Brotli's library cannot begin again with a state: that one is made for each stream.
 */
#include "worker/encoder.h"

#include <brotli/encode.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "common/base/memory.h"
#include "worker/recycle.h"
#include "worker/worker.h"

#define OUTPUT ((size_t)16 * 1024)
#define GZIP_WINDOW (15 + 16) /* + 16: the frame of gzip instead of zlib's */
#define GZIP_MEMORY 8
/* A state of the usual size is cleared anew for each stream, 64 KiB of it: more work than a small body is. */
#define GZIP_SMALL_BODY 4096
#define GZIP_SMALL_WINDOW (13 + 16)
#define GZIP_SMALL_MEMORY 5
#define BROTLI_LEVEL 6
#define BROTLI_WINDOW 16
#define ZSTD_WINDOW 17

struct encoder {
    struct record record;
    enum record_kind kind;
    enum content_coding coding;
    union {
        z_stream gzip;
        BrotliEncoderState *brotli;
        ZSTD_CCtx *zstd;
    };
    char output[OUTPUT];
};

static const enum record_kind kinds[CODINGS] = {
    [CODING_GZIP] = RECORD_GZIP, [CODING_BROTLI] = RECORD_BROTLI, [CODING_ZSTD] = RECORD_ZSTD};

static const size_t costs[RECORD_KINDS] = {
    /* bytes of a state, about */
    [RECORD_GZIP] = (size_t)300 * 1024,
    [RECORD_GZIP_SMALL] = (size_t)60 * 1024,
    [RECORD_BROTLI] = (size_t)800 * 1024,
    [RECORD_ZSTD] = (size_t)1400 * 1024,
};

static void end_state(struct encoder *encoder)
{
    switch ((int)encoder->coding) {
    case CODING_GZIP:
        (void)deflateEnd(&encoder->gzip);
        break;
    case CODING_BROTLI:
        BrotliEncoderDestroyInstance(encoder->brotli);
        encoder->brotli = NULL;
        break;
    case CODING_ZSTD:
        (void)ZSTD_freeCCtx(encoder->zstd);
        break;
    default:
        break;
    }
}

static void free_record(void *record)
{
    struct encoder *encoder = record;

    end_state(encoder);
    free(encoder);
}

void encoders_start(struct worker *worker)
{
    record_kind_set(worker, RECORD_GZIP, free_record);
    record_kind_set(worker, RECORD_GZIP_SMALL, free_record);
    record_kind_set(worker, RECORD_BROTLI, free_record);
    record_kind_set(worker, RECORD_ZSTD, free_record);
}

/* ---- states ---- */

static bool make_brotli(struct encoder *encoder)
{
    encoder->brotli = BrotliEncoderCreateInstance(NULL, NULL, NULL);
    return encoder->brotli &&
           BrotliEncoderSetParameter(encoder->brotli, BROTLI_PARAM_QUALITY, BROTLI_LEVEL) &&
           BrotliEncoderSetParameter(encoder->brotli, BROTLI_PARAM_LGWIN, BROTLI_WINDOW);
}

static bool make_state(struct encoder *encoder)
{
    bool small = encoder->kind == RECORD_GZIP_SMALL;

    switch ((int)encoder->coding) {
    case CODING_GZIP:
        return deflateInit2(&encoder->gzip, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                            small ? GZIP_SMALL_WINDOW : GZIP_WINDOW, small ? GZIP_SMALL_MEMORY : GZIP_MEMORY,
                            Z_DEFAULT_STRATEGY) == Z_OK;
    case CODING_BROTLI:
        return make_brotli(encoder);
    case CODING_ZSTD:
        encoder->zstd = ZSTD_createCCtx();
        return encoder->zstd &&
               !ZSTD_isError(ZSTD_CCtx_setParameter(encoder->zstd, ZSTD_c_windowLog, ZSTD_WINDOW));
    default:
        return false;
    }
}

/* A used one begins a new stream. */
static bool renew(struct encoder *encoder)
{
    switch ((int)encoder->coding) {
    case CODING_GZIP:
        return deflateReset(&encoder->gzip) == Z_OK;
    case CODING_BROTLI:
        return make_brotli(encoder);
    case CODING_ZSTD:
        return !ZSTD_isError(ZSTD_CCtx_reset(encoder->zstd, ZSTD_reset_session_only));
    default:
        return false;
    }
}

struct encoder *encoder_take(struct worker *worker, enum content_coding coding, int64_t length)
{
    bool small = coding == CODING_GZIP && length >= 0 && length <= GZIP_SMALL_BODY;
    enum record_kind kind = small ? RECORD_GZIP_SMALL : kinds[coding];
    struct encoder *encoder = record_take(worker, kind);
    bool good;

    if (encoder == NULL && budget_took(&worker->budget, costs[kind])) {
        budget_look(worker);
    }
    if (encoder) {
        good = renew(encoder);
    } else if (worker->budget.level < BUDGET_TIGHT) {
        encoder = xcalloc(1, sizeof(*encoder));
        encoder->kind = kind;
        encoder->coding = coding;
        good = make_state(encoder);
    } else {
        return NULL;
    }
    if (!good) {
        free_record(encoder);
        return NULL;
    }
    return encoder;
}

void encoder_give(struct worker *worker, struct encoder *encoder)
{
    if (encoder->coding == CODING_BROTLI) {
        end_state(encoder);
    }
    record_give(worker, encoder->kind, encoder);
}

/* ---- streams ---- */

static bool run_gzip(struct encoder *encoder, struct slice *input, enum encoder_step step, size_t *len,
                     bool *more)
{
    static const int flushes[] = {
        [ENCODER_GO] = Z_NO_FLUSH, [ENCODER_FLUSH] = Z_SYNC_FLUSH, [ENCODER_END] = Z_FINISH};
    z_stream *stream = &encoder->gzip;

    stream->next_in = (Bytef *)(uintptr_t)input->ptr;
    stream->avail_in = (uInt)input->len;
    stream->next_out = (Bytef *)encoder->output;
    stream->avail_out = OUTPUT;

    int rc = deflate(stream, flushes[step]);

    *len = OUTPUT - stream->avail_out;
    *input = slice_from(*input, input->len - stream->avail_in);
    *more = rc != Z_STREAM_END && stream->avail_out == 0;
    return rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR;
}

static bool run_brotli(struct encoder *encoder, struct slice *input, enum encoder_step step, size_t *len,
                       bool *more)
{
    static const BrotliEncoderOperation operations[] = {[ENCODER_GO] = BROTLI_OPERATION_PROCESS,
                                                        [ENCODER_FLUSH] = BROTLI_OPERATION_FLUSH,
                                                        [ENCODER_END] = BROTLI_OPERATION_FINISH};
    size_t in = input->len, out = OUTPUT;
    const uint8_t *next_in = (const uint8_t *)input->ptr;
    uint8_t *next_out = (uint8_t *)encoder->output;

    if (!BrotliEncoderCompressStream(encoder->brotli, operations[step], &in, &next_in, &out, &next_out,
                                     NULL)) {
        return false;
    }
    *len = OUTPUT - out;
    *input = slice_from(*input, input->len - in);
    *more = input->len > 0 || BrotliEncoderHasMoreOutput(encoder->brotli);
    return true;
}

static bool run_zstd(struct encoder *encoder, struct slice *input, enum encoder_step step, size_t *len,
                     bool *more)
{
    static const ZSTD_EndDirective directives[] = {
        [ENCODER_GO] = ZSTD_e_continue, [ENCODER_FLUSH] = ZSTD_e_flush, [ENCODER_END] = ZSTD_e_end};
    ZSTD_inBuffer in = {input->ptr, input->len, 0};
    ZSTD_outBuffer out = {encoder->output, OUTPUT, 0};
    size_t left = ZSTD_compressStream2(encoder->zstd, &out, &in, directives[step]);

    *len = out.pos;
    *input = slice_from(*input, in.pos);
    *more = input->len > 0 || (step != ENCODER_GO && left > 0);
    return !ZSTD_isError(left);
}

bool encoder_run(struct encoder *encoder, struct slice *input, enum encoder_step step, struct slice *output,
                 bool *more)
{
    size_t len = 0;
    bool good = false;

    switch ((int)encoder->coding) {
    case CODING_GZIP:
        good = run_gzip(encoder, input, step, &len, more);
        break;
    case CODING_BROTLI:
        good = run_brotli(encoder, input, step, &len, more);
        break;
    case CODING_ZSTD:
        good = run_zstd(encoder, input, step, &len, more);
        break;
    default:
        break;
    }
    *output = slice_of(encoder->output, len);
    return good;
}
