/*
 * proxy_accept.c - see proxy_accept.h.
 *
 * As Traefik: a header is taken off whoever sends it; its addresses count only when the peer is one of trustedIPs, or with
 * `insecure`. Who sends none is served as it is, so the first bytes of every connection are waited for. A header that is
 * malformed, or that stops in the middle, costs the connection, because nobody can tell what follows it.
 */
#include "worker/proxy_accept.h"

#include <errno.h>

#include "common/base/log.h"
#include "common/net/proxy_protocol.h"
#include "common/net/ranges.h"

static void give_up(struct client *client, const char *why)
{
    log_at(LOG_LEVEL_DEBUG, LOG_FIELDS("reason", reason_name(REASON_proxy_header)),
           "PROXY header of %.*s on %s: %s", client->peer_text_len, client->peer_text, client->listener->name,
           why);
    slab_count(client->conn.worker->slab, COUNT_REASONS + REASON_proxy_header, 1);
    client_close(client);
}

/* False: there is nothing yet, or the connection is over. */
static bool read_more(struct client *client)
{
    struct worker *worker = client->conn.worker;
    struct buffer *in = client->in;
    ssize_t n;

    if (in == NULL) {
        in = worker->budget.level < BUDGET_OVER ? buffer_take(worker, PROXY_HEADER_MOST + 1) : NULL;
        if (in == NULL) {
            h1_refuse(client, 503, REASON_limit, "no memory is left for the beginning of a connection");
            return false;
        }
        client->in = in;
    }
    n = io_read(&client->conn.io, in->data + in->to, in->size - in->to);
    if (n > 0) {
        slab_count(worker->slab, COUNT_BYTES_IN, (uint64_t)n);
        in->to += (uint32_t)n;
        return true;
    }
    if (n < 0 && errno == EAGAIN) {
        if (buffer_len(in) == 0) {
            buffer_give(worker, in);
            client->in = NULL;
        }
    } else if (buffer_len(in) == 0) {
        client_close(client);
    } else {
        give_up(client, "the connection ended within it");
    }
    return false;
}

static void believe(struct client *client, const struct proxy_header *header)
{
    char *text = client->peer_text;
    size_t len;
    char source[ADDRESS_TEXT_SIZE];

    len = address_format(&header->source, source);
    log_debug("PROXY header of %.*s on %s: the client is %.*s", client->peer_text_len, text,
              client->listener->name, (int)len, source);
    memcpy(text, source, len);
    client->peer_text_len = (uint8_t)len;
    client->peer = header->source;
    client->local = header->destination;
}

static void header_done(struct client *client, const struct proxy_header *header)
{
    const struct entry_options *options = &client->listener->options;
    struct buffer *in = client->in;
    size_t rest = buffer_len(in) - header->size;

    if (header->local) {
        log_debug("PROXY header of %.*s on %s names no client", client->peer_text_len, client->peer_text,
                  client->listener->name);
    } else if (options->proxy_insecure || ranges_hold(options->proxies, &client->peer)) {
        believe(client, header);
    } else {
        log_debug("PROXY header of %.*s on %s: the peer is not one of trustedIPs, it does not count",
                  client->peer_text_len, client->peer_text, client->listener->name);
    }
    if (rest == 0) {
        buffer_give(client->conn.worker, in);
        client->in = NULL;
        return;
    }
    memmove(in->data, in->data + in->from + header->size, rest); /* a ClientHello needs the room */
    in->from = 0;
    in->to = (uint32_t)rest;
}

void proxy_accept_ready(struct client *client)
{
    struct proxy_header header;
    const char *why;

    while (client->conn.io.readable && read_more(client)) {
        struct slice bytes = slice_of(client->in->data + client->in->from, buffer_len(client->in));

        switch (proxy_header_read(bytes, &header, &why)) {
        case PROXY_MORE:
            client_arm(client); /* it has begun: less time than for silence */
            continue;
        case PROXY_BAD:
            give_up(client, why);
            return;
        case PROXY_DONE:
            header_done(client, &header);
            break;
        case PROXY_NONE:
            break;
        }
        client_begin(client);
        return;
    }
}

void proxy_accept_late(struct client *client)
{
    if (client->in) {
        give_up(client, "not all of it arrived in time");
    } else {
        client_close(client);
    }
}
