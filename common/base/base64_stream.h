/*
 * base64_stream.h - base64 (RFC 4648, 4) of bytes that come in pieces, both ways.
 *
 * What is written may be made of parts, each padded for itself, as gRPC-Web allows; CR and LF between the digits are skipped.
 */
#ifndef WEIR_COMMON_BASE_BASE64_STREAM_H
#define WEIR_COMMON_BASE_BASE64_STREAM_H

#include "common/base/slice.h"

struct base64_stream { /* zeroed: at the beginning; of one direction */
    uint8_t kept[4];
    uint8_t count; /* of them */
    uint8_t pads;
};

/* Room that `len` bytes need at the most, with what was kept. */
#define BASE64_ENCODED_ROOM(len) (((len) + 4) / 3 * 4)
#define BASE64_DECODED_ROOM(len) (((len) + 3) / 4 * 3)

/* Writes all whole groups, with `end` the rest too, padded. Returns how many digits. */
size_t base64_encode_more(struct base64_stream *stream, struct slice data, bool end, char *to);
/* Returns how many bytes, or -1: that is no base64. With `end` a group that is not complete is none, either. */
ptrdiff_t base64_decode_more(struct base64_stream *stream, struct slice text, bool end, char *to);

#endif
