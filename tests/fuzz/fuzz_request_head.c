/*
 * fuzz_request_head.c - request heads: every cut gives the same verdict, llhttp agrees with what is accepted,
 * and a chunked body behind the head decodes the same in every cut. The first byte of the input chooses the
 * cut.
 */
#include "tests/fuzz/h1_oracle.h"

#define PAYLOAD_MAX 65536

struct decoded {
    enum h1_chunk result;
    size_t len, left;
    char payload[PAYLOAD_MAX];
};

/* Payload and trailers one behind the other; the result is the same for every step. */
static void decode(struct decoded *out, const char *data, size_t size, size_t step)
{
    struct h1_chunked chunked;

    h1_chunked_init(&chunked);
    out->result = H1_CHUNK_MORE;
    out->len = 0;
    for (size_t at = 0; at < size && out->result == H1_CHUNK_MORE; at += step) {
        size_t len = step < size - at ? step : size - at;
        char *piece = malloc(len);
        struct slice input = slice_of(memcpy(piece, data + at, len), len), part;

        do {
            out->result = h1_chunked_next(&chunked, &input, &part);
            REQUIRE(out->len + part.len <= PAYLOAD_MAX);
            memcpy(out->payload + out->len, part.ptr ? part.ptr : "", part.len);
            out->len += part.len;
        } while (out->result == H1_CHUNK_DATA || out->result == H1_CHUNK_TRAILER);
        out->left = size - at - len + input.len;
        free(piece);
    }
}

static void check_body(const char *data, size_t size, size_t step)
{
    static struct decoded whole, cut;

    if (size == 0 || size > PAYLOAD_MAX) {
        return;
    }
    decode(&whole, data, size, size);
    decode(&cut, data, size, step);
    REQUIRE(whole.result == cut.result);
    if (whole.result != H1_CHUNK_BAD) {
        REQUIRE(whole.len == cut.len && memcmp(whole.payload, cut.payload, whole.len) == 0);
        REQUIRE(whole.result != H1_CHUNK_END || whole.left == cut.left);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct parsed whole, cut;

    if (size < 1 || size > 8192) {
        return 0;
    }
    size_t step = 1 + data[0] % 31;

    oracle_parse(&whole, H1_REQUEST, data + 1, size - 1, 0);
    oracle_parse(&cut, H1_REQUEST, data + 1, size - 1, step);
    oracle_same(&whole, &cut);
    if (whole.result == H1_HEAD_DONE) {
        oracle_agrees(&whole, HTTP_REQUEST);
        if (whole.message.framing == H1_CHUNKED) {
            check_body((const char *)data + 1 + whole.message.head_len, size - 1 - whole.message.head_len,
                       step);
        }
    }
    parsed_free(&whole);
    parsed_free(&cut);
    return 0;
}
