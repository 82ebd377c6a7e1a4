/*
 * ocsp.h - the status of a certificate by OCSP (RFC 6960): the question as bytes, and an answer checked.
 *
 * Everything is DER and plain bytes. Not here: asking (master/master/stapling.c), which answers are kept (master/tls/staples.h).
 */
#ifndef WEIR_COMMON_TLS_OCSP_H
#define WEIR_COMMON_TLS_OCSP_H

#include "common/base/error.h"
#include "common/base/pool.h"

#define OCSP_RESPONDERS_MOST 4
#define OCSP_ANSWER_MOST ((size_t)64 * 1024) /* a longer one is refused */

enum ocsp_status { OCSP_GOOD, OCSP_REVOKED, OCSP_UNKNOWN };

struct ocsp_answer {
    enum ocsp_status status;
    int64_t produced; /* thisUpdate, seconds since 1970 */
    int64_t until;    /* nextUpdate; INT64_MAX: none is named */
};

/* Where to ask about a certificate (DER): the URLs that it names, in the pool; how many. */
size_t ocsp_responders(struct slice certificate, struct pool *pool, struct slice out[OCSP_RESPONDERS_MOST]);
/* The question, in the pool. issuer: DER of the certificate that signed it. */
int ocsp_request(struct slice certificate, struct slice issuer, struct pool *pool, struct slice *out,
                 struct error *why);
/* An answer about that certificate, signed by its issuer or by whom the issuer lets answer, and in force at `now`; any
 * status is an answer. Else -EBADMSG with the reason. */
int ocsp_answer_read(struct slice answer, struct slice certificate, struct slice issuer, int64_t now,
                     struct ocsp_answer *out, struct error *why);

#endif
