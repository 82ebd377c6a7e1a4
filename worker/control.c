/*
 * control.c - what guard and master tell a worker, and what it answers.
 *
 * generations  arrive one at a time (the master waits for the answer). Mapping and checking run on a helper thread; the
 *              loop then swaps one pointer (serve_switch), takes the log settings of the static page over and answers
 *              ACK. What is wrong is answered with REFUSED and the old generation stays; a page that we do not hold,
 *              or descriptors lost on the way, with RESEND.
 * release      this file holds one reference to each generation itself, beside those of exchanges. When only ours is
 *              left it is given back on the helper thread, because unmapping takes time too (I4).
 * listening    sockets come from the guard, by entry point name. They wait here until a generation knows the name.
 * the end      STOP drains, a second one ends at once, and so does the loss of the guard, unless it announced that another
 *              build takes over from it (HANDOVER): then the end of its channel drains.
 */
#include "worker/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "shm/control.h"
#include "shm/static_page.h"
#include "worker/sandbox.h"

struct channel { /* one end of a pair; on the heap, because libuv closes handles later */
    uv_poll_t poll;
    struct control *control;
    int fd;
    bool is_master;
    bool answer_waits; /* the channel was full */
    struct control_message answer;
};

struct waiting_socket {
    struct waiting_socket *next;
    int fd;
    struct socket_place place;
    char name[CONTROL_TEXT];
};

struct adoption { /* one generation on its way: first its parts come, then the helper thread has it */
    uv_work_t work;
    struct control *control;
    const struct channel *from; /* whom to answer, if that is still the channel */
    uint64_t number, base;
    uint32_t page_count, parts; /* that have come */
    int fds[PAGE_PLACES];       /* by place; -1: the page is that of the base */
    uint64_t page_numbers[PAGE_PLACES];
    struct generation *before;     /* in force when the thread starts; a reference */
    struct generation *generation; /* the result */
    int rc;
    struct error why;
};

struct release { /* generations to give back, on the helper thread */
    uv_work_t work;
    struct control *control;
    struct generation **items;
    size_t count;
};

struct control {
    struct worker *worker;
    struct channel *guard, *master;
    struct adoption *arriving; /* more parts of it are to come */
    struct adoption *adoption; /* on the thread; NULL: none */
    struct adoption *next;     /* a new master spoke meanwhile */
    struct generation **held;  /* one reference each, oldest first */
    size_t held_count, held_capacity;
    struct waiting_socket *waiting;
    bool stopping, closed;
    bool handed_over; /* another build guards us: the end of its channel means that its own workers serve */
    struct control_message handover; /* how to drain then */
};

static const struct socket_place all_sockets = {.set = 0, .slot = SOCKET_ANY_SLOT};

static void update(struct channel *channel);

/* ---- channels ---- */
static void free_channel(uv_handle_t *handle)
{
    free(handle->data);
}

static void channel_close(struct channel **slot)
{
    struct channel *channel = *slot;

    if (channel) {
        *slot = NULL;
        uv_close((uv_handle_t *)&channel->poll, free_channel);
        close(channel->fd);
    }
}

static struct channel *channel_open(struct control *control, int fd, bool is_master)
{
    struct channel *channel = xcalloc(1, sizeof(*channel));

    channel->control = control;
    channel->fd = fd;
    channel->is_master = is_master;
    (void)uv_poll_init(&control->worker->loop, &channel->poll, fd);
    channel->poll.data = channel;
    update(channel);
    return channel;
}

/* One answer is owed at a time, so one place to keep it in is enough. */
static void answer(struct control *control, enum control_kind kind, uint64_t number, const char *text)
{
    struct channel *channel = control->master;

    if (channel == NULL) {
        return; /* the next master asks anew */
    }
    channel->answer =
        (struct control_message){.kind = kind, .number = number, .worker = control->worker->slot};
    (void)snprintf(channel->answer.text, sizeof(channel->answer.text), "%.*s", CONTROL_TEXT - 1, text);
    channel->answer_waits = control_send(channel->fd, &channel->answer, NULL, 0) == -EAGAIN;
    update(channel);
}

