/*
 * fuzz_resp.c - answers of a Redis: the same one however the bytes come, never more than was there, never one that is too long.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/net/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of((const char *)data, size);
    struct resp_answer answer, part;
    ssize_t whole = resp_read(bytes, &answer);

    if (whole > (ssize_t)size || whole > RESP_ANSWER_MOST || (whole == 0 && size >= RESP_ANSWER_MOST)) {
        abort();
    }
    for (size_t len = 0; len < size && len < 128; len++) {
        char *exact = malloc(len ? len : 1); /* its end is watched */

        memcpy(exact, data, len);

        ssize_t n = resp_read(slice_of(exact, len), &part);

        if (n != 0 && n != whole) {
            abort();
        }
        free(exact);
    }
    return 0;
}
