/*
 * conn.h - a TCP connection, of a client or to a server: its descriptor, what is not written yet, its timer.
 *
 * Writes are tried at once; what the socket does not take is copied to the outbox and follows when there is room. The
 * owner stops feeding while conn_backed_up(): so an outbox holds at most what one read brought, and memory is bounded.
 */
#ifndef WEIR_WORKER_CONN_H
#define WEIR_WORKER_CONN_H

#include "worker/poller.h"
#include "worker/recycle.h"
#include "worker/timers.h"
#include "worker/tls.h"

struct conn {
    struct io io;   /* first: the poller's pointer is the connection's */
    size_t out_len; /* bytes of `out`; what every event looks at stands near the beginning */
    struct worker *worker;
    struct tls *tls; /* under what is read and written; NULL: plain */
    void *owner;     /* of whoever io.on_ready belongs to, when it is not the record itself (tunnels) */
    struct buffer *out, *out_last; /* not written yet */
    uint32_t
        charged; /* bytes in the kernel's buffers while it is backed up, as far as the budget counts them */
    uint32_t portion; /* bytes that are spliced to it at once: more while it takes them all */
    bool capped;      /* the kernel's buffers have been made small */
    bool cut;         /* what was sent last is not complete: no orderly end */
    int64_t waits_ns; /* while it is backed up: when the peer took something last */
    struct timer timer;
};

/* fd is given over, on failure closed. */
int conn_open(struct conn *conn, struct worker *worker, int fd);
/* Twice is harmless. The memory goes in io.on_closed. */
void conn_close(struct conn *conn);

/* Sends the pieces in order behind what waits already. 0, or a negative errno: the connection is lost (-ENOMEM: by the memory
 * budget, and its end is a reset). The bytes are copied where needed: they may go away afterwards. */
int conn_send(struct conn *conn, const struct iovec *pieces, int count);
/* The same for one piece: the way that most bytes go, so it is short. */
int conn_send_one(struct conn *conn, struct slice bytes);
/* As conn_send(), for bytes as the socket takes them. */
int conn_send_raw(struct conn *conn, const struct iovec *pieces, int count);
/* As io_read(): -1 with EAGAIN when there is nothing yet, 0 at the end. */
static inline ssize_t conn_read(struct conn *conn, void *space, size_t size)
{
    return conn->tls ? tls_read(conn, space, size) : io_read(&conn->io, space, size);
}
/* Tells the peer that nothing follows; reading goes on. 0 or a negative errno. */
int conn_end(struct conn *conn);
/* Only puts it into the outbox: more follows at once. */
int conn_queue(struct conn *conn, struct slice data);
int conn_queue_raw(struct conn *conn, struct slice data);
/* To be called when writable: writes what waits. 0 or a negative errno. */
int conn_flush(struct conn *conn);

static inline bool conn_backed_up(const struct conn *conn)
{
    return conn->out_len != 0;
}

static inline bool conn_closed(const struct conn *conn)
{
    return conn->io.fd < 0;
}

#endif
