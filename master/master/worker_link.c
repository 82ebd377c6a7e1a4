/*
 * worker_link.c - the channel to one worker, and how far it has the generation in force.
 *
 * One generation is on its way to it at a time: it answers ACK or REFUSED before it gets the next, and then it gets the
 * newest, however many there were in between. Only pages that it does not hold go along as descriptors.
 *
 * A worker that would not or could not take a generation keeps the one that it has. It is offered the newest again after
 * 10 s, then after twice as long each time, at most 5 minutes: what was in its way may have passed.
 *
 * Workers face strangers, so what they say is believed only where it answers something; who goes on saying something else
 * is not listened to any more.
 *
 * Not here: which generation is in force (publish.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "master/master/master.h"

#define RESENDS_MOST 3
#define STRANGE_MOST 8 /* messages that nobody waited for, between two that were */
#define MESSAGES_PER_TURN 64
#define RETRY_FIRST (INT64_C(10) * 1000000000)
#define RETRY_MOST (INT64_C(300) * 1000000000)

/* ---- channels ---- */
static void on_worker(uv_poll_t *poll, int status, int events);

static void free_poll(uv_handle_t *handle)
{
    free(handle);
}

static void link_close(struct worker_link *link)
{
    if (link->poll) {
        uv_close((uv_handle_t *)link->poll, free_poll);
        link->poll = NULL;
    }
    outbox_close(&link->out);
}

/* False when the channel broke and was closed. */
static bool link_send(struct worker_link *link, struct control_message *message, const int *fds, size_t count)
{
    if (link->poll == NULL) {
        return false;
    }
    int rc = outbox_send(&link->out, message, fds, count);

    if (rc < 0) {
        if (rc != -EPIPE && rc != -ECONNRESET) {
            log_error("Cannot send to worker %u: %s", link->slot, strerror(-rc));
        }
        link_close(link);
        return false;
    }
    poll_update(link->poll, &link->out, on_worker);
    return true;
}

/* What the worker does not hold in that place. */
static bool is_new_to(const struct worker_link *link, size_t place)
{
    return link->has == NULL || place >= link->has_count ||
           link->has[place] != link->master->current.pages.items[place]->number;
}

static void add_page(struct control_message *message, int *fds, size_t *count, size_t place,
                     const struct page_file *file)
{
    message->places[*count] = (uint16_t)place;
    message->pages[*count] = file->number;
    fds[(*count)++] = file->fd;
}

/* In as many parts as its new pages take, at least one. False when the channel broke. */
static bool send_pages(struct worker_link *link)
{
    const struct publication *current = &link->master->current;
    struct control_message message = {.kind = CONTROL_GENERATION,
                                      .worker = link->slot,
                                      .number = current->number,
                                      .base = link->has ? link->acknowledged : 0,
                                      .page_count = (uint32_t)current->pages.count};
    int fds[CONTROL_FDS];
    size_t count = 0;

    for (size_t place = 0; place < current->pages.count; place++) {
        if (!is_new_to(link, place)) {
            continue;
        }
        if (count == CONTROL_FDS) {
            message.flags = CONTROL_MORE;
            if (!link_send(link, &message, fds, count)) {
                return false;
            }
            message.part++;
            count = 0;
        }
        add_page(&message, fds, &count, place, current->pages.items[place]);
    }
    message.flags = 0;
    return link_send(link, &message, fds, count);
}

static void note_coming(struct worker_link *link)
{
    const struct page_files *pages = &link->master->current.pages;

    link->coming = xrealloc(link->coming, pages->count * sizeof(*link->coming));
    link->coming_count = pages->count;
    for (size_t i = 0; i < pages->count; i++) {
        link->coming[i] = pages->items[i]->number;
    }
}

static void forget_pages(struct worker_link *link)
{
    free(link->has);
    free(link->coming);
    link->has = link->coming = NULL;
    link->has_count = link->coming_count = 0;
}

void worker_link_offer(struct worker_link *link)
{
    const struct publication *current = &link->master->current;

    if (link->poll == NULL || outbox_waiting(&link->out) || link->sent != 0 || current->number == 0 ||
        link->acknowledged == current->number || link->refused == current->number) {
        return;
    }
    if (send_pages(link)) {
        note_coming(link);
        link->sent = current->number;
    }
}

void worker_link_offer_memory(struct worker_link *link)
{
    struct control_message message = {.kind = CONTROL_MEMORY, .worker = link->slot};
    const int *fds = link->master->memory_fds;

    if (!link->master->memory_said) {
        return; /* not looked yet: what an earlier master gave is still good */
    }
    (void)link_send(link, &message, fds, fds[0] == -1 ? 0 : MEMORY_FILES);
}

void worker_link_offer_spool(struct worker_link *link)
{
    struct control_message message = {.kind = CONTROL_SPOOL, .worker = link->slot};
    int fd = link->poll == NULL || link->spooled ? -1 : spool_open(link->master);

    if (fd != -1) {
        link->spooled = link_send(link, &message, &fd, 1);
        close(fd);
    }
}

