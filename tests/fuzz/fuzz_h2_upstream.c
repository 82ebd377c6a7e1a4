/*
 * fuzz_h2_upstream.c - HTTP/2 connections to a server: whole frames, and broken ones, against our callbacks and the exchanges
 * behind them.
 *
 * The input is a list of steps: a request, a piece of its body, a frame of any type with any payload, a good head of a response,
 * settings, time that passes, clients that are slow or go, a server that closes. Picking and connecting are played here: each
 * connection is a pair of sockets. Whatever comes, every exchange that begins ends once, and nothing is left when clients and
 * connections are gone.
 */
#include "tests/fuzz/h2_upstream_stand.h"
#include "worker/exchange_inner.h"

#define STEPS_MOST 400
#define TURNS 4 /* of a connection, after each step */

static struct generation *generation;
static struct entry_point_row row;
static struct entry_options options;
static struct slice input;

static uint8_t next(void)
{
    uint8_t byte = input.len ? (uint8_t)input.ptr[0] : 0;

    input = slice_from(input, 1);
    return byte;
}

static void begin(uint8_t how)
{
    struct live *at = live;
    struct exchange *ex;
    struct pool *pool;

    while (at < live + LIVE_MOST && at->used) {
        at++;
    }
    if (at == live + LIVE_MOST) {
        return;
    }
    ex = &at->ex;
    pool = ex->pool ? ex->pool : pool_new(1024, (size_t)4 << 20);
    *at = (struct live){.used = true};
    *ex = (struct exchange){.worker = &worker,
                            .pool = pool,
                            .generation = generation_ref(generation),
                            .entry_point = &row,
                            .entry = &options,
                            .codec = &codec,
                            .route = ROUTE_NONE,
                            .started_ns = worker.now_ns,
                            .client_appended = true};
    headers_init(&ex->request.headers, pool);
    headers_init(&ex->response.headers, pool);
    ex->response.content_length = -1;
    ex->request.method = how & 1 ? SLICE("PUT") : how & 2 ? SLICE("HEAD") : SLICE("GET");
    ex->request.host = SLICE("a.test");
    ex->request.raw_path = ex->request.path = SLICE("/a");
    ex->request.has_body = how & 1;
    ex->request.content_length = how & 4 ? 1000 : -1;
    ex->request.expect_continue = (how & 9) == 9;
    ex->request_done = !ex->request.has_body;
    if (how & 16) {
        headers_add(&ex->request.headers, SLICE("Te"), SLICE("trailers"));
    }
    slab_gauge(worker.slab, GAUGE_EXCHANGES, 1);
    exchange_serve(ex);
}

/* A client goes on with its body if it was asked to. */
static void give(struct live *at, size_t len, bool last)
{
    static char body[65536];
    struct headers trailers;

    if (!at->used || !at->wanted || at->given) {
        return;
    }
    headers_init(&trailers, at->ex.pool);
    headers_add(&trailers, SLICE("X-Sum"), SLICE("1"));
    at->wanted = false;
    at->given = last;
    if (exchange_request_body(&at->ex, slice_of(body, len), last, last && (len & 1) ? &trailers : NULL) &&
        at->used && !last) {
        at->wanted = true;
    }
}

/* ---- what the server sends ---- */
static void send_frame(unsigned peer, uint8_t type, uint8_t flags, uint8_t stream, struct slice payload)
{
    uint8_t frame[9 + 4096] = {0,     (uint8_t)(payload.len >> 8), (uint8_t)payload.len, type, flags, 0, 0, 0,
                               stream};

    if (payload.len) {
        memcpy(frame + 9, payload.ptr, payload.len);
    }
    (void)!write(peers[peer].fd, frame, 9 + payload.len);
}

