/*
 * keep.c - the listening sockets, kept by entry point and worker slot.
 *
 * The master opens them, workers accept on them, the guard only holds them: so neither the death of a master nor that
 * of a worker closes one, and connections wait in the queue of a slot until its next worker is there.
 */
#include "master/guard/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"

struct kept *keep_find(struct guard *guard, const char *name)
{
    for (struct kept *kept = guard->kept; kept; kept = kept->next) {
        if (strcmp(kept->name, name) == 0) {
            return kept;
        }
    }
    return NULL;
}

static struct kept *make(struct guard *guard, const char *name)
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
    *message = (struct control_message){.kind = CONTROL_LISTEN, .worker = slot};
    (void)snprintf(message->text, sizeof(message->text), "%s", kept->name);
}

static void send_one(struct guard *guard, const struct kept *kept, unsigned slot)
{
    struct control_message message;

    if (guard->workers[slot].pid != 0 && kept->fds[slot] != -1) {
        listen_message(&message, kept, slot);
        child_send(&guard->workers[slot], &message, &kept->fds[slot], 1);
    }
}

void keep_add(struct guard *guard, const char *name, unsigned first, const int *fds, size_t count)
{
    struct kept *kept = keep_find(guard, name);

    if (kept == NULL) {
        kept = make(guard, name);
    }
    for (size_t i = 0; i < count; i++) {
        unsigned slot = first + (unsigned)i;

        if (slot >= BOARD_WORKERS) {
            close(fds[i]);
            continue;
        }
        if (kept->fds[slot] != -1) {
            close(kept->fds[slot]);
        }
        kept->fds[slot] = fds[i];
        send_one(guard, kept, slot);
    }
}

static void kept_free(struct kept *kept)
{
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        if (kept->fds[slot] != -1) {
            close(kept->fds[slot]);
        }
    }
    free(kept);
}

void keep_remove(struct guard *guard, const char *name)
{
    for (struct kept **link = &guard->kept; *link; link = &(*link)->next) {
        struct kept *kept = *link;

        if (strcmp(kept->name, name) == 0) {
            *link = kept->next;
            kept_free(kept);
            return;
        }
    }
}

void keep_close_all(struct guard *guard)
{
    while (guard->kept) {
        struct kept *kept = guard->kept;

        guard->kept = kept->next;
        kept_free(kept);
    }
}

void keep_send_slot(struct guard *guard, unsigned slot)
{
    for (const struct kept *kept = guard->kept; kept; kept = kept->next) {
        send_one(guard, kept, slot);
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
                child_send(&guard->master, &message, &kept->fds[slot], 1);
            }
        }
    }
}
