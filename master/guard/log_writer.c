/*
 * log_writer.c - a thread between rings and a descriptor; see log_writer.h.
 *
 * A batch holds records of all rings in the order of their time. A record is given back to its ring when all of it is
 * written, so whoever comes after us begins with what is not; a process that is killed right between the two leaves a
 * batch that is written twice rather than never.
 */
#include "master/guard/log_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "common/base/text.h"

#define BATCH_BYTES 65536
#define BATCH_ITEMS 512
#define LOSS_ITEMS 64 /* places in a full batch for what was lost */
#define STACK_BYTES 262144
#define MS INT64_C(1000000)
#define RETRY_FIRST (100 * MS)
#define RETRY_MOST (1000 * MS)
#define LOSSES_APART (1000 * MS) /* at most so often it is said that lines are lost */

struct item {
    size_t end; /* in the text */
    bool is_loss;
    union {
        struct log_record record;
        struct log_loss loss;
    };
};

struct log_writer {
    pthread_t thread;
    struct log_rings *rings;
    /* what the thread is asked for */
    pthread_mutex_t lock;
    pthread_cond_t asked;
    bool stop, reopen;
    char *path; /* NULL: standard output */
    int64_t asked_ns;
    /* the thread's own */
    struct log_reader *reader;
    int fd;
    bool stopping;
    bool moving; /* to `next_path`, once what is older than `move_ns` is written */
    bool unread; /* it is a named pipe that nobody reads: said, and tried with each line */
    char *next_path;
    int64_t move_ns;
    struct text text; /* the batch; written up to `offset` */
    size_t offset;
    struct item items[BATCH_ITEMS + LOSS_ITEMS];
    size_t count, settled; /* items; those below are written */
    int64_t retry_ns;      /* how long the next wait after a failure takes */
    int64_t losses_due_ns; /* not before */
    int64_t behind_ns;     /* since when there has been more than a batch; 0: not */
    bool losses_wait;
};

/* ---- the batch ---- */
static void add_losses(struct log_writer *writer)
{
    int64_t now = process_clock_ns();
    struct log_loss loss = {.ring = 0};

    writer->losses_wait = false;
    for (unsigned from = 0;
         writer->count < ARRAY_LEN(writer->items) && log_reader_next_loss(writer->reader, from, &loss);
         from = loss.ring + 1) {
        if (now < writer->losses_due_ns && !writer->stopping) {
            writer->losses_wait = true;
            return;
        }
        if (LOG_LEVEL_ERROR >= log_threshold) {
            log_line(&writer->text, LOG_LEVEL_ERROR, LOG_FIELDS("of", loss.name),
                     "%llu log line%s lost: they came faster than they could be written",
                     (unsigned long long)loss.count, loss.count == 1 ? " was" : "s were");
        }
        writer->items[writer->count++] =
            (struct item){.end = writer->text.len, .is_loss = true, .loss = loss};
    }
    if (loss.count > 0) {
        writer->losses_due_ns = now + LOSSES_APART;
    }
}

/* Losses are said behind what was there before them; who is never done with that says them in between. */
static bool is_behind_for_long(struct log_writer *writer)
{
    int64_t now = process_clock_ns();

    writer->behind_ns = writer->behind_ns == 0 ? now : writer->behind_ns;
    return now - writer->behind_ns > LOSSES_APART;
}

static void fill(struct log_writer *writer)
{
    struct log_record record;

    text_clear(&writer->text);
    writer->offset = writer->count = writer->settled = 0;
    log_reader_refresh(writer->reader);
    while (writer->count < BATCH_ITEMS && writer->text.len < BATCH_BYTES) {
        if (!log_reader_next(writer->reader, &record)) {
            writer->behind_ns = 0;
            add_losses(writer);
            return;
        }
        if (record.stream == LOG_STREAM_LINE) {
            text_add(&writer->text, record.bytes[0]);
            text_add(&writer->text, record.bytes[1]);
        } else { /* of another build, which has more streams */
            log_reader_lose(writer->reader, &record);
        }
        writer->items[writer->count++] = (struct item){.end = writer->text.len, .record = record};
    }
    if (is_behind_for_long(writer)) {
        add_losses(writer);
    }
}

