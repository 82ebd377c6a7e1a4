/*
 * client_connect.c - a connection of the HTTP client on its way up: the name, address after address, until one takes it. See
 * client_inner.h.
 */
#include <errno.h>
#include <netdb.h>

#include "common/http/client_inner.h"
#include "common/net/addr.h"

#define KEEPALIVE_SECONDS 15

static void attempt(struct http_connection *conn);

static void on_attempt_closed(uv_handle_t *handle)
{
    struct http_connection *conn = handle->data;

    if (conn->state == CONNECTION_CLOSING) {
        connection_let_go(conn);
        return;
    }
    conn->pending--;
    if (conn->address_next < conn->address_count) {
        attempt(conn);
    } else {
        connection_fail(conn, -ECONNREFUSED, &conn->last);
    }
}

void connection_attempt_failed(struct http_connection *conn, int rc)
{
    struct address address;
    char text[ADDRESS_TEXT_SIZE];

    address_from_sockaddr((const struct sockaddr *)&conn->addresses[conn->address_next - 1], &address);
    (void)address_format(&address, text);
    (void)error_set(&conn->last, rc, "cannot connect to %s port %s: %s", text, conn->client->port,
                    uv_strerror(rc));
    (void)uv_timer_stop(&conn->timer);
    conn->tcp_open = false;
    uv_close((uv_handle_t *)&conn->tcp, on_attempt_closed);
}

static void on_connect(uv_connect_t *request, int status)
{
    struct http_connection *conn = request->data;

    if (conn->state == CONNECTION_CLOSING || !conn->tcp_open) {
        return;
    }
    if (status < 0) {
        connection_attempt_failed(conn, status);
        return;
    }
    (void)uv_tcp_nodelay(&conn->tcp, 1);
    (void)uv_tcp_keepalive(&conn->tcp, 1, KEEPALIVE_SECONDS);
    connection_up(conn);
}

static void attempt(struct http_connection *conn)
{
    uint64_t now = uv_now(conn->client->loop), left = conn->deadline > now ? conn->deadline - now : 0;
    size_t addresses = conn->address_count - conn->address_next;
    int rc = uv_tcp_init(conn->client->loop, &conn->tcp);

    if (rc < 0) {
        connection_fail_uv(conn, rc, "cannot open a socket");
        return;
    }
    conn->tcp.data = conn;
    conn->tcp_open = true;
    conn->pending++;
    conn->connect.data = conn;
    conn->state = CONNECTION_CONNECTING;
    connection_arm(conn, left / addresses);
    rc = uv_tcp_connect(&conn->connect, &conn->tcp,
                        (const struct sockaddr *)&conn->addresses[conn->address_next++], on_connect);
    if (rc < 0) {
        connection_attempt_failed(conn, rc);
    }
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct http_connection *conn = request->data;
    struct error why;

    if (conn->state != CONNECTION_CLOSING) {
        for (const struct addrinfo *item = found; item && conn->address_count < CLIENT_ADDRESSES;
             item = item->ai_next) {
            memcpy(&conn->addresses[conn->address_count++], item->ai_addr, item->ai_addrlen);
        }
    }
    uv_freeaddrinfo(found);
    if (conn->state == CONNECTION_CLOSING) {
        connection_let_go(conn);
        return;
    }
    conn->pending--;
    if (conn->address_count > 0) {
        attempt(conn);
        return;
    }
    (void)error_set(&why, -EHOSTUNREACH, "cannot resolve %s: %s", conn->client->host,
                    status < 0 ? uv_strerror(status) : "no address");
    connection_fail(conn, -EHOSTUNREACH, &why);
}

void connection_resolve(struct http_connection *conn)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct http_client *client = conn->client;
    struct address address;
    uint64_t port;
    int rc;

    conn->deadline = uv_now(client->loop) + client->connect_ms;
    if (address_parse(slice_cstr(client->host), &address) && slice_to_u64(slice_cstr(client->port), &port)) {
        address.port = (uint16_t)port;
        (void)address_to_sockaddr(&address, &conn->addresses[0]);
        conn->address_count = 1;
        attempt(conn);
        return;
    }
    connection_arm(conn, client->connect_ms);
    conn->resolve.data = conn;
    rc = uv_getaddrinfo(client->loop, &conn->resolve, on_resolved, client->host, client->port, &hints);
    if (rc < 0) {
        connection_fail_uv(conn, rc, "cannot resolve");
    } else {
        conn->pending++;
    }
}
