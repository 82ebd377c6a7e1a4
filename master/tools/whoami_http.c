/*
 * whoami_http.c - HTTP/1.1 connections of `weir whoami`: one request after the other, bodies streamed back.
 *
 * life     READING_HEAD -> (DELAYED) -> READING_BODY -> (WRITING_DATA) -> READING_HEAD ... or ECHOING for good
 * memory   a body is never collected: what is read is written, and reading pauses while too much waits to be written.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/schema/schema.h"
#include "master/tools/whoami_http.h"

#define WRITE_MOST (256u << 10) /* reading pauses above this */

static const struct h1_limits limits = {.max_head = 1u << 20, .max_target = 1u << 20, .max_headers = 10000};

/* ---- closing ---- */
static void on_closed(uv_handle_t *handle)
{
    struct whoami_client *client = handle->data;

    if (--client->handles > 0) {
        return;
    }
    text_free(&client->in);
    text_free(&client->out);
    h1_parser_free(client->parser);
    pool_free(client->pool);
    free(client);
}

void whoami_close(struct whoami_client *client)
{
    if (!client->closing) {
        client->closing = true;
        uv_close((uv_handle_t *)&client->tcp, on_closed);
        uv_close((uv_handle_t *)&client->timer, on_closed);
    }
}

/* ---- a request ---- */
static void begin(struct whoami_client *client)
{
    if (client->expects) {
        text_add_cstr(&client->out, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    client->state = READING_BODY;
    if (client->route == WHOAMI_ECHO && whoami_echo_accept(&client->message, &client->out)) {
        client->state = ECHOING;
    } else if (client->sends_body && client->route == WHOAMI_SELF) {
        reply_begin_echo(client);
    }
}

static void on_delay(uv_timer_t *timer)
{
    struct whoami_client *client = timer->data;

    begin(client);
    whoami_pump(client);
}

static void head_done(struct whoami_client *client)
{
    const struct h1_message *message = &client->message;
    struct whoami_request request;
    uint64_t delay_ms = client->whoami->delay_ms;
    int64_t wait_ns;
    struct error why;

    reply_question(client, &request);
    client->route = whoami_route(message, request.path);
    client->keep_alive = message->keep_alive;
    client->http10 = message->minor == 0;
    client->head_only = slice_eq(message->method, SLICE("HEAD"));
    client->chunked_body = message->framing == H1_CHUNKED;
    client->body_left = message->framing == H1_LENGTH ? message->content_length : 0;
    client->sends_body = client->chunked_body || client->body_left > 0;
    client->expects = message->expect_continue && client->sends_body;
    client->health_len = 0;
    h1_chunked_init(&client->chunked);
    struct slice wait = whoami_parameter(request.query, "wait");

    if (wait.len > 0 && parse_duration(wait, &wait_ns, &why) == 0 && wait_ns > 0) {
        delay_ms += (uint64_t)(wait_ns / 1000000);
    }
    if (delay_ms > 0) {
        client->state = DELAYED;
        (void)uv_timer_start(&client->timer, on_delay, delay_ms, 0);
    } else {
        begin(client);
    }
}

/* ---- reading ---- */
static void use_up(struct whoami_client *client, size_t count)
{
    if (count == 0) {
        return;
    }
    memmove(client->in.ptr, client->in.ptr + count, client->in.len - count);
    client->in.len -= count;
}

/* The head stays in `in` until its request is answered: the message's slices point into it. */
static bool read_head(struct whoami_client *client)
{
    struct h1_error error;

    switch (h1_parser_feed(client->parser, client->in.ptr, client->in.len, &error)) {
    case H1_MORE:
        return false;
    case H1_BAD:
        reply_refuse(client, &error);
        return false;
    case H1_HEAD_DONE:
        head_done(client);
        break;
    }
    return true;
}

static void take_payload(struct whoami_client *client, struct slice data)
{
    if (client->route == WHOAMI_SELF && client->chunked_body) {
        struct text framed; /* Go prints a chunked body as chunks */

        text_init(&framed);
        text_printf(&framed, "%zx\r\n", data.len);
        text_add(&framed, data);
        text_add_cstr(&framed, "\r\n");
        reply_payload(client, text_slice(&framed));
        text_free(&framed);
    } else if (client->route == WHOAMI_SELF) {
        reply_payload(client, data);
    } else if (client->route == WHOAMI_HEALTH) {
        for (size_t i = 0; i < data.len && client->health_len < sizeof(client->health_text); i++) {
            client->health_text[client->health_len++] = data.ptr[i];
        }
    }
}

/* 1: the body is complete; 0: more is needed; -1: malformed. */
static int read_body(struct whoami_client *client, size_t from)
{
    struct slice input = slice_from(text_slice(&client->in), from);
    size_t before = input.len;
    int result = client->body_left == 0;

    if (!client->chunked_body) {
        struct slice data =
            slice_head(input, client->body_left < input.len ? (size_t)client->body_left : input.len);

        take_payload(client, data);
        client->body_left -= data.len;
        input = slice_from(input, data.len);
        result = client->body_left == 0;
    } else {
        struct slice data;
        enum h1_chunk chunk;

        while ((chunk = h1_chunked_next(&client->chunked, &input, &data)) == H1_CHUNK_DATA ||
               chunk == H1_CHUNK_TRAILER) {
            if (chunk == H1_CHUNK_DATA) {
                take_payload(client, data);
            }
        }
        result = chunk == H1_CHUNK_END ? 1 : (chunk == H1_CHUNK_BAD ? -1 : 0);
    }
    size_t used = before - input.len;

    memmove(client->in.ptr + from, client->in.ptr + from + used, client->in.len - from - used);
    client->in.len -= used;
    return result;
}

static void body_done(struct whoami_client *client)
{
    size_t head = client->message.head_len;

    if (client->sends_body && client->route == WHOAMI_SELF) {
        if (client->chunked_body) {
            reply_payload(client, SLICE("0\r\n\r\n"));
        }
        reply_finish(client);
    } else {
        reply_answer(client);
    }
    use_up(client, head); /* only now: answers read the head */
}

static void echo(struct whoami_client *client)
{
    bool closed;
    size_t used = whoami_echo_frames(text_slice(&client->in), &client->out, &closed);

    use_up(client, used);
    if (closed) {
        client->state = ENDING;
    }
    reply_flush(client);
    if (closed && client->writing == 0) {
        whoami_close(client);
    }
}

/* ---- the machine ---- */
static void on_space(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct whoami_client *client = handle->data;

    (void)suggested;
    *buf = uv_buf_init(client->whoami->buffer, sizeof(client->whoami->buffer));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct whoami_client *client = stream->data;

    if (n < 0) {
        client->ended = true;
        client->keep_alive = false;
        if (n == UV_EOF && client->writing > 0 && client->state == READING_HEAD) {
            client->state = ENDING; /* only its sending side is closed: it may still wait for the answer */
        } else if (n != UV_EOF || client->state == READING_HEAD || client->state == READING_BODY ||
                   client->state == ECHOING) {
            whoami_close(client); /* nothing is owed, or nobody is there to get it */
        }
        return;
    }
    const char *old = client->in.ptr;

    text_add(&client->in, slice_of(buf->base, (size_t)n));
    if (old && old != client->in.ptr) {
        h1_message_rebase(&client->message, old, client->in.ptr);
    }
    whoami_pump(client);
}

static void pause_or_resume(struct whoami_client *client)
{
    bool pause = client->ended || client->writing > WRITE_MOST || client->state == DELAYED ||
                 client->state == ENDING || client->state == WRITING_DATA;

    if (client->closing || pause == client->paused) {
        return;
    }
    client->paused = pause;
    if (pause) {
        (void)uv_read_stop((uv_stream_t *)&client->tcp);
    } else {
        (void)uv_read_start((uv_stream_t *)&client->tcp, on_space, on_read);
    }
}

void whoami_pump(struct whoami_client *client)
{
    bool on = true;

    while (on && !client->closing && client->writing <= WRITE_MOST) {
        switch (client->state) {
        case READING_HEAD:
            on = client->in.len > 0 && read_head(client);
            if (client->ended && client->state == READING_HEAD) {
                whoami_close(client);
            }
            break;
        case READING_BODY: {
            int rc = read_body(client, client->message.head_len);

            reply_flush(client);
            if (rc < 0) {
                whoami_close(client);
            } else if (rc > 0) {
                body_done(client);
            }
            on = rc > 0;
            break;
        }
        case WRITING_DATA:
            reply_data(client);
            break;
        case ECHOING:
            if (client->message.head_len > 0) {
                use_up(client, client->message.head_len);
                client->message.head_len = 0;
            }
            echo(client);
            on = false;
            break;
        case DELAYED:
        case ENDING:
            on = false;
            break;
        }
    }
    pause_or_resume(client);
}

/* ---- connections ---- */
static void name_peer(struct whoami_client *client)
{
    struct sockaddr_storage address;
    int len = sizeof(address);
    char text[64] = "";

    if (uv_tcp_getpeername(&client->tcp, (struct sockaddr *)&address, &len) != 0) {
        return;
    }
    if (address.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;

        (void)uv_ip4_name(v4, text, sizeof(text));
        (void)snprintf(client->peer, sizeof(client->peer), "%s:%u", text, ntohs(v4->sin_port));
    } else {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;

        (void)uv_ip6_name(v6, text, sizeof(text));
        (void)snprintf(client->peer, sizeof(client->peer), "[%s]:%u", text, ntohs(v6->sin6_port));
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct whoami *whoami = listener->data;

    if (status < 0) {
        return;
    }
    struct whoami_client *client = xcalloc(1, sizeof(*client));

    client->whoami = whoami;
    client->handles = 2;
    client->pool = pool_new(4096, 0);
    client->parser = h1_parser_new(H1_REQUEST, &limits);
    text_init(&client->in);
    text_init(&client->out);
    headers_init(&client->message.headers, client->pool);
    h1_parser_reset(client->parser, &client->message, SLICE(""));
    (void)uv_tcp_init(&whoami->loop, &client->tcp);
    (void)uv_timer_init(&whoami->loop, &client->timer);
    client->tcp.data = client->timer.data = client;
    if (uv_accept(listener, (uv_stream_t *)&client->tcp) != 0) {
        whoami_close(client);
        return;
    }
    (void)uv_tcp_nodelay(&client->tcp, 1);
    name_peer(client);
    (void)uv_read_start((uv_stream_t *)&client->tcp, on_space, on_read);
}

int whoami_http_listen(struct whoami *whoami, const struct sockaddr *address)
{
    int rc = uv_tcp_init(&whoami->loop, &whoami->listener);

    whoami->listener.data = whoami;
    if (rc == 0) {
        rc = uv_tcp_bind(&whoami->listener, address, 0);
    }
    return rc == 0 ? uv_listen((uv_stream_t *)&whoami->listener, 1024, on_connection) : rc;
}
