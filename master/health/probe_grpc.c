/*
 * probe_grpc.c - a probe by gRPC's health checking protocol: grpc.health.v1.Health/Check for the server as a whole, over HTTP/2
 * with prior knowledge, or over TLS with ALPN.
 *
 * One call on a connection of its own. Well is who answers with grpc-status 0 and a HealthCheckResponse whose status is
 * SERVING (1). Nothing else of protocol buffers is needed than fields that are numbers or of known length.
 */
#include <errno.h>
#include <netdb.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/net/addr.h"
#include "master/compile/url.h"
#include "master/health/probe.h"

#define ANSWER_MOST 256 /* bytes of a message; a known one has 7 */
#define READ_SIZE 16384
#define UNIMPLEMENTED 12
#define SERVING 1

struct grpc_probe {
    struct probe probe; /* first */
    uv_loop_t *loop;
    const struct probe_options *options;
    struct server_url url;
    uint16_t port;
    char host[256], service[8];
    uv_timer_t timer; /* the start, then the deadline */
    uv_tcp_t tcp;
    bool tcp_open, stopped;
    unsigned pending; /* what libuv still holds */
    uv_connect_t connect;
    uv_getaddrinfo_t resolve;
    struct tls_session *tls; /* NULL: in plain text */
    nghttp2_session *session;
    char in[READ_SIZE], plain[READ_SIZE];
    uint8_t answer[ANSWER_MOST]; /* the first message, with its head of five bytes */
    size_t answer_len;
    unsigned http_status;
    int64_t grpc_status; /* -1: none came */
    bool asked;          /* the request went */
};

/* ---- the end ---- */

static void let_go(struct grpc_probe *probe)
{
    if (--probe->pending == 0) {
        nghttp2_session_del(probe->session);
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
    struct grpc_probe *probe = (struct grpc_probe *)base;

    probe->stopped = true;
    (void)uv_cancel((uv_req_t *)&probe->resolve); /* when there is none, or it runs already: no harm */
    uv_close((uv_handle_t *)&probe->timer, on_closed);
    if (probe->tcp_open) {
        uv_close((uv_handle_t *)&probe->tcp, on_closed);
    }
}

static void fail(struct grpc_probe *probe, int rc, const char *words, const char *detail)
{
    struct error why;

    (void)error_set(&why, rc, "checking gRPC health: %s%s", words, detail);
    probe_finish(&probe->probe, &why);
}

/* ---- the answer ---- */

/* A number of the protocol; false: cut. */
static bool varint(struct slice *in, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; in->len && shift < 64; shift += 7) {
        unsigned char byte = (unsigned char)in->ptr[0];

        *in = slice_from(*in, 1);
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return true;
        }
    }
    return false;
}

/* Passes over a field's value of that wire type. */
static bool pass_over(struct slice *in, unsigned type)
{
    uint64_t length = type == 1 ? 8 : type == 5 ? 4 : 0;

    if (type == 0) {
        return varint(in, &length);
    }
    if ((type == 2 && !varint(in, &length)) || (type != 1 && type != 2 && type != 5) || length > in->len) {
        return false;
    }
    *in = slice_from(*in, (size_t)length);
    return true;
}

/* Field 1 is the status; 0 (UNKNOWN) is not sent. */
int64_t probe_grpc_status(struct slice message)
{
    uint64_t status = 0, key;

    while (message.len) {
        if (!varint(&message, &key)) {
            return -1;
        }
        if (key == (1 << 3)) {
            if (!varint(&message, &status)) {
                return -1;
            }
        } else if (!pass_over(&message, key & 7)) {
            return -1;
        }
    }
    return status > INT32_MAX ? -1 : (int64_t)status;
}

