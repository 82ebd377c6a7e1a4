/*
 * whoami.h - the inside of `weir whoami`, a small backend that answers with what it got, as traefik/whoami does.
 *
 * whoami.c         flags, sockets, UDP
 * whoami_http.c    connections: reading requests
 * whoami_reply.c   their answers on the way out
 * whoami_answer.c  what the answers say
 * whoami_echo.c    the WebSocket at /echo
 *
 * For demos, tests and trying things out; not part of the router.
 */
#ifndef WEIR_MASTER_TOOLS_WHOAMI_H
#define WEIR_MASTER_TOOLS_WHOAMI_H

#include <uv.h>

#include "common/base/text.h"
#include "common/http/h1.h"

struct whoami {
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_udp_t udp;
    struct slice name; /* --name, empty when not given */
    const char *bind;
    int port;
    uint64_t delay_ms; /* before each answer */
    unsigned health;   /* status of /health, set by POST */
    char host_name[256];
    struct text identity; /* "Name: ...\nHostname: ...\nIP: ...\n" */
    char buffer[65536];   /* of the read that is going on: used up before the next begins */
};

enum whoami_route { WHOAMI_SELF, WHOAMI_HEALTH, WHOAMI_BENCH, WHOAMI_DATA, WHOAMI_API, WHOAMI_ECHO };

/* One request as far as answers need it. */
struct whoami_request {
    const struct h1_message *message;
    struct slice path, query; /* of the target, as received */
    const char *peer;         /* "1.2.3.4:5678" */
};

/* ---- whoami_answer.c ---- */
enum whoami_route whoami_route(const struct h1_message *message, struct slice path);
/* Value of a parameter as written (not unescaped), or an empty slice. */
struct slice whoami_parameter(struct slice query, const char *name);
/* Identity, RemoteAddr and the request's head, without the body. */
void whoami_self(const struct whoami *whoami, const struct whoami_request *request, struct text *out);
void whoami_api(const struct whoami *whoami, const struct whoami_request *request, struct text *out);
/* Size of /data?size=N&unit=KB; false when it makes no sense. */
bool whoami_data_size(struct slice query, uint64_t *size);
/* Bytes from `from` on of a /data answer of `size` bytes. */
void whoami_data(uint64_t size, uint64_t from, size_t count, struct text *out);

/* ---- whoami_http.c ---- */
int whoami_http_listen(struct whoami *whoami, const struct sockaddr *address);

/* ---- whoami_echo.c ---- */
/* The head of the 101 answer; false when the request is no WebSocket handshake. */
bool whoami_echo_accept(const struct h1_message *message, struct text *out);
/* Takes whole frames from the input and appends the answers. Returns how much was used; *closed when it is over. */
size_t whoami_echo_frames(struct slice input, struct text *out, bool *closed);

#endif
