/*
 * probe_tcp.c - a probe of a TCP server: it takes a connection, over TLS where its service does, takes what is sent, and answers
 * as expected, where something is.
 *
 * A connection of its own each time. Without anything to expect nothing is read: that all was taken is enough. What comes is
 * compared as it comes, so nothing of it is kept, and an answer may come in pieces.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/net/addr.h"
#include "master/compile/url.h"
#include "master/health/probe.h"

#define READ_SIZE 16384

struct tcp_probe {
    struct probe probe; /* first */
    uv_loop_t *loop;
    const struct probe_options *options;
    struct server_url address;
    uint16_t port;
    char text[272], host[256], service[8];
    uv_timer_t timer; /* the start, then the deadline */
    uv_tcp_t tcp;
    bool tcp_open, stopped, spoken;
    unsigned pending; /* what libuv still holds */
    uv_connect_t connect;
    uv_getaddrinfo_t resolve;
    struct tls_session *tls;
    size_t matched; /* bytes of what is expected that came */
    char in[READ_SIZE], plain[READ_SIZE];
};

/* ---- the end ---- */

static void let_go(struct tcp_probe *probe)
{
    if (--probe->pending == 0) {
        tls_session_free(probe->tls);
        free(probe);
    }
}

static void on_closed(uv_handle_t *handle)
{
    let_go(handle->data);
}

static void stop(struct probe *base)
{
    struct tcp_probe *probe = (struct tcp_probe *)base;

    probe->stopped = true;
    (void)uv_cancel((uv_req_t *)&probe->resolve); /* when there is none, or it runs already: no harm */
    uv_close((uv_handle_t *)&probe->timer, on_closed);
    if (probe->tcp_open) {
        uv_close((uv_handle_t *)&probe->tcp, on_closed);
    }
}

static void fail(struct tcp_probe *probe, int rc, const char *words, const char *detail)
{
    struct error why;

    (void)error_set(&why, rc, "checking TCP health: %s%s", words, detail);
    probe_finish(&probe->probe, &why);
}

/* ---- writing ---- */

struct write {
    uv_write_t request;
    bool last; /* all of `send` is in it */
    char bytes[];
};

static void on_written(uv_write_t *request, int status)
{
    struct tcp_probe *probe = request->data;
    bool last = ((struct write *)request)->last;

    free(request);
    if (probe->stopped) {
        return;
    }
    if (status < 0) {
        fail(probe, status, "sending: ", uv_strerror(status));
    } else if (last && probe->options->expect.len == 0) {
        probe_finish(&probe->probe, NULL);
    }
}

/* False: the probe is over. */
static bool write_bytes(struct tcp_probe *probe, struct slice bytes, bool last)
{
    struct write *write = xmalloc(sizeof(*write) + bytes.len);
    uv_buf_t buf = uv_buf_init(write->bytes, (unsigned)bytes.len);
    int rc;

    memcpy(write->bytes, bytes.ptr, bytes.len);
    write->last = last;
    write->request.data = probe;
    if ((rc = uv_write(&write->request, (uv_stream_t *)&probe->tcp, &buf, 1, on_written)) < 0) {
        free(write);
        fail(probe, rc, "sending: ", uv_strerror(rc));
        return false;
    }
    return true;
}

/* What TLS has for the server. False: the probe is over. */
static bool flush(struct tcp_probe *probe, bool last)
{
    struct slice output = tls_session_output(probe->tls);

    if (output.len && !write_bytes(probe, output, last)) {
        return false;
    }
    tls_session_output_sent(probe->tls);
    return true;
}

/* ---- the exchange ---- */

/* There is a connection: says what is to be said. False: the probe is over. */
static bool speak(struct tcp_probe *probe)
{
    struct slice send = probe->options->send;
    struct error why;

    probe->spoken = true;
    if (send.len == 0 && probe->options->expect.len == 0) {
        probe_finish(&probe->probe, NULL);
        return false;
    }
    if (send.len == 0) {
        return true;
    }
    if (probe->tls == NULL) {
        return write_bytes(probe, send, true);
    }
    if (tls_session_write(probe->tls, send, &why) < 0) {
        fail(probe, -EPROTO, "sending: ", why.text);
        return false;
    }
    return flush(probe, true);
}

/* False: the probe is over. */
static bool judge(struct tcp_probe *probe, struct slice bytes)
{
    struct slice expect = slice_from(probe->options->expect, probe->matched);
    size_t length = bytes.len < expect.len ? bytes.len : expect.len;

    if (expect.len == 0) {
        return true; /* it is no part of the question: the end is that all was taken */
    }
    if (!slice_eq(slice_head(bytes, length), slice_head(expect, length))) {
        fail(probe, -EBADMSG, "unexpected health check response", "");
        return false;
    }
    probe->matched += length;
    if (probe->matched == probe->options->expect.len) {
        probe_finish(&probe->probe, NULL);
        return false;
    }
    return true;
}

/* ---- TLS ---- */

/* False: the probe is over. */
static bool shake_hands(struct tcp_probe *probe)
{
    struct error why;
    int rc = tls_session_handshake(probe->tls, &why);

    if (!flush(probe, false)) {
        return false;
    }
    if (rc < 0) {
        fail(probe, rc, "TLS: ", why.text);
        return false;
    }
    return rc == 0 || speak(probe);
}

static void tls_start(struct tcp_probe *probe)
{
    struct error why;
    int rc = probe_tls(probe->options, probe->address.host, &probe->tls, &why);

    if (rc < 0) {
        fail(probe, rc, "TLS: ", why.text);
        return;
    }
    (void)shake_hands(probe);
}

