/*
 * fuzz_grpc_health.c - what a server says of its health by gRPC: any bytes are a status or malformed, and nothing behind them
 * is read.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "master/health/probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *exact = malloc(size + 1); /* so that what is behind it belongs to nobody */
    int64_t status, twice;

    if (exact == NULL) {
        return 0;
    }
    memcpy(exact + 1, data, size);
    status = probe_grpc_status(slice_of(exact + 1, size));
    twice = probe_grpc_status(slice_of(exact + 1, size));
    if (status < -1 || status > INT32_MAX || status != twice) {
        abort();
    }
    free(exact);
    return 0;
}
