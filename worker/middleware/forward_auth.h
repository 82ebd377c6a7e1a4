/*
 * forward_auth.h - between the files of forwardAuth.
 */
#ifndef WEIR_WORKER_MIDDLEWARE_FORWARD_AUTH_H
#define WEIR_WORKER_MIDDLEWARE_FORWARD_AUTH_H

#include "common/model/prepared.h"
#include "worker/exchange.h"

/* What the server that decides gets of the request, and who asks. */
void auth_request_headers(struct exchange *ex, const struct prepared_forward_auth *p, struct headers *to);
/* What the request gets of its answer. */
void auth_take_headers(struct exchange *ex, const struct prepared_forward_auth *p,
                       const struct headers *answer);
/* The cookies of its answer that the client gets, in place of those of the same names. */
void auth_set_cookies(struct exchange *ex, const struct prepared_forward_auth *p,
                      const struct headers *answer);

#endif
