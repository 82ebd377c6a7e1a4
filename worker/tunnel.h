/*
 * tunnel.h - two connections joined after a switch of protocol (WebSocket and others): bytes both ways until both ends.
 *
 * A tunnel knows neither exchange nor generation. An end that one side sends is passed on (half-close); a tunnel that is
 * closed on one side only and silent ends after a minute.
 */
#ifndef WEIR_WORKER_TUNNEL_H
#define WEIR_WORKER_TUNNEL_H

#include "worker/conn.h"

struct tunnel_end {
    struct conn *conn;
    struct buffer *early;              /* read already, to be passed on first; taken over */
    void (*closed)(struct conn *conn); /* the tunnel is over: close the connection and give its record back */
};

/* Takes both connections over. */
void tunnel_open(struct worker *worker, struct tunnel_end *client, struct tunnel_end *server);
/* The end of one of its connections from outside (the worker stops). */
void tunnel_cut(struct conn *conn);
void tunnel_start(struct worker *worker);

#endif