static void take_cipher(struct tcp_probe *probe)
{
    struct error why;
    size_t length;

    for (;;) {
        switch (tls_session_read(probe->tls, probe->plain, sizeof(probe->plain), &length, &why)) {
        case TLS_READ_DATA:
            if (!judge(probe, slice_of(probe->plain, length))) {
                return;
            }
            break;
        case TLS_READ_MORE:
            (void)flush(probe, false);
            return;
        case TLS_READ_CLOSE:
            fail(probe, -ECONNRESET, "reading: ", "closed by the server");
            return;
        case TLS_READ_ERROR:
            fail(probe, -EPROTO, "reading: ", why.text);
            return;
        }
    }
}

/* ---- the connection ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct tcp_probe *probe = handle->data;

    (void)suggested;
    *buf = uv_buf_init(probe->in, READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct tcp_probe *probe = stream->data;
    struct slice bytes;

    if (got == 0 || probe->stopped) {
        return;
    }
    if (got < 0) {
        fail(probe, (int)got, "reading: ", got == UV_EOF ? "closed by the server" : uv_strerror((int)got));
        return;
    }
    bytes = slice_of(buf->base, (size_t)got);
    if (probe->tls == NULL) {
        (void)judge(probe, bytes);
        return;
    }
    tls_session_feed(probe->tls, bytes);
    if (probe->spoken || (shake_hands(probe) && probe->spoken)) {
        take_cipher(probe);
    }
}

static void on_connect(uv_connect_t *request, int status)
{
    struct tcp_probe *probe = request->data;
    int rc = status;

    if (probe->stopped) {
        return;
    }
    if (rc == 0 && (probe->options->by_tls || probe->options->expect.len)) {
        rc = uv_read_start((uv_stream_t *)&probe->tcp, on_alloc, on_read);
    }
    if (rc < 0) {
        fail(probe, rc, "connecting: ", uv_strerror(rc));
    } else if (probe->options->by_tls) {
        tls_start(probe);
    } else {
        (void)speak(probe);
    }
}

static void connect_to(struct tcp_probe *probe, const struct sockaddr *address)
{
    int rc = uv_tcp_init(probe->loop, &probe->tcp);

    if (rc == 0) {
        probe->tcp.data = probe->connect.data = probe;
        probe->tcp_open = true;
        probe->pending++;
        rc = uv_tcp_connect(&probe->connect, &probe->tcp, address, on_connect);
    }
    if (rc < 0) {
        fail(probe, rc, "connecting: ", uv_strerror(rc));
    }
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct tcp_probe *probe = request->data;

    if (!probe->stopped && status == 0) {
        connect_to(probe, found->ai_addr);
    } else if (!probe->stopped) {
        fail(probe, -EHOSTUNREACH, "connecting: cannot resolve the name: ", uv_strerror(status));
    }
    uv_freeaddrinfo(found);
    let_go(probe);
}

static void resolve(struct tcp_probe *probe)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    int rc;

    (void)snprintf(probe->service, sizeof(probe->service), "%u", probe->port);
    probe->resolve.data = probe;
    rc = slice_to_cstr(probe->address.host, probe->host, sizeof(probe->host))
             ? uv_getaddrinfo(probe->loop, &probe->resolve, on_resolved, probe->host, probe->service, &hints)
             : UV_ENAMETOOLONG;
    if (rc < 0) {
        fail(probe, rc, "connecting: ", uv_strerror(rc));
    } else {
        probe->pending++;
    }
}

static void on_deadline(uv_timer_t *timer)
{
    struct tcp_probe *probe = timer->data;
    char words[64];

    (void)snprintf(words, sizeof(words), "no answer within %u ms", probe->options->timeout_ms);
    fail(probe, -ETIMEDOUT, "", words);
}

static void on_start(uv_timer_t *timer)
{
    struct tcp_probe *probe = timer->data;
    struct sockaddr_storage storage;
    struct error why;
    int length = snprintf(probe->text, sizeof(probe->text), "tcp://%.*s", SLICE_ARG(probe->options->url));

    (void)uv_timer_start(timer, on_deadline, probe->options->timeout_ms, 0);
    if (length < 0 || (size_t)length >= sizeof(probe->text)) {
        fail(probe, -ENAMETOOLONG, "the address is too long", "");
        return;
    }
    if (server_url_parse(slice_of(probe->text, (size_t)length), &probe->address, &why) < 0) {
        fail(probe, -EINVAL, "", why.text);
        return;
    }
    probe->port = probe->options->port ? probe->options->port : probe->address.port;
    if (probe->address.literal.family == 0) {
        resolve(probe);
        return;
    }
    probe->address.literal.port = probe->port;
    (void)address_to_sockaddr(&probe->address.literal, &storage);
    connect_to(probe, (const struct sockaddr *)&storage);
}

struct probe *probe_tcp_start(uv_loop_t *loop, const struct probe_options *options, probe_done *done,
                              void *context)
{
    struct tcp_probe *probe = xcalloc(1, sizeof(*probe));

    probe->probe = (struct probe){.stop = stop, .done = done, .context = context};
    probe->loop = loop;
    probe->options = options;
    (void)uv_timer_init(loop, &probe->timer);
    probe->timer.data = probe;
    probe->pending = 1;
    (void)uv_timer_start(&probe->timer, on_start, 0, 0);
    return &probe->probe;
}
