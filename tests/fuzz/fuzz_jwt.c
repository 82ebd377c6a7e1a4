/*
 * fuzz_jwt.c - tokens, key sets and expressions over claims. The first byte of the input chooses which it is.
 */
#include <stdlib.h>

#include "common/http/jwk.h"
#include "common/rule/claims_expression.h"

static void try_token(struct pool *pool, struct slice text)
{
    struct jwt_token token;

    if (jwt_read(pool, text, &token)) {
        (void)jwt_verify_secret(&token, SLICE("secret"));
        (void)jwt_claims(pool, &token);
    }
}

static void try_set(struct pool *pool, struct slice text)
{
    struct jwk *keys;
    struct jwk_packed packed;
    struct error why;
    size_t count;

    if (jwk_read_set(pool, SLICE("set"), text, &keys, &count, &why) == 0) {
        for (size_t i = 0; i < count; i++) {
            if (!keys[i].algorithms || !jwk_unpack(jwk_pack(pool, &keys[i]), &packed)) {
                abort();
            }
        }
    }
}

static void try_expression(struct pool *pool, struct slice text)
{
    struct slice claims = SLICE("{\"a\":{\"b\":[\"c\",1]},\"d\":\"e f\"}"), program;
    struct doc *doc;
    struct error why;

    if (doc_read_json(pool, SLICE("claims"), claims, &doc, &why) == 0 &&
        claims_expression_compile(pool, text, &program, &why)) {
        (void)claims_expression_holds(program, doc);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    char *copy = malloc(size - 1); /* of its own size: reading too far is seen */
    struct pool *pool = pool_new(4096, 0);
    struct slice text = slice_of(memcpy(copy, data + 1, size - 1), size - 1);

    switch (data[0] % 3) {
    case 0:
        try_token(pool, text);
        break;
    case 1:
        try_set(pool, text);
        break;
    default:
        try_expression(pool, text);
        break;
    }
    pool_free(pool);
    free(copy);
    return 0;
}
