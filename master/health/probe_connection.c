/*
 * probe_connection.c - see probe_connection.h.
 */
#include "master/health/probe_connection.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/net/addr.h"

/* ---- the end ---- */

static void let_go(struct probe_connection *probe)
{
    if (--probe->pending == 0) {
        if (probe->kind->free) {
            probe->kind->free(probe);
        }
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
    struct probe_connection *probe = (struct probe_connection *)base;

    probe->stopped = true;
    (void)uv_cancel((uv_req_t *)&probe->resolve); /* when there is none, or it runs already: no harm */
    uv_close((uv_handle_t *)&probe->timer, on_closed);
    if (probe->tcp_open) {
        uv_close((uv_handle_t *)&probe->tcp, on_closed);
    }
}

void probe_fail(struct probe_connection *probe, int rc, const char *words, const char *detail)
{
    struct error why;

    (void)error_set(&why, rc, "%s%s%s", probe->kind->checking, words, detail);
    probe_finish(&probe->probe, &why);
}

/* ---- writing ---- */

struct write {
    uv_write_t request;
    bool last; /* the whole question is in it */
    char bytes[];
};

static void on_written(uv_write_t *request, int status)
{
    struct probe_connection *probe = request->data;
    bool last = ((struct write *)request)->last;

    free(request);
    if (!probe->stopped && probe->kind->sent) {
        probe->kind->sent(probe, status, last);
    }
}

/* False: the probe is over; so with all below. */
static bool write_bytes(struct probe_connection *probe, struct slice bytes, bool last)
{
    struct write *write = xmalloc(sizeof(*write) + bytes.len);
    uv_buf_t buf = uv_buf_init(write->bytes, (unsigned)bytes.len);
    int rc;

    memcpy(write->bytes, bytes.ptr, bytes.len);
    write->last = last;
    write->request.data = probe;
    if ((rc = uv_write(&write->request, (uv_stream_t *)&probe->tcp, &buf, 1, on_written)) < 0) {
        free(write);
        probe_fail(probe, rc, probe->kind->sending, uv_strerror(rc));
        return false;
    }
    return true;
}

/* What TLS has for the server. */
static bool flush(struct probe_connection *probe, bool last)
{
    struct slice output = tls_session_output(probe->tls);

    if (output.len && !write_bytes(probe, output, last)) {
        return false;
    }
    tls_session_output_sent(probe->tls);
    return true;
}

bool probe_send(struct probe_connection *probe, struct slice bytes, bool last)
{
    struct error why;

    if (probe->tls == NULL) {
        return write_bytes(probe, bytes, last);
    }
    if (tls_session_write(probe->tls, bytes, &why) < 0) {
        probe_fail(probe, -EPROTO, probe->kind->sending, why.text);
        return false;
    }
    return flush(probe, last);
}

/* ---- TLS ---- */

static bool speak(struct probe_connection *probe)
{
    probe->spoken = true;
    return probe->kind->connected(probe);
}

static bool shake_hands(struct probe_connection *probe)
{
    struct error why;
    int rc = tls_session_handshake(probe->tls, &why);

    if (!flush(probe, false)) {
        return false;
    }
    if (rc < 0) {
        probe_fail(probe, rc, probe->kind->handshake, why.text);
        return false;
    }
    return rc == 0 || speak(probe);
}

static void tls_start(struct probe_connection *probe)
{
    const struct probe_options *options = probe->options;
    struct tls_context *context = NULL;
    struct slice name = options->server_name.len ? options->server_name : probe->url.host;
    struct error why;
    int rc = tls_context_client(&options->tls, &context, &why);

    if (rc == 0) {
        rc = tls_session_client(context, name, &probe->tls, &why);
    }
    tls_context_unref(context);
    if (rc < 0) {
        probe_fail(probe, rc, probe->kind->handshake, why.text);
        return;
    }
    (void)shake_hands(probe);
}

static void take_cipher(struct probe_connection *probe)
{
    struct error why;
    size_t length;

    for (;;) {
        switch (tls_session_read(probe->tls, probe->plain, sizeof(probe->plain), &length, &why)) {
        case TLS_READ_DATA:
            if (!probe->kind->received(probe, slice_of(probe->plain, length))) {
                return;
            }
            break;
        case TLS_READ_MORE:
            (void)flush(probe, false);
            return;
        case TLS_READ_CLOSE:
            probe_fail(probe, -ECONNRESET, probe->kind->reading, "closed by the server");
            return;
        case TLS_READ_ERROR:
            probe_fail(probe, -EPROTO, probe->kind->reading, why.text);
            return;
        }
    }
}

/* ---- the connection ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct probe_connection *probe = handle->data;

    (void)suggested;
    *buf = uv_buf_init(probe->in, PROBE_READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct probe_connection *probe = stream->data;

    if (got == 0 || probe->stopped) {
        return;
    }
    if (got < 0) {
        probe_fail(probe, (int)got, probe->kind->reading,
                   got == UV_EOF ? "closed by the server" : uv_strerror((int)got));
        return;
    }
    if (probe->tls == NULL) {
        (void)probe->kind->received(probe, slice_of(buf->base, (size_t)got));
        return;
    }
    tls_session_feed(probe->tls, slice_of(buf->base, (size_t)got));
    if (probe->spoken || (shake_hands(probe) && probe->spoken)) {
        take_cipher(probe);
    }
}

static void on_connect(uv_connect_t *request, int status)
{
    struct probe_connection *probe = request->data;
    int rc = status;

    if (probe->stopped) {
        return;
    }
    if (rc == 0 && (probe->reads || probe->options->by_tls)) {
        rc = uv_read_start((uv_stream_t *)&probe->tcp, on_alloc, on_read);
    }
    if (rc < 0) {
        probe_fail(probe, rc, probe->kind->connecting, uv_strerror(rc));
    } else if (probe->options->by_tls) {
        tls_start(probe);
    } else {
        (void)speak(probe);
    }
}

static void connect_to(struct probe_connection *probe, const struct sockaddr *address)
{
    int rc = uv_tcp_init(probe->loop, &probe->tcp);

    if (rc == 0) {
        probe->tcp.data = probe->connect.data = probe;
        probe->tcp_open = true;
        probe->pending++;
        rc = uv_tcp_connect(&probe->connect, &probe->tcp, address, on_connect);
    }
    if (rc < 0) {
        probe_fail(probe, rc, probe->kind->connecting, uv_strerror(rc));
    }
}

static const struct sockaddr *chosen(const struct addrinfo *found, unsigned number)
{
    unsigned count = 0;

    for (const struct addrinfo *item = found; item; item = item->ai_next) {
        count++;
    }
    for (number %= count; number > 0; number--) {
        found = found->ai_next;
    }
    return found->ai_addr;
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct probe_connection *probe = request->data;
    char words[96];

    if (!probe->stopped && status == 0) {
        connect_to(probe, chosen(found, probe->options->address));
    } else if (!probe->stopped) {
        (void)snprintf(words, sizeof(words), "cannot resolve the name: %s", uv_strerror(status));
        probe_fail(probe, -EHOSTUNREACH, probe->kind->connecting, words);
    }
    uv_freeaddrinfo(found);
    let_go(probe);
}

static void resolve(struct probe_connection *probe)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    int rc;

    (void)snprintf(probe->service, sizeof(probe->service), "%u", probe->port);
    probe->resolve.data = probe;
    rc = slice_to_cstr(probe->url.host, probe->host, sizeof(probe->host))
             ? uv_getaddrinfo(probe->loop, &probe->resolve, on_resolved, probe->host, probe->service, &hints)
             : UV_ENAMETOOLONG;
    if (rc < 0) {
        probe_fail(probe, rc, probe->kind->connecting, uv_strerror(rc));
    } else {
        probe->pending++;
    }
}

/* ---- time ---- */

static void on_deadline(uv_timer_t *timer)
{
    struct probe_connection *probe = timer->data;
    char words[64];

    (void)snprintf(words, sizeof(words), "no answer within %u ms", probe->options->timeout_ms);
    probe_fail(probe, -ETIMEDOUT, probe->kind->late, words);
}

static bool read_url(struct probe_connection *probe)
{
    struct slice url = probe->options->url;
    struct error why;

    if (probe->kind->scheme) {
        int length =
            snprintf(probe->text, sizeof(probe->text), "%s%.*s", probe->kind->scheme, SLICE_ARG(url));

        if (length < 0 || (size_t)length >= sizeof(probe->text)) {
            probe_fail(probe, -ENAMETOOLONG, "the address is too long", "");
            return false;
        }
        url = slice_of(probe->text, (size_t)length);
    }
    if (server_url_parse(url, &probe->url, &why) < 0) {
        probe_fail(probe, -EINVAL, "", why.text);
        return false;
    }
    probe->port = probe->options->port ? probe->options->port : probe->url.port;
    return true;
}

static void on_start(uv_timer_t *timer)
{
    struct probe_connection *probe = timer->data;
    struct sockaddr_storage storage;

    (void)uv_timer_start(timer, on_deadline, probe->options->timeout_ms, 0);
    if (!read_url(probe)) {
        return;
    }
    if (probe->url.literal.family == 0) {
        resolve(probe);
        return;
    }
    probe->url.literal.port = probe->port;
    (void)address_to_sockaddr(&probe->url.literal, &storage);
    connect_to(probe, (const struct sockaddr *)&storage);
}

void *probe_connection_new(size_t size, uv_loop_t *loop, const struct probe_options *options,
                           probe_done *done, void *context, const struct probe_kind *kind)
{
    struct probe_connection *probe = xcalloc(1, size);

    probe->probe = (struct probe){.stop = stop, .done = done, .context = context};
    probe->kind = kind;
    probe->loop = loop;
    probe->options = options;
    (void)uv_timer_init(loop, &probe->timer);
    probe->timer.data = probe;
    probe->pending = 1;
    (void)uv_timer_start(&probe->timer, on_start, 0, 0);
    return probe;
}
