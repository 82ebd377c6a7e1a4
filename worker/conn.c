/*
 * conn.c - see conn.h.
 */
#include "worker/conn.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/worker.h"

#define FLUSH_PIECES 16

int conn_open(struct conn *conn, struct worker *worker, int fd)
{
    conn->worker = worker;
    conn->out = conn->out_last = NULL;
    conn->out_len = 0;
    conn->charged = conn->portion = 0;
    conn->capped = false;
    conn->tls = NULL;
    conn->cut = false;

    int rc = poller_add(worker->poller, &conn->io, fd, false);

    if (rc < 0) {
        close(fd);
    }
    return rc;
}

static void outbox_drop(struct conn *conn)
{
    while (conn->out) {
        struct buffer *next = conn->out->next;
        buffer_give(conn->worker, conn->out);
        conn->out = next;
    }
    conn->out_last = NULL;
    conn->out_len = 0;
    if (conn->charged) {
        budget_uncharge(conn->worker, conn);
    }
}

void conn_close(struct conn *conn)
{
    timer_remove(conn->worker->timers, &conn->timer);
    if (conn_backed_up(conn) && conn->io.fd >= 0 && conn->worker->budget.level >= BUDGET_FULL) {
        fence_reset_on_close(&conn->worker->fence,
                             conn->io.fd); /* else the kernel keeps the rest for minutes */
    }
    if (conn->tls) {
        tls_close(conn, !conn->cut && conn->io.fd >= 0);
    }
    outbox_drop(conn);
    io_close(&conn->io);
}

static int outbox_add(struct conn *conn, const char *ptr, size_t len)
{
    if (conn->out_len == 0) {
        conn->waits_ns = conn->worker->now_ns;
    }
    while (len) {
        struct buffer *last = conn->out_last;

        if (last == NULL || last->to == last->size) {
            struct buffer *fresh =
                buffer_take(conn->worker, len < BUFFER_LARGE / 2 ? len : BUFFER_LARGE - sizeof(*fresh));

            if (fresh == NULL) { /* it is lost, so what the kernel holds of it is of no use */
                fence_reset_on_close(&conn->worker->fence, conn->io.fd);
                return -ENOMEM;
            }
            if (last) {
                last->next = fresh;
            } else {
                conn->out = fresh;
            }
            conn->out_last = last = fresh;
        }

        size_t part = last->size - last->to < len ? last->size - last->to : len;

        memcpy(last->data + last->to, ptr, part);
        last->to += (uint32_t)part;
        conn->out_len += part;
        ptr += part;
        len -= part;
    }
    return 0;
}

/* What of the pieces lies behind their first `sent` bytes waits its turn. */
static int queue_rest(struct conn *conn, const struct iovec *pieces, int count, size_t sent)
{
    for (int i = 0; i < count; i++) {
        if (sent >= pieces[i].iov_len) {
            sent -= pieces[i].iov_len;
            continue;
        }

        int rc = outbox_add(conn, (const char *)pieces[i].iov_base + sent, pieces[i].iov_len - sent);

        if (rc < 0) {
            return rc;
        }
        sent = 0;
    }
    return 0;
}

/* Drops n bytes from the front of the outbox; returns how many of them lay behind it. */
static size_t outbox_sent(struct conn *conn, size_t n)
{
    while (n && conn->out) {
        struct buffer *first = conn->out;
        size_t part = buffer_len(first) < n ? buffer_len(first) : n;

        first->from += (uint32_t)part;
        conn->out_len -= part;
        conn->waits_ns = conn->worker->now_ns;
        n -= part;
        if (first->from == first->to) {
            conn->out = first->next;
            buffer_give(conn->worker, first);
        }
    }
    if (conn->out == NULL) {
        conn->out_last = NULL;
        if (conn->charged) {
            budget_uncharge(conn->worker, conn);
        }
    }
    return n;
}

static int gather(const struct conn *conn, struct iovec *pieces, int max)
{
    int count = 0;

    for (struct buffer *at = conn->out; at && count < max; at = at->next) {
        pieces[count++] = (struct iovec){at->data + at->from, buffer_len(at)};
    }
    return count;
}

int conn_send(struct conn *conn, const struct iovec *pieces, int count)
{
    return conn->tls ? tls_send(conn, pieces, count) : conn_send_raw(conn, pieces, count);
}

