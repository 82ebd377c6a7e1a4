/*
 * probe_grpc.c - a probe by gRPC's health checking protocol: grpc.health.v1.Health/Check for the server as a whole, over HTTP/2
 * with prior knowledge.
 *
 * One call on a connection of its own. Well is who answers with grpc-status 0 and a HealthCheckResponse whose status is
 * SERVING (1). Nothing else of protocol buffers is needed than fields that are numbers or of known length.
 */
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>

#include "master/health/probe_connection.h"

#define ANSWER_MOST 256 /* bytes of a message; a known one has 7 */
#define UNIMPLEMENTED 12
#define SERVING 1

struct grpc_probe {
    struct probe_connection connection; /* first */
    nghttp2_session *session;
    uint8_t answer[ANSWER_MOST]; /* the first message, with its head of five bytes */
    size_t answer_len;
    unsigned http_status;
    int64_t grpc_status; /* -1: none came */
};

static void fail(struct grpc_probe *probe, int rc, const char *words, const char *detail)
{
    probe_fail(&probe->connection, rc, words, detail);
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
        probe_finish(&probe->connection.probe, NULL);
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
    if (probe->connection.stopped) {
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

/* False: the probe is over. */
static bool flush(struct grpc_probe *probe)
{
    const uint8_t *bytes;
    ssize_t len;

    while ((len = nghttp2_session_mem_send(probe->session, &bytes)) > 0) {
        if (!probe_send(&probe->connection, slice_of((const char *)bytes, (size_t)len), false)) {
            return false;
        }
    }
    return true;
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

static bool ask(struct probe_connection *connection)
{
    struct grpc_probe *probe = (struct grpc_probe *)connection;
    const nghttp2_nv fields[] = {
        field(":method", SLICE("POST")),
        field(":scheme", connection->tls ? SLICE("https") : SLICE("http")),
        field(":path", SLICE("/grpc.health.v1.Health/Check")),
        field(":authority", connection->url.authority),
        field("content-type", SLICE("application/grpc")),
        field("te", SLICE("trailers")),
        field("user-agent", SLICE("weir")),
    };
    const nghttp2_data_provider body = {.read_callback = give_body};

    if (!session_start(probe) ||
        nghttp2_submit_request(probe->session, NULL, fields, sizeof(fields) / sizeof(fields[0]), &body,
                               NULL) < 0) {
        fail(probe, -ENOMEM, "gRPC health check failed: ", "no session");
        return false;
    }
    return flush(probe);
}

/* ---- the connection ---- */

static bool received(struct probe_connection *connection, struct slice bytes)
{
    struct grpc_probe *probe = (struct grpc_probe *)connection;
    ssize_t rc = nghttp2_session_mem_recv(probe->session, (const uint8_t *)bytes.ptr, bytes.len);

    if (connection->stopped) {
        return false;
    }
    if (rc < 0) {
        fail(probe, -EPROTO, "gRPC health check failed: ", nghttp2_strerror((int)rc));
        return false;
    }
    return flush(probe);
}

static void free_session(struct probe_connection *connection)
{
    nghttp2_session_del(((struct grpc_probe *)connection)->session);
}

struct probe *probe_grpc_start(uv_loop_t *loop, const struct probe_options *options, probe_done *done,
                               void *context)
{
    static const struct probe_kind kind = {
        .checking = "checking gRPC health: ",
        .connecting = "fail to connect: ",
        .handshake = "gRPC health check failed: TLS: ",
        .sending = "gRPC health check failed: cannot send: ",
        .reading = "gRPC health check failed: ",
        .late = "gRPC health check timeout: ",
        .connected = ask,
        .received = received,
        .free = free_session,
    };
    struct grpc_probe *probe = probe_connection_new(sizeof(*probe), loop, options, done, context, &kind);

    probe->grpc_status = -1;
    probe->connection.reads = true;
    return &probe->connection.probe;
}