static void close_all(const int *fds, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        close(fds[i]);
    }
}

/* ---- listening sockets ---- */
static bool entry_point_number(const struct generation *generation, const char *name, uint32_t *number)
{
    const struct page *page = generation->pages[PAGE_STATIC];

    for (uint32_t i = 0; i < entry_points_count(page); i++) {
        if (slice_eq(page_text(page, entry_points_at(page, i)->name), slice_cstr(name))) {
            *number = i;
            return true;
        }
    }
    return false;
}

static void begin_listening(struct control *control)
{
    struct worker *worker = control->worker;

    for (struct waiting_socket **link = &control->waiting;
         *link && worker->generation && !control->stopping;) {
        struct waiting_socket *socket = *link;
        struct error why = {""};
        uint32_t number;

        if (!entry_point_number(worker->generation, socket->name, &number)) {
            link = &socket->next;
            continue;
        }
        *link = socket->next;
        if (serve_listen(worker, socket->fd, number, socket->name, socket->place, &why) < 0) {
            log_error("Cannot accept: %s", why.text);
        }
        free(socket);
    }
}

static void add_waiting(struct control *control, const struct control_message *message, int fd)
{
    struct waiting_socket *socket = xcalloc(1, sizeof(*socket)), **last = &control->waiting;

    socket->fd = fd;
    socket->place = (struct socket_place){.set = message->number, .slot = message->worker};
    (void)snprintf(socket->name, sizeof(socket->name), "%s", message->text);
    while (*last) {
        last = &(*last)->next;
    }
    *last = socket;
    begin_listening(control);
}

static void drop_waiting(struct control *control, struct socket_place asked)
{
    for (struct waiting_socket **link = &control->waiting; *link;) {
        struct waiting_socket *socket = *link;

        if (!socket_is_meant(socket->place, asked)) {
            link = &socket->next;
            continue;
        }
        *link = socket->next;
        close(socket->fd);
        free(socket);
    }
}

/* ---- generations: on the helper thread ---- */
static int adopt_page(struct adoption *adoption, size_t place, struct page **out)
{
    if (adoption->fds[place] == -1) {
        *out = page_ref(adoption->before->pages[place]);
        return 0;
    }
    int rc = page_adopt(adoption->fds[place], page_kind_at(place), out, &adoption->why);

    if (rc == 0 && page_number(*out) != adoption->page_numbers[place]) {
        rc = error_set(&adoption->why, -EBADMSG, "page %zu has another number than announced", place);
    }
    return rc;
}

static void close_fds(struct adoption *adoption)
{
    for (size_t place = 0; place < PAGE_PLACES; place++) {
        if (adoption->fds[place] != -1) {
            close(adoption->fds[place]);
        }
    }
}

static void adopt(uv_work_t *work)
{
    struct adoption *adoption = work->data;
    struct page *pages[PAGE_PLACES] = {NULL};

    for (size_t place = 0; place < adoption->page_count && adoption->rc == 0; place++) {
        adoption->rc = adopt_page(adoption, place, &pages[place]);
    }
    if (adoption->rc == 0) {
        adoption->rc = generation_new(adoption->number, pages, adoption->page_count, adoption->before,
                                      &adoption->generation, &adoption->why);
    }
    for (size_t place = 0; place < PAGE_PLACES && adoption->rc < 0; place++) {
        page_unref(pages[place]);
    }
    close_fds(adoption); /* the mappings stay */
}

static void give_back(uv_work_t *work)
{
    struct release *release = work->data;

    for (size_t i = 0; i < release->count; i++) {
        generation_unref(release->items[i]);
    }
}

