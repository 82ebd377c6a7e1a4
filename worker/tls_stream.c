/*
 * tls_stream.c - records of a connection: reading and writing through areas of the worker. See tls.h.
 *
 * BoringSSL reads and writes through a BIO of ours. What it reads comes from the socket, a good piece at a time, into an
 * area of the worker; what is left of it when the caller has enough is kept with the connection. What it writes is put together
 * there and leaves in one call, as cipher text, through the connection's outbox: so all about being backed up is as without TLS.
 */
#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include "common/base/memory.h"
#include "common/tls/tls_words.h"
#include "worker/tls_inner.h"

#define READ_LEAST 4096
#define RECORD_EXTRA 512 /* of its head and tag, and of small records before it */

/* ---- the BIO ---- */
static void window_fill(struct conn *conn)
{
    struct tls_worker *tls = conn->worker->tls;
    size_t room = conn->tls->wanted + RECORD_EXTRA;
    ssize_t n;

    if (!conn->io.readable || conn->tls->ended) {
        return;
    }
    room = room < READ_LEAST ? READ_LEAST : room > TLS_RECEIVE_SIZE ? TLS_RECEIVE_SIZE : room;
    n = io_read(&conn->io, tls->received, room);
    if (n > 0) {
        tls->window = slice_of(tls->received, (size_t)n);
    } else {
        conn->tls->ended = n == 0 || errno != EAGAIN;
    }
}

static int bio_read(BIO *bio, char *out, int len)
{
    struct conn *conn = BIO_get_data(bio);
    struct tls_worker *tls = conn->worker->tls;

    BIO_clear_retry_flags(bio);
    if (tls->window.len == 0) {
        window_fill(conn);
    }
    if (tls->window.len == 0) {
        if (!conn->tls->ended) {
            BIO_set_retry_read(bio);
            return -1;
        }
        return 0;
    }

    size_t part = tls->window.len < (size_t)len ? tls->window.len : (size_t)len;

    memcpy(out, tls->window.ptr, part);
    tls->window = slice_from(tls->window, part);
    return (int)part;
}

