/*
 * h2_upstream_stand.h - what stands around connections to a server of HTTP/2 in fuzz_h2_upstream.c: picking a server, connecting
 * (a pair of sockets each), clients as a codec. Included once.
 */
#ifndef WEIR_TESTS_FUZZ_H2_UPSTREAM_STAND_H
#define WEIR_TESTS_FUZZ_H2_UPSTREAM_STAND_H

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "shm/routes.h"
#include "worker/exchange_inner.h"
#include "worker/codec.h"
#include "worker/dial.h"
#include "worker/h2_upstream.h"
#include "worker/helper.h"
#include "worker/listener.h"
#include "worker/passive.h"
#include "worker/worker.h"

#define LIVE_MOST 64
#define CONNECTIONS_MOST 32 /* of one input */
#define SECOND INT64_C(1000000000)

static struct worker worker;

/* ---- the server, and the way to it ---- */
static struct {
    int fd;
    nghttp2_hd_deflater *deflater;
} peers[CONNECTIONS_MOST];
static unsigned peer_count;
static uint8_t
    manners; /* 1: clients are slow, 2: nobody accepts, 4: the server reads little, 8: it is the only one,
                         * 16: it is late to say its settings */

static const struct server_address address = {.address = {.family = 4}};
static char space[sizeof(struct server_address) * 2]; /* offset 0 is none */
static const struct page_base page_bytes = {.base = space};
static const struct service service = {.pass_host_header = true};
static const struct server servers[] = {
    {.identity = 1, .h2c = true, .addresses = {(void *)sizeof(struct server_address), 1}},
    {.identity = 2, .h2c = true, .addresses = {(void *)sizeof(struct server_address), 1}},
};
static const struct transport transport = {.dial_timeout = 30 * SECOND,
                                           .response_header_timeout = 20 * SECOND,
                                           .send_timeout = 60 * SECOND,
                                           .idle_conn_timeout = 90 * SECOND,
                                           .max_idle_conns_per_host = 2,
                                           .read_idle_timeout = 10 * SECOND,
                                           .ping_timeout = 5 * SECOND};

int dial_address(const struct worker *of, const struct server_address *to)
{
    int pair[2];

    (void)of;
    (void)to;
    if ((manners & 2) || peer_count == CONNECTIONS_MOST) {
        return -ECONNREFUSED;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0 ||
        nghttp2_hd_deflate_new(&peers[peer_count].deflater, 0) != 0) {
        abort();
    }
    if ((manners & 16) == 0) { /* what a server says first */
        (void)!write(pair[1], "\0\0\0\4\0\0\0\0", 9);
    }
    peers[peer_count++].fd = pair[1];
    return pair[0];
}

enum pick_result pick_server(struct exchange *ex, const struct services *services, uint32_t number,
                             bool entered, struct pick *pick)
{
    (void)ex;
    (void)services;
    (void)number;
    (void)entered;
    *pick =
        (struct pick){.page = (const struct page *)&page_bytes, .service = &service, .server = &servers[0]};
    return PICK_SERVER;
}

bool pick_next(struct exchange *ex, struct pick *pick)
{
    (void)ex;
    if ((manners & 8) || pick->server == &servers[1]) {
        return false;
    }
    pick->server = &servers[1];
    return true;
}

void passive_note(struct worker *of, const struct pick *pick, bool failed)
{
    (void)of;
    (void)pick;
    (void)failed;
}

const struct transport *transports_at(const struct page *page, uint32_t number)
{
    (void)page;
    (void)number;
    return &transport;
}

void shed_step(struct timer *timer)
{
    (void)timer;
}

void shed_begin(struct worker *of)
{
    (void)of;
}

bool helper_run(struct helper *helper, struct helper_job *job)
{
    (void)helper;
    (void)job;
    return false; /* it is busy: no memory goes back to the system */
}

/* ---- clients, as a codec ---- */
static struct live {
    struct exchange ex;
    bool used, wanted, given;
} live[LIVE_MOST];

static struct live *live_of(struct exchange *ex)
{
    struct live *at = (struct live *)ex;

    if (!at->used) {
        abort(); /* it has ended */
    }
    return at;
}

static void client_head(struct exchange *ex)
{
    (void)live_of(ex);
}

static void client_interim(struct exchange *ex, uint16_t status, const struct headers *headers)
{
    (void)live_of(ex);
    (void)status;
    (void)headers;
}

static bool client_body(struct exchange *ex, struct slice data)
{
    (void)live_of(ex);
    (void)data;
    return (manners & 1) == 0;
}

static void client_end(struct exchange *ex)
{
    struct live *at = live_of(ex);

    exchange_end(ex);
    at->used = false;
    pool_reset(ex->pool);
}

static void client_finish(struct exchange *ex, const struct headers *trailers)
{
    (void)trailers;
    client_end(ex);
}

static void client_resume(struct exchange *ex)
{
    live_of(ex)->wanted = true;
}

static const struct codec codec = {
    .name = "fuzz",
    .send_head = client_head,
    .send_interim = client_interim,
    .send_continue = client_head,
    .send_body = client_body,
    .finish = client_finish,
    .flush = client_head,
    .resume = client_resume,
    .abort = client_end,
};

#endif