static void settle(struct log_writer *writer)
{
    while (writer->settled < writer->count && writer->items[writer->settled].end <= writer->offset) {
        const struct item *item = &writer->items[writer->settled++];

        if (item->is_loss) {
            log_reader_told(writer->reader, &item->loss);
        } else {
            log_reader_release(writer->reader, &item->record);
        }
    }
}

/* The line of which a part went to another file is written whole to this one. */
static void restart_line(struct log_writer *writer)
{
    writer->offset = writer->settled == 0 ? 0 : writer->items[writer->settled - 1].end;
}

/* False: it cannot be written now. */
static bool write_batch(struct log_writer *writer)
{
    settle(writer);
    while (writer->offset < writer->text.len) {
        ssize_t n = write(writer->fd, writer->text.ptr + writer->offset, writer->text.len - writer->offset);

        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        writer->offset += (size_t)n;
        writer->retry_ns = RETRY_FIRST;
        settle(writer);
    }
    return true;
}

/* ---- the thread ---- */
/* Writes wait, opening does not. */
static int open_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);

    if (fd != -1) {
        (void)fcntl(fd, F_SETFL, O_APPEND);
    }
    return fd;
}

static void cannot_move(struct log_writer *writer, const char *path, int code)
{
    bool unread = code == ENXIO;

    if (!unread) {
        log_error("log.filePath: cannot open \"%s\": %s; the log goes on where it went before", path,
                  strerror(code));
    } else if (!writer->unread) {
        log_error(
            "log.filePath: cannot open \"%s\": nobody reads this pipe; until somebody does the log goes "
            "on where it went before",
            path);
    }
    writer->unread = writer->moving = unread;
}

static void move(struct log_writer *writer)
{
    const char *path = writer->next_path;
    int fd = STDOUT_FILENO;

    writer->moving = false;
    if (path && (fd = open_file(path)) == -1) {
        cannot_move(writer, path, errno);
        return;
    }
    writer->unread = false;
    if (writer->fd != STDOUT_FILENO) {
        close(writer->fd);
    }
    writer->fd = fd;
    writer->retry_ns = RETRY_FIRST;
    restart_line(writer);
}

/* Does what was asked for. */
static void obey(struct log_writer *writer)
{
    (void)pthread_mutex_lock(&writer->lock);
    if (writer->reopen) {
        free(writer->next_path);
        writer->next_path = writer->path;
        writer->path = NULL;
        writer->move_ns = writer->asked_ns;
        writer->moving = true;
        writer->reopen = writer->unread = false;
    }
    writer->stopping = writer->stop;
    (void)pthread_mutex_unlock(&writer->lock);
}

/* Batches begin with the oldest record that is left. */
static bool older_are_written(const struct log_writer *writer)
{
    return writer->count == 0 || writer->items[0].is_loss ||
           writer->items[0].record.time_ns > (uint64_t)writer->move_ns;
}

static bool is_asked(struct log_writer *writer)
{
    (void)pthread_mutex_lock(&writer->lock);
    bool asked = writer->stop || writer->reopen;

    (void)pthread_mutex_unlock(&writer->lock);
    return asked;
}

