/*
 * h2_start.c - how a connection comes to speak HTTP/2: the preface, nghttp2's session with its options, our settings. See
 * h2_client.h.
 */
#include <stdlib.h>

#include "common/base/memory.h"
#include "worker/h2_client.h"
#include "worker/worker.h"

#define FRAME_SIZE 16384 /* the largest that we take */
#define CONTINUATIONS 8  /* of a head, beside those that one of the largest size needs */
/* What a client may send before its server takes it: for one stream, and for all. */
#define WINDOW_STREAM (256 * 1024)
#define WINDOW_ALL (1024 * 1024)
#define WINDOW_TIGHT 65535 /* the least that a connection has */

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum h2_preface h2_preface(struct slice begin)
{
    size_t len = begin.len < sizeof(preface) - 1 ? begin.len : sizeof(preface) - 1;

    if (memcmp(begin.ptr, preface, len) != 0) {
        return H2_PREFACE_NO;
    }
    return len == sizeof(preface) - 1 ? H2_PREFACE_YES : H2_PREFACE_MORE;
}

/* ---- the session ---- */
static nghttp2_session *engine_new(struct h2_session *session, const struct entry_options *options)
{
    nghttp2_session_callbacks *callbacks = h2_callbacks();
    nghttp2_session *engine = NULL;
    nghttp2_option *option = NULL;

    if (callbacks && nghttp2_option_new(&option) == 0) {
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_max_continuations(option, CONTINUATIONS + options->limits.max_head / FRAME_SIZE);
        nghttp2_option_set_server_fallback_rfc7540_priorities(option, 0);
        nghttp2_option_set_max_deflate_dynamic_table_size(option, options->h2_encoder_table);
        if (nghttp2_session_server_new3(&engine, callbacks, session, option, &session->memory) != 0) {
            engine = NULL;
        }
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return engine;
}

static int say_settings(struct h2_session *session, const struct entry_options *options)
{
    bool tight = session->client->conn.worker->budget.level >= BUDGET_TIGHT;
    nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options->h2_streams},
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, options->h2_decoder_table},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)options->limits.max_head},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, tight ? WINDOW_TIGHT : WINDOW_STREAM},
    };
    int rc = nghttp2_submit_settings(session->engine, NGHTTP2_FLAG_NONE, entries, ARRAY_LEN(entries));

    return rc != 0 || tight
               ? rc
               : nghttp2_session_set_local_window_size(session->engine, NGHTTP2_FLAG_NONE, 0, WINDOW_ALL);
}

void h2_start(struct client *client)
{
    const struct entry_options *options = &client->listener->options;
    struct worker *worker = client->conn.worker;
    struct h2_session *session = xcalloc(1, sizeof(*session));
    struct buffer *in = client->in;

    session->client = client;
    work_list_init(&session->work);
    session->leave_at_ns = session->deadline = TIMER_NEVER;
    session->memory = h2_memory(worker);
    session->engine = engine_new(session, options);
    client->in = NULL;
    client->h2 = session;
    client->state = CLIENT_H2;
    h2_arm(session);
    if (session->engine == NULL || say_settings(session, options) != 0 ||
        (in && !h2_feed(session, in->data + in->from, buffer_len(in)))) {
        buffer_give(worker, in);
        client_stop(client);
        return;
    }
    buffer_give(worker, in);
    h2_later(session);
}
