/*
 * fuzz_h2.c - an HTTP/2 connection of a client: whole frames, and broken ones, against our callbacks and the streams behind them.
 *
 * The input is a list of steps: a frame of any type with any payload, a request with a good head, time that passes, servers that
 * answer. Exchanges are played here, as lazily or hastily as the input says. Whatever comes, every exchange that
 * begins ends once, and nothing is left when the connection is gone.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "worker/codec.h"
#include "worker/h2_client.h"
#include "worker/shed.h"
#include "worker/worker.h"

#define LIVE_MOST 512
#define SECOND INT64_C(1000000000)
#define STEPS_MOST 400

static struct worker worker;
static struct board_slab slab;
static struct generation generation;
static struct listener listener;
static struct entry_point_row row;

/* ---- exchanges, as the codec sees them ---- */
static struct live {
    struct exchange *ex;
    bool head, over;
} live[LIVE_MOST];
static unsigned live_count;
static uint8_t manners; /* of servers */

static struct live *find(const struct exchange *ex)
{
    for (unsigned i = 0; i < live_count; i++) {
        if (live[i].ex == ex) {
            return &live[i];
        }
    }
    abort();
}

void exchange_begin(struct exchange *ex)
{
    if (live_count == LIVE_MOST) {
        abort();
    }
    headers_init(&ex->response.headers, ex->pool);
    live[live_count++] = (struct live){.ex = ex};
    if (manners & 1) {
        ex->codec->resume(ex);
    }
}

bool exchange_request_body(struct exchange *ex, struct slice data, bool last, const struct headers *trailers)
{
    (void)find(ex);
    (void)data;
    (void)trailers;
    ex->request_done = last;
    return manners & 2;
}

void exchange_client_drained(struct exchange *ex)
{
    (void)find(ex);
}

void exchange_client_gone(struct exchange *ex, enum reason reason)
{
    (void)reason;
    ex->codec->abort(ex);
}

void exchange_end(struct exchange *ex)
{
    struct live *at = find(ex);

    *at = live[--live_count];
    generation_unref(ex->generation);
    ex->generation = NULL;
}

bool exchange_unpin(struct exchange *ex)
{
    generation_unref(ex->generation);
    ex->generation = NULL;
    return true;
}

/* One does a little more for its client. */
static void serve(struct live *at, uint8_t how)
{
    static char body[20000];
    struct exchange *ex = at->ex;

    if (!at->head) {
        at->head = true;
        ex->response.status = ex->request.tunnel && (how & 1) ? 101 : 200 + (how & 7) * 50;
        ex->response.content_length = how & 8 ? 0 : -1;
        ex->response.has_body = true;
        headers_add(&ex->response.headers, SLICE("X-Answer"), SLICE("yes"));
        ex->codec->send_head(ex);
    }
    (void)ex->codec->send_body(ex, slice_of(body, (size_t)how * 78));
    if (how & 16) {
        ex->codec->flush(ex);
    }
    if (how & 32) {
        ex->codec->resume(ex);
    }
    if (how & 64) {
        ex->codec->finish(ex, how & 128 ? &ex->response.headers : NULL);
    } else if (how == 128) {
        ex->codec->abort(ex);
    }
}

/* ---- what is not needed of the rest ---- */
void listener_release(struct listener *of)
{
    of->clients--;
}

void shed_step(struct timer *timer)
{
    (void)timer;
}

void shed_begin(struct worker *of)
{
    (void)of;
}

/* ---- the client ---- */
static struct slice input;

static uint8_t next(void)
{
    uint8_t byte = input.len ? (uint8_t)input.ptr[0] : 0;

    input = slice_from(input, 1);
    return byte;
}

static bool feed(struct client *client, const void *bytes, size_t len)
{
    return client->h2 && !client->h2->failed && h2_feed(client->h2, bytes, len);
}

static bool send_frame(struct client *client, uint8_t type, uint8_t flags, uint8_t stream,
                       struct slice payload)
{
    uint8_t frame[9 + 1024] = {0,     (uint8_t)(payload.len >> 8), (uint8_t)payload.len, type, flags, 0, 0, 0,
                               stream};

    if (payload.len) {
        memcpy(frame + 9, payload.ptr, payload.len);
    }
    return feed(client, frame, 9 + payload.len);
}