/* ---- answers ---- */
/* No answer to what it was sent. A few may come of two messages that crossed. */
static void on_strange(struct worker_link *link, const struct control_message *message)
{
    if (++link->strange < STRANGE_MOST) {
        log_debug("Worker %u sent a message of kind %u about generation %llu, %llu was sent", link->slot,
                  message->kind, (unsigned long long)message->number, (unsigned long long)link->sent);
        return;
    }
    log_error("Worker %u answers what nobody asked: it is not listened to and gets no more generations",
              link->slot);
    link_close(link);
}

static void on_ack(struct worker_link *link, uint64_t number)
{
    link->acknowledged = number;
    link->strange = 0;
    free(link->has);
    link->has = link->coming;
    link->has_count = link->coming_count;
    link->coming = NULL;
    link->sent = 0;
    link->resends = 0;
    link->retry_wait_ns = link->retry_ns = 0;
    publish_acknowledged(link->master);
}

/* Not now; later it gets everything. */
static int put_off(struct worker_link *link, uint64_t number)
{
    int64_t wait = link->retry_wait_ns ? 2 * link->retry_wait_ns : RETRY_FIRST;

    link->retry_wait_ns = wait < RETRY_MOST ? wait : RETRY_MOST;
    link->retry_ns = process_clock_ns() + link->retry_wait_ns;
    link->refused = number;
    link->sent = 0;
    forget_pages(link);
    return (int)(link->retry_wait_ns / 1000000000);
}

static void retry(struct worker_link *link, int64_t now)
{
    if (link->retry_ns != 0 && now >= link->retry_ns) {
        link->retry_ns = 0;
        link->refused = 0;
        worker_link_offer(link);
    }
}

static void on_refused(struct worker_link *link, const struct control_message *message)
{
    int seconds = put_off(link, message->number);

    log_error("Worker %u refused generation %llu, the old one stays: %s; it is offered again in %d s",
              link->slot, (unsigned long long)message->number, message->text, seconds);
    link->strange = 0;
}

/* The worker lacks a page that it was thought to hold, or descriptors were lost on the way: it gets all of them. */
static void on_resend(struct worker_link *link)
{
    link->sent = 0;
    forget_pages(link);
    if (++link->resends > RESENDS_MOST) {
        int seconds = put_off(link, link->master->current.number);

        log_error("Worker %u asked for the same generation %u times; it is offered again in %d s", link->slot,
                  link->resends, seconds);
        link->resends = 0;
        link->strange = 0;
    }
}

static void handle(struct worker_link *link, const struct control_message *message)
{
    bool awaited = link->sent != 0 && message->number == link->sent;

    if (message->kind == CONTROL_ACK && awaited) {
        on_ack(link, message->number);
    } else if (message->kind == CONTROL_REFUSED && awaited) {
        on_refused(link, message);
    } else if (message->kind == CONTROL_RESEND && link->sent != 0) {
        on_resend(link);
    } else {
        on_strange(link, message);
    }
    worker_link_offer(link);
}

static void on_worker(uv_poll_t *poll, int status, int events)
{
    struct worker_link *link = poll->data;
    struct control_message message;
    int fds[CONTROL_FDS];
    int rc = status < 0 ? status : outbox_flush(&link->out);

    (void)events;
    for (int read = 0; read < MESSAGES_PER_TURN && rc == 0;
         read++) { /* what is left comes with the next turn */
        rc = control_receive(link->out.channel, &message, fds);
        if (rc == 0) {
            for (uint32_t i = 0; i < message.fd_count; i++) {
                close(fds[i]); /* workers have none to give */
            }
            message.text[CONTROL_TEXT - 1] = '\0';
            handle(link, &message);
            rc = link->poll == NULL ? -EPIPE : 0;
        }
    }
    if (rc == -EBADMSG && link->poll) {
        log_error("Worker %u sent what cannot be read", link->slot);
    }
    if (rc != 0 && rc != -EAGAIN) {
        link_close(link);
    } else if (link->poll) {
        worker_link_offer(link);
    }
    if (link->poll) {
        poll_update(link->poll, &link->out, on_worker);
    }
}

/* ---- its beginning and end ---- */
void worker_link_open(struct master *master, unsigned slot, int fd)
{
    struct worker_link *link = &master->links[slot];

    worker_link_end(link);
    *link = (struct worker_link){.master = master, .slot = slot};
    outbox_init(&link->out, fd);
    link->poll = xcalloc(1, sizeof(*link->poll));
    (void)uv_poll_init(&master->loop, link->poll, fd);
    link->poll->data = link;
    poll_update(link->poll, &link->out, on_worker);
    worker_link_offer_memory(link);
    worker_link_offer_spool(link);
    worker_link_offer(link);
}

void worker_link_tend(struct worker_link *link, int64_t now)
{
    if (link->poll && link->out.starved && outbox_flush(&link->out) < 0) {
        link_close(link);
    }
    retry(link, now);
    worker_link_offer(link);
}

void worker_link_end(struct worker_link *link)
{
    link_close(link);
    forget_pages(link);
}