static void send_head(unsigned peer, uint8_t how, uint8_t stream)
{
    static const char *const statuses[] = {"200", "204", "100", "103", "304", "500", "101", "099"};
    const char *status = statuses[how & 7];
    nghttp2_nv pairs[] = {
        {(uint8_t *)(uintptr_t) ":status", (uint8_t *)(uintptr_t)status, 7, 3, NGHTTP2_NV_FLAG_NONE},
        {(uint8_t *)(uintptr_t) "content-length", (uint8_t *)(uintptr_t) "200", 14, 3, NGHTTP2_NV_FLAG_NONE},
        {(uint8_t *)(uintptr_t) "grpc-status", (uint8_t *)(uintptr_t) "0", 11, 1, NGHTTP2_NV_FLAG_NONE},
    };
    size_t from = how & 64 ? 2 : 0, count = how & 64 ? 1 : how & 16 ? 2 : 1;
    uint8_t block[512];
    ssize_t len = nghttp2_hd_deflate_hd(peers[peer].deflater, block, sizeof(block), pairs + from, count);

    if (len > 0) {
        send_frame(peer, NGHTTP2_HEADERS, (uint8_t)(NGHTTP2_FLAG_END_HEADERS | (how & 32 ? 1 : 0)), stream,
                   slice_of((const char *)block, (size_t)len));
    }
}

static void send_settings(unsigned peer, uint8_t how)
{
    char most[] = {0, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0, 0, 0, (char)(how >> 2 & 7),
                   0, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,    0, 0, 4, 0};

    send_frame(peer, NGHTTP2_SETTINGS, how & 1, 0, slice_of(most, how & 1 ? 0 : how & 2 ? 12 : 6));
}

static void send_any(unsigned peer, uint8_t what)
{
    uint8_t type = next(), flags = next(), stream = next();
    size_t len = next() * (what & 16 ? 16u : 1u);

    len = len < input.len ? len : input.len;
    send_frame(peer, type % 12, flags, stream, slice_head(input, len));
    input = slice_from(input, len);
}

/* ---- turns of the loop ---- */
static void drain(void)
{
    char bytes[65536];

    for (unsigned i = 0; i < peer_count; i++) {
        if (peers[i].fd >= 0) {
            (void)!read(peers[i].fd, bytes, manners & 4 ? 64 : sizeof(bytes));
        }
    }
}

/* All connections of a server that are there; they may close, or others may be opened. */
static void turn(const struct server *server)
{
    struct upstream *ups[CONNECTIONS_MOST];
    struct upstream_pool *pool = upstream_pool_find(&worker, server);
    unsigned count = 0;

    for (struct upstream *up = pool ? pool->shared : NULL; up && count < CONNECTIONS_MOST; up = up->next) {
        ups[count++] = up;
    }
    for (unsigned i = 0; i < count; i++) {
        struct io *io = &ups[i]->conn.io; /* its memory stays until the poller goes */

        if (io->fd >= 0) {
            io->readable = io->writable = true;
            io->on_ready(io);
        }
    }
}

static void turns(void)
{
    for (int i = 0; i < TURNS; i++) {
        drain();
        turn(&servers[0]);
        turn(&servers[1]);
        (void)timers_run(worker.timers, worker.now_ns);
    }
}