static void judge_message(struct grpc_probe *probe)
{
    const uint8_t *head = probe->answer;
    size_t length = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
    char words[32];
    int64_t status;

    if (probe->answer_len < 5 || head[0] != 0 || length != probe->answer_len - 5) {
        fail(probe, -EPROTO, "gRPC health check failed: ", "the answer is malformed");
        return;
    }
    status = probe_grpc_status(slice_of((const char *)head + 5, length));
    if (status == SERVING) {
        probe_finish(&probe->probe, NULL);
        return;
    }
    (void)snprintf(words, sizeof(words), "%s",
                   status == 0   ? "UNKNOWN"
                   : status == 2 ? "NOT_SERVING"
                   : status == 3 ? "SERVICE_UNKNOWN"
                                 : "malformed");
    fail(probe, -EBADMSG, "received gRPC status code: ", words);
}

/* The stream is over. */
static void judge(struct grpc_probe *probe)
{
    char words[64];

    if (probe->grpc_status == UNIMPLEMENTED) {
        fail(probe, -ENOSYS, "gRPC server does not implement the health protocol", "");
    } else if (probe->grpc_status == 0) {
        judge_message(probe);
    } else {
        (void)snprintf(words, sizeof(words), probe->grpc_status < 0 ? "HTTP status %lld" : "code = %lld",
                       probe->grpc_status < 0 ? (long long)probe->http_status
                                              : (long long)probe->grpc_status);
        fail(probe, -EBADMSG, "gRPC health check failed: ", words);
    }
}

/* ---- HTTP/2 ---- */

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    struct grpc_probe *probe = user;
    struct slice key = slice_of((const char *)name, name_len);
    uint64_t number;

    (void)session, (void)frame, (void)flags;
    if (!slice_to_u64(slice_of((const char *)value, value_len), &number) || number > 999) {
        return 0;
    }
    if (slice_eq(key, SLICE(":status"))) {
        probe->http_status = (unsigned)number;
    } else if (slice_eq(key, SLICE("grpc-status"))) {
        probe->grpc_status = (int64_t)number;
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t len,
                   void *user)
{
    struct grpc_probe *probe = user;

    (void)session, (void)flags, (void)stream;
    if (len > ANSWER_MOST - probe->answer_len) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    memcpy(probe->answer + probe->answer_len, data, len);
    probe->answer_len += len;
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
    struct grpc_probe *probe = user;
    char words[64];

    (void)session, (void)stream;
    if (probe->stopped) {
        return 0;
    }
    if (code != NGHTTP2_NO_ERROR) {
        (void)snprintf(words, sizeof(words), "the stream was reset: %s", nghttp2_http2_strerror(code));
        fail(probe, -ECONNRESET, "gRPC health check failed: ", words);
    } else {
        judge(probe);
    }
    return 0;
}

/* An empty HealthCheckRequest: not compressed, no bytes. */
static ssize_t give_body(nghttp2_session *session, int32_t stream, uint8_t *to, size_t room, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
    (void)session, (void)stream, (void)source, (void)user;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (room < 5) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    memset(to, 0, 5);
    return 5;
}

struct write {
    uv_write_t request;
    char bytes[];
};

static void on_written(uv_write_t *request, int status)
{
    (void)status; /* what cannot be sent is found by the next read, or by the time */
    free(request);
}

/* False: the probe is over; also below. */
static bool send_bytes(struct grpc_probe *probe, struct slice bytes)
{
    struct write *write = xmalloc(sizeof(*write) + bytes.len);
    uv_buf_t buf = uv_buf_init(write->bytes, (unsigned)bytes.len);
    int rc;

    memcpy(write->bytes, bytes.ptr, bytes.len);
    if ((rc = uv_write(&write->request, (uv_stream_t *)&probe->tcp, &buf, 1, on_written)) < 0) {
        free(write);
        fail(probe, rc, "gRPC health check failed: cannot send: ", uv_strerror(rc));
        return false;
    }
    return true;
}

/* What TLS has for the server. */
static bool flush_tls(struct grpc_probe *probe)
{
    struct slice output = tls_session_output(probe->tls);

    if (output.len && !send_bytes(probe, output)) {
        return false;
    }
    tls_session_output_sent(probe->tls);
    return true;
}

