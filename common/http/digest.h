/*
 * digest.h - what a client writes into Authorization for the Digest scheme (RFC 7616 3.4), and the response that it must give.
 *
 * MD5 with qop=auth is all there is: it is what Traefik offers. Not here: which nonces there are (shm/nonces.h), users.
 */
#ifndef WEIR_COMMON_HTTP_DIGEST_H
#define WEIR_COMMON_HTTP_DIGEST_H

#include "common/base/pool.h"
#include "common/base/slice.h"

#define DIGEST_HASH_LEN 32 /* digits of an MD5, in lower case */
#define DIGEST_MOST 8192   /* bytes of a value that is read */

struct digest_login {
    struct slice username, nonce, uri, cnonce, opaque, algorithm, qop, nc, response; /* without quotes */
    uint32_t count;                                                                  /* nc; never 0 */
};

/* The value of Authorization. False: it is none of this scheme, is not written as RFC 7616 has it, names a parameter
 * twice, or lacks one of those above (algorithm may be missing: MD5). Unquoted texts lie in the value or in the pool. */
bool digest_parse(struct pool *pool, struct slice value, struct digest_login *out);

/* What `response` must be. ha1: DIGEST_HASH_LEN digits, the hash of user:realm:password. */
void digest_response(struct slice ha1, struct slice method, const struct digest_login *login,
                     char out[DIGEST_HASH_LEN]);

#endif