/* ---- generations: on the loop ---- */
static void take_log_settings(struct worker *worker)
{
    static char name[32];
    static bool reported;
    const struct static_root *root = page_root(worker->generation->pages[PAGE_STATIC]);

    (void)snprintf(name, sizeof(name), "worker %u", worker->slot);
    log_setup((enum log_level)root->log_level, (enum log_format)root->log_format, name);
    if (!reported && worker->slot == 0) { /* one worker speaks for all */
        sandbox_report();
    }
    reported = true;
}

static void hold(struct control *control, struct generation *generation)
{
    if (control->held_count == control->held_capacity) {
        control->held_capacity = control->held_capacity ? 2 * control->held_capacity : 4;
        control->held = xrealloc(control->held, control->held_capacity * sizeof(*control->held));
    }
    control->held[control->held_count++] = generation_ref(generation);
}

static void put_in_force(struct control *control, struct generation *generation)
{
    struct worker *worker = control->worker;

    hold(control, generation);
    serve_switch(worker, generation);
    take_log_settings(worker);
    atomic_store_explicit(&worker->slab->acknowledged_ns, (uint64_t)process_clock_ns(), memory_order_relaxed);
    atomic_store_explicit(&worker->slab->generation, generation->number, memory_order_relaxed);
    atomic_store_explicit(&worker->slab->gauges[GAUGE_GENERATIONS], (int64_t)control->held_count,
                          memory_order_relaxed);
    if (!control->stopping) {
        slab_state(worker->slab, WORKER_SERVING, process_clock_ns());
    }
    begin_listening(control);
    control_tend(control); /* when changes come fast, the one before goes with each */
    stopwatch_end(&worker->watch, LAP_GENERATION);
}

static void start_adoption(struct control *control, struct adoption *adoption);

static void on_adopted(uv_work_t *work, int status)
{
    struct adoption *adoption = work->data, *next;
    struct control *control = adoption->control;
    bool owed = control->master && control->master == adoption->from;

    (void)status;
    stopwatch_end(&control->worker->watch, LAP_LIBUV);
    control->adoption = NULL;
    if (control->closed) {
        generation_unref(adoption->generation);
    } else if (adoption->rc < 0) {
        log_error("Generation %llu is refused, the old one stays: %s", (unsigned long long)adoption->number,
                  adoption->why.text);
        if (owed) {
            answer(control, CONTROL_REFUSED, adoption->number, adoption->why.text);
        }
    } else {
        put_in_force(control, adoption->generation);
        if (owed) {
            answer(control, CONTROL_ACK, adoption->number, "");
        }
    }
    generation_unref(adoption->before); /* never the last one: we hold what is in force, or held it */
    free(adoption);
    next = control->next;
    control->next = NULL;
    if (next) {
        start_adoption(control, next);
    }
    stopwatch_end(&control->worker->watch, LAP_WORK);
}

static void adoption_drop(struct adoption *adoption)
{
    if (adoption) {
        close_fds(adoption);
        free(adoption);
    }
}

/* Whether every page that does not come is there: in the generation in force, if that is the one it builds on. */
static bool can_build(const struct adoption *adoption)
{
    const struct generation *current = adoption->control->worker->generation;

    for (size_t place = 0; place < adoption->page_count; place++) {
        if (adoption->fds[place] == -1 &&
            (current == NULL || adoption->base != current->number || place >= current->page_count)) {
            return false;
        }
    }
    return true;
}

static void start_adoption(struct control *control, struct adoption *adoption)
{
    if (control->closed || adoption->from != control->master) {
        adoption_drop(adoption); /* from a master that is gone: the next one sends everything */
        return;
    }
    if (!can_build(adoption)) {
        answer(control, CONTROL_RESEND, adoption->number, "");
        adoption_drop(adoption);
        return;
    }
    if (control->worker->generation) {
        adoption->before = generation_ref(control->worker->generation);
    }
    control->adoption = adoption;
    adoption->work.data = adoption;
    (void)uv_queue_work(&control->worker->loop, &adoption->work, adopt, on_adopted);
}

