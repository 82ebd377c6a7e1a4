/*
 * fuzz_response_head.c - response heads: every cut gives the same verdict, llhttp agrees with what is
 * accepted. The first byte of the input chooses the cut.
 */
#include "tests/fuzz/h1_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct parsed whole, cut;

    if (size < 1 || size > 8192) {
        return 0;
    }
    oracle_parse(&whole, H1_RESPONSE, data + 1, size - 1, 0);
    oracle_parse(&cut, H1_RESPONSE, data + 1, size - 1, 1 + data[0] % 31);
    oracle_same(&whole, &cut);
    if (whole.result == H1_HEAD_DONE) {
        oracle_agrees(&whole, HTTP_RESPONSE);
    } else if (whole.result == H1_BAD) {
        REQUIRE(whole.error.status == 502 && whole.error.reason == REASON_bad_response);
    }
    parsed_free(&whole);
    parsed_free(&cut);
    return 0;
}
