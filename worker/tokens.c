/*
 * tokens.c - see tokens.h.
 */
#include "worker/tokens.h"

#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "worker/worker.h"

#define SETS 256 /* a power of two */
#define WAYS 4
#define KEYS 64

struct live_key {
    uint64_t identity;
    EVP_PKEY *key; /* NULL: free */
};

struct tokens { /* made when the first token comes */
    uint8_t secret[SHA256_DIGEST_LENGTH];
    uint8_t good[SETS][WAYS][SHA256_DIGEST_LENGTH];
    uint8_t oldest[SETS];
    struct live_key keys[KEYS];
    unsigned next_key;
};

static struct tokens *tokens_of(struct worker *worker)
{
    if (worker->tokens == NULL) {
        worker->tokens = xcalloc(1, sizeof(*worker->tokens));
        (void)RAND_bytes(worker->tokens->secret, sizeof(worker->tokens->secret));
    }
    return worker->tokens;
}

/* NULL: the bytes are no key. */
static EVP_PKEY *live_key(struct tokens *tokens, const struct jwk_packed *key)
{
    struct live_key *place;
    EVP_PKEY *read;
    CBS cbs;

    for (size_t i = 0; i < KEYS; i++) {
        if (tokens->keys[i].key && tokens->keys[i].identity == key->identity) {
            return tokens->keys[i].key;
        }
    }
    CBS_init(&cbs, (const uint8_t *)key->material.ptr, key->material.len);
    read = EVP_parse_public_key(&cbs);
    ERR_clear_error();
    if (read) {
        place = &tokens->keys[tokens->next_key++ % KEYS];
        EVP_PKEY_free(place->key);
        *place = (struct live_key){key->identity, read};
    }
    return read;
}

static void digest_of(const struct tokens *tokens, const struct jwk_packed *key,
                      const struct jwt_token *token, uint8_t *digest)
{
    size_t len = token->signed_part.len;
    SHA256_CTX sha;

    SHA256_Init(&sha);
    SHA256_Update(&sha, tokens->secret, sizeof(tokens->secret));
    SHA256_Update(&sha, &key->identity, sizeof(key->identity));
    SHA256_Update(&sha, &len, sizeof(len));
    SHA256_Update(&sha, token->signed_part.ptr, len);
    SHA256_Update(&sha, token->signature.ptr, token->signature.len);
    SHA256_Final(digest, &sha);
}

bool tokens_verify(struct worker *worker, const struct jwk_packed *key, const struct jwt_token *token)
{
    struct tokens *tokens;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    EVP_PKEY *live;
    size_t set;

    if (!((1u << token->algorithm) & key->algorithms)) {
        return false;
    }
    if (key->algorithms & JWT_HS) {
        return jwt_verify_secret(token, key->material);
    }
    tokens = tokens_of(worker);
    digest_of(tokens, key, token, digest);
    set = digest[0] & (SETS - 1);
    for (size_t i = 0; i < WAYS; i++) {
        if (CRYPTO_memcmp(tokens->good[set][i], digest, sizeof(digest)) == 0) {
            return true;
        }
    }
    live = live_key(tokens, key);
    if (live == NULL || !jwt_verify_key(token, live)) {
        return false;
    }
    memcpy(tokens->good[set][tokens->oldest[set]++ % WAYS], digest, sizeof(digest));
    return true;
}

void tokens_end(struct worker *worker)
{
    struct tokens *tokens = worker->tokens;

    for (size_t i = 0; tokens && i < KEYS; i++) {
        EVP_PKEY_free(tokens->keys[i].key);
    }
    free(tokens);
    worker->tokens = NULL;
}