static bool flush(struct grpc_probe *probe)
{
    const uint8_t *bytes;
    struct error why;
    ssize_t len;

    while ((len = nghttp2_session_mem_send(probe->session, &bytes)) > 0) {
        struct slice piece = slice_of((const char *)bytes, (size_t)len);

        if (probe->tls == NULL) {
            if (!send_bytes(probe, piece)) {
                return false;
            }
        } else if (tls_session_write(probe->tls, piece, &why) < 0) {
            fail(probe, -EPROTO, "gRPC health check failed: cannot send: ", why.text);
            return false;
        }
    }
    return probe->tls == NULL || flush_tls(probe);
}

static bool session_start(struct grpc_probe *probe)
{
    nghttp2_session_callbacks *callbacks;
    bool good = nghttp2_session_callbacks_new(&callbacks) == 0;

    if (!good) {
        return false;
    }
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    good = nghttp2_session_client_new(&probe->session, callbacks, probe) == 0;
    nghttp2_session_callbacks_del(callbacks);
    return good && nghttp2_submit_settings(probe->session, NGHTTP2_FLAG_NONE, NULL, 0) == 0;
}

static nghttp2_nv field(const char *name, struct slice value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .namelen = strlen(name),
                        .value = (uint8_t *)(uintptr_t)value.ptr,
                        .valuelen = value.len,
                        .flags = NGHTTP2_NV_FLAG_NONE};
}

static void ask(struct grpc_probe *probe)
{
    const nghttp2_nv fields[] = {
        field(":method", SLICE("POST")),
        field(":scheme", probe->tls ? SLICE("https") : SLICE("http")),
        field(":path", SLICE("/grpc.health.v1.Health/Check")),
        field(":authority", probe->url.authority),
        field("content-type", SLICE("application/grpc")),
        field("te", SLICE("trailers")),
        field("user-agent", SLICE("weir")),
    };
    const nghttp2_data_provider body = {.read_callback = give_body};

    probe->asked = true;
    if (!session_start(probe) ||
        nghttp2_submit_request(probe->session, NULL, fields, sizeof(fields) / sizeof(fields[0]), &body,
                               NULL) < 0) {
        fail(probe, -ENOMEM, "gRPC health check failed: ", "no session");
        return;
    }
    (void)flush(probe);
}

/* False: the probe is over. */
static bool take(struct grpc_probe *probe, struct slice bytes)
{
    ssize_t rc = nghttp2_session_mem_recv(probe->session, (const uint8_t *)bytes.ptr, bytes.len);

    if (!probe->stopped && rc < 0) {
        fail(probe, -EPROTO, "gRPC health check failed: ", nghttp2_strerror((int)rc));
    }
    return !probe->stopped;
}

/* ---- TLS ---- */

/* False: the probe is over. */
static bool shake_hands(struct grpc_probe *probe)
{
    struct error why;
    int rc = tls_session_handshake(probe->tls, &why);

    if (!flush_tls(probe)) {
        return false;
    }
    if (rc < 0) {
        fail(probe, rc, "gRPC health check failed: TLS: ", why.text);
        return false;
    }
    if (rc == 1) {
        ask(probe);
    }
    return !probe->stopped;
}

static void take_cipher(struct grpc_probe *probe)
{
    struct error why;
    size_t length;

    for (;;) {
        switch (tls_session_read(probe->tls, probe->plain, sizeof(probe->plain), &length, &why)) {
        case TLS_READ_DATA:
            if (!take(probe, slice_of(probe->plain, length))) {
                return;
            }
            break;
        case TLS_READ_MORE:
            (void)flush(probe);
            return;
        case TLS_READ_CLOSE:
            fail(probe, -ECONNRESET, "gRPC health check failed: ", "closed by the server");
            return;
        case TLS_READ_ERROR:
            fail(probe, -EPROTO, "gRPC health check failed: ", why.text);
            return;
        }
    }
}

static void start_tls(struct grpc_probe *probe)
{
    struct error why;
    int rc = probe_tls(probe->options, probe->url.host, &probe->tls, &why);

    if (rc < 0) {
        fail(probe, rc, "gRPC health check failed: TLS: ", why.text);
        return;
    }
    (void)shake_hands(probe);
}

