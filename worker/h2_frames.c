/*
 * h2_frames.c - what nghttp2 tells about a client's frames. See h2_client.h.
 *
 * nghttp2 has checked what RFC 9113 asks of a message: pseudo fields, upper-case names, bytes of values, connection fields,
 * the length of the body; it resets such a stream. Here the rest: bounds of a head, :authority against Host, and
 * how much a client may send that serves nobody.
 */
#include "worker/h2_client.h"
#include "worker/worker.h"

#define FIELD_EXTRA 32 /* RFC 9113, 6.5.2 */

struct h2_stream *h2_stream_find(nghttp2_session *engine, int32_t id)
{
    return nghttp2_session_get_stream_user_data(engine, id);
}

/* ---- calm ---- */
static void calm_take(struct h2_session *session, int cost)
{
    struct client *client = session->client;

    if (!h2_calm_take(&session->calm, cost, client->conn.worker->now_ns) && !session->failed) {
        session->failed = true;
        slab_count(client->conn.worker->slab, COUNT_REASONS + REASON_limit, 1);
        (void)nghttp2_session_terminate_session(session->engine, NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

/* ---- heads ---- */
/* A stream that was left out stays closed (RFC 9113, 5.1.1). nghttp2 lets it be, because it cannot tell it from one that both
 * ends have forgotten; those that were left out last we know. */
static int on_begin_frame(nghttp2_session *engine, const nghttp2_frame_hd *head, void *context)
{
    struct h2_session *session = context;
    int32_t id = head->stream_id;

    if (head->type != NGHTTP2_HEADERS || id % 2 == 0) {
        return 0;
    }
    if (id > session->last_id) {
        if (id > session->last_id + 2) {
            session->gap_from = session->last_id + 2;
            session->gap_to = id - 2;
        }
        session->last_id = id;
    } else if (id >= session->gap_from && id <= session->gap_to) {
        session->failed = true;
        (void)nghttp2_session_terminate_session(engine, NGHTTP2_PROTOCOL_ERROR);
    }
    return 0;
}

static int on_begin_headers(nghttp2_session *engine, const nghttp2_frame *frame, void *context)
{
    struct h2_session *session = context;
    struct h2_stream *stream = h2_stream_find(engine, frame->hd.stream_id);

    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        stream = h2_stream_new(session, frame->hd.stream_id);
        (void)nghttp2_session_set_stream_user_data(engine, frame->hd.stream_id, stream);
    } else if (stream) {
        stream->head_len = 0;
        headers_init(&stream->trailers, stream->ex.pool);
    }
    return 0;
}

/* A copy; false when the head is over its bound. */
static bool keep(struct h2_stream *stream, const uint8_t *bytes, size_t len, struct slice *kept)
{
    char *to = pool_try_alloc(stream->ex.pool, len + 1);

    if (to == NULL) {
        stream->refused = 431;
        return false;
    }
    memcpy(to, bytes, len);
    to[len] = '\0';
    *kept = slice_of(to, len);
    return true;
}

static void add_pseudo(struct h2_stream *stream, struct slice name, const uint8_t *value, size_t len)
{
    struct slice *kept = slice_eq(name, SLICE(":method"))      ? &stream->method
                         : slice_eq(name, SLICE(":authority")) ? &stream->authority
                         : slice_eq(name, SLICE(":path"))      ? &stream->path
                         : slice_eq(name, SLICE(":protocol"))  ? &stream->protocol
                                                               : NULL;

    if (kept == &stream->path && len > stream->session->client->listener->options.limits.max_target) {
        stream->refused = 414;
    } else if (kept) {
        (void)keep(stream, value, len, kept);
    }
}

static void add_field(struct h2_stream *stream, bool trailer, const uint8_t *name, size_t name_len,
                      const uint8_t *value, size_t len)
{
    struct slice kept_name, kept_value;

    if (!keep(stream, name, name_len, &kept_name) || !keep(stream, value, len, &kept_value)) {
        return;
    }
    h2_name_canonical((char *)(uintptr_t)kept_name.ptr, name_len);
    if (trailer) {
        h1_trailer_add(&stream->trailers, kept_name, kept_value);
    } else {
        headers_add_token(&stream->ex.request.headers, kept_name, kept_value);
    }
}

static int on_header(nghttp2_session *engine, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t len, uint8_t flags, void *context)
{
    struct h2_stream *stream = h2_stream_find(engine, frame->hd.stream_id);

    (void)flags;
    (void)context;
    if (stream == NULL || stream->refused) {
        return 0;
    }

    const struct h1_limits *limits = &stream->session->client->listener->options.limits;
    bool trailer = frame->headers.cat != NGHTTP2_HCAT_REQUEST;

    stream->head_len += name_len + len + FIELD_EXTRA;
    if (stream->head_len > limits->max_head || ++stream->fields > limits->max_headers) {
        stream->refused = 431;
        return trailer ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
    }
    if (name_len && name[0] == ':') {
        add_pseudo(stream, slice_of((const char *)name, name_len), value, len);
    } else {
        add_field(stream, trailer, name, name_len, value, len);
    }
    return 0;
}

/* A byte that no field may hold: the request is not one (nghttp2 would leave the field out). */
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

/* A Host that is not :authority names another server than the one that routing sees. */
static bool hosts_agree(const struct h2_stream *stream)
{
    const struct header *host = headers_get(&stream->ex.request.headers, HEADER_HOST);

    return host == NULL || stream->authority.len == 0 || slice_eq_nocase(host->value, stream->authority);
}

/* nghttp2 looks only where :scheme is one of HTTP's; what would be a URL had a name of its own (RFC 9113, 8.3.1). */
static bool path_fits(const struct h2_stream *stream)
{
    return stream->path.len == 0 || stream->path.ptr[0] == '/' || slice_eq(stream->path, SLICE("*"));
}

static void head_done(nghttp2_session *engine, struct h2_stream *stream)
{
    if (!hosts_agree(stream) || !path_fits(stream)) {
        (void)nghttp2_submit_rst_stream(engine, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_PROTOCOL_ERROR);
        stream->ended = true;
    }
    stream->head_done = true;
    h2_stream_work(stream);
}

static int on_frame(nghttp2_session *engine, const nghttp2_frame *frame, void *context)
{
    struct h2_session *session = context;
    struct h2_stream *stream = h2_stream_find(engine, frame->hd.stream_id);
    int cost = h2_calm_cost(frame);

    if (cost) {
        calm_take(session, cost);
    }
    if (stream == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)) {
        return 0;
    }
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        stream->body_end = true;
        h2_stream_work(stream);
    }
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        head_done(engine, stream);
    }
    return 0;
}