static struct adoption *adoption_new(struct control *control, const struct channel *from,
                                     const struct control_message *message)
{
    struct adoption *adoption = xcalloc(1, sizeof(*adoption));

    adoption->control = control;
    adoption->from = from;
    adoption->number = message->number;
    adoption->base = message->base;
    adoption->page_count = message->page_count;
    for (size_t place = 0; place < PAGE_PLACES; place++) {
        adoption->fds[place] = -1;
    }
    return adoption;
}

/* Takes the descriptors of one part over; false when it is not the one that was to come, or makes no sense. */
static bool take_part(struct adoption *adoption, const struct channel *from,
                      const struct control_message *message, const int *fds)
{
    bool good = adoption && adoption->from == from && adoption->number == message->number &&
                adoption->parts == message->part && adoption->page_count == message->page_count &&
                message->page_count > PAGE_SERVICES && message->page_count <= PAGE_PLACES;

    for (uint32_t i = 0; i < message->fd_count; i++) {
        uint16_t place = message->places[i];

        good = good && place < message->page_count && adoption->fds[place] == -1;
        if (!good) {
            close(fds[i]);
            continue;
        }
        adoption->fds[place] = fds[i];
        adoption->page_numbers[place] = message->pages[i];
    }
    if (good) {
        adoption->parts++;
    }
    return good;
}

static void on_generation(struct control *control, const struct channel *from,
                          const struct control_message *message, const int *fds)
{
    struct adoption *adoption;

    if (message->part == 0) {
        adoption_drop(control->arriving);
        control->arriving = adoption_new(control, from, message);
    } else if (control->arriving == NULL) { /* what is left of one that was asked for again */
        close_all(fds, message->fd_count);
        return;
    }
    adoption = control->arriving;
    if (!take_part(adoption, from, message, fds)) {
        adoption_drop(adoption);
        control->arriving = NULL;
        answer(control, CONTROL_RESEND, message->number, "");
        return;
    }
    if (message->flags & CONTROL_MORE) {
        return;
    }
    control->arriving = NULL;
    if (control->adoption == NULL) {
        start_adoption(control, adoption);
        return;
    }
    adoption_drop(control->next);
    control->next = adoption;
}

static void on_given_back(uv_work_t *work, int status)
{
    struct release *release = work->data;

    (void)status;
    stopwatch_end(&release->control->worker->watch, LAP_LIBUV);
    free(release->items);
    stopwatch_end(&release->control->worker->watch, LAP_WORK);
    free(release);
}

