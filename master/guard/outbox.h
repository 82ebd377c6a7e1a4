/*
 * outbox.h - messages that wait until their channel takes them, in order, descriptors included.
 *
 * Guard and master never block on a channel: what does not fit now is queued here (descriptors duplicated) and sent by
 * outbox_flush() when poll says that there is room.
 */
#ifndef WEIR_MASTER_GUARD_OUTBOX_H
#define WEIR_MASTER_GUARD_OUTBOX_H

#include <stdbool.h>

#include "shm/control.h"

struct outbox_item;

struct outbox {
    int channel; /* owned; -1 when closed */
    struct outbox_item *first, **last;
    bool
        starved; /* the kernel lacked something other than room (descriptors in flight): try again a little later */
};

void outbox_init(struct outbox *outbox, int channel);
/* Sends or queues; fds stay the caller's. 0, or a negative errno when the channel is of no use any more. */
int outbox_send(struct outbox *outbox, struct control_message *message, const int *fds, size_t count);
/* 0 or a negative errno as above. */
int outbox_flush(struct outbox *outbox);
/* True while something waits for the channel to become writable. */
bool outbox_waiting(const struct outbox *outbox);
void outbox_close(struct outbox *outbox); /* drops what waits and closes the channel; twice is harmless */

#endif
