/*
 * whoami_http.h - one connection of `weir whoami`, between whoami_http.c (reads) and whoami_reply.c (answers).
 */
#ifndef WEIR_MASTER_TOOLS_WHOAMI_HTTP_H
#define WEIR_MASTER_TOOLS_WHOAMI_HTTP_H

#include "master/tools/whoami.h"

enum whoami_state { READING_HEAD, DELAYED, READING_BODY, WRITING_DATA, ECHOING, ENDING };

struct whoami_client {
    uv_tcp_t tcp;
    uv_timer_t timer;
    struct whoami *whoami;
    unsigned handles; /* not closed yet */
    enum whoami_state state;
    bool paused, ended, closing; /* ended: the peer sends no more */
    char peer[80];

    struct text in; /* read, not used */
    struct pool *pool;
    struct h1_parser *parser;
    struct h1_message message;
    struct h1_chunked chunked;

    enum whoami_route route;
    bool keep_alive, head_only, http10, expects, sends_body, chunked_body, chunked_answer;
    uint64_t body_left;
    uint64_t data_size, data_at;
    char health_text[16]; /* of POST /health */
    size_t health_len;
    struct text out; /* collected for the next write */
    size_t writing;  /* bytes that libuv has */
};

/* ---- whoami_http.c ---- */
/* Goes as far as it can with what was read. */
void whoami_pump(struct whoami_client *client);
/* Harmless twice; freed when libuv has let go of it. */
void whoami_close(struct whoami_client *client);

/* ---- whoami_reply.c ---- */
/* The request that is being answered; slices of its message. */
void reply_question(const struct whoami_client *client, struct whoami_request *request);
/* After the body was read: everything but the echo of a body. */
void reply_answer(struct whoami_client *client);
/* The head of an answer whose body is the request's, streamed: reply_payload() piece by piece, then reply_finish(). */
void reply_begin_echo(struct whoami_client *client);
/* Payload of the answer, framed as its head says. */
void reply_payload(struct whoami_client *client, struct slice payload);
/* The next piece of /data. */
void reply_data(struct whoami_client *client);
/* To what is no request. */
void reply_refuse(struct whoami_client *client, const struct h1_error *error);
/* The answer is written: on to the next request, or the end. */
void reply_finish(struct whoami_client *client);
/* Hands to libuv what was collected. */
void reply_flush(struct whoami_client *client);

#endif
