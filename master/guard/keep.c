/*
 * keep.c - the listening sockets, kept by entry point and worker slot.
 *
 * The master opens them, workers accept on them, the guard only holds them: so neither the death of a master nor that
 * of a worker closes one, and connections wait in the queue of a slot until its next worker is there.
 */
#include "master/guard/guard.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"

struct kept *keep_find(struct guard *guard, const char *name)
{
    for (struct kept *kept = guard->kept; kept; kept = kept->next) {
        if (kept->leaving_ns == 0 && strcmp(kept->name, name) == 0) {
            return kept;
        }
    }
    return NULL;
}

struct kept *keep_new(struct guard *guard, const char *name)
{
    struct kept *kept = xcalloc(1, sizeof(*kept));

    (void)snprintf(kept->name, sizeof(kept->name), "%s", name);
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        kept->fds[slot] = -1;
    }
    kept->next = guard->kept;
    guard->kept = kept;
    return kept;
}

static void listen_message(struct control_message *message, const struct kept *kept, unsigned slot)
{
    *message = (struct control_message){.kind = CONTROL_LISTEN, .worker = slot, .number = kept->id};
    (void)snprintf(message->text, sizeof(message->text), "%s", kept->name);
}

static void send_one(struct guard *guard, const struct kept *kept, unsigned slot, unsigned to)
{
    struct control_message message;

    if (guard->workers[to].pid != 0 && kept->fds[slot] != -1) {
        listen_message(&message, kept, slot);
        child_send(&guard->workers[to], &message, &kept->fds[slot], 1);
    }
}

/* As the kernel does it: the last one of the group moves into the gap. */
static void close_one(struct kept *kept, unsigned slot)
{
    if (kept->fds[slot] == -1) {
        return;
    }
    close(kept->fds[slot]);
    kept->fds[slot] = -1;
    for (unsigned i = 0; i < kept->count; i++) {
        if (kept->order[i] == slot) {
            kept->order[i] = kept->order[--kept->count];
            return;
        }
    }
}

void keep_store(struct kept *kept, unsigned slot, int fd)
{
    close_one(kept, slot);
    kept->fds[slot] = fd;
    kept->order[kept->count++] = (uint16_t)slot;
}

void keep_add(struct guard *guard, const char *name, unsigned first, const int *fds, size_t count,
              bool shared)
{
    struct kept *kept = keep_find(guard, name);

    if (kept == NULL) {
        kept = keep_new(guard, name);
        kept->id = ++guard->sets;
    }
    kept->shared = shared;
    for (size_t i = 0; i < count; i++) {
        unsigned slot = first + (unsigned)i;

        if (slot >= BOARD_WORKERS) {
            close(fds[i]);
            continue;
        }
        retire_again(guard, slot, process_clock_ns());
        keep_store(kept, slot, fds[i]);
        guard->slots = slot >= guard->slots ? slot + 1 : guard->slots;
        send_one(guard, kept, slot, slot);
        if (guard->workers[slot].lent_to >= 0) {
            send_one(guard, kept, slot, (unsigned)guard->workers[slot].lent_to);
        }
    }
    retire_steer(guard);
}

static void kept_free(struct kept *kept)
{
    share_close(kept);
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        if (kept->fds[slot] != -1) {
            close(kept->fds[slot]);
        }
    }
    free(kept);
}

void keep_drop(struct guard *guard, struct kept *kept)
{
    for (struct kept **link = &guard->kept; *link; link = &(*link)->next) {
        if (*link == kept) {
            *link = kept->next;
            kept_free(kept);
            return;
        }
    }
}

/* New connections find other sockets, whatever is more specific, or none: these belong to an interface that does not
 * exist. What has begun here already ends here. */
static void hide(const struct kept *kept)
{
    int nowhere = INT_MAX;

    for (unsigned i = 0; i < kept->count; i++) {
        if (setsockopt(kept->fds[kept->order[i]], SOL_SOCKET, SO_BINDTOIFINDEX, &nowhere, sizeof(nowhere)) ==
            -1) {
            log_debug("Entry point %s: its old sockets cannot be hidden: %s", kept->name, strerror(errno));
            return;
        }
    }
}

