/*
 * tcp_route.c - see tcp_route.h.
 */
#include "worker/tcp_route.h"

#include "common/net/postgres.h"
#include "shm/tcp_page.h"
#include "shm/tls_options.h"
#include "worker/tcp_session.h"

static uint32_t match(const struct client *client, bool tls, struct slice name, struct slice alpn)
{
    const struct entry_options *options = &client->listener->options;
    const struct rule_request request = {.host = name, .alpn = alpn, .client = client->peer};

    return routes_match(options->generation->pages[PAGE_TCP_ROUTES], options->number, tls, &request);
}

static const struct route *route_of(const struct client *client, uint32_t number)
{
    return routes_at(client->listener->options.generation->pages[PAGE_TCP_ROUTES], number);
}

static bool take_plain(struct client *client)
{
    uint32_t route = match(client, false, SLICE(""), SLICE(""));

    if (route == ROUTE_NONE) {
        return false;
    }
    if (tcp_session_new(client, route)) {
        tcp_session_dial(client);
    }
    return true;
}

bool tcp_route_at_once(struct client *client)
{
    unsigned there = client->listener->options.tcp;

    return (there & TCP_PLAIN) && !(there & (TCP_TLS | TCP_HTTPS)) && take_plain(client);
}

/* The request is answered; TLS follows. */
static void start_tls(struct client *client)
{
    static const char willing[] = POSTGRES_WILLING;
    struct iovec piece = {(char *)(uintptr_t)willing, sizeof(willing) - 1};
    struct buffer *in = client->in;

    client->starttls = true;
    in->from += POSTGRES_HEAD_SIZE;
    if (in->from == in->to) {
        in->from = in->to = 0;
    }
    if (conn_send(&client->conn, &piece, 1) < 0) {
        client_close(client);
        return;
    }
    tls_accept(client);
}

enum tcp_first tcp_route_first(struct client *client)
{
    unsigned there = client->listener->options.tcp;
    struct slice bytes = slice_of(client->in->data + client->in->from, buffer_len(client->in));

    if ((there & TCP_TLS) && postgres_maybe_ssl(bytes)) {
        if (bytes.len < POSTGRES_HEAD_SIZE) {
            return TCP_FIRST_MORE;
        }
        start_tls(client);
        return TCP_FIRST_TAKEN;
    }
    return (there & TCP_PLAIN) && take_plain(client) ? TCP_FIRST_TAKEN : TCP_FIRST_HTTP;
}

/* Whether HTTP comes first for a connection that the router would take. */
static bool is_for_http(const struct client *client, const struct route *route, struct slice name)
{
    const struct entry_options *options = &client->listener->options;

    return tls_options_named(options->generation->pages[PAGE_TLS], options->number, name) ||
           ((route->flags & ROUTE_CATCH_ALL) && (options->tcp & TCP_HTTPS_ALL));
}

bool tcp_route_hello(struct client *client, const struct tls_hello *hello, struct slice name)
{
    uint32_t number;
    const struct route *route;

    if (client->tcp) {
        return false; /* the handshake had to wait */
    }
    if (!(client->listener->options.tcp & TCP_TLS) ||
        (number = match(client, true, name, hello->alpn)) == ROUTE_NONE) {
        return false;
    }
    route = route_of(client, number);
    if (!client->starttls && is_for_http(client, route, name)) {
        return false;
    }
    if (tcp_session_new(client, number) == NULL) {
        return true;
    }
    if (route->flags & ROUTE_PASSTHROUGH) {
        tcp_session_dial(client);
        return true;
    }
    return false;
}
