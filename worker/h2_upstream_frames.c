/*
 * h2_upstream_frames.c - what nghttp2 tells about a server's frames. See h2_upstream.h.
 *
 * nghttp2 has checked what RFC 9113 asks of a message: pseudo fields, upper-case names, bytes of values, connection fields,
 * the length of the body; it resets such a stream. Here the rest: bounds of heads, and how much a server may send that
 * serves nobody.
 */
#include "common/base/log.h"
#include "worker/h2_upstream.h"
#include "worker/worker.h"

#define FIELD_EXTRA 32 /* RFC 9113, 6.5.2 */

/* ---- heads ---- */

static int on_begin_headers(nghttp2_session *engine, const nghttp2_frame *frame, void *context)
{
    struct h2_call *call = h2_call_find(engine, frame->hd.stream_id);

    (void)context;
    if (call && !call->final) {
        struct pool *pool = call->ux->ex->pool;

        call->head = pool_zalloc(pool, sizeof(*call->head));
        headers_init(&call->head->headers, pool);
    }
    return 0;
}

/* A copy; false when there is no room. */
static bool keep(struct h2_call *call, const uint8_t *bytes, size_t len, struct slice *kept)
{
    char *to = pool_try_alloc(call->ux->ex->pool, len + 1);

    if (to == NULL) {
        return false;
    }
    memcpy(to, bytes, len);
    to[len] = '\0';
    *kept = slice_of(to, len);
    return true;
}

static uint16_t status_of(const uint8_t *value, size_t len)
{
    uint16_t status = 0;

    for (size_t i = 0; i < len && i < 3; i++) {
        status = (uint16_t)(status * 10 + (value[i] >= '0' && value[i] <= '9' ? value[i] - '0' : 1000));
    }
    return len == 3 && status >= 100 && status <= 999 ? status : 0;
}

static bool add_field(struct h2_call *call, const uint8_t *name, size_t name_len, const uint8_t *value,
                      size_t len)
{
    const struct h1_limits *limits = &call->ux->limits;
    struct slice kept_name, kept_value;

    call->head_len += name_len + len + FIELD_EXTRA;
    if (call->head_len > limits->max_head || ++call->fields > limits->max_headers) {
        return false;
    }
    if (name_len && name[0] == ':') {
        if (call->final) {
            return false;
        }
        call->head->status = status_of(value, len); /* no other is allowed in a response */
        return call->head->status != 0;
    }
    if (!keep(call, name, name_len, &kept_name) || !keep(call, value, len, &kept_value)) {
        return false;
    }
    h2_name_canonical((char *)(uintptr_t)kept_name.ptr, name_len);
    if (call->final) {
        h1_trailer_add(&call->answer_trailers, kept_name, kept_value);
    } else {
        headers_add_token(&call->head->headers, kept_name, kept_value);
    }
    return true;
}

