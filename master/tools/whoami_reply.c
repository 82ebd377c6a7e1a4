/*
 * whoami_reply.c - answers of `weir whoami` on their way: heads, framing, writing. What they say: whoami_answer.c.
 */
#include <stdlib.h>
#include <time.h>

#include "common/base/memory.h"
#include "master/tools/whoami_http.h"

#define PIECE (32u << 10) /* of /data */

/* ---- writing ---- */
struct write {
    uv_write_t request;
    struct whoami_client *client;
    struct text text;
};

static void on_written(uv_write_t *request, int status)
{
    struct write *write = (struct write *)request;
    struct whoami_client *client = write->client;

    client->writing -= write->text.len;
    text_free(&write->text);
    free(write);
    if (client->closing) {
        return;
    }
    if (status < 0 || (client->state == ENDING && client->writing == 0)) {
        whoami_close(client);
    } else {
        whoami_pump(client);
    }
}

void reply_flush(struct whoami_client *client)
{
    if (client->out.len == 0 || client->closing) {
        return;
    }
    struct write *write = xcalloc(1, sizeof(*write));
    uv_buf_t buf = uv_buf_init(client->out.ptr, (unsigned)client->out.len);

    write->client = client;
    write->text = client->out;
    client->writing += client->out.len;
    text_init(&client->out);
    if (uv_write(&write->request, (uv_stream_t *)&client->tcp, &buf, 1, on_written) != 0) {
        text_free(&write->text);
        free(write);
        whoami_close(client);
    }
}

void reply_payload(struct whoami_client *client, struct slice payload)
{
    if (client->head_only || payload.len == 0) {
        return;
    }
    if (client->chunked_answer) {
        text_printf(&client->out, "%zx\r\n", payload.len);
    }
    text_add(&client->out, payload);
    if (client->chunked_answer) {
        text_add_cstr(&client->out, "\r\n");
    }
}

/* length UINT64_MAX: not known. */
static void add_head(struct whoami_client *client, unsigned status, const char *type, uint64_t length)
{
    http_date_update((int64_t)time(NULL));
    struct slice line = h1_status_line((uint16_t)status);

    if (line.len == 0) {
        text_printf(&client->out, "HTTP/1.1 %u \r\n", status);
    }
    text_add(&client->out, line);
    text_add(&client->out, http_date());
    client->chunked_answer = length == UINT64_MAX && !client->http10;
    if (length != UINT64_MAX) {
        text_printf(&client->out, "Content-Length: %llu\r\n", (unsigned long long)length);
    } else if (client->chunked_answer) {
        text_add_cstr(&client->out, "Transfer-Encoding: chunked\r\n");
    } else {
        client->keep_alive = false;
    }
    if (length > 0) {
        text_printf(&client->out, "Content-Type: %s\r\n", type);
    }
    if (!client->keep_alive) {
        text_add_cstr(&client->out, "Connection: close\r\n");
    } else if (client->http10) {
        text_add_cstr(&client->out, "Connection: keep-alive\r\n");
    }
    text_add_cstr(&client->out, "\r\n");
}

static void whole_answer(struct whoami_client *client, unsigned status, const char *type, struct slice body)
{
    add_head(client, status, type, body.len);
    reply_payload(client, body);
}

void reply_finish(struct whoami_client *client)
{
    if (client->chunked_answer && !client->head_only) {
        text_add_cstr(&client->out, "0\r\n\r\n");
    }
    client->chunked_answer = false;
    client->state = client->keep_alive ? READING_HEAD : ENDING;
    reply_flush(client);
    if (client->state == READING_HEAD) {
        pool_reset(client->pool);
        headers_init(&client->message.headers, client->pool);
        h1_parser_reset(client->parser, &client->message, SLICE(""));
    } else if (client->writing == 0) {
        whoami_close(client);
    }
}

/* ---- answering ---- */
void reply_question(const struct whoami_client *client, struct whoami_request *request)
{
    struct slice target = client->message.target;
    ptrdiff_t scheme = slice_find_slice(target, SLICE("://"));

    if (scheme > 0 && target.ptr[0] != '/') { /* absolute form: from the path on */
        target = slice_from(target, (size_t)scheme + 3);
        ptrdiff_t slash = slice_find(target, '/');

        target = slash < 0 ? SLICE("/") : slice_from(target, (size_t)slash);
    }
    request->message = &client->message;
    request->query = target;
    request->path = slice_split(&request->query, '?');
    request->peer = client->peer;
}

void reply_answer(struct whoami_client *client)
{
    struct whoami_request request;
    struct text body;
    unsigned status;

    text_init(&body);
    reply_question(client, &request);
    switch (client->route) {
    case WHOAMI_SELF:
    case WHOAMI_ECHO:
        whoami_self(client->whoami, &request, &body);
        whole_answer(client, 200, "text/plain; charset=utf-8", text_slice(&body));
        break;
    case WHOAMI_BENCH:
        whole_answer(client, 200, "text/plain", SLICE("1"));
        break;
    case WHOAMI_API:
        whoami_api(client->whoami, &request, &body);
        whole_answer(client, 200, "application/json", text_slice(&body));
        break;
    case WHOAMI_HEALTH: {
        uint64_t wanted;
        bool post = slice_eq(client->message.method, SLICE("POST"));

        if (post && slice_to_u64(slice_trim(slice_of(client->health_text, client->health_len)), &wanted) &&
            wanted >= 200 && wanted <= 599) {
            client->whoami->health = (unsigned)wanted;
        }
        status = post ? 200 : client->whoami->health;
        whole_answer(client, status, "text/plain", SLICE(""));
        break;
    }
    case WHOAMI_DATA:
        if (!whoami_data_size(request.query, &client->data_size)) {
            whole_answer(client, 416, "text/plain", SLICE("size is too large\n"));
            break;
        }
        client->data_at = 0;
        add_head(client, 200, "text/plain; charset=utf-8", client->data_size);
        client->state = WRITING_DATA;
        text_free(&body);
        return;
    }
    text_free(&body);
    reply_finish(client);
}

void reply_begin_echo(struct whoami_client *client)
{
    struct whoami_request request;
    struct text body;

    text_init(&body);
    reply_question(client, &request);
    whoami_self(client->whoami, &request, &body);
    add_head(client, 200, "text/plain; charset=utf-8",
             client->chunked_body ? UINT64_MAX : body.len + client->message.content_length);
    reply_payload(client, text_slice(&body));
    text_free(&body);
}

void reply_data(struct whoami_client *client)
{
    uint64_t left = client->data_size - client->data_at;
    size_t count = left < PIECE ? (size_t)left : PIECE;

    if (!client->head_only) {
        whoami_data(client->data_size, client->data_at, count, &client->out);
    }
    client->data_at += count;
    if (client->head_only || client->data_at == client->data_size) {
        reply_finish(client);
    } else {
        reply_flush(client);
    }
}

void reply_refuse(struct whoami_client *client, const struct h1_error *error)
{
    client->keep_alive = false;
    client->head_only = false;
    whole_answer(client, error->status, "text/plain; charset=utf-8", slice_cstr(error->text));
    reply_finish(client);
}
