/*
 * detect.h - the media type of answers that have none, found in their first bytes (contentType).
 *
 * It is looked for when the whole chain is done with the answer, in what the client is about to get: a body that a middleware
 * has encoded is left alone. The head waits for 512 bytes, the end or the server's first pause.
 */
#ifndef WEIR_WORKER_DETECT_H
#define WEIR_WORKER_DETECT_H

#include <stdbool.h>

struct exchange;

/* ex->detect is set and the response half of the chain is done. True: the head is held; detect sends it by
 * exchange_response_resume(). False: there is nothing to look for. */
bool detect_holds(struct exchange *ex);

#endif
