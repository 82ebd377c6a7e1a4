/*
 * client.c - calls of the HTTP client and their connections' life; contract in client.h.
 *
 * Not here: what happens on a connection (client_connection.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/http/client_inner.h"

int http_client_new(uv_loop_t *loop, const struct http_client_options *options, struct http_client **out,
                    struct error *why)
{
    if (options->host.len == 0 || memchr(options->host.ptr, '\0', options->host.len) || options->port == 0) {
        return error_set(why, -EINVAL, "a host and a port are needed");
    }

    struct http_client *client = xcalloc(1, sizeof(*client));
    struct slice name = options->server_name.len ? options->server_name : options->host;

    client->loop = loop;
    client->host = xstrndup(options->host.ptr, options->host.len);
    client->server_name = xstrndup(name.ptr, name.len);
    (void)snprintf(client->port, sizeof(client->port), "%u", (unsigned)options->port);
    client->tls = options->tls ? tls_context_ref(options->tls) : NULL;
    client->connect_ms = options->connect_ms;
    client->idle_ms = options->idle_ms;
    *out = client;
    return 0;
}

void http_client_set_tls(struct http_client *client, struct tls_context *tls)
{
    tls_context_unref(client->tls);
    client->tls = tls ? tls_context_ref(tls) : NULL;
}

static void client_free(struct http_client *client)
{
    tls_context_unref(client->tls);
    free(client->host);
    free(client->server_name);
    free(client);
}

static void call_free(struct http_call *call)
{
    if (call->head.ptr) {
        explicit_bzero(call->head.ptr, call->head.len); /* it may hold a token */
    }
    text_free(&call->head);
    text_free(&call->body);
    free(call);
}

void http_client_close(struct http_client *client)
{
    if (client == NULL || client->closing) {
        return;
    }
    client->closing = true;
    client->open++; /* ours, until all are told */
    while (client->connections) {
        struct http_connection *conn = client->connections;
        struct http_call *call = conn->call;

        connection_close(conn);
        if (call) {
            call_free(call);
        }
    }
    client_connection_gone(client);
}

void client_connection_gone(struct http_client *client)
{
    if (--client->open == 0 && client->closing) {
        client_free(client);
    }
}

static void write_head(struct http_call *call, const struct http_request *request)
{
    const struct http_client *client = call->client;
    bool bare_v6 = strchr(client->host, ':') != NULL;
    bool usual = strcmp(client->port, client->tls ? "443" : "80") == 0;
    bool has_body = request->body.len > 0 || slice_eq(request->method, SLICE("POST")) ||
                    slice_eq(request->method, SLICE("PUT")) || slice_eq(request->method, SLICE("PATCH"));

    text_printf(&call->head, "%.*s %.*s HTTP/1.1\r\n", SLICE_ARG(request->method),
                SLICE_ARG(request->target));
    if (request->host.len) {
        text_printf(&call->head, "Host: %.*s\r\n", SLICE_ARG(request->host));
    } else {
        text_printf(&call->head, "Host: %s%s%s%s%s\r\n", bare_v6 ? "[" : "", client->host, bare_v6 ? "]" : "",
                    usual ? "" : ":", usual ? "" : client->port);
    }
    if (has_body) {
        text_printf(&call->head, "Content-Length: %zu\r\n", request->body.len);
    }
    text_add(&call->head, request->fields);
    text_add_cstr(&call->head, "\r\n");
}

struct http_call *http_client_call(struct http_client *client, const struct http_request *request,
                                   const struct http_handlers *handlers, void *context)
{
    struct http_call *call = xcalloc(1, sizeof(*call));

    call->client = client;
    call->handlers = handlers;
    call->context = context;
    call->head_ms = request->head_ms;
    call->read_ms = request->read_ms;
    (void)slice_to_cstr(request->method, call->method, sizeof(call->method));
    text_init(&call->head);
    text_init(&call->body);
    write_head(call, request);
    text_add(&call->body, request->body);
    for (struct http_connection *conn = client->connections; conn; conn = conn->next) {
        if (conn->state == CONNECTION_IDLE) {
            connection_use(conn, call);
            return call;
        }
    }
    connection_open(client, call);
    return call;
}

void http_call_cancel(struct http_call *call)
{
    connection_close(call->connection);
    call_free(call);
}

void call_done(struct http_call *call, int rc, const struct error *why)
{
    const struct http_handlers *handlers = call->handlers;
    void *context = call->context;

    call_free(call);
    handlers->on_done(context, rc, why);
}
