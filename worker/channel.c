/*
 * channel.c - see channel.h.
 */
#include "worker/channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "worker/worker.h"

static void send_answer(struct channel *channel)
{
    channel->answer_waits = control_send(channel->io.fd, &channel->answer, NULL, 0) == -EAGAIN;
}

/* One message; what came of it. */
static int receive(struct channel *channel)
{
    struct control_message message;
    int fds[CONTROL_FDS];
    int rc = control_receive(channel->io.fd, &message, fds);

    if (rc == 0) {
        channel->type->on_message(channel->owner, &message, fds);
    } else if (rc == -EBADMSG) {
        channel->type->on_damage(channel->owner);
        rc = 0;
    }
    return rc;
}

static void on_ready(struct io *io)
{
    struct channel *channel = (struct channel *)io;
    struct stopwatch *watch = &channel->worker->watch;
    int64_t piece = piece_begin();
    int rc = 0;

    stopwatch_lap(watch); /* what ran before is not ours */
    if (channel->answer_waits) {
        send_answer(channel);
    }
    while (rc == 0 && io->fd >= 0 && !piece_is_over(piece)) {
        rc = receive(channel);
        stopwatch_end(watch, LAP_CONTROL);
    }
    if (io->fd < 0) {
        return;
    }
    if (rc == 0) {
        poller_again(io); /* the rest in the next turn */
    } else if (rc != -EAGAIN) {
        channel->type->on_end(channel->owner);
    }
}

static void on_closed(struct io *io)
{
    free(io);
}

struct channel *channel_open(struct worker *worker, int fd, const struct channel_type *type, void *owner)
{
    struct channel *channel = xcalloc(1, sizeof(*channel));
    int rc;

    channel->worker = worker;
    channel->type = type;
    channel->owner = owner;
    channel->io.kind = LAP_CONTROL;
    channel->io.on_ready = on_ready;
    channel->io.on_closed = on_closed;
    rc = poller_add(worker->poller, &channel->io, fd, false);
    if (rc < 0) {
        log_error("Cannot watch a control channel: %s", strerror(-rc));
        close(fd);
        free(channel);
        return NULL;
    }
    return channel;
}

void channel_close(struct channel **slot)
{
    struct channel *channel = *slot;

    if (channel) {
        *slot = NULL;
        poller_forget(&channel->io); /* others may hold it for a moment longer: it came in a message */
        io_close(&channel->io);
    }
}

void channel_answer(struct channel *channel, enum control_kind kind, uint64_t number, const char *text)
{
    channel->answer =
        (struct control_message){.kind = kind, .number = number, .worker = channel->worker->slot};
    (void)snprintf(channel->answer.text, sizeof(channel->answer.text), "%.*s", CONTROL_TEXT - 1, text);
    send_answer(channel);
}