void control_tend(struct control *control)
{
    struct release *release = NULL;
    size_t kept = 0;

    for (size_t i = 0; i < control->held_count; i++) {
        struct generation *generation = control->held[i];

        if (generation == control->worker->generation ||
            atomic_load_explicit(&generation->references, memory_order_acquire) > 1) {
            control->held[kept++] = generation;
            continue;
        }
        if (release == NULL) {
            release = xcalloc(1, sizeof(*release));
            release->control = control;
            release->items = xcalloc(control->held_count, sizeof(*release->items));
        }
        release->items[release->count++] = generation;
    }
    control->held_count = kept;
    if (release) {
        atomic_store_explicit(&control->worker->slab->gauges[GAUGE_GENERATIONS], (int64_t)kept,
                              memory_order_relaxed);
        release->work.data = release;
        (void)uv_queue_work(&control->worker->loop, &release->work, give_back, on_given_back);
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
    drop_waiting(control, all_sockets);
    serve_drain(worker, now + message->grace_ns[0], now + message->grace_ns[0] + message->grace_ns[1],
                on_drained);
}

/* ---- messages ---- */
static void from_guard(struct control *control, const struct control_message *message, const int *fds)
{
    switch (message->kind) {
    case CONTROL_LISTEN:
        if (message->fd_count == 1 && !control->stopping) {
            add_waiting(control, message, fds[0]);
            return;
        }
        break;
    case CONTROL_UNLISTEN: {
        struct socket_place asked = {.set = message->number, .slot = message->worker};

        drop_waiting(control, asked);
        serve_unlisten(control->worker, asked);
        break;
    }
    case CONTROL_HANDOVER:
        control->handed_over = message->number != 0;
        control->handover = *message;
        break;
    case CONTROL_MASTER:
        if (message->fd_count == 1) {
            channel_close(&control->master);
            control->master = channel_open(control, fds[0], true);
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
    close_all(fds, message->fd_count);
}

static void from_master(struct control *control, const struct channel *from,
                        const struct control_message *message, const int *fds)
{
    if (message->kind == CONTROL_GENERATION) {
        on_generation(control, from, message, fds);
        return;
    }
    if (message->kind == CONTROL_MEMORY && (message->fd_count == 0 || message->fd_count == 2)) {
        budget_adopt(control->worker, fds, message->fd_count);
        return;
    }
    log_error("The master sent a message of kind %u, which is not for workers", message->kind);
    close_all(fds, message->fd_count);
}

/* The guard's end means the end (unless it said that it would be replaced); a master's only that there is none for a
 * while. */
static void lost(struct control *control, const struct channel *channel, int rc)
{
    if (rc == -EBADMSG) {
        log_error("The channel to the %s is broken", channel->is_master ? "master" : "guard");
    }
    if (channel->is_master) {
        channel_close(&control->master);
    } else {
        channel_close(&control->guard);
        if (control->handed_over && !control->stopping) {
            log_info("Another build serves now: finishing what is open");
            stop(control, &control->handover);
        } else if (!control->handed_over) {
            serve_quit(control->worker);
        }
    }
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct channel *channel = poll->data;
    struct control *control = channel->control;
    struct stopwatch *watch = &control->worker->watch;
    struct control_message message;
    int fds[CONTROL_FDS];
    int rc = status;
    int64_t piece = piece_begin(); /* what is left calls us again */

    if (rc == 0 && (events & UV_WRITABLE) && channel->answer_waits) {
        channel->answer_waits = control_send(channel->fd, &channel->answer, NULL, 0) == -EAGAIN;
        update(channel);
    }
    stopwatch_end(watch, LAP_LIBUV);
    while (rc == 0 && (channel == control->guard || channel == control->master) && !piece_is_over(piece)) {
        rc = control_receive(channel->fd, &message, fds);
        if (rc == 0 && channel->is_master) {
            from_master(control, channel, &message, fds);
        } else if (rc == 0) {
            from_guard(control, &message, fds);
        } else if (rc == -EBADMSG && channel->is_master) {
            adoption_drop(control->arriving); /* descriptors were lost on the way: all of it again */
            control->arriving = NULL;
            answer(control, CONTROL_RESEND, 0, "");
            rc = 0;
        }
        stopwatch_end(watch, LAP_CONTROL);
    }
    if (rc != 0 && rc != -EAGAIN) {
        lost(control, channel, rc);
    }
}

static void update(struct channel *channel)
{
    (void)uv_poll_start(&channel->poll, UV_READABLE | (channel->answer_waits ? UV_WRITABLE : 0), on_event);
}

/* ---- life ---- */
struct control *control_start(struct worker *worker, int guard_channel)
{
    struct control *control = xcalloc(1, sizeof(*control));

    control->worker = worker;
    control->guard = channel_open(control, guard_channel, false);
    return control;
}

void control_stop(struct control *control)
{
    control->closed = true;
    channel_close(&control->guard);
    channel_close(&control->master);
    drop_waiting(control, all_sockets);
    adoption_drop(control->arriving);
    control->arriving = NULL;
}

void control_free(struct control *control)
{
    for (size_t i = 0; i < control->held_count; i++) {
        generation_unref(control->held[i]);
    }
    free(control->held);
    free(control);
}
