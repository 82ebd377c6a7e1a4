/*
 * api_key.c - lets pass who sends a key whose hash is known (apiKey).
 *
 * What is known of the key is asked of all hashes first; only then are slow ones computed, one after the other.
 * Test: tests/integration/test_middleware_api_key.py
 */
#include <openssl/base64.h>

#include "common/http/cookie.h"
#include "common/model/prepared.h"
#include "worker/middleware.h"
#include "worker/middleware/bearer.h"
#include "worker/passwords.h"

struct asking { /* of a request whose key is being looked at */
    const struct prepared_api_key *params;
    struct slice key;
    size_t next; /* the hash that comes next */
};

static bool find_key(struct exchange *ex, const struct prepared_api_key *p, struct slice *key)
{
    struct slice cookie = exchange_text(ex, p->cookie);

    return bearer_of_header(ex, exchange_text(ex, p->header), exchange_text(ex, p->scheme), key) ||
           bearer_of_query(ex, exchange_text(ex, p->query), key) ||
           (cookie.len && cookie_find(&ex->request.headers, cookie, key) && key->len);
}

static bool decode(struct exchange *ex, struct slice *key)
{
    size_t room, len;
    uint8_t *text;

    if (!EVP_DecodedLength(&room, key->len)) {
        return false;
    }
    text = pool_alloc(ex->pool, room + 1);
    if (!EVP_DecodeBase64(text, &len, room, (const uint8_t *)key->ptr, key->len)) {
        return false;
    }
    *key = slice_of((const char *)text, len);
    return len > 0;
}

static enum mw_verdict refuse(struct exchange *ex)
{
    return (enum mw_verdict)exchange_answer(ex, 401, REASON_unauthenticated);
}

static void decided(struct exchange *ex, void *context, bool right);

static enum mw_verdict ask_rest(struct exchange *ex, struct asking *asking)
{
    const struct list *hashes = &asking->params->hashes;
    const struct slice *items = exchange_items(ex, *hashes);

    while (asking->next < hashes->count) {
        struct slice hash = exchange_text(ex, items[asking->next++]);

        switch (passwords_ask(ex, hash, asking->key, true, decided, asking)) {
        case PASSWORD_RIGHT:
            return MW_PASS;
        case PASSWORD_LATER:
            return MW_SUSPENDED;
        case PASSWORD_BUSY:
            headers_set(&ex->response.headers, SLICE("Retry-After"), SLICE("1"));
            return (enum mw_verdict)exchange_answer(ex, 503, REASON_limit);
        case PASSWORD_WRONG:
            break;
        }
    }
    return refuse(ex);
}

static void decided(struct exchange *ex, void *context, bool right)
{
    if (right || ask_rest(ex, context) != MW_SUSPENDED) {
        exchange_resume(ex);
    }
}

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct prepared_api_key *p = params;
    const struct slice *hashes = exchange_items(ex, p->hashes);
    struct asking *asking = pool_alloc(ex->pool, sizeof(*asking));

    *asking = (struct asking){.params = p};
    if (!find_key(ex, p, &asking->key) || (!p->plain && !decode(ex, &asking->key))) {
        return refuse(ex);
    }
    for (size_t i = 0; i < p->hashes.count; i++) {
        if (passwords_known(ex, exchange_text(ex, hashes[i]), asking->key)) {
            return MW_PASS;
        }
    }
    return ask_rest(ex, asking);
}

const struct middleware_type mw_api_key = {.name = "apiKey", .on_request = on_request};
