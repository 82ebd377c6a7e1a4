/*
 * cluster_ask.h - asks one node of a Redis Cluster for the map of all (common/net/redis_cluster.h): one connection, logged
 * in, one question.
 */
#ifndef WEIR_MASTER_MASTER_CLUSTER_ASK_H
#define WEIR_MASTER_MASTER_CLUSTER_ASK_H

#include "common/base/text.h"
#include "master/health/probe.h"

struct cluster_login {
    struct slice username, password; /* empty: none */
};

/* options: url (HOST:PORT), address, timeout_ms, by_tls, tls. The map is added to `map` before done() is told that all is
 * well. What is given, but for the login, is the caller's as long as the probe runs. */
struct probe *cluster_ask_start(uv_loop_t *loop, const struct probe_options *options,
                                const struct cluster_login *login, struct text *map, probe_done *done,
                                void *context);

#endif