static int on_header(nghttp2_session *engine, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t len, uint8_t flags, void *context)
{
    struct h2_call *call = h2_call_find(engine, frame->hd.stream_id);

    (void)flags;
    (void)context;
    if (call && !add_field(call, name, name_len, value, len)) {
        log_debug("the head of a response over HTTP/2 is over a bound, or has no good status");
        call->bad = true;
        h2_call_work(call);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return 0;
}

/* A byte that no field may hold (nghttp2 would leave the field out). */
static int on_invalid_header(nghttp2_session *engine, const nghttp2_frame *frame, const uint8_t *name,
                             size_t name_len, const uint8_t *value, size_t len, uint8_t flags, void *context)
{
    (void)engine;
    (void)frame;
    (void)name;
    (void)name_len;
    (void)value;
    (void)len;
    (void)flags;
    (void)context;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void head_done(struct h2_call *call)
{
    struct h2_head *head = call->head;

    if (call->final || head == NULL) {
        return;
    }
    call->head = NULL;
    call->final = head->status >= 200;
    *call->heads_tail = head;
    call->heads_tail = &head->next;
}

/* ---- frames ---- */

static void calm_take(struct h2_server *server, const nghttp2_frame *frame)
{
    int cost = h2_calm_cost(frame);

    if (cost && !h2_calm_take(&server->calm, cost, server->up->conn.worker->now_ns) && !server->ended) {
        log_debug("a server sends too much over HTTP/2 that serves nobody");
        slab_count(server->up->conn.worker->slab, COUNT_REASONS + REASON_limit, 1);
        server->leaving = server->ended = true;
        (void)nghttp2_session_terminate_session(server->engine, NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

/* Bodies may be asked for. */
static void settle(struct h2_server *server)
{
    server->settled = true;
    for (struct h2_call *call = server->calls; call; call = call->next) {
        if (call->unasked || !call->begun) {
            h2_call_work(call);
        }
    }
}

static void on_settings(struct h2_server *server)
{
    uint32_t most =
        nghttp2_session_get_remote_settings(server->engine, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);

    server->most = most < H2_SERVER_STREAMS ? most : H2_SERVER_STREAMS;
    server->up->pool->streams_most = server->most ? server->most : 1;
    if (!server->settled && !server->sounding && server->count > server->most) {
        server->sounding = true;
        (void)nghttp2_submit_ping(server->engine, NGHTTP2_FLAG_NONE, NULL);
    } else if (!server->sounding) {
        settle(server);
    }
    h2_server_room(server);
}

static void on_message(struct h2_call *call, const nghttp2_frame *frame)
{
    if (frame->hd.type == NGHTTP2_HEADERS) {
        head_done(call);
        h2_call_work(call);
    }
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        call->end = true;
        h2_call_work(call);
    }
}

static int on_frame(nghttp2_session *engine, const nghttp2_frame *frame, void *context)
{
    struct h2_server *server = context;
    struct h2_call *call = frame->hd.stream_id ? h2_call_find(engine, frame->hd.stream_id) : NULL;

    calm_take(server, frame);
    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        if (!(frame->hd.flags & NGHTTP2_FLAG_ACK)) {
            on_settings(server);
        }
        break;
    case NGHTTP2_PING:
        if (server->sounding && (frame->hd.flags & NGHTTP2_FLAG_ACK)) {
            server->sounding = false;
            settle(server);
        }
        break;
    case NGHTTP2_GOAWAY:
        server->leaving = true;
        h2_server_room(server);
        break;
    case NGHTTP2_RST_STREAM:
        if (call) {
            call->reset = true;
            call->code = frame->rst_stream.error_code;
        }
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        if (call) {
            on_message(call, frame);
        }
        break;
    default:
        break;
    }
    return 0;
}

static int on_data(nghttp2_session *engine, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
                   void *context)
{
    struct h2_server *server = context;
    struct h2_call *call = h2_call_find(engine, id);

    (void)flags;
    (void)nghttp2_session_consume_connection(engine, len); /* a slow client stops its stream alone */
    h2_calm_add(&server->calm, 1);
    if (call == NULL) {
        return 0; /* let go of: its reset is on the way */
    }
    if (!h2_bytes_add(server->up->conn.worker, &call->in, slice_of((const char *)data, len))) {
        call->starved = true;
    }
    h2_call_work(call);
    return 0;
}

static int on_stream_close(nghttp2_session *engine, int32_t id, uint32_t code, void *context)
{
    struct h2_call *call = h2_call_find(engine, id);

    (void)context;
    if (call) {
        call->closed = true;
        call->code = code;
        h2_call_work(call);
    }
    return 0;
}

static int on_frame_sent(nghttp2_session *engine, const nghttp2_frame *frame, void *context)
{
    struct h2_server *server = context;
    struct h2_call *call = frame->hd.stream_id ? h2_call_find(engine, frame->hd.stream_id) : NULL;

    if (frame->hd.type == NGHTTP2_DATA) {
        h2_calm_add(&server->calm, H2_CALM_DATA);
    }
    if (call && frame->hd.type == NGHTTP2_HEADERS) {
        call->begun = true;
    }
    if (call && (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        call->sent = true;
    }
    return 0;
}

nghttp2_session_callbacks *h2_server_callbacks(void)
{
    nghttp2_session_callbacks *callbacks;

    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        return NULL;
    }
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    return callbacks;
}
