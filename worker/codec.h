/*
 * codec.h - what carries an exchange on the client's side: a table, so that HTTP/2 and 3 need no change elsewhere.
 *
 * The exchange calls it; the codec calls exchange_begin(), exchange_request_body(), exchange_client_*() (exchange.h).
 * A codec stages what it is given and writes at flush(), at the latest: head, body and end of a small answer leave in
 * one system call.
 */
#ifndef WEIR_WORKER_CODEC_H
#define WEIR_WORKER_CODEC_H

#include <sys/types.h>

#include "worker/exchange.h"

struct conn;
struct h1_message;
struct tunnel_end;

struct codec {
    const char *name; /* "h1" */
    /* Head of the answer from ex->response. */
    void (*send_head)(struct exchange *ex);
    void (*send_interim)(struct exchange *ex, uint16_t status, const struct headers *headers);
    /* 100 Continue, if the client waits for it. */
    void (*send_continue)(struct exchange *ex);
    /* false: backed up; exchange_client_drained() will be called. */
    bool (*send_body)(struct exchange *ex, struct slice data);
    /* As send_body() for at most so many bytes that are still in `from`, the connection of a server, without a copy of them:
     * splice_bytes(), of which it returns what it says of `from`. -ENOTSUP: not here, or not now. Absent: never.
     * *more as send_body() returns it. */
    ssize_t (*splice_body)(struct exchange *ex, struct conn *from, uint64_t most, bool *more);
    /* End of the answer. The codec calls exchange_end() at once or later. */
    void (*finish)(struct exchange *ex, const struct headers *trailers);
    void (*flush)(struct exchange *ex);
    /* Begin or go on handing on the request's body. */
    void (*resume)(struct exchange *ex);
    /* Break the transfer off so that the client sees it is not complete. Calls exchange_end(). */
    void (*abort)(struct exchange *ex);
    /* Gives the connection up to a tunnel: fills in the end, with bytes that were read already. The exchange ends. */
    void (*detach)(struct exchange *ex, struct tunnel_end *end);
};

extern const struct codec codec_h1;

#endif
