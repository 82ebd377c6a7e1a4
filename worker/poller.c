/*
 * poller.c - the loop of a worker: see poller.h.
 *
 * A turn: wait, note the time once, call what is ready, call what asked to be called again, let libuv run when its
 * descriptor or its nearest timer says so, run due timers, give back closed connections.
 */
#include "worker/poller.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/http/h1.h"
#include "worker/timers.h"
#include "worker/worker.h"

/* And as many that asked to be called again; then the heart may beat, and new connections get their turn. */
#define EVENTS_PER_TURN 64

struct poller {
    struct worker *worker;
    int epoll;
    struct io *again, **again_tail;
    unsigned again_count;
    bool crowded;
    struct io *dead;
    struct epoll_event events[EVENTS_PER_TURN];
};

static void note_time(struct worker *worker)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    worker->now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    if (now.tv_sec !=
        worker->date_second) { /* monotonic and wall seconds differ by a fraction: good enough for Date */
        worker->date_second = now.tv_sec;
        clock_gettime(CLOCK_REALTIME, &now);
        http_date_update(now.tv_sec);
    }
}

int poller_new(struct worker *worker, struct poller **out, struct error *why)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (epoll < 0) {
        return error_set(why, -errno, "cannot make an epoll set: %m");
    }

    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}; /* NULL stands for libuv */

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, uv_backend_fd(&worker->loop), &event) < 0) {
        int rc = -errno;
        close(epoll);
        return error_set(why, rc, "cannot watch libuv's descriptor: %m");
    }

    struct poller *poller = xcalloc(1, sizeof(*poller));

    poller->worker = worker;
    poller->epoll = epoll;
    poller->again_tail = &poller->again;
    *out = poller;
    worker->watch.laps = &worker->slab->laps;
    note_time(worker);
    return 0;
}

static void bury(struct poller *poller)
{
    struct io *io = poller->dead;

    poller->dead = NULL;
    while (io) {
        struct io *next = io->next_dead;

        if (io->queued) { /* still in the list of those to be called: one more turn */
            io->next_dead = poller->dead;
            poller->dead = io;
        } else if (io->on_closed) {
            io->on_closed(io);
        }
        io = next;
    }
}

void poller_free(struct poller *poller)
{
    if (poller == NULL) {
        return;
    }
    for (struct io *io = poller->again; io; io = io->next_again) {
        io->queued = false;
    }
    poller->again = NULL;
    while (poller->dead) {
        bury(poller);
    }
    close(poller->epoll);
    free(poller);
}

int poller_add(struct poller *poller, struct io *io, int fd, bool level)
{
    struct epoll_event event = {
        .events = level ? EPOLLIN : EPOLLIN | EPOLLOUT | EPOLLRDHUP | (uint32_t)EPOLLET,
        .data.ptr = io,
    };

    io->poller = poller;
    io->readable = io->writable = io->hangup = io->broken = io->dead = false;
    if (epoll_ctl(poller->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        return -errno;
    }
    io->fd = fd;
    return 0;
}

void poller_again(struct io *io)
{
    if (io->queued || io->fd < 0) {
        return;
    }
    io->queued = true;
    io->next_again = NULL;
    *io->poller->again_tail = io;
    io->poller->again_tail = &io->next_again;
    io->poller->again_count++;
}

void poller_watch(struct io *io, bool on)
{
    struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.ptr = io};

    if (io->fd >= 0) {
        epoll_ctl(io->poller->epoll, EPOLL_CTL_MOD, io->fd, &event);
    }
}

void poller_forget(struct io *io)
{
    if (io->fd >= 0) {
        epoll_ctl(io->poller->epoll, EPOLL_CTL_DEL, io->fd, NULL);
    }
}

void io_close(struct io *io)
{
    if (io->dead || io->fd < 0) {
        return;
    }
    close(io->fd); /* leaves the epoll set by itself unless somebody else holds it: poller_forget() */
    io->fd = -1;
    io->dead = true;
    io->next_dead = io->poller->dead;
    io->poller->dead = io;
}

void io_note_bulk(struct io *io)
{
    io->poller->worker->watch.calls += 2;
}

