/*
 * worker.h - one worker process: its loop, its slot, the generation in force, its listeners.
 *
 * main.c fills it, control.c switches generations, listener.c accepts. Single-threaded: everything runs on the loop.
 *
 * The loop is serve_run(), not uv_run(): connections live in an epoll set of their own (poller.h), edge-triggered and
 * never changed while a connection lives, and libuv's backend descriptor is one member of that set. Handles and timers on
 * worker->loop work as always; their callbacks run inside serve_run(). Not uv_queue_work(): its loop spins while the thread
 * that wakes it has lost the CPU. What takes long is a job for the helper thread (helper.h).
 *
 * Where things are, in the order of a request:
 *
 *   listener, proxy_accept   a connection is accepted; the PROXY protocol in front of it
 *   tls_accept, tls_choose   TLS with clients; tls_live: contexts, tls_key: keys, tls_ticket: sessions
 *   h1_client, h1_turn       a client of HTTP/1; h1_request: what it sends, h1_answer: what it gets
 *   h2_client, h2_stream     a client of HTTP/2; h2_start, h2_frames, h2_answer, h2_connect (WebSocket)
 *   exchange*, answer        one request with its answer, whatever carried it: all that middlewares see
 *   forwarded, source        who the client is, and what servers are told of that
 *   chain, filter            middlewares (middleware/) in their order, and bodies that go through them
 *   body_*, spool*           bodies that wait, in memory and in a file
 *   pick*, sticky, passive   which server; failover, mirroring: services that do more than choose
 *   upstream*, dial          the way to it: attempts, connections that are kept
 *   tls_upstream, tls_kept   TLS with servers; tls_verify: who they are
 *   h1_upstream, h2_call*    what it is told; h1_response, h2_upstream*: what it says
 *   subrequest, redis*       what middlewares ask others; passwords, tokens: what takes long to check
 *   tunnel, splice           bytes both ways after a switch of protocol
 *   tcp_*, udp*              sessions of TCP and UDP routers
 *
 * Under all of it: poller, timers, conn (a descriptor with what is not written yet), tls_stream, recycle (memory that is used
 * again), budget and shed (memory that is short), sandbox and fence, helper, stopwatch. Around it: main, serve (start, drain,
 * stop), channel and control* (the words of guard and master).
 */
#ifndef WEIR_WORKER_WORKER_H
#define WEIR_WORKER_WORKER_H

#include <uv.h>

#include "shm/board.h"
#include "shm/generation.h"
#include "worker/budget.h"
#include "worker/fence.h"
#include "worker/stopwatch.h"

struct listener;
struct upstream_pools;
struct timers;
struct poller;
struct helper;
struct passwords;
struct tokens;
struct redis_pools;
struct spool;
struct recycler;
struct client;
struct drain;
struct subrequest;
struct walker;
struct tls_worker;
struct udp_worker;
struct splicer;

#define SOCKET_ANY_SLOT UINT32_MAX
#define WORKER_JOBS 16 /* room of worker->helper */

struct socket_place { /* which of the guard's listening sockets: the set of an entry point, the slot in it */
    uint64_t set;
    uint32_t slot;
};

struct worker {
    /* what every event touches, side by side: the kernel leaves little of it in the nearest cache between two calls */
    struct poller *poller;
    struct recycler *recycler; /* buffers, exchanges, connections: what is used again (recycle.h) */
    struct board_slab *slab;
    struct generation *generation; /* NULL until the first one; never NULL again */
    struct timers *timers;
    int64_t now_ns; /* of this turn of the loop, monotonic */
    struct stopwatch watch;
    struct budget budget;
    uv_loop_t loop;
    unsigned slot;
    struct board *board;
    struct fence fence;         /* around the addresses that may be connected to (dial.h) */
    struct listener *listeners; /* list */
    struct upstream_pools *pools;
    bool draining; /* answers carry Connection: close, nothing new is accepted past the grace */
    int64_t drain_deadline_ns;
    /* ---- the rest is the serving side's own ---- */
    struct helper *helper;          /* maps, checks, unmaps, trims: rarely used, never urgent */
    struct passwords *passwords;    /* checks them, on a helper of its own */
    struct tokens *tokens;          /* signatures that were good; NULL until the first */
    struct redis_pools *redis;      /* connections to what counts (redis.h); NULL until the first */
    struct spool *spool;            /* its file for long bodies, with a helper of its own */
    struct client *clients;         /* list of all client connections, tunnels included */
    struct subrequest *subrequests; /* list of all under way */
    unsigned mirrors;               /* of them, copies for mirrors */
    struct drain *drain;            /* while draining */
    struct client *shed;            /* shed.c: the next one to look at */
    struct client *leaving;         /* serve.c: the same, while draining */
    struct client *walk;            /* serve.c: how far the look for long answers has come */
    struct walker *walker;
    struct tls_worker *tls;  /* contexts, tickets, areas for records (tls.h) */
    struct udp_worker *udp;  /* UDP entry points (udp.h) */
    struct splicer *splicer; /* NULL: bytes are copied (splice.h) */
    int64_t date_second;     /* of the Date header in force */
    int fd_clients,
        fd_servers;    /* with this number or a higher one: no more clients, no more servers (serve.c) */
    bool accept_waits; /* a listener does, for a descriptor */
    bool quit;
};

/* ---- worker/serve.c: the serving side as the life cycle (main.c, control.c) sees it ---- */
int serve_start(struct worker *worker, struct error *why); /* pools, timers, scratch memory */
/* Runs the loop (and worker->loop inside it) until serve_quit() was called. */
void serve_run(struct worker *worker);
void serve_quit(struct worker *worker);
/* Begins accepting on fd (given over) for an entry point of the current generation. */
int serve_listen(struct worker *worker, int fd, uint32_t entry_point, const char *name,
                 struct socket_place place, struct error *why);
/* Stops accepting, once the queue is empty, on the sockets that are meant: of one set (0: all) and one slot
 * (SOCKET_ANY_SLOT: all). Connections accepted there end with their next answer, but not those of a lent slot. */
void serve_unlisten(struct worker *worker, struct socket_place place);
bool socket_is_meant(struct socket_place place, struct socket_place asked);
/* Swaps the generation; `next` carries a reference that is taken over. Idle connections to servers that are gone end by
 * their idle timeout: nothing here depends on the size of the generation. */
void serve_switch(struct worker *worker, struct generation *next);
/* Goes on accepting until accept_until_ns, then drains until finish_until_ns; calls done(worker) when nothing is left or
 * the time is over. */
void serve_drain(struct worker *worker, int64_t accept_until_ns, int64_t finish_until_ns,
                 void (*done)(struct worker *));
void serve_stop(struct worker *worker); /* closes everything that is left, frees the serving side */

#endif
