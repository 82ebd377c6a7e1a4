/*
 * fuzz_peer_info.c - certificates as clients may send them: whatever stands in them is written, or left out.
 */
#include <openssl/pool.h>
#include <stdlib.h>

#include "common/http/url.h"
#include "common/tls/peer_info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    STACK_OF(CRYPTO_BUFFER) *chain = sk_CRYPTO_BUFFER_new_null();
    CRYPTO_BUFFER *der = CRYPTO_BUFFER_new(data, size, NULL);
    struct pool *pool = pool_new(256, 0);
    struct text text;

    text_init(&text);
    sk_CRYPTO_BUFFER_push(chain, der);
    peer_info(chain, UINT32_MAX, &text);
    (void)url_query_escape(pool, text_slice(&text));
    peer_pem(chain, &text);
    text_free(&text);
    pool_free(pool);
    sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
    return 0;
}
