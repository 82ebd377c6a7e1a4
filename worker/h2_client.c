/*
 * h2_client.c - an HTTP/2 connection: reading, writing, its timer, its end. See h2_client.h.
 */
#include "worker/h2_client.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "worker/upstream.h"
#include "worker/worker.h"

#define SECOND INT64_C(1000000000)
#define READS_PER_TURN 4
#define READ_SIZE ((size_t)16384) /* at most so many frames' worth in one call of nghttp2 */
#define WRITES_PER_TURN 4
#define LEAVE_NS SECOND         /* between the two GOAWAYs: what is on its way arrives (RFC 9113, 6.8) */
#define STALL_NS (300 * SECOND) /* a client that takes nothing of an answer for that long is gone */
#define LOOK_NS (60 * SECOND)

size_t h2_held(const struct client *client)
{
    size_t held = client->conn.out_len;

    for (const struct h2_stream *stream = client->h2->streams; stream; stream = stream->next) {
        held += stream->in.len + stream->out.len + upstream_held(&stream->ex);
    }
    return held;
}

/* ---- the timer ---- */
void h2_deadline(struct h2_session *session, int64_t deadline)
{
    if (deadline < session->deadline) {
        session->deadline = deadline;
        timer_set(session->client->conn.worker->timers, &session->client->conn.timer, deadline);
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t idle_deadline(const struct client *client)
{
    const struct entry_options *options = &client->listener->options;

    if (client->requests == 0 && options->read_timeout > 0) {
        return client->opened_ns + options->read_timeout;
    }
    return options->idle_timeout > 0 ? client->conn.worker->now_ns + options->idle_timeout : TIMER_NEVER;
}

void h2_arm(struct h2_session *session)
{
    struct client *client = session->client;
    struct worker *worker = client->conn.worker;
    int64_t deadline = session->streams ? worker->now_ns + LOOK_NS : idle_deadline(client);

    deadline = earlier(deadline, session->leave_at_ns);
    for (const struct h2_stream *stream = session->streams; stream; stream = stream->next) {
        deadline = earlier(deadline, earlier(stream->body_deadline, stream->write_deadline));
    }
    session->deadline = deadline;
    timer_set(worker->timers, &client->conn.timer, deadline);
}

/* ---- the end ---- */
bool h2_idle(const struct client *client)
{
    return client->h2->streams == NULL;
}

void h2_abandon(struct client *client)
{
    struct h2_session *session = client->h2;

    while (session->streams) {
        struct h2_stream *stream = session->streams;

        stream->closed = true;
        if (!stream->ended && stream->ex.codec) {
            exchange_client_gone(&stream->ex, REASON_client_gone);
        }
        h2_stream_free(stream);
    }
}

void h2_free(struct client *client)
{
    struct h2_session *session = client->h2;

    if (session) {
        h2_abandon(client);
        client->h2 = NULL;
        nghttp2_session_del(session->engine);
        free(session);
    }
}

void h2_unpin(struct client *client, int64_t before_ns)
{
    struct worker *worker = client->conn.worker;

    for (struct h2_stream *stream = client->h2->streams; stream; stream = stream->next) {
        struct exchange *ex = &stream->ex;

        if (!stream->ended && ex->generation && ex->generation != worker->generation &&
            ex->started_ns < before_ns) {
            exchange_unpin(ex);
        }
    }
}

void h2_leave(struct h2_session *session)
{
    if (!session->leaving) {
        session->leaving = true;
        session->last_id = -1;
        session->leave_at_ns = session->client->conn.worker->now_ns + LEAVE_NS;
        (void)nghttp2_submit_shutdown_notice(session->engine);
        h2_deadline(session, session->leave_at_ns);
        h2_later(session);
    }
}

static void leave_now(struct h2_session *session)
{
    session->leaving = true;
    session->leave_at_ns = TIMER_NEVER;
    (void)nghttp2_submit_goaway(session->engine, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(session->engine), NGHTTP2_NO_ERROR,
                                NULL, 0);
    h2_later(session);
}

/* A stream whose time is over. False: the connection is. */
static bool stream_late(struct h2_stream *stream, int64_t now)
{
    bool body = stream->body_deadline <= now;

    if (!stream->head_done) {
        return !body; /* nothing else can be read before the rest of it */
    }
    if (stream->ex.codec == NULL && !stream->ended) {
        return true; /* it begins this very moment */
    }
    if (stream->ended) {
        if (now - stream->moved_ns > STALL_NS) {
            (void)nghttp2_submit_rst_stream(stream->session->engine, NGHTTP2_FLAG_NONE, stream->id,
                                            NGHTTP2_CANCEL);
            stream->moved_ns = now;
        }
        return true;
    }
    if (body) {
        stream->body_deadline = TIMER_NEVER;
        if (!stream->head_sent) {
            exchange_client_gone(&stream->ex, REASON_request_timeout);
            return true;
        }
    }
    if (stream->write_deadline <= now || (stream->out.len && now - stream->moved_ns > STALL_NS)) {
        bool server = stream->head_sent && stream->out.len == 0 && stream->write_deadline <= now;

        exchange_client_gone(&stream->ex, server ? REASON_response_timeout : REASON_client_gone);
    }
    return true;
}

void h2_late(struct client *client)
{
    struct h2_session *session = client->h2;
    int64_t now = client->conn.worker->now_ns;
    struct h2_stream *next;

    if (conn_backed_up(&client->conn) && now - session->out_ns > STALL_NS) {
        client_stop(client);
        return;
    }
    if (session->leave_at_ns <= now) {
        leave_now(session);
    } else if (session->streams == NULL && (session->failed || session->leaving)) {
        client_stop(client); /* the idle time is over a second time: it takes nothing */
        return;
    } else if (session->streams == NULL) {
        leave_now(session);
    }
    for (struct h2_stream *stream = session->streams; stream; stream = next) {
        next = stream->next;
        if (!stream_late(stream, now)) {
            client_stop(client);
            return;
        }
    }
    h2_arm(session);
    h2_later(session);
}

/* ---- writing ---- */
void h2_later(struct h2_session *session)
{
    poller_again(&session->client->conn.io);
}

static void write_failed(struct h2_session *session)
{
    session->client->conn.io.broken = true; /* dealt with on its event: the caller may be an exchange */
    h2_later(session);
}

void h2_write(struct h2_session *session)
{
    struct client *client = session->client;
    struct stage *stage = &client->conn.worker->recycler->frames;

    for (int i = 0; i < WRITES_PER_TURN && !conn_backed_up(&client->conn) && !client->conn.io.broken; i++) {
        bool good = h2_gather(session->engine, stage);
        int rc = good && stage->len ? conn_send_one(&client->conn, slice_of(stage->ptr, stage->len)) : 0;

        slab_count(client->conn.worker->slab, COUNT_BYTES_OUT, stage->len);
        if (!good || rc < 0) {
            client->starved = rc == -ENOMEM;
            write_failed(session);
        }
        bool all = stage->len < H2_WRITE_SIZE;

        stage_reset(stage);
        if (all) {
            return;
        }
    }
    if (!conn_backed_up(&client->conn)) {
        h2_later(session);
    }
}

/* ---- reading ---- */
bool h2_feed(struct h2_session *session, const char *bytes, size_t len)
{
    struct client *client = session->client;
    ssize_t n = nghttp2_session_mem_recv(session->engine, (const uint8_t *)bytes, len);

    slab_count(client->conn.worker->slab, COUNT_BYTES_IN, len);
    if (n == NGHTTP2_ERR_FLOODED || n == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS) {
        session->failed = true;
        slab_count(client->conn.worker->slab, COUNT_REASONS + REASON_limit, 1);
        (void)nghttp2_session_terminate_session(session->engine, NGHTTP2_ENHANCE_YOUR_CALM);
        return true;
    }
    if (n < 0) {
        log_debug("malformed HTTP/2 from %.*s: %s", client->peer_text_len, client->peer_text,
                  nghttp2_strerror((int)n));
        slab_count(client->conn.worker->slab, COUNT_REASONS + REASON_bad_request, 1);
        return n == NGHTTP2_ERR_BAD_CLIENT_MAGIC ? false : (session->failed = true);
    }
    return true;
}

static bool wants_to_read(const struct h2_session *session)
{
    return !session->failed && nghttp2_session_want_read(session->engine);
}

/* False: the connection is over. */
static bool read_some(struct h2_session *session)
{
    struct client *client = session->client;
    struct worker *worker = client->conn.worker;

    for (int i = 0; i < READS_PER_TURN && client->conn.io.readable && wants_to_read(session); i++) {
        if (i > 0 && stopwatch_is_over(&worker->watch)) {
            break;
        }
        ssize_t n = conn_read(&client->conn, worker->recycler->scratch, READ_SIZE);

        if (n < 0 && errno == EAGAIN) {
            return true;
        }
        if (n <= 0 || !h2_feed(session, worker->recycler->scratch, (size_t)n)) {
            return false;
        }
        h2_work(session);
    }
    if (client->conn.io.readable && wants_to_read(session)) {
        h2_later(session);
    }
    return true;
}

static void drained(struct h2_session *session)
{
    for (struct h2_stream *stream = session->streams; stream; stream = stream->next) {
        if (stream->waits && stream->out.len == 0) {
            h2_stream_work(stream);
        }
    }
}

/* Nothing more is to be read or written: the end of what was agreed on, or of a connection that broke the rules. */
static bool is_over(const struct h2_session *session)
{
    return !conn_backed_up(&session->client->conn) && !nghttp2_session_want_write(session->engine) &&
           !wants_to_read(session);
}

void h2_ready(struct client *client)
{
    struct h2_session *session = client->h2;
    bool idle = session->streams == NULL, backed_up = session->out_len > 0;
    uint64_t requests = client->requests;

    if (client->conn.io.broken || !read_some(session)) {
        client_stop(client);
        return;
    }
    if (backed_up && !conn_backed_up(&client->conn)) {
        drained(session);
    }
    h2_work(session);
    h2_write(session);
    if (client->conn.out_len != session->out_len) {
        session->out_len = client->conn.out_len;
        session->out_ns = client->conn.worker->now_ns;
    }
    if (client->conn.io.broken) {
        client_stop(client);
    } else if (is_over(session)) {
        h2_free(client);
        client_linger(client);
    } else if (session->streams == NULL ? !idle || requests != client->requests : idle) {
        h2_arm(session);
    }
}
