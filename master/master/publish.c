/*
 * publish.c - the generation in force, and how far each worker has it.
 *
 * To each worker one generation is on its way at a time: it answers ACK or REFUSED before it gets the next, and then
 * it gets the newest, however many there were in between. Only pages that it does not hold go along as descriptors.
 *
 * A worker that would not or could not take a generation keeps the one that it has. It is offered the newest again after
 * 10 s, then after twice as long each time, at most 5 minutes: what was in its way may have passed.
 *
 * Workers face strangers, so what they say is believed only where it answers something; who goes on saying something else
 * is not listened to any more.
 *
 * A generation during whose adoption workers died twice is withdrawn: the one before is published again under a new
 * number, and the same content is not published a second time (I5).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "master/master/master.h"

#define KILLS_MOST 2
#define RESENDS_MOST 3
#define NUMBERS (UINT64_C(1) << 62) /* of generations: nobody gets there */
#define STRANGE_MOST 8              /* messages that nobody waited for, between two that were */
#define MESSAGES_PER_TURN 64
#define SWEEP_EVERY (INT64_C(60) * 1000000000)
#define TARGETS_STAY (INT64_C(300) * 1000000000)
#define TARGETS_STAY_MOST (INT64_C(3600) * 1000000000)
#define RETRY_FIRST (INT64_C(10) * 1000000000)
#define RETRY_MOST (INT64_C(300) * 1000000000)
#define LOST_NS (INT64_C(1) * 1000000000)

/* ---- pages ---- */
struct page_file *page_file_new(int fd, uint64_t number, uint64_t hash, struct target_hold *hold)
{
    struct page_file *file = xcalloc(1, sizeof(*file));

    *file = (struct page_file){.fd = fd, .hold = hold, .number = number, .hash = hash, .references = 1};
    return file;
}

struct page_file *page_file_ref(struct page_file *file)
{
    file->references++;
    return file;
}

void page_file_unref(struct page_file *file)
{
    if (file && --file->references == 0) {
        close(file->fd);
        target_hold_free(file->hold);
        free(file);
    }
}

uint64_t page_files_hash(const struct page_files *pages)
{
    uint64_t hash = pages->count;

    for (size_t i = 0; i < pages->count; i++) {
        hash = hash_bytes(hash, &pages->items[i]->hash, sizeof(pages->items[i]->hash));
    }
    return hash;
}

static void publication_clear(struct publication *publication)
{
    for (size_t i = 0; i < publication->pages.count; i++) {
        page_file_unref(publication->pages.items[i]);
    }
    free(publication->changes);
    *publication = (struct publication){0};
}

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
        link->lost_ns = process_clock_ns();
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

/* Sends the newest generation if this worker is free to take it, has read what was sent before, and has not answered it
 * already. */
static void offer(struct worker_link *link)
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

/* What it measures memory with, also when that is nothing any more. */
static void offer_memory(struct worker_link *link)
{
    struct control_message message = {.kind = CONTROL_MEMORY, .worker = link->slot};
    const int *fds = link->master->memory_fds;

    if (!link->master->memory_said) {
        return; /* not looked yet: what an earlier master gave is still good */
    }
    (void)link_send(link, &message, fds, fds[0] == -1 ? 0 : MEMORY_FILES);
}

/* Once: it keeps the first one. */
static void offer_spool(struct worker_link *link)
{
    struct control_message message = {.kind = CONTROL_SPOOL, .worker = link->slot};
    int fd = link->poll == NULL || link->spooled ? -1 : spool_open(link->master);

    if (fd != -1) {
        link->spooled = link_send(link, &message, &fd, 1);
        close(fd);
    }
}

void publish_spool(struct master *master)
{
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        offer_spool(&master->links[slot]);
    }
}

void publish_memory(struct master *master)
{
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        offer_memory(&master->links[slot]);
    }
}

static void offer_all(struct master *master)
{
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        offer(&master->links[slot]);
    }
}

