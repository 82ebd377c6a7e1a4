/*
 * control.h - what guard, master and workers say to each other: small fixed messages with descriptors attached.
 *
 * Every channel is one end of a SOCK_SEQPACKET pair, non-blocking, read under uv_poll (or poll, in the guard). A message
 * is a struct control_message and up to CONTROL_FDS descriptors. A truncated control message (descriptors lost) is an
 * error, never a silent gap: the receiver closes what came and answers CONTROL_RESEND.
 *
 *   guard  -> master   WORKER (fd: the master's end of a new worker's channel), GONE (worker reaped), SIGNAL, LISTENERS
 *                      back, UNLISTEN (the sockets of a slot were closed)
 *   master -> guard    LISTEN (fds to keep), UNLISTEN, WORKERS (how many), READY, FAILED (static configuration bad)
 *   guard  -> worker   LISTEN (fd of its slot, or of one lent to it), UNLISTEN, MASTER (fd: channel to the master), STOP,
 *                      HANDOVER (the channel's end will mean: drain)
 *   master -> worker   GENERATION (fds of the pages that are new to it), STATIC changes come as pages too; MEMORY (fds of
 *                      the control group's files that tell its use of memory, or none)
 *   worker -> master   ACK (generation), REFUSED (generation, text), RESEND
 */
#ifndef WEIR_SHM_CONTROL_H
#define WEIR_SHM_CONTROL_H

#include "common/base/error.h"
#include "shm/page.h"

#define CONTROL_FDS 16
#define CONTROL_TEXT 256
#define CONTROL_ALL_SLOTS UINT32_MAX /* as SOCKET_ANY_SLOT of the workers */
#define CONTROL_SHARED 1u            /* sockets of other programs may be in the group */
#define CONTROL_REPLACED 1u          /* new sockets of that name follow: the old ones are emptied first */

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
    CONTROL_KINDS
};

struct control_message {
    uint32_t kind;
    uint32_t fd_count; /* how many descriptors belong to it: checked against what arrived */
    uint64_t build_id;
    uint64_t number;            /* generation, or signal number, or number of workers; guard -> worker LISTEN,
                                   UNLISTEN: which set of sockets (0: all); HANDOVER: 1, or 0 to take it back */
    uint32_t worker;            /* slot; guard -> worker UNLISTEN: CONTROL_ALL_SLOTS */
    uint32_t entry_point;       /* number in the static page (LISTEN, UNLISTEN) */
    uint64_t pages[PAGE_KINDS]; /* GENERATION: page numbers by kind; fds follow for those in `new_pages` */
    uint32_t new_pages;         /* bit set by kind */
    uint32_t
        flags; /* LISTEN to the guard: CONTROL_SHARED; UNLISTEN to it: CONTROL_REPLACED; READY: log format */
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
