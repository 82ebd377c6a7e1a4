/*
 * control.h - what guard, master and workers say to each other: small fixed messages with descriptors attached.
 *
 * Every channel is one end of a SOCK_SEQPACKET pair, non-blocking, read under uv_poll (or poll, in the guard). A message
 * is a struct control_message and up to CONTROL_FDS descriptors. A truncated control message (descriptors lost) is an
 * error, never a silent gap: the receiver closes what came and answers CONTROL_RESEND.
 *
 *   guard  -> master   HELLO (fds: what masters know about names, their keys, the settings in force), WORKER (fd: the
 *                      master's end of a new worker's channel), GONE (worker reaped), SIGNAL, LISTENERS
 *                      back, UNLISTEN (closed are the sockets of a slot, or of an entry point that left: then its name)
 *   master -> guard    LISTEN (fds to keep), UNLISTEN, WORKERS (how many), READY, FAILED (static configuration bad)
 *   guard  -> worker   LISTEN (fd of its slot, or of one lent to it), UNLISTEN, MASTER (fd: channel to the master), STOP,
 *                      HANDOVER (the channel's end will mean: drain), UDP_TAKE (fds: a shard of a UDP entry point, and
 *                      maybe a lane that its sessions come from), UDP_GIVE (fds: lanes that those of its shards go to),
 *                      UDP_DROP (a UDP entry point is gone)
 *   master -> worker   GENERATION (fds of the pages that are new to it, in as many parts as that takes), MEMORY (fds of the
 *                      control group's files that tell its use of memory, or none), SPOOL (fd of its file for long bodies)
 *   worker -> master   ACK (generation), REFUSED (generation, text), RESEND
 */
#ifndef WEIR_SHM_CONTROL_H
#define WEIR_SHM_CONTROL_H

#include "common/base/error.h"
#include "shm/page.h"

#define LISTEN_BACKLOG 4096 /* the kernel cuts it to net.core.somaxconn */
#define CONTROL_FDS 16
#define CONTROL_TEXT 256
#define CONTROL_ALL_SLOTS UINT32_MAX /* as SOCKET_ANY_SLOT of the workers */
#define CONTROL_SHARED 1u            /* sockets of other programs may be in the group */
#define CONTROL_LEAVING 1u           /* sockets of an entry point that has gone or moved, being emptied */
#define CONTROL_MORE 1u              /* not the last part */
#define CONTROL_UDP 2u               /* shards of a UDP entry point */
#define CONTROL_LEFT 4u              /* no sockets: they are closed, `pages` has their sockaddr_storage */
#define CONTROL_AT_THE_END 1u        /* not now: when the channel to the guard has ended */
#define CONTROL_ASKED 1u /* somebody has sent SIGHUP since the last master read the configuration */
#define UDP_SHARDS 32    /* sockets of a UDP entry point, always */

enum worker_state { /* on the board, in the worker's slab */
                    WORKER_STARTING = 1,
                    WORKER_SERVING, /* has a generation and accepts */
                    WORKER_DRAINING
};

enum control_kind {
    CONTROL_HELLO = 1,
    CONTROL_LISTEN,
    CONTROL_UNLISTEN,
    CONTROL_WORKERS,
    CONTROL_WORKER,
    CONTROL_GONE,
    CONTROL_MASTER,
    CONTROL_GENERATION,
    CONTROL_ACK,
    CONTROL_REFUSED,
    CONTROL_RESEND,
    CONTROL_SIGNAL,
    CONTROL_READY,
    CONTROL_FAILED,
    CONTROL_STOP,
    CONTROL_HANDOVER,
    CONTROL_MEMORY,
    CONTROL_SPOOL,
    CONTROL_UDP_TAKE,
    CONTROL_UDP_GIVE,
    CONTROL_UDP_DROP,
    CONTROL_KINDS
};

#define GRACE_WITHOUT_END (INT64_C(10) * 365 * 86400 * 1000000000)

struct control_message {
    uint32_t kind;
    uint32_t fd_count; /* how many descriptors belong to it: checked against what arrived */
    uint64_t build_id;
    uint64_t number; /* generation, or signal number, or number of workers; guard -> worker LISTEN,
                                   UNLISTEN, UDP_*: which set of sockets (0: all); HANDOVER: 1, or 0 to take it back */
    uint32_t worker; /* slot; guard -> worker UNLISTEN: CONTROL_ALL_SLOTS; UDP: number of the (first) shard */
    uint32_t entry_point;         /* number in the static page (LISTEN, UNLISTEN) */
    uint64_t base;                /* GENERATION: pages that do not come are those of this one; 0: all come */
    uint64_t pages[CONTROL_FDS];  /* GENERATION: numbers of the pages whose descriptors come */
    uint16_t places[CONTROL_FDS]; /* and their places; UDP_GIVE: numbers of the shards */
    uint32_t page_count;          /* GENERATION: how many pages it has */
    uint32_t part;                /* GENERATION: which message of several, from 0; flags: CONTROL_MORE */
    uint32_t
        flags; /* LISTEN to the guard: CONTROL_SHARED, to the master: CONTROL_LEAVING or CONTROL_LEFT; READY: log format;
                GENERATION: CONTROL_MORE; HELLO: CONTROL_ASKED */
    int64_t grace_ns[2];     /* STOP, HANDOVER: accept grace, then finish grace */
    char text[CONTROL_TEXT]; /* entry point's name, or why something failed; NUL-terminated */
};

int control_pair(int fds[2], struct error *why); /* both CLOEXEC and non-blocking */
/* 0, -EAGAIN (full), or another negative errno. Descriptors stay the caller's. */
int control_send(int channel, struct control_message *message, const int *fds, size_t count);
/* 0, -EAGAIN (nothing there), -EPIPE (peer gone), -EBADMSG (wrong size, build or truncated: descriptors closed).
 * *fds gets message->fd_count descriptors (CLOEXEC), the caller's from now on. */
int control_receive(int channel, struct control_message *message, int fds[CONTROL_FDS]);

#endif
