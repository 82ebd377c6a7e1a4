/*
 * control.c - what guard and master tell a worker, and what it answers.
 *
 * generations  come from the master, whichever lives now: control_generation.c.
 * listening    sockets come from the guard, by entry point name: control_listen.c.
 * the end      STOP drains, a second one ends at once, and so does the loss of the guard, unless it announced that another
 *              build takes over from it (HANDOVER): then the end of its channel drains.
 */
#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "worker/control_inner.h"
#include "worker/spool.h"
#include "worker/udp.h"

static const struct socket_place all_sockets = {.set = 0, .slot = SOCKET_ANY_SLOT};

void control_answer(struct control *control, enum control_kind kind, uint64_t number, const char *text)
{
    if (control->master) {
        channel_answer(control->master, kind, number, text);
    }
}

void control_close_all(const int *fds, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        close(fds[i]);
    }
}

/* ---- the end ---- */
static void on_drained(struct worker *worker)
{
    serve_quit(worker);
}

static void stop(struct control *control, const struct control_message *message)
{
    struct worker *worker = control->worker;
    int64_t now = process_clock_ns();

    if (control->stopping || worker->generation == NULL) {
        serve_quit(worker); /* asked for a second time, or nothing was served yet */
        return;
    }
    control->stopping = true;
    slab_state(worker->slab, WORKER_DRAINING, now);
    listening_drop(control, all_sockets);
    serve_drain(worker, now + message->grace_ns[0], now + message->grace_ns[0] + message->grace_ns[1],
                on_drained);
}

/* ---- the master ---- */

static void from_master(void *owner, const struct control_message *message, const int *fds)
{
    struct control *control = owner;

    if (message->kind == CONTROL_GENERATION) {
        generation_arrives(control, message, fds);
        return;
    }
    if (message->kind == CONTROL_MEMORY && (message->fd_count == 0 || message->fd_count == 2)) {
        budget_adopt(control->worker, fds, message->fd_count);
        return;
    }
    if (message->kind == CONTROL_SPOOL && message->fd_count == 1) {
        spool_adopt(control->worker, fds[0]);
        return;
    }
    log_error("The master sent a message of kind %u, which is not for workers", message->kind);
    control_close_all(fds, message->fd_count);
}

/* Descriptors were lost on the way: all of it again. */
static void master_damage(void *owner)
{
    generation_forget_parts(owner);
    control_answer(owner, CONTROL_RESEND, 0, "");
}

/* Means only that there is none for a while. */
static void master_end(void *owner)
{
    channel_close(&((struct control *)owner)->master);
}

static const struct channel_type master_channel = {from_master, master_damage, master_end};

static void take_master(struct control *control, int fd)
{
    channel_close(&control->master);
    control->masters++;
    control->master = channel_open(control->worker, fd, &master_channel, control);
}

/* ---- the guard ---- */

static void from_guard(void *owner, const struct control_message *message, const int *fds)
{
    struct control *control = owner;

    switch (message->kind) {
    case CONTROL_LISTEN:
        if (message->fd_count == 1 && !control->stopping) {
            listening_add(control, message, fds[0]);
            return;
        }
        break;
    case CONTROL_UNLISTEN: {
        struct socket_place asked = {.set = message->number, .slot = message->worker};

        listening_drop(control, asked);
        serve_unlisten(control->worker, asked);
        break;
    }
    case CONTROL_UDP_TAKE:
    case CONTROL_UDP_GIVE:
    case CONTROL_UDP_DROP:
        if (!control->stopping || message->kind != CONTROL_UDP_TAKE) {
            udp_message(control->worker, message, fds);
            return;
        }
        break;
    case CONTROL_HANDOVER:
        control->handed_over = message->number != 0;
        if (!control->handed_over) {
            udp_stay(control->worker);
        }
        control->handover = *message;
        break;
    case CONTROL_MASTER:
        if (message->fd_count == 1) {
            take_master(control, fds[0]);
            return;
        }
        break;
    case CONTROL_STOP:
        stop(control, message);
        break;
    default:
        log_error("The guard sent a message of kind %u, which is not for workers", message->kind);
        break;
    }
    control_close_all(fds, message->fd_count);
}

/* Means the end, unless it said that it would be replaced. */
static void guard_end(void *owner)
{
    struct control *control = owner;

    channel_close(&control->guard);
    if (!control->handed_over) {
        serve_quit(control->worker);
    } else if (!control->stopping) {
        log_info("Another build serves now: finishing what is open");
        udp_leave(control->worker);
        stop(control, &control->handover);
    }
}

static void guard_damage(void *owner)
{
    log_error("The channel to the guard is broken");
    guard_end(owner);
}

static const struct channel_type guard_channel = {from_guard, guard_damage, guard_end};

/* ---- life ---- */

struct control *control_start(struct worker *worker, int channel)
{
    struct control *control = xcalloc(1, sizeof(*control));

    control->worker = worker;
    control->guard = channel_open(worker, channel, &guard_channel, control);
    if (control->guard == NULL) {
        serve_quit(worker);
    }
    return control;
}

void control_stop(struct control *control)
{
    control->closed = true;
    channel_close(&control->guard);
    channel_close(&control->master);
    listening_drop(control, all_sockets);
    generation_forget_parts(control);
}

void control_free(struct control *control)
{
    generations_free(control);
    free(control);
}
