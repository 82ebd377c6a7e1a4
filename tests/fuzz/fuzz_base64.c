/*
 * fuzz_base64.c - base64 in pieces: every cut gives the same, nothing is written beyond the room that was promised, and what was
 * encoded is decoded to itself.
 *
 * The first byte says where the input is cut, the rest is text for the decoder and bytes for the encoder.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base64_stream.h"

static ptrdiff_t decode(struct slice text, size_t cut, char *to)
{
    struct base64_stream stream = {.count = 0};
    ptrdiff_t first = base64_decode_more(&stream, slice_head(text, cut), false, to);
    ptrdiff_t second = first < 0 ? -1 : base64_decode_more(&stream, slice_from(text, cut), true, to + first);

    return second < 0 ? -1 : first + second;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct slice text = slice_of((const char *)data + 1, size - 1);
    struct base64_stream stream = {.count = 0};
    size_t cut = text.len ? data[0] % (text.len + 1) : 0;
    char *plain = malloc(BASE64_DECODED_ROOM(text.len) + 1),
         *again = malloc(BASE64_DECODED_ROOM(text.len) + 1);
    char *coded = malloc(BASE64_ENCODED_ROOM(text.len) + 1);
    ptrdiff_t whole = decode(text, 0, plain), parts = decode(text, cut, again);

    if (whole != parts || (whole > 0 && memcmp(plain, again, (size_t)whole) != 0)) {
        abort();
    }
    size_t n = base64_encode_more(&stream, slice_head(text, cut), false, coded);

    n += base64_encode_more(&stream, slice_from(text, cut), true, coded + n);
    free(again);
    again = malloc(BASE64_DECODED_ROOM(n) + 1);
    if (decode(slice_of(coded, n), n / 2, again) != (ptrdiff_t)text.len ||
        (text.len && memcmp(again, text.ptr, text.len) != 0)) {
        abort();
    }
    free(plain);
    free(again);
    free(coded);
    return 0;
}
