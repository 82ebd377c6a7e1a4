/*
 * probe_tcp.c - a probe of a TCP server: it takes a connection, over TLS where its service does, takes what is sent, and answers
 * as expected, where something is.
 *
 * A connection of its own each time. Without anything to expect nothing is read: that all was taken is enough. What comes is
 * compared as it comes, so nothing of it is kept, and an answer may come in pieces.
 */
#include <errno.h>

#include "master/health/probe_connection.h"

struct tcp_probe {
    struct probe_connection connection; /* first */
    size_t matched;                     /* bytes of what is expected that came */
};

/* There is a connection: says what is to be said. */
static bool speak(struct probe_connection *probe)
{
    struct slice send = probe->options->send;

    if (send.len) {
        return probe_send(probe, send, true);
    }
    if (probe->options->expect.len == 0) {
        probe_finish(&probe->probe, NULL);
        return false;
    }
    return true;
}

static void sent(struct probe_connection *probe, int status, bool last)
{
    if (status < 0) {
        probe_fail(probe, status, probe->kind->sending, uv_strerror(status));
    } else if (last && probe->options->expect.len == 0) {
        probe_finish(&probe->probe, NULL);
    }
}

static bool judge(struct probe_connection *probe, struct slice bytes)
{
    struct tcp_probe *own = (struct tcp_probe *)probe;
    struct slice expect = slice_from(probe->options->expect, own->matched);
    size_t length = bytes.len < expect.len ? bytes.len : expect.len;

    if (expect.len == 0) {
        return true; /* it is no part of the question: the end is that all was taken */
    }
    if (!slice_eq(slice_head(bytes, length), slice_head(expect, length))) {
        probe_fail(probe, -EBADMSG, "unexpected health check response", "");
        return false;
    }
    own->matched += length;
    if (own->matched == probe->options->expect.len) {
        probe_finish(&probe->probe, NULL);
        return false;
    }
    return true;
}

struct probe *probe_tcp_start(uv_loop_t *loop, const struct probe_options *options, probe_done *done,
                              void *context)
{
    static const struct probe_kind kind = {
        .checking = "checking TCP health: ",
        .connecting = "connecting: ",
        .handshake = "TLS: ",
        .sending = "sending: ",
        .reading = "reading: ",
        .late = "",
        .scheme = "tcp://",
        .connected = speak,
        .sent = sent,
        .received = judge,
    };
    struct tcp_probe *own = probe_connection_new(sizeof(*own), loop, options, done, context, &kind);

    own->connection.reads = options->expect.len > 0;
    return &own->connection.probe;
}
