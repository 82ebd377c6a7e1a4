/*
 * fuzz_postgres.c - the first bytes of a connection that may be PostgreSQL's: the answer comes once and stays, whatever follows.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/net/postgres.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of((const char *)data, size);
    enum postgres_first whole = postgres_first_read(bytes);
    bool maybe = postgres_maybe_ssl(bytes);

    if ((size >= POSTGRES_HEAD_SIZE && (whole == POSTGRES_MORE || maybe != (whole == POSTGRES_SSL))) ||
        (maybe && whole != POSTGRES_MORE && whole != POSTGRES_SSL)) {
        abort();
    }
    for (size_t len = 0; len < size && len < 64; len++) {
        char *exact = malloc(len ? len : 1); /* its end is watched */

        memcpy(exact, data, len);

        enum postgres_first part = postgres_first_read(slice_of(exact, len));

        if ((part != POSTGRES_MORE && part != whole) ||
            (maybe && !postgres_maybe_ssl(slice_of(exact, len)))) {
            abort();
        }
        free(exact);
    }
    return 0;
}
