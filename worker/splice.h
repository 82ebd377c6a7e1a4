/*
 * splice.h - bytes from one plain connection to another without a copy through the worker's memory.
 *
 * By way of the worker's one pipe, which is empty again whenever control returns: what the other side does not take at once
 * is read out of the pipe into its outbox, as if it had been copied from the beginning. So nothing of a session is kept in a
 * pipe, and no number of slow readers needs more than the one.
 */
#ifndef WEIR_WORKER_SPLICE_H
#define WEIR_WORKER_SPLICE_H

#include "worker/conn.h"

/* Reads of so many bytes are worth it: smaller ones cost less copied. */
#define SPLICE_LEAST (16 * 1024)

void splice_start(
    struct worker *worker); /* before the sandbox: opens the pipe; without one nothing is spliced */
void splice_stop(struct worker *worker);

/* Neither speaks TLS, `out` is not backed up, memory is not tight. */
bool splice_fits(const struct conn *in, const struct conn *out);
/* As conn_read() and conn_send() together, `most` bytes at most (not 0): how many came from `in`; 0 at its end; -EAGAIN: there
 * are none yet; another negative errno: `in` is lost. *sent is what conn_send() says of `out`, which may be backed up
 * afterwards; 0 where nothing came. */
ssize_t splice_bytes(struct conn *in, struct conn *out, uint64_t most, int *sent);

#endif
