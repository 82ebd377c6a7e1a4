/*
 * left.c - addresses of sockets that the guard has closed: a worker that hangs has its copies still, for as long as that lasts.
 *
 * The master that took the entry point away knows that the port is no other program's. A new one is told. A guard that
 * was upgraded meanwhile is not: it refuses such a port until the worker has ended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/memory.h"
#include "common/base/process.h"
#include "master/guard/guard.h"

#define LEFT_FOR (30 * GUARD_SECOND) /* longer than a worker may hang */

struct left {
    struct left *next;
    struct control_message message; /* for a new master */
    int64_t since_ns;
};

_Static_assert(sizeof(struct sockaddr_storage) <= sizeof(((struct control_message *)NULL)->pages),
               "an address fits");

static void forget(struct guard *guard, int64_t before)
{
    for (struct left **link = &guard->left; *link;) {
        struct left *left = *link;

        if (left->since_ns > before) {
            link = &left->next;
            continue;
        }
        *link = left->next;
        free(left);
    }
}

void left_add(struct guard *guard, const char *name, uint32_t flags, int fd)
{
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof(bound);
    int64_t now = process_clock_ns();

    forget(guard, now - LEFT_FOR);
    if (getsockname(fd, (struct sockaddr *)&bound, &size) == -1) {
        return;
    }
    struct left *left = xcalloc(1, sizeof(*left));

    left->message = (struct control_message){.kind = CONTROL_LISTEN, .flags = flags | CONTROL_LEFT};
    left->since_ns = now;
    memcpy(left->message.pages, &bound, sizeof(bound));
    (void)snprintf(left->message.text, sizeof(left->message.text), "%s", name);
    left->next = guard->left;
    guard->left = left;
}

void left_send_master(struct guard *guard)
{
    forget(guard, process_clock_ns() - LEFT_FOR);
    for (const struct left *left = guard->left; left; left = left->next) {
        struct control_message copy = left->message;

        child_send(&guard->master, &copy, NULL, 0);
    }
}

void left_free(struct guard *guard)
{
    forget(guard, INT64_MAX);
}
