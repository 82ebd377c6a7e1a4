/*
 * tunnel.h - two connections joined after a switch of protocol (WebSocket and others): bytes both ways until both ends.
 *
 * A tunnel knows neither exchange nor generation. An end that one side sends is passed on (half-close) when all before it
 * has left; the other side may go on for as long as the terms say. It is over when both ends have been passed on, and
 * nothing waits.
 */
#ifndef WEIR_WORKER_TUNNEL_H
#define WEIR_WORKER_TUNNEL_H

#include "worker/conn.h"

struct tunnel_end {
    struct conn *conn;
    struct buffer *early;              /* read already, to be passed on first; taken over */
    void (*closed)(struct conn *conn); /* the tunnel is over: close the connection and give its record back */
};

struct tunnel_terms {
    int64_t half_open_ns; /* negative: for ever */
    bool from_the_end;    /* counted from the first side's end on; else from the last bytes on */
};

/* A minute of silence. */
extern const struct tunnel_terms tunnel_usual;

/* Takes both connections over. */
void tunnel_open(struct worker *worker, struct tunnel_end *client, struct tunnel_end *server,
                 const struct tunnel_terms *terms);
/* The connection that one is joined with; NULL: it is in no tunnel. */
struct conn *tunnel_other(const struct conn *conn);
/* The end of one of its connections from outside (the worker stops). */
void tunnel_cut(struct conn *conn);
void tunnel_start(struct worker *worker);

#endif
