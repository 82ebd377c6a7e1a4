/*
 * spool.c - see spool.h. The helper thread has room for some jobs; what is more waits here, in its order.
 */
#include "worker/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "worker/helper.h"
#include "worker/spool_slots.h"
#include "worker/worker.h"

#define JOBS 64
#define CLEAN_MOST 1024u /* slots at once: 64 MiB */
#define COMPLAIN_NS (INT64_C(10) * 1000000000)

struct spool {
    struct worker *worker;
    struct helper *helper;
    bool there; /* the thread was lent a file */
    struct helper_job take;
    struct spool_slots slots;
    struct helper_job *waiting, **waiting_tail; /* for room at the helper, oldest first */
    struct helper_job clean;                    /* the one job of that sort */
    uint32_t clean_first, clean_count;          /* 0: it is not under way */
    int64_t complained_ns;
};

static off_t offset_of(uint32_t slot)
{
    return (off_t)slot * (off_t)BUFFER_LARGE;
}

/* ---- on the thread ---- */

/* 0 or the errno. */
static int move_all(const struct spool_io *io)
{
    int fd = helper_lent(io->spool->helper);
    char *bytes = io->buffer->data;
    size_t moved = 0;

    while (moved < SPOOL_DATA) {
        off_t at = offset_of(io->slot) + (off_t)moved;
        ssize_t n = io->write ? pwrite(fd, bytes + moved, SPOOL_DATA - moved, at)
                              : pread(fd, bytes + moved, SPOOL_DATA - moved, at);

        if (n < 0 && errno != EINTR) {
            return errno;
        }
        if (n == 0) {
            return EIO;
        }
        moved += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static void io_work(struct helper_job *job)
{
    struct spool_io *io = (struct spool_io *)job;

    if (!atomic_load_explicit(&io->unwanted, memory_order_relaxed)) {
        io->error = move_all(io);
    }
}

static void take_work(struct helper_job *job)
{
    (void)helper_lent(((struct spool *)((char *)job - offsetof(struct spool, take)))->helper);
}

static void clean_work(struct helper_job *job)
{
    const struct spool *spool = (struct spool *)((char *)job - offsetof(struct spool, clean));

    (void)fallocate(helper_lent(spool->helper), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    offset_of(spool->clean_first), offset_of(spool->clean_count));
}

/* ---- the queue ---- */

static void ask(struct spool *spool, struct helper_job *job)
{
    if (spool->waiting == NULL && helper_run(spool->helper, job)) {
        return;
    }
    job->next = NULL;
    *spool->waiting_tail = job;
    spool->waiting_tail = &job->next;
}

static void ask_on(struct spool *spool)
{
    while (spool->waiting) {
        struct helper_job *job = spool->waiting, *next = job->next;

        if (!helper_run(spool->helper, job)) {
            return;
        }
        spool->waiting = next;
        if (next == NULL) {
            spool->waiting_tail = &spool->waiting;
        }
    }
}

static void io_done(struct helper_job *job, bool worked)
{
    struct spool_io *io = (struct spool_io *)job;
    struct spool *spool = io->spool;
    struct buffer *buffer = io->buffer;

    if (!worked) {
        io->error = ECANCELED;
    }
    if (!io->write) {
        buffer->to = io->error ? 0 : (uint32_t)SPOOL_DATA;
    }
    if (io->done) {
        io->done(io);
    }
    if (io->write || io->done == NULL) {
        buffer_give(spool->worker, buffer);
    }
    free(io);
    ask_on(spool);
}

static void take_done(struct helper_job *job, bool worked)
{
    (void)worked;
    ask_on((struct spool *)((char *)job - offsetof(struct spool, take)));
}

/* ---- slots ---- */

static void clean(struct spool *spool)
{
    if (spool->clean_count) {
        return;
    }
    spool->clean_count = spool_slots_clean(&spool->slots, CLEAN_MOST, &spool->clean_first);
    if (spool->clean_count) {
        ask(spool, &spool->clean);
    }
}

static void clean_done(struct helper_job *job, bool worked)
{
    struct spool *spool = (struct spool *)((char *)job - offsetof(struct spool, clean));

    spool_slots_cleaned(&spool->slots, spool->clean_first, spool->clean_count);
    spool->clean_count = 0;
    if (worked) { /* else it is being ended, and the file with it */
        clean(spool);
    }
    ask_on(spool);
}

bool spool_there(const struct worker *worker)
{
    return worker->spool && worker->spool->there &&
           atomic_load_explicit(&board_tree(worker->board)->spool_most, memory_order_relaxed) > 0;
}

bool spool_take(struct worker *worker, uint32_t *slot)
{
    uint64_t most = atomic_load_explicit(&board_tree(worker->board)->spool_most, memory_order_relaxed);

    if (!spool_there(worker) ||
        (uint64_t)board_gauge_sum(worker->board, GAUGE_SPOOLED) >= most / BUFFER_LARGE) {
        return false;
    }
    *slot = spool_slots_take(&worker->spool->slots);
    slab_gauge(worker->slab, GAUGE_SPOOLED, 1);
    return true;
}

void spool_give(struct worker *worker, uint32_t slot)
{
    spool_slots_give(&worker->spool->slots, slot);
    slab_gauge(worker->slab, GAUGE_SPOOLED, -1);
    clean(worker->spool);
}

/* ---- bytes ---- */

static struct spool_io *begin(struct worker *worker, uint32_t slot, struct buffer *buffer,
                              void (*done)(struct spool_io *io), void *context)
{
    struct spool_io *io = xcalloc(1, sizeof(*io));

    io->job = (struct helper_job){.work = io_work, .done = io_done};
    io->spool = worker->spool;
    io->buffer = buffer;
    io->slot = slot;
    io->done = done;
    io->context = context;
    return io;
}

struct spool_io *spool_write(struct worker *worker, uint32_t slot, struct buffer *buffer,
                             void (*done)(struct spool_io *io), void *context)
{
    struct spool_io *io = begin(worker, slot, buffer, done, context);

    io->write = true;
    ask(worker->spool, &io->job);
    return io;
}

struct spool_io *spool_read(struct worker *worker, uint32_t slot, void (*done)(struct spool_io *io),
                            void *context)
{
    struct buffer *buffer = buffer_take(worker, SPOOL_DATA);
    struct spool_io *io;

    if (buffer == NULL) {
        return NULL;
    }
    io = begin(worker, slot, buffer, done, context);
    ask(worker->spool, &io->job);
    return io;
}

void spool_forget(struct spool_io *io)
{
    if (io) {
        io->done = NULL;
        atomic_store_explicit(&io->unwanted, true, memory_order_relaxed);
    }
}

void spool_complain(struct spool *spool, int error)
{
    struct worker *worker = spool->worker;

    if (spool->complained_ns && worker->now_ns - spool->complained_ns < COMPLAIN_NS) {
        return;
    }
    spool->complained_ns = worker->now_ns;
    if (error) {
        log_warn("Spool file: %s: bodies that it would have held were refused (spoolDir)", strerror(error));
    } else {
        log_warn("Spool file: %" PRIu64 " MiB of bodies are there: more were refused (limits.spool)",
                 atomic_load_explicit(&board_tree(worker->board)->spool_most, memory_order_relaxed) >> 20);
    }
}

/* ---- life ---- */

int spool_start(struct worker *worker, struct error *why)
{
    struct spool *spool = xcalloc(1, sizeof(*spool));
    int rc = helper_new(worker, JOBS, true, &spool->helper, why);

    if (rc < 0) {
        free(spool);
        return rc;
    }
    spool->worker = worker;
    spool->waiting_tail = &spool->waiting;
    spool->take = (struct helper_job){.work = take_work, .done = take_done};
    spool->clean = (struct helper_job){.work = clean_work, .done = clean_done};
    worker->spool = spool;
    return 0;
}

void spool_adopt(struct worker *worker, int fd)
{
    struct spool *spool = worker->spool;

    if (!spool->there) {
        int rc = helper_lend(spool->helper, fd);

        spool->there = rc == 0;
        if (rc == 0) {
            ask(spool, &spool->take); /* so that it is not on its way for long */
        } else {
            log_error("Spool file: cannot be given to its thread: %s: long bodies are refused",
                      strerror(-rc));
        }
    }
    close(fd);
}

void spool_stop(struct worker *worker)
{
    struct spool *spool = worker->spool;

    if (spool == NULL) {
        return;
    }
    helper_end(spool->helper);
    while (spool->waiting) {
        struct helper_job *job = spool->waiting;

        spool->waiting = job->next;
        job->done(job, false);
    }
    spool_slots_free(&spool->slots);
    free(spool);
    worker->spool = NULL;
}