void keep_remove(struct guard *guard, const char *name, int64_t now)
{
    struct kept *kept = keep_find(guard, name);

    if (kept) {
        kept->leaving_ns = now;
        hide(kept);
    }
}

/* A disconnected socket has left the kernel's group; it comes back as its last one. */
static void listen_again(struct kept *kept, unsigned slot)
{
    int fd = kept->fds[slot];

    if (listen(fd, LISTEN_BACKLOG) == -1) {
        log_error("Entry point %s: the socket of slot %u listens no more: %s", kept->name, slot,
                  strerror(errno));
        return;
    }
    for (unsigned i = 0; i < kept->count; i++) {
        if (kept->order[i] == slot) {
            kept->order[i] = kept->order[kept->count - 1];
            kept->order[kept->count - 1] = (uint16_t)slot;
        }
    }
    log_warn("Entry point %s: the socket of slot %u did not listen any more and was opened again", kept->name,
             slot);
}

/* Nothing of ours does that, but a worker that somebody took over can end the sockets that it has: no filter tells
 * connect() to nowhere from any other. */
void keep_mend(struct guard *guard)
{
    bool mended = false;

    for (struct kept *kept = guard->kept; kept; kept = kept->next) {
        for (unsigned slot = 0; kept->leaving_ns == 0 && slot < guard->slots; slot++) {
            socklen_t size = sizeof(int);
            int listens = 1;

            if (kept->fds[slot] != -1 &&
                getsockopt(kept->fds[slot], SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && !listens) {
                listen_again(kept, slot);
                mended = true;
            }
        }
    }
    if (mended) {
        retire_steer(guard);
    }
}

/* ---- slots ---- */
void keep_unlisten_slot(struct guard *guard, unsigned slot)
{
    for (struct kept *kept = guard->kept; kept; kept = kept->next) {
        if (kept->fds[slot] != -1) {
            (void)shutdown(kept->fds[slot], SHUT_RD);
        }
    }
}

void keep_close_slot(struct guard *guard, unsigned slot)
{
    for (struct kept *kept = guard->kept; kept; kept = kept->next) {
        close_one(kept, slot);
    }
}

bool keep_has_slot(const struct guard *guard, unsigned slot)
{
    for (const struct kept *kept = guard->kept; kept; kept = kept->next) {
        if (kept->fds[slot] != -1) {
            return true;
        }
    }
    return false;
}

static bool queue_empty(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN}; /* -1 is left out */

    return poll(&polled, 1, 0) <= 0;
}

bool keep_slot_empty(const struct guard *guard, unsigned slot)
{
    for (const struct kept *kept = guard->kept; kept; kept = kept->next) {
        if (!queue_empty(kept->fds[slot])) {
            return false;
        }
    }
    return true;
}

bool keep_slot_shared(const struct guard *guard, unsigned slot)
{
    for (const struct kept *kept = guard->kept; kept; kept = kept->next) {
        if (kept->shared && kept->fds[slot] != -1) {
            return true;
        }
    }
    return false;
}

bool keep_set_empty(const struct kept *kept)
{
    for (unsigned i = 0; i < kept->count; i++) {
        if (!queue_empty(kept->fds[kept->order[i]])) {
            return false;
        }
    }
    return true;
}

void keep_close_all(struct guard *guard)
{
    while (guard->kept) {
        struct kept *kept = guard->kept;

        guard->kept = kept->next;
        kept_free(kept);
    }
}

void keep_send_slot(struct guard *guard, unsigned slot, unsigned to)
{
    for (const struct kept *kept = guard->kept; kept; kept = kept->next) {
        if (kept->let_go_ns == 0) {
            send_one(guard, kept, slot, to);
        }
    }
}

/* One socket a message: slots may have gaps. A new master is rare, so this need not be clever. */
void keep_send_master(struct guard *guard)
{
    for (const struct kept *kept = guard->kept; kept; kept = kept->next) {
        for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
            struct control_message message;

            if (kept->fds[slot] != -1) {
                listen_message(&message, kept, slot);
                message.flags = kept->leaving_ns != 0 ? CONTROL_LEAVING : 0;
                child_send(&guard->master, &message, &kept->fds[slot], 1);
            }
        }
    }
}
