/*
 * messages.c - what the master asks of the guard, and what the guard tells workers.
 *
 * A message that cannot be read (another build, lost descriptors) means that the peer cannot be trusted to say what it
 * wants: its channel is closed, it ends, and a new one gets everything from the start.
 */
#include "master/guard/guard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/process.h"
#include "master/guard/insist.h"

#define MESSAGES_PER_TURN 64 /* of one worker */

static void close_all(const int *fds, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        close(fds[i]);
    }
}

static void tell_workers(struct guard *guard, const struct control_message *message, const int *fds,
                         size_t count)
{
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        if (guard->workers[slot].pid != 0) {
            struct control_message copy = *message;

            child_send(&guard->workers[slot], &copy, fds, count);
        }
    }
}

void messages_unlisten(struct guard *guard, struct child *worker, uint64_t set, uint32_t slot)
{
    struct control_message message = {.kind = CONTROL_UNLISTEN, .number = set, .worker = slot};

    if (worker == NULL) {
        tell_workers(guard, &message, NULL, 0);
    } else if (worker->pid != 0) {
        child_send(worker, &message, NULL, 0);
    }
}

void messages_stop(struct guard *guard, int64_t accept_ns, int64_t finish_ns)
{
    struct control_message message = {.kind = CONTROL_STOP, .grace_ns = {accept_ns, finish_ns}};

    tell_workers(guard, &message, NULL, 0);
}

static void ready(struct guard *guard, const struct control_message *message)
{
    guard->hangup_waits = false; /* said once more after each SIGHUP that was followed */
    guard->grace_ns[0] = message->grace_ns[0] > 0 ? message->grace_ns[0] : 0;
    guard->grace_ns[1] = message->grace_ns[1] > 0 ? message->grace_ns[1] : 0;
    guard->log_format = (enum log_format)message->flags;
    log_setup((enum log_level)message->number, guard->log_format, "guard");
    if (guard->phase == GUARD_STARTING) {
        guard->phase = GUARD_RUNNING;
        insist_begin(); /* from here on there is something to lose */
        log_info("Started");
    }
}

static void handle(struct guard *guard, const struct control_message *message, const int *fds)
{
    uint32_t taken = 0; /* descriptors that somebody owns now */

    switch ((enum control_kind)message->kind) {
    case CONTROL_LISTEN:
        if (message->flags & CONTROL_UDP) {
            shards_add(guard, message->text, message->worker, fds, message->fd_count);
        } else {
            keep_add(guard, message->text, message->worker, fds, message->fd_count,
                     (message->flags & CONTROL_SHARED) != 0);
        }
        taken = message->fd_count;
        break;
    case CONTROL_UNLISTEN:
        if (message->flags & CONTROL_UDP) {
            shards_remove(guard, message->text);
        } else {
            keep_remove(guard, message->text, process_clock_ns());
        }
        break;
    case CONTROL_WORKERS:
        retire_to(guard, message->number < BOARD_WORKERS ? (unsigned)message->number : BOARD_WORKERS,
                  process_clock_ns());
        break;
    case CONTROL_READY:
        ready(guard, message);
        break;
    case CONTROL_FAILED:
        guard->master_failed = true;
        if (guard->phase != GUARD_STARTING) { /* then it has printed why */
            log_error("The master cannot start: %s", message->text);
        }
        break;
    case CONTROL_WORKER: /* its channel to that one broke */
        if (message->worker < BOARD_WORKERS) {
            guard->workers[message->worker].has_master = false;
        }
        break;
    case CONTROL_SIGNAL:
    case CONTROL_HELLO:
    case CONTROL_GONE:
    case CONTROL_MASTER:
    case CONTROL_GENERATION:
    case CONTROL_ACK:
    case CONTROL_REFUSED:
    case CONTROL_RESEND:
    case CONTROL_STOP:
    case CONTROL_HANDOVER:
    case CONTROL_MEMORY:
    case CONTROL_SPOOL:
    case CONTROL_UDP_TAKE:
    case CONTROL_UDP_GIVE:
    case CONTROL_UDP_DROP:
    case CONTROL_KINDS:
        log_error("The master sent a message of kind %u, which is not for the guard", message->kind);
        break;
    }
    close_all(fds + taken, message->fd_count - taken);
}

void messages_from_master(struct guard *guard)
{
    struct control_message message;
    int fds[CONTROL_FDS];
    bool ended = false;

    while (guard->master.out.channel != -1) {
        int rc = control_receive(guard->master.out.channel, &message, fds);

        if (rc == -EAGAIN) {
            return;
        }
        if (rc == -EPIPE && !ended) {
            ended =
                true; /* a peer that left without reading all shows as a reset, in front of what it said last */
            continue;
        }
        if (rc < 0) {
            if (rc != -EPIPE && rc != -ECONNRESET) {
                log_error("The master's channel is broken: %s; it is started again", strerror(-rc));
            }
            outbox_close(&guard->master.out);
            return;
        }
        message.text[CONTROL_TEXT - 1] = '\0';
        handle(guard, &message, fds);
    }
}

/* Workers have nothing to tell the guard: this is about noticing that the channel is gone. Who talks all the same waits for
 * the next turn with the rest. */
void messages_from_worker(struct guard *guard, struct child *child)
{
    struct control_message message;
    int fds[CONTROL_FDS];

    (void)guard;
    for (int read = 0; read < MESSAGES_PER_TURN && child->out.channel != -1; read++) {
        int rc = control_receive(child->out.channel, &message, fds);

        if (rc == -EAGAIN) {
            return;
        }
        if (rc < 0) {
            outbox_close(&child->out);
            return;
        }
        close_all(fds, message.fd_count);
    }
}