/* ---- the connection ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct grpc_probe *probe = handle->data;

    (void)suggested;
    *buf = uv_buf_init(probe->in, READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct grpc_probe *probe = stream->data;

    if (got == 0 || probe->stopped) {
        return;
    }
    if (got < 0) {
        fail(probe, (int)got,
             "gRPC health check failed: ", got == UV_EOF ? "closed by the server" : uv_strerror((int)got));
        return;
    }
    if (probe->tls == NULL) {
        if (take(probe, slice_of(buf->base, (size_t)got))) {
            (void)flush(probe);
        }
        return;
    }
    tls_session_feed(probe->tls, slice_of(buf->base, (size_t)got));
    if (probe->asked || (shake_hands(probe) && probe->asked)) {
        take_cipher(probe);
    }
}

static void on_connect(uv_connect_t *request, int status)
{
    struct grpc_probe *probe = request->data;
    int rc = status;

    if (probe->stopped) {
        return;
    }
    if (rc == 0) {
        rc = uv_read_start((uv_stream_t *)&probe->tcp, on_alloc, on_read);
    }
    if (rc < 0) {
        fail(probe, rc, "fail to connect: ", uv_strerror(rc));
    } else if (probe->options->by_tls) {
        start_tls(probe);
    } else {
        ask(probe);
    }
}

static void connect_to(struct grpc_probe *probe, const struct sockaddr *address)
{
    int rc = uv_tcp_init(probe->loop, &probe->tcp);

    if (rc == 0) {
        probe->tcp.data = probe->connect.data = probe;
        probe->tcp_open = true;
        probe->pending++;
        rc = uv_tcp_connect(&probe->connect, &probe->tcp, address, on_connect);
    }
    if (rc < 0) {
        fail(probe, rc, "fail to connect: ", uv_strerror(rc));
    }
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct grpc_probe *probe = request->data;

    if (!probe->stopped && status == 0) {
        connect_to(probe, found->ai_addr);
    } else if (!probe->stopped) {
        fail(probe, -EHOSTUNREACH, "fail to connect: cannot resolve the name: ", uv_strerror(status));
    }
    uv_freeaddrinfo(found);
    let_go(probe);
}

static void resolve(struct grpc_probe *probe)
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
        fail(probe, rc, "fail to connect: ", uv_strerror(rc));
    } else {
        probe->pending++;
    }
}

static void on_deadline(uv_timer_t *timer)
{
    struct grpc_probe *probe = timer->data;
    char words[64];

    (void)snprintf(words, sizeof(words), "no answer within %u ms", probe->options->timeout_ms);
    fail(probe, -ETIMEDOUT, "gRPC health check timeout: ", words);
}

static void on_start(uv_timer_t *timer)
{
    struct grpc_probe *probe = timer->data;
    struct sockaddr_storage storage;
    struct error why;

    (void)uv_timer_start(timer, on_deadline, probe->options->timeout_ms, 0);
    if (server_url_parse(probe->options->url, &probe->url, &why) < 0) {
        fail(probe, -EINVAL, "", why.text);
        return;
    }
    probe->port = probe->options->port ? probe->options->port : probe->url.port;
    if (probe->url.literal.family == 0) {
        resolve(probe);
        return;
    }
    probe->url.literal.port = probe->port;
    (void)address_to_sockaddr(&probe->url.literal, &storage);
    connect_to(probe, (const struct sockaddr *)&storage);
}

struct probe *probe_grpc_start(uv_loop_t *loop, const struct probe_options *options, probe_done *done,
                               void *context)
{
    struct grpc_probe *probe = xcalloc(1, sizeof(*probe));

    probe->probe = (struct probe){.stop = stop, .done = done, .context = context};
    probe->loop = loop;
    probe->options = options;
    probe->grpc_status = -1;
    (void)uv_timer_init(loop, &probe->timer);
    probe->timer.data = probe;
    probe->pending = 1;
    (void)uv_timer_start(&probe->timer, on_start, 0, 0);
    return &probe->probe;
}
