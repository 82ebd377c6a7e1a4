/*
 * udp.c - which shards this worker reads, and what generations say about their entry points. See udp.h.
 */
#include "worker/udp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "shm/static_page.h"
#include "shm/udp_page.h"
#include "worker/udp_inner.h"

/* ---- entry points ---- */
static void refresh(struct udp_set *set)
{
    const struct generation *generation = set->worker->generation;
    const struct page *page = generation->pages[PAGE_STATIC];

    for (uint32_t i = 0; i < entry_points_count(page); i++) {
        const struct entry_point_row *row = entry_points_at(page, i);

        if (slice_eq(page_text(page, row->name), slice_cstr(set->name))) {
            set->known = true;
            set->timeout_ns = row->config.udp_timeout;
            set->service = udp_page_service(generation->pages[PAGE_UDP], i);
            return;
        }
    }
    set->known = false;
    set->service = UDP_NO_SERVICE;
}

static struct udp_set *find_set(const struct udp_worker *udp, uint64_t id)
{
    struct udp_set *set = udp->sets;

    while (set && set->id != id) {
        set = set->next;
    }
    return set;
}

static void set_free(struct udp_set *set)
{
    struct udp_set **link = &set->worker->udp->sets;

    while (*link != set) {
        link = &(*link)->next;
    }
    *link = set->next;
    free(set);
}

static void drop_set(struct udp_set *set)
{
    struct udp_shard *shard = set->shards;

    if (shard == NULL) {
        set_free(set);
        return;
    }
    set->dropped = true;
    for (; shard; shard = shard->next) {
        udp_shard_end(shard);
    }
}

static struct udp_set *set_new(struct worker *worker, uint64_t id, const char *name)
{
    struct udp_set *set = xcalloc(1, sizeof(*set));

    set->worker = worker;
    set->id = id;
    set->service = UDP_NO_SERVICE;
    (void)snprintf(set->name, sizeof(set->name), "%s", name);
    set->next = worker->udp->sets;
    worker->udp->sets = set;
    if (worker->generation) {
        refresh(set);
    }
    return set;
}

/* ---- shards ---- */
static void close_all(const int *fds, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        close(fds[i]);
    }
}

void udp_shard_watch(struct udp_shard *shard)
{
    bool on = shard->state == UDP_READING && shard->set->known;

    if (on != shard->watched) {
        poller_watch(&shard->io, on);
        shard->watched = on;
    }
}

static void close_spare(int *lane)
{
    if (*lane != -1) {
        close(*lane);
        *lane = -1;
    }
}

static void shard_closed(struct io *io)
{
    free(io);
}

void udp_shard_close(struct udp_shard *shard)
{
    struct udp_set *set = shard->set;
    struct udp_shard **link = &set->shards;

    udp_flush(set->worker->udp);
    while (*link != shard) {
        link = &(*link)->next;
    }
    *link = shard->next;
    timer_remove(set->worker->timers, &shard->end);
    close_spare(&shard->give_lane);
    close_spare(&shard->last_lane);
    udp_table_free(&shard->sessions);
    poller_forget(&shard->io); /* the guard has it too */
    io_close(&shard->io);
    if (set->dropped && set->shards == NULL) {
        set_free(set);
    }
}

static void end_some(struct timer *timer)
{
    struct udp_shard *shard = (struct udp_shard *)((char *)timer - offsetof(struct udp_shard, end));

    if (udp_session_end_some(shard)) {
        udp_shard_close(shard);
    } else {
        timer_again(shard->set->worker->timers, timer);
    }
}

void udp_shard_end(struct udp_shard *shard)
{
    udp_lane_close(shard);
    shard->state = UDP_ENDING;
    udp_shard_watch(shard);
    timer_again(shard->set->worker->timers, &shard->end);
}

