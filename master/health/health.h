/*
 * health.h - active health checks: the master asks servers whether they are well and says so on the board, where workers
 * look with every request.
 *
 * A target is a server of one service. It is asked at once when it is new, then again and again, more often or less while it
 * is down. Targets that the next configuration has unchanged go on as if nothing had happened; what the board said last holds
 * until the next answer, over generations and masters.
 *
 * Everything happens on the loop's thread. Not here: how a server is asked (probe.h), who is taken out for failed requests
 * (worker/).
 */
#ifndef WEIR_MASTER_HEALTH_HEALTH_H
#define WEIR_MASTER_HEALTH_HEALTH_H

#include <uv.h>

#include "common/model/dynamic.h"
#include "common/model/tcp.h"
#include "shm/board.h"

struct health;

struct health_target {
    struct slice service, url;          /* the URL, of TCP the address, as configured */
    const struct health_check *options; /* of HTTP and gRPC, ... */
    const struct tcp_health_check *tcp; /* ... or of TCP; the other one is NULL */
    bool by_tls;                        /* of TCP and gRPC */
    struct slice ca, server_name; /* of the servers transport, for https; ca: PEM, empty: the system's */
    bool insecure;
    struct board_ref word;
    struct board_ref since; /* gets the time when it is up again; slot 0: nobody wants to know */
};

struct health *health_new(uv_loop_t *loop, struct board *board);
/* These and no others from now on. Everything is copied. */
void health_apply(struct health *health, const struct health_target *targets, size_t count);
/* Stops all. Memory is freed when the loop has closed its handles. NULL is fine. */
void health_close(struct health *health);

#endif
