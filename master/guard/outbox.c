/*
 * outbox.c - queues of control messages; see outbox.h.
 */
#include "master/guard/outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/memory.h"

struct outbox_item {
    struct outbox_item *next;
    struct control_message message;
    int fds[CONTROL_FDS];
    size_t count;
};

void outbox_init(struct outbox *outbox, int channel)
{
    *outbox = (struct outbox){.channel = channel};
    outbox->last = &outbox->first;
}

static bool must_wait(struct outbox *outbox, int rc)
{
    outbox->starved = rc == -ETOOMANYREFS || rc == -ENOBUFS || rc == -ENOMEM;
    return rc == -EAGAIN || outbox->starved;
}

static void item_free(struct outbox_item *item)
{
    for (size_t i = 0; i < item->count; i++) {
        close(item->fds[i]);
    }
    free(item);
}

static int enqueue(struct outbox *outbox, const struct control_message *message, const int *fds, size_t count)
{
    struct outbox_item *item = xcalloc(1, sizeof(*item));

    item->message = *message;
    for (size_t i = 0; i < count; i++) {
        int copy = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

        if (copy == -1) {
            int rc = -errno;

            item_free(item);
            return rc;
        }
        item->fds[item->count++] = copy;
    }
    *outbox->last = item;
    outbox->last = &item->next;
    return 0;
}

int outbox_send(struct outbox *outbox, struct control_message *message, const int *fds, size_t count)
{
    if (outbox->channel == -1) {
        return -EPIPE;
    }
    if (count > CONTROL_FDS) {
        return -EINVAL;
    }
    if (outbox->first == NULL) {
        int rc = control_send(outbox->channel, message, fds, count);

        if (rc == 0 || !must_wait(outbox, rc)) {
            return rc;
        }
    }
    return enqueue(outbox, message, fds, count);
}

int outbox_flush(struct outbox *outbox)
{
    outbox->starved = false;
    while (outbox->first) {
        struct outbox_item *item = outbox->first;
        int rc = control_send(outbox->channel, &item->message, item->fds, item->count);

        if (rc < 0) {
            return must_wait(outbox, rc) ? 0 : rc;
        }
        outbox->first = item->next;
        if (outbox->first == NULL) {
            outbox->last = &outbox->first;
        }
        item_free(item);
    }
    return 0;
}

bool outbox_waiting(const struct outbox *outbox)
{
    return outbox->first != NULL;
}

void outbox_close(struct outbox *outbox)
{
    if (outbox->channel == -1) {
        return;
    }
    while (outbox->first) {
        struct outbox_item *item = outbox->first;

        outbox->first = item->next;
        item_free(item);
    }
    outbox->last = &outbox->first;
    close(outbox->channel);
    outbox->channel = -1;
}
