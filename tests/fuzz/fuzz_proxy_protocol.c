/*
 * fuzz_proxy_protocol.c - the beginning of a connection where a PROXY header may stand: never read behind what is there, the
 * same answer however it comes in pieces, and what was understood is understood again when it is written.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/net/proxy_protocol.h"

static void written_again(const struct proxy_header *header, int version)
{
    char *out = malloc(PROXY_HEADER_WRITTEN); /* its end is watched */
    size_t len = proxy_header_write(version, &header->source, &header->destination, out);
    struct proxy_header again;
    const char *why;

    if (proxy_header_read(slice_of(out, len), &again, &why) != PROXY_DONE || again.size != len ||
        again.local != header->local || !address_equal(&again.source, &header->source) ||
        !address_equal(&again.destination, &header->destination)) {
        abort();
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of((const char *)data, size);
    struct proxy_header header, part;
    const char *why;
    enum proxy_result whole = proxy_header_read(bytes, &header, &why);

    if (whole == PROXY_DONE) {
        if (header.size == 0 || header.size > size || header.size > PROXY_HEADER_MOST) {
            abort();
        }
        written_again(&header, 1);
        written_again(&header, 2);
    }
    for (size_t len = 0; len < size && len < 256; len++) {
        enum proxy_result result = proxy_header_read(slice_head(bytes, len), &part, &why);

        if (result != PROXY_MORE && (result != whole || part.size != header.size)) {
            abort();
        }
    }
    return 0;
}
