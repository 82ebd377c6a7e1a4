/*
 * probe.h - one question to one server: is it well?
 */
#ifndef WEIR_MASTER_HEALTH_PROBE_H
#define WEIR_MASTER_HEALTH_PROBE_H

#include <uv.h>

#include "common/base/error.h"
#include "common/schema/schema.h"
#include "common/tls/tls.h"

struct probe_options { /* texts are the caller's, as long as the probe runs */
    struct slice url;  /* of the server; of TCP its HOST:PORT */
    struct slice scheme, path, method, hostname;
    uint16_t port;    /* 0: that of the URL */
    unsigned address; /* of a name that has several: which one, over and over; of http always 0 */
    const struct string_pair *headers;
    size_t header_count;
    int64_t status; /* 0: any of 200 to 399 */
    bool follow_redirects;
    unsigned timeout_ms;       /* for all of it */
    struct slice send, expect; /* of TCP */
    bool by_tls;               /* of TCP and gRPC; otherwise the scheme says it */
    struct tls_client_options tls;
    struct slice server_name;
};

struct probe;
/* why NULL: it is well. The probe is gone. From the loop, never within a call of probe_*_start(). */
typedef void probe_done(void *context, const struct error *why);

typedef struct probe *probe_start(uv_loop_t *loop, const struct probe_options *options, probe_done *done,
                                  void *context);

probe_start probe_http_start;
probe_start probe_grpc_start; /* grpc.health.v1.Health/Check for the whole server, over HTTP/2 */
probe_start probe_tcp_start;  /* it takes the connection, and answers as expected */
/* What a HealthCheckResponse says: 1 is SERVING, 0 UNKNOWN; -1: malformed. */
int64_t probe_grpc_status(struct slice message);
/* done() is not called any more. NULL is fine. */
void probe_cancel(struct probe *probe);

/* ---- for the kinds: each begins with this ---- */
struct probe {
    void (*stop)(struct probe *probe); /* lets go of what it uses; frees when the loop has closed that */
    probe_done *done;
    void *context;
};
/* The end: calls done(), then stops. */
void probe_finish(struct probe *probe, const struct error *why);

#endif