/* ---- bodies ---- */
static int on_data(nghttp2_session *engine, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
                   void *context)
{
    struct h2_session *session = context;
    struct h2_stream *stream = h2_stream_find(engine, id);

    (void)flags;
    if (stream == NULL || stream->ended) {
        (void)nghttp2_session_consume(engine, id, len); /* nobody wants it */
        return 0;
    }
    if (!h2_bytes_add(session->client->conn.worker, &stream->in, slice_of((const char *)data, len))) {
        (void)nghttp2_session_consume(engine, id, len);
        (void)nghttp2_submit_rst_stream(engine, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    h2_stream_work(stream);
    return 0;
}

static int on_stream_close(nghttp2_session *engine, int32_t id, uint32_t code, void *context)
{
    struct h2_stream *stream = h2_stream_find(engine, id);

    (void)code;
    (void)context;
    if (stream) {
        stream->closed = true;
        h2_stream_work(stream);
    }
    return 0;
}

/* ---- answers ---- */
static int on_frame_sent(nghttp2_session *engine, const nghttp2_frame *frame, void *context)
{
    struct h2_session *session = context;
    struct h2_stream *stream = h2_stream_find(engine, frame->hd.stream_id);
    int cost = h2_calm_cost_sent(frame);

    if (frame->hd.type == NGHTTP2_DATA) {
        h2_calm_add(&session->calm, H2_CALM_DATA);
    }
    if (cost) {
        calm_take(session, cost);
    }
    if (stream == NULL || (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS)) {
        return 0;
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) && !stream->body_end) {
        /* the answer is complete, the rest of the request is not wanted: RFC 9113, 8.1 */
        (void)nghttp2_submit_rst_stream(engine, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
    }
    return 0;
}

nghttp2_session_callbacks *h2_callbacks(void)
{
    nghttp2_session_callbacks *callbacks;

    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        return NULL;
    }
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    return callbacks;
}
