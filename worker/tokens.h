/*
 * tokens.h - signatures of tokens: each is verified once in a while, and each key is read once.
 *
 * That a key signed a token is remembered by a hash of both, for as many tokens as there is room; that it did not never is. So a
 * slow signature costs a client one computation, and memory stays bounded. Not here: whether its claims hold, at each
 * request (worker/middleware/jwt.c).
 */
#ifndef WEIR_WORKER_TOKENS_H
#define WEIR_WORKER_TOKENS_H

#include "common/http/jwk.h"

struct worker;

/* The key is for the token's algorithm, and signed it. */
bool tokens_verify(struct worker *worker, const struct jwk_packed *key, const struct jwt_token *token);

void tokens_end(struct worker *worker);

#endif
