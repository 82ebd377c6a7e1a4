/*
 * probe_connection.h - what probes have in common that bring a connection of their own: the start from the loop, the server's
 * name, connecting, TLS, one deadline over all of it, the end.
 *
 * What is said on the connection is the kind's, in a struct that begins with struct probe_connection.
 */
#ifndef WEIR_MASTER_HEALTH_PROBE_CONNECTION_H
#define WEIR_MASTER_HEALTH_PROBE_CONNECTION_H

#include "master/compile/url.h"
#include "master/health/probe.h"

#define PROBE_READ_SIZE 16384

struct probe_connection;

struct probe_kind {
    /* words in front of what failed, each with its ": " */
    const char *checking, *connecting, *handshake, *sending, *reading, *late;
    const char *scheme; /* in front of the URL, which has none: "tcp://"; NULL: it has one */
    /* There is a connection, and TLS on it when options->by_tls. False: the probe is over. */
    bool (*connected)(struct probe_connection *probe);
    /* Bytes came; valid during the call only. False: the probe is over. */
    bool (*received)(struct probe_connection *probe, struct slice bytes);
    /* What probe_send() was given has left, or could not; last: as said there. NULL: what cannot be sent is found by the next
     * read, or by the time. */
    void (*sent)(struct probe_connection *probe, int status, bool last);
    /* Frees what is the kind's own, not the struct; NULL: nothing is. */
    void (*free)(struct probe_connection *probe);
};

struct probe_connection {
    struct probe probe; /* first */
    const struct probe_kind *kind;
    uv_loop_t *loop;
    const struct probe_options *options;
    struct server_url url;
    bool reads;                     /* received() is called: set by the kind, before it starts */
    bool tcp_open, spoken, stopped; /* spoken: connected() was called */
    unsigned pending;               /* what libuv still holds */
    uint16_t port;
    char text[272], host[256], service[8];
    uv_timer_t timer; /* the start, then the deadline */
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_getaddrinfo_t resolve;
    struct tls_session *tls; /* NULL: in plain text */
    char in[PROBE_READ_SIZE], plain[PROBE_READ_SIZE];
};

/* A zeroed struct of that many bytes, which the loop will start; NULL never comes back. */
void *probe_connection_new(size_t size, uv_loop_t *loop, const struct probe_options *options,
                           probe_done *done, void *context, const struct probe_kind *kind);
/* Ends the probe: "checking ... health: WORDSDETAIL". */
void probe_fail(struct probe_connection *probe, int rc, const char *words, const char *detail);
/* Copies the bytes; last: the whole question is out with them. False: the probe is over. */
bool probe_send(struct probe_connection *probe, struct slice bytes, bool last);

#endif