static void step(void)
{
    uint8_t what = next(), how;
    struct live *at = &live[next() % LIVE_MOST];
    unsigned peer = peer_count ? (what >> 5) % peer_count : 0;
    bool speaks = peer_count && peers[peer].fd >= 0;
    static char zeros[4096];

    how = next();
    switch (what & 15) {
    case 0:
    case 1:
        begin(how);
        break;
    case 2:
        give(at, (size_t)how * 97, what & 16);
        break;
    case 3:
        manners = how;
        break;
    case 4:
        worker.now_ns += how * SECOND / 4;
        break;
    case 5:
        if (at->used) {
            exchange_client_gone(&at->ex, how & 1 ? REASON_client_gone : REASON_request_timeout);
        }
        break;
    case 6:
        if (at->used) {
            exchange_client_drained(&at->ex);
        }
        break;
    case 7:
        worker.budget.level = how & 3;
        break;
    case 8:
        if (speaks && (how & 3) == 0) {
            close(peers[peer].fd);
            peers[peer].fd = -1;
        }
        break;
    case 9:
    case 10:
        if (speaks) {
            send_head(peer, how, next());
        }
        break;
    case 11:
        if (speaks) {
            send_frame(peer, NGHTTP2_DATA, what & 16 ? NGHTTP2_FLAG_END_STREAM : 0, next(),
                       slice_of(zeros, (size_t)how * 16));
        }
        break;
    case 12:
        if (speaks) {
            send_settings(peer, how);
        }
        break;
    case 13:
        if (speaks) {
            send_frame(peer, what & 16 ? NGHTTP2_RST_STREAM : NGHTTP2_WINDOW_UPDATE, 0, next(),
                       what & 16 ? slice_of((char[]){0, 0, 0, (char)(how & 15)}, 4) : SLICE("\0\0\x10\0"));
        }
        break;
    case 14:
        if (speaks) {
            send_frame(peer, NGHTTP2_GOAWAY, 0, 0, slice_of((char[]){0, 0, 0, (char)how, 0, 0, 0, 0}, 8));
        }
        break;
    default:
        if (speaks) {
            send_any(peer, what);
        }
        break;
    }
}

/* ---- one input ---- */
static void start_once(void)
{
    struct error why;
    int fd;

    if (worker.slab) {
        return;
    }
    if (board_create(&fd, &why) < 0 || board_map(fd, &worker.board, &why) < 0) {
        abort();
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)uv_loop_init(&worker.loop);
    worker.slab = board_slab(worker.board, 0);
    worker.now_ns = 1000 * SECOND;
    generation = xcalloc(1, sizeof(*generation) + PAGE_PLACES * sizeof(generation->pages[0]));
    worker.generation = generation;
    atomic_store(&generation->references, 1);
    worker.timers = timers_new(worker.now_ns);
    worker.fd_clients = worker.fd_servers = INT32_MAX;
    recycler_start(&worker);
    budget_start(&worker);
    tls_start(&worker);
    upstream_start(&worker);
    memcpy(space + sizeof(address), &address, sizeof(address));
    log_setup(LOG_LEVEL_NONE, LOG_FORMAT_COMMON, "fuzz");
}

static void nothing_left(enum board_gauge gauge)
{
    if (atomic_load(&worker.slab->gauges[gauge]) != 0) {
        abort();
    }
}

static void end(void)
{
    worker.budget.level = BUDGET_CALM;
    for (struct live *at = live; at < live + LIVE_MOST; at++) {
        if (at->used) {
            exchange_client_gone(&at->ex, REASON_client_gone);
        }
        if (at->used) {
            abort(); /* a client that is gone has ended */
        }
    }
    for (unsigned i = 0; i < peer_count; i++) {
        if (peers[i].fd >= 0) {
            close(peers[i].fd);
        }
        peers[i].fd = -1;
    }
    turns(); /* connections learn of it */
    for (unsigned i = 0; i < peer_count; i++) {
        nghttp2_hd_deflate_del(peers[i].deflater);
    }
    peer_count = 0;
    poller_free(worker.poller);
    worker.poller = NULL;
    nothing_left(GAUGE_EXCHANGES);
    nothing_left(GAUGE_UPSTREAM_ACTIVE);
    nothing_left(GAUGE_UPSTREAM_IDLE);
    nothing_left(GAUGE_BUFFERS);
    if (atomic_load(&generation->references) != 1 || upstream_pool_find(&worker, &servers[0])) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error why;

    start_once();
    input = slice_of((const char *)data, size);
    manners = next();
    if (poller_new(&worker, &worker.poller, &why) < 0) {
        abort();
    }
    for (int i = 0; i < STEPS_MOST && input.len; i++) {
        step();
        turns();
    }
    manners = 0;
    end();
    return 0;
}