static void take(struct worker *worker, const struct control_message *message, const int *fds)
{
    struct udp_worker *udp = worker->udp;
    struct udp_set *set = find_set(udp, message->number);
    struct udp_shard *shard = xcalloc(1, sizeof(*shard));

    set = set ? set : set_new(worker, message->number, message->text);
    udp->batch = udp->batch ? udp->batch : udp_batch_new();
    *shard = (struct udp_shard){.set = set,
                                .number = message->worker,
                                .state = UDP_READING,
                                .watched = true,
                                .give_lane = -1,
                                .last_lane = -1,
                                .end = {.deadline_ns = TIMER_NEVER, .fire = end_some},
                                .sessions = {.seed = udp->seed}};
    shard->io.kind = LAP_CLIENT;
    shard->io.on_ready = udp_shard_ready;
    shard->io.on_closed = shard_closed;

    int rc = poller_add(worker->poller, &shard->io, fds[0], true);

    if (rc < 0) {
        log_error("Entry point %s: cannot watch a UDP socket: %s", set->name, strerror(-rc));
        close_all(fds, message->fd_count);
        free(shard);
        return;
    }
    shard->next = set->shards;
    set->shards = shard;
    if (message->fd_count == 2) {
        udp_lane_take(shard, fds[1]);
    }
    udp_shard_watch(shard);
}

static struct udp_shard *find_shard(const struct udp_set *set, unsigned number)
{
    struct udp_shard *shard = set ? set->shards : NULL;

    while (shard && (shard->number != number || shard->state >= UDP_GIVING)) {
        shard = shard->next;
    }
    return shard;
}

static void give(struct udp_shard *shard, int lane)
{
    if (shard->state == UDP_TAKING) {
        close_spare(&shard->give_lane);
        shard->give_lane = lane;
    } else {
        udp_lane_give(shard, lane);
    }
}

static void prepare_to_give(struct worker *worker, const struct control_message *message, const int *fds)
{
    const struct udp_set *set = find_set(worker->udp, message->number);

    for (uint32_t i = 0; i < message->fd_count; i++) {
        struct udp_shard *shard = find_shard(set, message->places[i]);

        if (shard == NULL) {
            close(fds[i]);
        } else if (message->flags & CONTROL_AT_THE_END) {
            close_spare(&shard->last_lane);
            shard->last_lane = fds[i];
        } else {
            give(shard, fds[i]);
        }
    }
}

/* ---- what guard and generations say ---- */
void udp_message(struct worker *worker, const struct control_message *message, const int *fds)
{
    struct udp_set *set;

    switch (message->kind) {
    case CONTROL_UDP_TAKE:
        if (message->fd_count == 1 || message->fd_count == 2) {
            take(worker, message, fds);
            return;
        }
        break;
    case CONTROL_UDP_GIVE:
        prepare_to_give(worker, message, fds);
        return;
    default:
        if ((set = find_set(worker->udp, message->number))) {
            drop_set(set);
        }
        break;
    }
    close_all(fds, message->fd_count);
}

/* One whose sessions have nowhere to go is read by somebody else from now on: they end. */
void udp_leave(struct worker *worker)
{
    for (struct udp_set *set = worker->udp->sets; set; set = set->next) {
        for (struct udp_shard *shard = set->shards; shard; shard = shard->next) {
            int lane = shard->last_lane;

            shard->last_lane = -1;
            if (shard->state >= UDP_GIVING) {
                close_spare(&lane);
            } else if (lane != -1) {
                give(shard, lane);
            } else {
                udp_shard_end(shard);
            }
        }
    }
}

void udp_stay(struct worker *worker)
{
    for (struct udp_set *set = worker->udp->sets; set; set = set->next) {
        for (struct udp_shard *shard = set->shards; shard; shard = shard->next) {
            close_spare(&shard->last_lane);
        }
    }
}

void udp_switch(struct worker *worker)
{
    for (struct udp_set *set = worker->udp->sets; set; set = set->next) {
        refresh(set);
        for (struct udp_shard *shard = set->shards; shard; shard = shard->next) {
            udp_shard_watch(shard);
        }
    }
}

bool udp_is_idle(const struct worker *worker)
{
    return worker->udp->sessions == 0 && worker->udp->lanes == 0;
}

/* ---- life ---- */
void udp_start(struct worker *worker)
{
    worker->udp = xcalloc(1, sizeof(*worker->udp));
    if (getrandom(&worker->udp->seed, sizeof(worker->udp->seed), 0) < 0) {
        worker->udp->seed = (uint64_t)worker->now_ns;
    }
}

void udp_stop(struct worker *worker)
{
    struct udp_worker *udp = worker->udp;

    while (udp->sets) {
        struct udp_set *set = udp->sets;

        set->dropped = false;
        while (set->shards) {
            udp_lane_close(set->shards);
            udp_session_end_all(set->shards);
            udp_shard_close(set->shards);
        }
        set_free(set);
    }
    udp_batch_free(udp->batch);
    free(udp);
    worker->udp = NULL;
}