static bool send_request(struct client *client, nghttp2_hd_deflater *deflater, uint8_t how, uint8_t stream)
{
    static const struct {
        const char *name, *value;
    } fields[] = {{":method", "GET"},         {":scheme", "http"},
                  {":path", "/a?b"},          {":authority", "a.b"},
                  {"content-length", "5"},    {"cookie", "a=1"},
                  {"cookie", "b=2"},          {"expect", "100-continue"},
                  {":method", "CONNECT"},     {":scheme", "http"},
                  {":path", "/chat"},         {":authority", "a.b"},
                  {":protocol", "websocket"}, {"sec-websocket-version", "13"}};
    size_t from = how & 1 ? 8 : 0, count = how & 1 ? 6 : 4 + (how >> 1 & 3);
    nghttp2_nv pairs[16];
    uint8_t block[1000];

    for (size_t i = 0; i < count; i++) {
        pairs[i] = (nghttp2_nv){(uint8_t *)(uintptr_t)fields[from + i].name,
                                (uint8_t *)(uintptr_t)fields[from + i].value, strlen(fields[from + i].name),
                                strlen(fields[from + i].value), NGHTTP2_NV_FLAG_NONE};
    }

    ssize_t len = nghttp2_hd_deflate_hd(deflater, block, sizeof(block), pairs, count);

    return len > 0 &&
           send_frame(client, NGHTTP2_HEADERS, (uint8_t)(NGHTTP2_FLAG_END_HEADERS | (how & 8 ? 1 : 0)),
                      stream, slice_of((const char *)block, (size_t)len));
}

static bool step(struct client *client, nghttp2_hd_deflater *deflater, uint8_t *stream)
{
    uint8_t what = next(), type, flags, id;
    size_t len;

    switch (what & 7) {
    case 0:
    case 1: /* any frame */
        type = next();
        flags = next();
        id = next();
        len = next() * (what & 8 ? 4u : 1u);
        len = len < input.len ? len : input.len;
        if (!send_frame(client, type % 12, flags, id, slice_head(input, len))) {
            return false;
        }
        input = slice_from(input, len);
        return true;
    case 2:
    case 3: /* a good request */
        *stream = (uint8_t)(*stream + 2);
        return send_request(client, deflater, what >> 3, *stream);
    case 4: /* servers go on */
        manners = next();
        for (unsigned i = live_count; i > 0; i--) {
            if (i <= live_count) {
                serve(&live[i - 1], next());
            }
        }
        return true;
    case 5: /* time passes */
        worker.now_ns += (what >> 3) * SECOND;
        h2_late(client);
        return client->state == CLIENT_H2;
    case 6: /* windows */
        return send_frame(client, NGHTTP2_WINDOW_UPDATE, 0, next(), SLICE("\0\0\x40\0"));
    default: /* raw bytes */
        len = next() < input.len ? (what >> 3) : 0;
        len = len < input.len ? len : input.len;
        if (!feed(client, input.ptr, len)) {
            return false;
        }
        input = slice_from(input, len);
        return true;
    }
}

static void start_once(void)
{
    if (worker.slab) {
        return;
    }
    (void)uv_loop_init(&worker.loop);
    worker.slab = &slab;
    worker.now_ns = 1000 * SECOND;
    worker.generation = &generation;
    atomic_store(&generation.references, 1);
    worker.timers = timers_new(worker.now_ns);
    worker.fd_clients = worker.fd_servers = INT32_MAX;
    recycler_start(&worker);
    client_start(&worker);
    tls_start(&worker);
    listener.worker = &worker;
    listener.cut_ns = TIMER_NEVER;
    listener.options = (struct entry_options){.generation = &generation, .row = &row};
    listener.options.read_timeout = 60 * SECOND;
    listener.options.idle_timeout = 180 * SECOND;
    listener.options.limits = (struct h1_limits){.max_head = 4096, .max_target = 256, .max_headers = 20};
    listener.options.h2_streams = 100;
    listener.options.h2_decoder_table = listener.options.h2_encoder_table = 4096;
    log_setup(LOG_LEVEL_NONE, LOG_FORMAT_COMMON, "fuzz");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    struct address peer = {.family = 4};
    nghttp2_hd_deflater *deflater;
    struct error why;
    uint8_t stream = 255;
    char drain[65536];
    int pair[2];

    start_once();
    input = slice_of((const char *)data, size);
    manners = next();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0 ||
        poller_new(&worker, &worker.poller, &why) < 0 || nghttp2_hd_deflate_new(&deflater, 4096) != 0) {
        abort();
    }
    client_accept(&listener, pair[0], &peer);

    struct client *client = worker.clients;

    client->conn.io.writable = true;
    h2_start(client);
    if (client->state == CLIENT_H2 && feed(client, preface, sizeof(preface))) {
        for (int i = 0; i < STEPS_MOST && input.len && step(client, deflater, &stream); i++) {
            h2_work(client->h2);
            h2_write(client->h2);
            while (read(pair[1], drain, manners & 4 ? sizeof(drain) : 100) == (ssize_t)sizeof(drain)) {
            }
            if (client->conn.io.broken) {
                break;
            }
        }
    }
    if (worker.clients) {
        client_stop(worker.clients);
    }
    if (live_count || worker.clients || listener.clients || atomic_load(&generation.references) != 1) {
        abort();
    }
    poller_free(worker.poller);
    nghttp2_hd_deflate_del(deflater);
    close(pair[1]);
    return 0;
}
