/*
 * poller.h - readiness of descriptors, edge-triggered: one epoll_ctl in the life of a connection.
 *
 * A descriptor is added once for reading and writing; the kernel tells only changes, and struct io remembers what was
 * told (readable, writable) until a read or write finds the end of it. So pausing costs nothing but not reading, and
 * resuming is poller_again(). libuv's backend descriptor is a member too: poller_run() gives libuv its turn when it has
 * something to do.
 *
 * Closing has two steps: io_close() closes the descriptor at once (twice is harmless), on_closed runs at the end of the
 * turn, when no event of this turn can point to the memory any more.
 */
#ifndef WEIR_WORKER_POLLER_H
#define WEIR_WORKER_POLLER_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/error.h"
#include "shm/laps.h"

struct worker;
struct poller;

struct io {
    int fd;                  /* -1: closed */
    bool readable, writable; /* as far as is known */
    bool hangup;             /* the peer sent its end (maybe behind bytes not read yet) */
    bool broken;             /* reset, or an error on the socket */
    bool queued;             /* will be called again without a new event */
    bool dead;
    uint8_t kind; /* enum lap_kind, for the stopwatch */
    struct poller *poller;
    void (*on_ready)(struct io *io); /* look at the flags above */
    void (*on_closed)(struct io *io);
    struct io *next_again, *next_dead;
};

int poller_new(struct worker *worker, struct poller **out, struct error *why);
void poller_free(struct poller *poller);

/* Takes the descriptor over on success. level: level-triggered, for reading only (listening sockets). */
int poller_add(struct poller *poller, struct io *io, int fd, bool level);
/* Calls on_ready in this turn or one of the next, in the order in which they ask: after a cap was reached, or to go on after a
 * pause. */
void poller_again(struct io *io);
/* Everything that had come when this turn began is noted in readable, hangup and broken. False: the kernel may have more to tell
 * than one turn takes. */
bool poller_knows(const struct io *io);
/* Level-triggered ones only: stops and starts watching. */
void poller_watch(struct io *io, bool on);
/* Before io_close() of a descriptor that others hold too: closing our copy would not take it out of the set. */
void poller_forget(struct io *io);
void io_close(struct io *io);

/* These return as read(2), write(2) and writev(2) do, -1 with errno; keep the flags right. A read that does not fill the space
 * has emptied the socket: no second call is needed to learn that. Each byte that goes through a worker passes here, so they
 * are inline but for what is rare.
 *
 * The calls are bare: libc's recv() and writev() are points of cancellation, which costs more than the rest of them. sendto()
 * and not write(), which goes through the layer of files first: that costs more than the look which the sandbox takes at the
 * arguments. Not sendmsg(), which could send descriptors too and is not for workers. SIGPIPE is ignored. */
void io_note_bulk(struct io *io); /* copying much takes as long as calling another one */
ssize_t io_writev(struct io *io, const struct iovec *pieces, int count);

static inline ssize_t io_read(struct io *io, void *space, size_t size)
{
    ssize_t n;

    do {
        n = syscall(SYS_recvfrom, io->fd, space, size, 0, NULL, NULL);
    } while (n < 0 && errno == EINTR);
    if (n >= LAP_BULK) {
        io_note_bulk(io);
    }
    /* Behind a short read the end of the stream may wait without a new edge when it came with the bytes. */
    io->readable = n == (ssize_t)size || (n > 0 && (io->hangup || io->broken));
    return n;
}

static inline ssize_t io_write(struct io *io, const void *bytes, size_t size)
{
    ssize_t n;

    do {
        n = syscall(SYS_sendto, io->fd, bytes, size, 0, NULL, 0);
    } while (n < 0 && errno == EINTR);
    if (n >= LAP_BULK) {
        io_note_bulk(io);
    }
    io->writable = n >= 0;
    return n;
}

/* Turns until worker->quit. */
void poller_run(struct poller *poller);

#endif
