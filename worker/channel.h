/*
 * channel.h - a worker's end of a control channel (shm/control.h), on the poller: messages in, one answer out.
 *
 * What a message means is its owner's (control.c).
 */
#ifndef WEIR_WORKER_CHANNEL_H
#define WEIR_WORKER_CHANNEL_H

#include "shm/control.h"
#include "worker/poller.h"

struct channel_type {
    /* The descriptors, message->fd_count of them, are the callback's. It may close the channel. */
    void (*on_message)(void *owner, const struct control_message *message, const int *fds);
    /* Something came that is no message of this build, or lost its descriptors on the way: they are closed. */
    void (*on_damage)(void *owner);
    /* The other end is gone. It must close the channel. */
    void (*on_end)(void *owner);
};

struct channel {
    struct io io; /* first */
    struct worker *worker;
    const struct channel_type *type;
    void *owner;
    bool answer_waits; /* the channel was full */
    struct control_message answer;
};

/* Takes fd over and begins to listen to it; it must be non-blocking. NULL, with fd closed and a line in the log: the
 * kernel has no room to watch it. */
struct channel *channel_open(struct worker *worker, int fd, const struct channel_type *type, void *owner);
/* At once, and *slot is NULL; the memory goes at the end of the turn. Nothing to do when it is NULL already. */
void channel_close(struct channel **slot);

/* Sends it now or when there is room. One answer is owed at a time, so one place to keep it in is enough. */
void channel_answer(struct channel *channel, enum control_kind kind, uint64_t number, const char *text);

#endif
