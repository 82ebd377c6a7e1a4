/*
 * guard_link.c - the master's channel to the guard.
 *
 * A broken channel means that the guard is gone or does not trust us: the master ends, workers go on.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "master/compile/names.h"
#include "master/master/master.h"

static void on_guard(uv_poll_t *poll, int status, int events);

void poll_update(uv_poll_t *poll, const struct outbox *outbox, uv_poll_cb on_event)
{
    int events = UV_READABLE | (outbox_waiting(outbox) && !outbox->starved ? UV_WRITABLE : 0);

    (void)uv_poll_start(poll, events, on_event);
}

void guard_send(struct master *master, struct control_message *message, const int *fds, size_t count)
{
    if (master->stopping) {
        return;
    }
    int rc = outbox_send(&master->guard, message, fds, count);

    if (rc < 0) {
        log_error("Cannot send to the guard: %s", strerror(-rc));
        master_stop(master);
        return;
    }
    poll_update(&master->guard_poll, &master->guard, on_guard);
}

void guard_failed(struct master *master, const char *text)
{
    struct control_message message = {.kind = CONTROL_FAILED};

    (void)snprintf(message.text, sizeof(message.text), "%.*s", (int)sizeof(message.text) - 1, text);
    guard_send(master, &message, NULL, 0);
}

/* The longest times of all entry points: the tree stops as one. */
void guard_ready(struct master *master)
{
    const struct static_config *config = &master->settings->loaded.config;
    const struct entry_point *entries = config->entry_points.values;
    struct control_message message = {.kind = CONTROL_READY, .number = (uint64_t)log_threshold};

    for (size_t i = 0; i < config->entry_points.count; i++) {
        const struct life_cycle *life = &entries[i].transport.life_cycle;

        if (life->request_accept_grace_timeout > message.grace_ns[0]) {
            message.grace_ns[0] = life->request_accept_grace_timeout;
        }
        if (life->grace_time_out > message.grace_ns[1]) {
            message.grace_ns[1] = life->grace_time_out;
        }
    }
    message.flags = config->log && slice_eq_nocase(config->log->format, SLICE("json")) ? LOG_FORMAT_JSON
                                                                                       : LOG_FORMAT_COMMON;
    guard_send(master, &message, NULL, 0);
}

static void on_signal(struct master *master, uint64_t number)
{
    switch (number) {
    case SIGHUP:
        log_info("SIGHUP: reading the static configuration again");
        master_hangup(master);
        break;
    case SIGUSR1:
        if (master->started) {
            log_file_open(master->settings->loaded.config.log);
        }
        break;
    default:
        log_warn("Signal %llu (%s) has no effect", (unsigned long long)number, strsignal((int)number));
        break;
    }
}

static void listen_left(struct master *master, const struct control_message *message)
{
    struct sockaddr_storage bound;

    memcpy(&bound, message->pages, sizeof(bound));
    if (message->flags & CONTROL_UDP) {
        datagrams_left_before(master, message->text, &bound);
    } else {
        listeners_left_before(master, message->text, &bound);
    }
}

static void hello(struct master *master, const struct control_message *message, int *fds)
{
    struct settings *kept = NULL;

    master->start_number = message->number;
    if (message->fd_count >= 2 && master->names) {
        names_remember(master->names, fds[0]);
        keys_adopt(master, fds[1]);
        fds[0] = fds[1] = -1;
    } else {
        keys_adopt(master, -1);
    }
    if (message->fd_count == 3) {
        kept = settings_kept(master, fds[2]);
        fds[2] = -1;
    }
    master_begin(master, message->worker, kept, (message->flags & CONTROL_ASKED) != 0);
}

static void listening(struct master *master, const struct control_message *message, int *fds)
{
    if (message->flags & CONTROL_LEFT) {
        listen_left(master, message);
    } else if (message->fd_count == 1 && (message->flags & CONTROL_UDP)) {
        datagrams_returned(master, message->text, fds[0]);
        fds[0] = -1;
    } else if (message->fd_count == 1) {
        listeners_returned(master, message->worker, message->text, (message->flags & CONTROL_LEAVING) != 0,
                           fds[0]);
        fds[0] = -1;
    }
}

/* fds: those that are not taken stay in the array, taken ones become -1. */
static void handle(struct master *master, const struct control_message *message, int *fds)
{
    switch ((enum control_kind)message->kind) {
    case CONTROL_HELLO:
        hello(master, message, fds);
        break;
    case CONTROL_LISTEN:
        listening(master, message, fds);
        break;
    case CONTROL_WORKER:
        if (message->fd_count == 1 && message->worker < BOARD_WORKERS) {
            worker_link_open(master, message->worker, fds[0]);
            fds[0] = -1;
        }
        break;
    case CONTROL_GONE:
        if (message->worker < BOARD_WORKERS) {
            publish_gone(master, message->worker);
        }
        break;
    case CONTROL_SIGNAL:
        on_signal(master, message->number);
        break;
    case CONTROL_STOP:
        master_stop(master);
        break;
    case CONTROL_UNLISTEN:
        if (message->worker < BOARD_WORKERS) {
            listeners_slot_closed(master, message->worker);
        } else if (message->worker == CONTROL_ALL_SLOTS) {
            listeners_left(master, message->text);
        }
        break;
    case CONTROL_WORKERS:
    case CONTROL_MASTER:
    case CONTROL_GENERATION:
    case CONTROL_ACK:
    case CONTROL_REFUSED:
    case CONTROL_RESEND:
    case CONTROL_READY:
    case CONTROL_FAILED:
    case CONTROL_HANDOVER:
    case CONTROL_MEMORY:
    case CONTROL_SPOOL:
    case CONTROL_UDP_TAKE:
    case CONTROL_UDP_GIVE:
    case CONTROL_UDP_DROP:
    case CONTROL_KINDS:
        log_error("The guard sent a message of kind %u, which is not for the master", message->kind);
        break;
    }
}

static void receive(struct master *master)
{
    struct control_message message;
    int fds[CONTROL_FDS];

    while (!master->stopping) {
        int rc = control_receive(master->guard.channel, &message, fds);

        if (rc == -EAGAIN) {
            return;
        }
        if (rc < 0) {
            if (rc != -EPIPE && rc != -ECONNRESET) {
                log_error("The guard's channel is broken: %s", strerror(-rc));
            }
            master->status = 1;
            master_stop(master);
            return;
        }
        message.text[CONTROL_TEXT - 1] = '\0';
        handle(master, &message, fds);
        for (uint32_t i = 0; i < message.fd_count; i++) {
            if (fds[i] != -1) {
                close(fds[i]);
            }
        }
    }
}

static void on_guard(uv_poll_t *poll, int status, int events)
{
    struct master *master = poll->data;

    (void)events;
    if (status < 0 || outbox_flush(&master->guard) < 0) {
        master->status = 1;
        master_stop(master);
        return;
    }
    receive(master);
    if (!master->stopping) {
        poll_update(poll, &master->guard, on_guard);
    }
}

void guard_link_start(struct master *master)
{
    (void)uv_poll_init(&master->loop, &master->guard_poll, master->guard.channel);
    master->guard_poll.data = master;
    poll_update(&master->guard_poll, &master->guard, on_guard);
}
