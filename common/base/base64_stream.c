/*
 * base64_stream.c - see base64_stream.h.
 */
#include "common/base/base64_stream.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static char *put_group(char *to, const uint8_t *bytes, unsigned count)
{
    uint32_t bits =
        (uint32_t)bytes[0] << 16 | (count > 1 ? (uint32_t)bytes[1] << 8 : 0) | (count > 2 ? bytes[2] : 0);

    to[0] = digits[bits >> 18];
    to[1] = digits[bits >> 12 & 63];
    to[2] = count > 1 ? digits[bits >> 6 & 63] : '=';
    to[3] = count > 2 ? digits[bits & 63] : '=';
    return to + 4;
}

size_t base64_encode_more(struct base64_stream *stream, struct slice data, bool end, char *to)
{
    char *at = to;

    for (size_t i = 0; i < data.len; i++) {
        stream->kept[stream->count++] = (uint8_t)data.ptr[i];
        if (stream->count == 3) {
            at = put_group(at, stream->kept, 3);
            stream->count = 0;
        }
    }
    if (end && stream->count) {
        at = put_group(at, stream->kept, stream->count);
        stream->count = 0;
    }
    return (size_t)(at - to);
}

static int value_of(unsigned char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* A digit or a pad. False: it may not stand here. */
static bool take(struct base64_stream *stream, unsigned char c)
{
    int value = value_of(c);

    if (c == '=' && stream->count >= 2) {
        stream->pads++;
        stream->kept[stream->count++] = 0;
        return true;
    }
    if (value < 0 || stream->pads) {
        return false;
    }
    stream->kept[stream->count++] = (uint8_t)value;
    return true;
}

ptrdiff_t base64_decode_more(struct base64_stream *stream, struct slice text, bool end, char *to)
{
    char *at = to;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c == '\r' || c == '\n') {
            continue;
        }
        if (!take(stream, c)) {
            return -1;
        }
        if (stream->count == 4) {
            const uint8_t *kept = stream->kept;
            uint32_t bits =
                (uint32_t)kept[0] << 18 | (uint32_t)kept[1] << 12 | (uint32_t)kept[2] << 6 | kept[3];
            unsigned count = 3u - stream->pads;

            for (unsigned k = 0; k < count; k++) {
                *at++ = (char)(bits >> (16 - 8 * k));
            }
            stream->count = stream->pads = 0;
        }
    }
    return end && stream->count ? -1 : at - to;
}