static void wait_to_retry(struct log_writer *writer)
{
    struct timespec until;

    writer->behind_ns = 0;
    if (errno == EAGAIN) { /* somebody else made it non-blocking */
        struct pollfd polled = {.fd = writer->fd, .events = POLLOUT};

        (void)poll(&polled, 1, (int)(RETRY_FIRST / MS));
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (until.tv_nsec + writer->retry_ns) / 1000000000;
    until.tv_nsec = (until.tv_nsec + writer->retry_ns) % 1000000000;
    (void)pthread_mutex_lock(&writer->lock);
    while (!writer->stop && !writer->reopen &&
           pthread_cond_timedwait(&writer->asked, &writer->lock, &until) == 0) {
    }
    (void)pthread_mutex_unlock(&writer->lock);
    writer->retry_ns = 2 * writer->retry_ns < RETRY_MOST ? 2 * writer->retry_ns : RETRY_MOST;
}

static void wait_for_more(struct log_writer *writer)
{
    int64_t timeout = -1;

    if (writer->losses_wait) {
        int64_t left = writer->losses_due_ns - process_clock_ns();

        timeout = left > 0 ? left : 0;
    }
    if (log_reader_arm(writer->reader)) {
        log_reader_sleep(writer->reader, is_asked(writer) ? 0 : timeout);
    }
}

static void *run(void *context)
{
    struct log_writer *writer = context;

    for (;;) {
        obey(writer);
        if (writer->settled == writer->count) {
            fill(writer);
            if (writer->moving && older_are_written(writer)) {
                move(writer);
            }
        }
        if (writer->count == 0) {
            if (writer->stopping) {
                break;
            }
            wait_for_more(writer);
        } else if (!write_batch(writer)) {
            bool waits = !writer->moving || writer->unread;

            if (waits && writer->stopping) {
                break; /* what is left stays in the rings */
            }
            if (waits) {
                wait_to_retry(writer);
            }
            if (writer->moving) { /* the old place takes nothing more */
                move(writer);
            }
        }
    }
    return NULL;
}

/* ---- for the others ---- */
static void writer_free(struct log_writer *writer)
{
    if (writer->fd != STDOUT_FILENO) {
        close(writer->fd);
    }
    log_reader_free(writer->reader);
    text_free(&writer->text);
    (void)pthread_cond_destroy(&writer->asked);
    (void)pthread_mutex_destroy(&writer->lock);
    free(writer->path);
    free(writer->next_path);
    free(writer);
}

/* With every signal blocked: what a write brings (SIGPIPE, SIGXFSZ) is an error, never the end of the process. */
static int start_thread(struct log_writer *writer)
{
    sigset_t all, before;
    pthread_attr_t attributes;

    sigfillset(&all);
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&writer->thread, &attributes, run, writer);

    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return rc;
}

int log_writer_start(struct log_rings *rings, const char *path, struct log_writer **out, struct error *why)
{
    struct log_writer *writer = xcalloc(1, sizeof(*writer));
    pthread_condattr_t clock;

    writer->rings = rings;
    writer->reader = log_reader_new(rings);
    writer->fd = STDOUT_FILENO;
    writer->retry_ns = RETRY_FIRST;
    writer->reopen = path != NULL;
    writer->path = path ? xstrndup(path, strlen(path)) : NULL;
    text_init(&writer->text);
    (void)pthread_mutex_init(&writer->lock, NULL);
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&writer->asked, &clock);
    (void)pthread_condattr_destroy(&clock);
    int rc = start_thread(writer);

    if (rc != 0) {
        writer_free(writer);
        return error_set(why, -rc, "cannot start a thread for the log: %s", strerror(rc));
    }
    *out = writer;
    return 0;
}

static void ask(struct log_writer *writer)
{
    (void)pthread_cond_signal(&writer->asked);
    (void)pthread_mutex_unlock(&writer->lock);
    log_rings_wake(writer->rings);
}

void log_writer_reopen(struct log_writer *writer, const char *path)
{
    (void)pthread_mutex_lock(&writer->lock);
    free(writer->path);
    writer->path = path ? xstrndup(path, strlen(path)) : NULL;
    writer->reopen = true;
    writer->asked_ns = process_clock_ns();
    ask(writer);
}

void log_writer_stop(struct log_writer *writer, int64_t most_ns)
{
    struct timespec until;

    (void)pthread_mutex_lock(&writer->lock);
    writer->stop = true;
    ask(writer);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (until.tv_nsec + most_ns) / 1000000000;
    until.tv_nsec = (until.tv_nsec + most_ns) % 1000000000;
    if (pthread_clockjoin_np(writer->thread, NULL, CLOCK_MONOTONIC, &until) == 0) {
        writer_free(writer);
    }
}