int conn_end(struct conn *conn)
{
    int rc = conn->tls ? tls_end(conn) : 0;

    if (rc == 0 && !conn_backed_up(conn) && shutdown(conn->io.fd, SHUT_WR) < 0) {
        rc = -errno;
    }
    return rc;
}

/* What the socket did not take of the pieces follows when it can. */
static int keep_rest(struct conn *conn, const struct iovec *pieces, int count, size_t sent)
{
    int rc = queue_rest(conn, pieces, count, sent);

    /* A short write is no promise of an edge: the second try, in this turn, ends with EAGAIN, and that is one. */
    if (conn->out_len && conn->io.writable) {
        poller_again(&conn->io);
    }
    if (conn->out_len && conn->charged == 0 && conn->worker->budget.on) {
        budget_charge(conn->worker, conn);
    }
    return rc;
}

/* Something waits already: with room for it both are tried. */
static int send_behind(struct conn *conn, const struct iovec *pieces, int count)
{
    struct iovec all[FLUSH_PIECES];
    size_t sent = 0;

    if (conn->io.writable && conn->out == conn->out_last && count < FLUSH_PIECES) {
        all[0] = (struct iovec){conn->out->data + conn->out->from, buffer_len(conn->out)};
        memcpy(all + 1, pieces, (size_t)count * sizeof(*pieces));

        ssize_t n = io_writev(&conn->io, all, count + 1);

        if (n < 0 && errno != EAGAIN) {
            return -errno;
        }
        sent = n > 0 ? outbox_sent(conn, (size_t)n) : 0;
    }
    return keep_rest(conn, pieces, count, sent);
}

/* n: as of io_write(), with errno */
__attribute__((noinline)) static int sent_less(struct conn *conn, struct slice bytes, ssize_t n)
{
    if (n < 0 && errno != EAGAIN) {
        return -errno;
    }
    return keep_rest(conn, &(struct iovec){(char *)bytes.ptr, bytes.len}, 1, n > 0 ? (size_t)n : 0);
}

int conn_send_raw(struct conn *conn, const struct iovec *pieces, int count)
{
    size_t size = 0;

    if (conn->io.fd < 0) {
        return -EPIPE;
    }
    if (conn->worker->budget.level >= BUDGET_TIGHT && !conn->capped) {
        budget_cap(conn);
    }
    if (conn->out_len) {
        return send_behind(conn, pieces, count);
    }

    ssize_t n = io_writev(&conn->io, pieces, count);

    if (n < 0 && errno != EAGAIN) {
        return -errno;
    }
    for (int i = 0; i < count; i++) {
        size += pieces[i].iov_len;
    }
    return n == (ssize_t)size ? 0 : keep_rest(conn, pieces, count, n > 0 ? (size_t)n : 0);
}

__attribute__((noinline)) static int send_other(struct conn *conn, struct slice bytes)
{
    return conn_send(conn, &(struct iovec){(char *)bytes.ptr, bytes.len}, 1);
}

int conn_send_one(struct conn *conn, struct slice bytes)
{
    if (conn->tls || conn->out_len || conn->io.fd < 0 || conn->worker->budget.level >= BUDGET_TIGHT) {
        return send_other(conn, bytes);
    }

    ssize_t n = io_write(&conn->io, bytes.ptr, bytes.len);

    return n == (ssize_t)bytes.len ? 0 : sent_less(conn, bytes, n);
}

int conn_queue(struct conn *conn, struct slice data)
{
    return conn->tls ? tls_queue(conn, data) : conn_queue_raw(conn, data);
}

int conn_queue_raw(struct conn *conn, struct slice data)
{
    return conn->io.fd < 0 ? -EPIPE : outbox_add(conn, data.ptr, data.len);
}

int conn_flush(struct conn *conn)
{
    if (conn->io.fd < 0) {
        return -EPIPE;
    }
    while (conn->out_len) {
        struct iovec pieces[FLUSH_PIECES];
        ssize_t n = io_writev(&conn->io, pieces, gather(conn, pieces, FLUSH_PIECES));

        if (n < 0) {
            return errno == EAGAIN ? 0 : -errno;
        }
        outbox_sent(conn, (size_t)n);
    }
    return 0;
}