/* ---- what all workers have reached ---- */
static bool all_acknowledged(const struct master *master)
{
    if (master->current.number == 0) {
        return false;
    }
    for (unsigned slot = 0; slot < master->workers; slot++) {
        if (master->links[slot].acknowledged != master->current.number) {
            return false;
        }
    }
    return true;
}

static bool only_current_held(const struct master *master)
{
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        const struct board_slab *slab = board_slab(master->board, slot);

        if (slab && atomic_load_explicit(&slab->gauges[GAUGE_GENERATIONS], memory_order_relaxed) > 1) {
            return false;
        }
    }
    return true;
}

static bool all_loaded(const struct master *master)
{
    for (size_t i = 0; i < master->input_count; i++) {
        if (master->inputs[i].enabled && !master->inputs[i].loaded) {
            return false;
        }
    }
    return true;
}

void publish_loaded(struct master *master)
{
    struct board_master *life = board_master(master->board);

    if (life_get(&life->synced_generation) == 0 && all_loaded(master)) {
        life_set(&life->synced_generation, master->current.number);
    }
}

/* Ready means: every provider was read once and every worker serves the result, or what came after it. Never taken
 * back. */
static void note_ready(struct master *master)
{
    struct board_master *life = board_master(master->board);
    uint64_t synced = life_get(&life->synced_generation);

    if (synced == 0 || life_get(&life->ready_ns) != 0) {
        return;
    }
    for (unsigned slot = 0; slot < master->workers; slot++) {
        if (master->links[slot].acknowledged < synced) {
            return;
        }
    }
    life_set(&life->ready_ns, (uint64_t)process_clock_ns());
    log_info("Ready: every provider was read and all workers serve generation %llu",
             (unsigned long long)master->current.number);
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
    link->lost_ns = 0; /* for good */
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
    note_ready(link->master);
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
        offer(link);
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
    offer(link);
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
        link_close(link);
        link->lost_ns = 0; /* for good */
    } else if (rc != 0 && rc != -EAGAIN) {
        link_close(link);
    } else if (link->poll) {
        offer(link);
    }
    if (link->poll) {
        poll_update(link->poll, &link->out, on_worker);
    }
}

void publish_worker(struct master *master, unsigned slot, int fd)
{
    struct worker_link *link = &master->links[slot];

    link_close(link);
    forget_pages(link);
    *link = (struct worker_link){.master = master, .slot = slot};
    outbox_init(&link->out, fd);
    link->poll = xcalloc(1, sizeof(*link->poll));
    (void)uv_poll_init(&master->loop, link->poll, fd);
    link->poll->data = link;
    poll_update(link->poll, &link->out, on_worker);
    offer_memory(link);
    offer_spool(link);
    offer(link);
}

/* ---- generations ---- */
/* The board tells where the last master was, and nothing else: workers can write there. */
uint64_t publish_next_number(const struct master *master)
{
    uint64_t told = atomic_load(&master->tree->generation);

    return 1 + (master->last_number ? master->last_number : told < NUMBERS ? told : 0);
}

static void put_in_force(struct master *master, const struct page_files *pages, char *changes, uint64_t words)
{
    struct publication *current = &master->current;

    current->number = master->last_number = publish_next_number(master);
    current->pages = *pages;
    current->changes = changes;
    current->kills = 0;
    current->words = words;
    master->swept = master->swept && words == master->swept_words;
    if (current->waiting) {
        life_set(&board_master(master->board)->waiting_generation, current->number);
    }
    atomic_store(&master->tree->generation, current->number); /* claimed before any worker hears of it */
    life_published(master, current->number);
    offer_all(master);
}

static void publish_as(struct master *master, const struct page_files *pages, char *changes, uint64_t words,
                       bool waiting)
{
    publication_clear(&master->previous);
    master->previous = master->current;
    master->current = (struct publication){.waiting = waiting};
    master->has_withdrawn = false;
    put_in_force(master, pages, changes, words);
}

