/*
 * fuzz_digest.c - the value of Authorization as digestAuth reads it: what is taken holds all that it must, and nothing is read
 * beyond it.
 */
#include <stdlib.h>

#include "common/http/digest.h"
#include "tests/fuzz/require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pool *pool = pool_new(256, 0);
    char *copy = malloc(size ? size : 1); /* of its own size: reading too far is seen */
    struct digest_login login;
    char response[DIGEST_HASH_LEN];

    if (size) {
        memcpy(copy, data, size);
    }
    if (digest_parse(pool, slice_of(copy, size), &login)) {
        REQUIRE(login.username.len && login.nonce.len && login.uri.len && login.count);
        REQUIRE(login.response.len == DIGEST_HASH_LEN && login.username.len < size && login.uri.len < size);
        digest_response(login.response, SLICE("GET"), &login, response);
    }
    free(copy);
    pool_free(pool);
    return 0;
}
