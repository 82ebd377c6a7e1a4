/*
 * password.h - hashes of passwords as htpasswd writes them: what is one, and whose password it is of.
 *
 * bcrypt ($2y$, also $2a$ $2b$ $2x$), MD5-crypt ($apr1$, $1$), SHA-1 ({SHA}), SHA-crypt ($5$, $6$). Not here: users (the
 * middlewares), threads (worker/passwords.h). Messages never hold a hash or a part of one.
 */
#ifndef WEIR_COMMON_HTTP_PASSWORD_H
#define WEIR_COMMON_HTTP_PASSWORD_H

#include "common/base/error.h"
#include "common/base/slice.h"

#define PASSWORD_HASH_MOST 127       /* bytes */
#define PASSWORD_MOST 511            /* what crypt(3) takes; a longer one fits no hash */
#define PASSWORD_COST_MOST 16        /* of bcrypt: some seconds */
#define PASSWORD_ROUNDS_MOST 1000000 /* of SHA-crypt: about a second */

struct crypt_data;

/* 0, or -EINVAL with what is wrong with the form of the hash. */
int password_hash_check(struct slice hash, struct error *why);
/* It takes longer than a callback of the loop may. */
bool password_hash_slow(struct slice hash);
/* Takes as long for a wrong password as for the right one. hash has passed password_hash_check(); scratch is for slow ones,
 * zeroed before its first use, and left zeroed. */
bool password_fits(struct slice hash, struct slice password, struct crypt_data *scratch);

#endif
