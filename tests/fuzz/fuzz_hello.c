/*
 * fuzz_hello.c - the beginning of a connection that says it speaks TLS: never read behind what is there, and the same answer
 * however it comes in pieces.
 *
 * The input is what a client sends. Every prefix must say "more" or what the whole says; what is found must lie inside.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/tls/hello.h"

static char scratch[TLS_HELLO_MOST];

static void inside(struct slice found, struct slice bytes)
{
    bool here = found.ptr >= bytes.ptr && found.ptr + found.len <= bytes.ptr + bytes.len;
    bool there = found.ptr >= scratch && found.ptr + found.len <= scratch + sizeof(scratch);

    if (found.len && !here && !there) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of((const char *)data, size);
    struct tls_hello hello;
    enum tls_hello_result whole = tls_hello_read(bytes, scratch, &hello);

    if (whole == TLS_HELLO_DONE) {
        struct slice all[] = {hello.server_name, hello.alpn,       hello.ciphers,
                              hello.versions,    hello.signatures, hello.curves};

        for (size_t i = 0; i < ARRAY_LEN(all); i++) {
            inside(all[i], bytes);
        }
        (void)tls_hello_offers(&hello, SLICE("h2"));
        (void)tls_hello_lists(hello.versions, 0x0304);
    }
    for (size_t i = 1; i < size && i < 64; i++) {
        enum tls_hello_result part = tls_hello_read(slice_head(bytes, size - i), scratch, &hello);

        if (part != TLS_HELLO_MORE && part != whole) {
            abort();
        }
    }
    return 0;
}
