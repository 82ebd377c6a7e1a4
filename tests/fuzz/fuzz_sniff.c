/*
 * fuzz_sniff.c - the first bytes of a body: whatever stands there, one type comes out, the same for what lies behind them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/http/sniff.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct slice data = slice_of((const char *)bytes, size), type = sniff_type(data);

    if (slice_find(type, '/') <= 0 || !slice_eq(type, sniff_type(slice_head(data, SNIFF_BYTES)))) {
        abort();
    }
    return 0;
}