static int bio_write(BIO *bio, const char *in, int len)
{
    struct conn *conn = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    stage_put(&conn->worker->tls->out, slice_of(in, (size_t)len));
    return len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

BIO *tls_bio(struct conn *conn)
{
    if (method == NULL) {
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weir");
        if (method == NULL || !BIO_meth_set_read(method, bio_read) ||
            !BIO_meth_set_write(method, bio_write) || !BIO_meth_set_ctrl(method, bio_ctrl)) {
            return NULL;
        }
    }

    BIO *bio = BIO_new(method);

    if (bio) {
        BIO_set_data(bio, conn);
        BIO_set_init(bio, 1);
    }
    return bio;
}

void tls_stream_stop(void)
{
    BIO_meth_free(method);
    method = NULL;
}

/* ---- around every call ---- */
void tls_begin(struct conn *conn)
{
    struct tls_worker *tls = conn->worker->tls;
    const struct buffer *in = conn->tls->in;

    tls->window = in ? slice_of(in->data + in->from, buffer_len(in)) : slice_of(NULL, 0);
    ERR_clear_error();
}

/* What of the window was not used stays with the connection. False: there is no memory for it. */
static bool keep_window(struct conn *conn)
{
    struct tls_worker *tls = conn->worker->tls;
    struct tls *own = conn->tls;
    struct buffer *kept;

    if (own->in && tls->window.ptr >= own->in->data && tls->window.ptr < own->in->data + own->in->to &&
        tls->window.len) {
        own->in->from = own->in->to - (uint32_t)tls->window.len;
        return true;
    }
    buffer_give(conn->worker, own->in);
    own->in = NULL;
    if (tls->window.len == 0) {
        return true;
    }
    kept = buffer_take(conn->worker, tls->window.len);
    if (kept == NULL) {
        return false;
    }
    memcpy(kept->data, tls->window.ptr, tls->window.len);
    kept->to = (uint32_t)tls->window.len;
    own->in = kept;
    return true;
}

static int send_out(struct conn *conn)
{
    struct stage *out = &conn->worker->tls->out;
    struct iovec piece = {out->ptr, out->len};
    int rc = out->len ? conn_send_raw(conn, &piece, 1) : 0;

    stage_reset(out);
    return rc;
}

int tls_finish(struct conn *conn)
{
    bool kept = keep_window(conn);
    int rc = send_out(conn);

    conn->worker->tls->window = slice_of(NULL, 0);
    return kept ? rc : -ENOMEM;
}

/* ---- reading ---- */
/* What SSL_read() says when it gives nothing: 1 there is nothing yet, 0 the end, -1 it is broken. */
static int read_stopped(struct tls *tls, int rc)
{
    switch (SSL_get_error(tls->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return 1;
    case SSL_ERROR_ZERO_RETURN:
        tls->end_heard = true;
        return 0;
    default:
        tls->broken = true;
        tls->words = tls->ended ? NULL : tls_error_words();
        return tls->ended ? 0 : -1;
    }
}

ssize_t tls_read(struct conn *conn, void *space, size_t size)
{
    struct tls *tls = conn->tls;
    size_t done = 0;
    int stopped = 1;

    if (tls->broken) {
        errno = EPROTO;
        return tls->ended ? 0 : -1;
    }
    tls_begin(conn);
    while (done < size) {
        tls->wanted = size - done;

        int n = SSL_read(tls->ssl, (char *)space + done, (int)(size - done));

        if (n <= 0) {
            stopped = read_stopped(tls, n);
            break;
        }
        done += (size_t)n;
    }
    ERR_clear_error();
    if (tls_finish(conn) < 0) {
        errno = EPIPE;
        return -1;
    }
    /* More is there without a new edge: behind what fitted, or the end that is told with the next call. */
    if (done == size || (done && stopped != 1)) {
        conn->io.readable = true;
    }
    if (done) {
        return (ssize_t)done;
    }
    errno = stopped == 1 ? EAGAIN : EPROTO;
    return stopped == 0 ? 0 : -1;
}

/* ---- writing ---- */
struct filling { /* small pieces on their way into one record */
    struct conn *conn;
    size_t len;
};

static bool write_record(struct conn *conn, const char *ptr, size_t len)
{
    return SSL_write(conn->tls->ssl, ptr, (int)len) == (int)len;
}

static bool fill_end(struct filling *filling)
{
    size_t len = filling->len;

    filling->len = 0;
    return len == 0 || write_record(filling->conn, filling->conn->worker->tls->plain, len);
}

/* Whole records go from where they lie, the rest is put together with what comes before and behind. */
static bool fill(struct filling *filling, const char *ptr, size_t len)
{
    char *plain = filling->conn->worker->tls->plain;

    while (len) {
        size_t part = TLS_RECORD_MOST - filling->len < len ? TLS_RECORD_MOST - filling->len : len;

        if (part == TLS_RECORD_MOST) {
            if (!write_record(filling->conn, ptr, part)) {
                return false;
            }
        } else {
            memcpy(plain + filling->len, ptr, part);
            filling->len += part;
            if (filling->len == TLS_RECORD_MOST && !fill_end(filling)) {
                return false;
            }
        }
        ptr += part;
        len -= part;
    }
    return true;
}

int tls_send(struct conn *conn, const struct iovec *pieces, int count)
{
    struct filling filling = {.conn = conn};
    bool good = !conn->tls->broken;

    if (conn->io.fd < 0) {
        return -EPIPE;
    }
    tls_begin(conn);
    for (int i = 0; i < count && good; i++) {
        good = fill(&filling, pieces[i].iov_base, pieces[i].iov_len);
    }
    good = good && fill_end(&filling);
    conn->tls->broken = conn->tls->broken || !good;
    ERR_clear_error();

    int rc = tls_finish(conn);

    return good ? rc : -EPIPE;
}

int tls_queue(struct conn *conn, struct slice data)
{
    struct filling filling = {.conn = conn};
    struct stage *out = &conn->worker->tls->out;
    bool good = !conn->tls->broken;
    int rc;

    if (conn->io.fd < 0) {
        return -EPIPE;
    }
    tls_begin(conn);
    good = good && fill(&filling, data.ptr, data.len) && fill_end(&filling);
    conn->tls->broken = conn->tls->broken || !good;
    ERR_clear_error();
    good = keep_window(conn) && good;
    conn->worker->tls->window = slice_of(NULL, 0);
    rc = good ? conn_queue_raw(conn, slice_of(out->ptr, out->len)) : -EPIPE;
    stage_reset(out);
    return rc;
}

/* ---- the end ---- */
const char *tls_broken_words(const struct conn *conn)
{
    return conn->tls->broken ? conn->tls->words : NULL;
}

bool tls_ended_well(const struct conn *conn)
{
    return conn->tls->end_heard;
}

int tls_end(struct conn *conn)
{
    if (conn->tls->broken || conn->tls->end_said) {
        return 0;
    }
    conn->tls->end_said = true;
    tls_begin(conn);
    (void)SSL_shutdown(conn->tls->ssl);
    ERR_clear_error();
    return tls_finish(conn);
}

void tls_close(struct conn *conn, bool orderly)
{
    struct tls *tls = conn->tls;

    if (orderly && conn->out_len == 0 && !conn->io.broken) {
        (void)tls_end(conn);
    }
    tls_peer_forget(tls);
    SSL_free(tls->ssl);
    tls_live_unref(tls->live);
    tls_upstream_leave(tls);
    buffer_give(conn->worker, tls->in);
    conn->tls = NULL;
    record_give(conn->worker, RECORD_TLS, tls);
}

uint64_t tls_options_used(const struct conn *conn)
{
    return conn->tls->live->options_id;
}
