/*
 * tcp_route.c - see tcp_route.h.
 */
#include "worker/tcp_route.h"

#include "common/net/postgres.h"
#include "shm/tcp_page.h"
#include "shm/tcp_routes.h"
#include "worker/tcp_session.h"

static uint32_t choose(const struct client *client, bool tls, struct slice name, struct slice alpn)
{
    const struct entry_options *options = &client->listener->options;
    const struct rule_request connection = {.host = name, .alpn = alpn, .client = client->peer};

    return tcp_routes_choose(options->generation, options->number, tls, client->starttls, &connection);
}

static bool take_plain(struct client *client)
{
    uint32_t route = choose(client, false, SLICE(""), SLICE(""));

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
    struct buffer *in = client->in;

    client->starttls = true;
    in->from += POSTGRES_HEAD_SIZE;
    if (in->from == in->to) {
        in->from = in->to = 0;
    }
    if (conn_send_one(&client->conn, SLICE(POSTGRES_WILLING)) < 0) {
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

bool tcp_route_hello(struct client *client, const struct tls_hello *hello, struct slice name)
{
    const struct page *routes = client->listener->options.generation->pages[PAGE_TCP_ROUTES];
    uint32_t number;

    if (client->tcp) {
        return false; /* the handshake had to wait */
    }
    number = choose(client, true, name, hello->alpn);
    if (number == ROUTE_NONE) {
        return false;
    }
    if (tcp_session_new(client, number) == NULL) {
        return true;
    }
    if (routes_at(routes, number)->flags & ROUTE_PASSTHROUGH) {
        tcp_session_dial(client);
        return true;
    }
    return false;
}