void publish(struct master *master, const struct page_files *pages, char *changes, uint64_t words)
{
    publish_as(master, pages, changes, words, false);
}

void publish_waiting(struct master *master, const struct page_files *pages, uint64_t words)
{
    publish_as(master, pages, xstrndup("", 0), words, true);
}

bool publish_is_withdrawn(const struct master *master, uint64_t hash)
{
    return master->has_withdrawn && master->withdrawn == hash;
}

static void withdraw(struct master *master)
{
    struct publication bad = master->current, good = master->previous;

    life_withdrawn(master, bad.number);
    log_error("Generation %llu is withdrawn: %u workers died while they adopted it. What was new in it: %s",
              (unsigned long long)bad.number, bad.kills,
              bad.changes && *bad.changes ? bad.changes : "not known");
    master->withdrawn = page_files_hash(&bad.pages);
    master->has_withdrawn = true;
    master->current = (struct publication){.waiting = good.waiting};
    master->previous = (struct publication){0};
    publication_clear(&bad);
    master->in_step = false; /* the model is the bad one's */
    put_in_force(master, &good.pages, good.changes, good.words);
    life_recounted(master, master->current.number, good.number);
    log_info("Generation %llu has the content of %llu again", (unsigned long long)master->current.number,
             (unsigned long long)good.number);
}

/* Addresses that no page names any more stay a while for requests that began before, and longer for workers that serve an
 * earlier generation. What the master before us left stays until we have published. */
static void sweep_targets(struct master *master, int64_t now)
{
    if (master->current.number != 0 && now - master->targets_swept_ns >= SWEEP_EVERY) {
        master->targets_swept_ns = now;
        target_places_sweep(master->targets, now,
                            all_acknowledged(master) ? TARGETS_STAY : TARGETS_STAY_MOST);
    }
}

void publish_gone(struct master *master, unsigned slot)
{
    struct worker_link *link = &master->links[slot];
    bool adopting = link->sent != 0 && link->sent == master->current.number;

    link_close(link);
    forget_pages(link);
    *link = (struct worker_link){.master = master, .slot = slot};
    outbox_init(&link->out, -1);
    if (adopting && ++master->current.kills >= KILLS_MOST && master->previous.number != 0) {
        withdraw(master);
    }
}

/* ---- from the heart ---- */
/* Its channel broke and it did not die of that: the guard would have said so by now. Without another one it would keep what
 * it has for ever. */
static void ask_again(struct worker_link *link, int64_t now)
{
    struct control_message ask = {.kind = CONTROL_WORKER, .worker = link->slot};

    if (link->lost_ns != 0 && now - link->lost_ns >= LOST_NS) {
        log_warn("The channel to worker %u broke: it gets another one", link->slot);
        link->lost_ns = now;
        guard_send(link->master, &ask, NULL, 0);
    }
}

void publish_tend(struct master *master, int64_t now)
{
    if (master->guard.starved) {
        (void)outbox_flush(&master->guard);
    }
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        struct worker_link *link = &master->links[slot];

        if (link->poll && link->out.starved && outbox_flush(&link->out) < 0) {
            link_close(link);
        }
        retry(link, now);
        offer(link);
        ask_again(link, now);
    }
    note_ready(master);
    sweep_targets(master, now);
    if (master->last_number) {
        life_set(&master->tree->generation, master->last_number); /* whatever else stands there */
    }
    /* No job in flight: it asks for words of a generation that is still to come. */
    if (!master->swept && master->job == NULL && all_acknowledged(master) && only_current_held(master)) {
        board_sweep(master->board, master->current.words);
        master->swept = true;
        master->swept_words = master->current.words;
    }
}

void publish_free(struct master *master)
{
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        link_close(&master->links[slot]);
        forget_pages(&master->links[slot]);
    }
    publication_clear(&master->current);
    publication_clear(&master->previous);
}