ssize_t io_writev(struct io *io, const struct iovec *pieces, int count)
{
    ssize_t n;

    if (count == 1) {
        return io_write(io, pieces[0].iov_base, pieces[0].iov_len);
    }
    do {
        n = syscall(SYS_writev, io->fd, pieces, count);
    } while (n < 0 && errno == EINTR);
    if (n >= LAP_BULK) {
        io_note_bulk(io);
    }
    io->writable = n >= 0;
    return n;
}

/* Milliseconds until libuv must run even if its descriptor stays quiet; -1: no need. */
static int libuv_patience(struct worker *worker)
{
    if (!uv_loop_alive(&worker->loop)) {
        return -1;
    }

    int timeout = uv_backend_timeout(&worker->loop);

    if (timeout <= 0) {
        return timeout;
    }

    /* libuv counts from its own clock, which stands still between its turns */
    int64_t left = (int64_t)uv_now(&worker->loop) + timeout - worker->now_ns / 1000000;

    return left > 0 ? (int)left : 0;
}

/* Milliseconds that the next wait may last; -1 for ever. */
static int patience(struct poller *poller)
{
    struct worker *worker = poller->worker;

    if (poller->again || poller->dead) {
        return 0;
    }

    int ours = timers_patience(worker->timers, worker->now_ns);
    int theirs = libuv_patience(worker);

    if (ours < 0) {
        return theirs;
    }
    return theirs < 0 || ours < theirs ? ours : theirs;
}

static void call(struct poller *poller, struct io *io)
{
    unsigned kind = io->kind; /* a callback may make another sort of it */

    io->on_ready(io);
    if (kind == LAP_ACCEPT) {
        stopwatch_end(&poller->worker->watch, kind); /* a piece of work: stands alone */
    } else {
        stopwatch_called(&poller->worker->watch, kind);
    }
}

/* What the kernel has told is known before the first of them is called: whoever takes up the connection of another one in this
 * turn sees what came there. */
static void note_ready(struct poller *poller, int count)
{
    for (int i = 0; i < count; i++) {
        struct io *io = poller->events[i].data.ptr;
        uint32_t events = poller->events[i].events;

        if (io == NULL) {
            continue;
        }
        if (events & (EPOLLHUP | EPOLLERR)) {
            io->broken = io->readable = io->writable = true;
        }
        if (events & EPOLLRDHUP) {
            io->hangup = io->readable = true;
        }
        io->readable = io->readable || (events & EPOLLIN);
        io->writable = io->writable || (events & EPOLLOUT);
    }
}

static void call_ready(struct poller *poller, int count, bool *libuv)
{
    note_ready(poller, count);
    for (int i = 0; i < count; i++) {
        struct io *io = poller->events[i].data.ptr;

        if (io == NULL) {
            *libuv = true;
        } else if (io->fd >= 0) { /* else closed by an earlier event of this turn */
            call(poller, io);
        }
    }
}

bool poller_knows(const struct io *io)
{
    return !io->poller->crowded;
}

static void call_again(struct poller *poller)
{
    unsigned count = poller->again_count < EVENTS_PER_TURN ? poller->again_count : EVENTS_PER_TURN;

    while (count-- > 0) { /* not those that ask now */
        struct io *io = poller->again;

        poller->again = io->next_again;
        if (poller->again == NULL) {
            poller->again_tail = &poller->again;
        }
        poller->again_count--;
        io->queued = false;
        if (io->fd >= 0) {
            call(poller, io);
        }
    }
}

void poller_run(struct poller *poller)
{
    struct worker *worker = poller->worker;

    note_time(worker);
    while (!worker->quit) {
        bool libuv = false;
        int count = epoll_wait(poller->epoll, poller->events, EVENTS_PER_TURN, patience(poller));

        note_time(worker);
        stopwatch_begin(&worker->watch, worker->now_ns);
        poller->crowded = count == EVENTS_PER_TURN;
        call_ready(poller, count, &libuv);
        call_again(poller);
        stopwatch_lap(&worker->watch);
        if (timers_run(worker->timers, worker->now_ns)) {
            stopwatch_end(&worker->watch, LAP_TIMER);
        }
        if (libuv || libuv_patience(worker) == 0) {
            stopwatch_lap(&worker->watch);
            uv_run(&worker->loop, UV_RUN_NOWAIT);
            stopwatch_called(&worker->watch, LAP_LIBUV);
        }
        if (poller->dead) {
            bury(poller);
            stopwatch_called(&worker->watch, LAP_CLOSE);
        }
        stopwatch_lap(&worker->watch);
    }
}
