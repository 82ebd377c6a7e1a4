/*
 * log_ring.h - where every process of the tree leaves its log lines, for the one thread that writes them out.
 *
 * One sparse memfd, made by the guard and mapped by all, with rings of whole records. A ring belongs to one living
 * process at a time (whose threads share it under a lock of that process) and has one reader: the writer thread of the
 * master, or of the guard when there is no master any more. It is found by the name of its process: after a death the
 * successor goes on behind the records that are left, while a worker of an earlier build that still finishes keeps its
 * own. Nobody ever waits: what does not fit is dropped and counted.
 *
 * The layout is not tied to a build: over an upgrade old and new processes use the same memory. Who changes it raises
 * LOG_RING_LAYOUT, and upgrades in place from builds with the old one are refused by their self-test.
 *
 * Whoever reads believes nothing: a worker that went wrong may have written anything anywhere.
 * Not here: files and the form of lines (master/guard/log_writer.c, common/base/log.c).
 */
#ifndef WEIR_SHM_LOG_RING_H
#define WEIR_SHM_LOG_RING_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/base/slice.h"

#define LOG_RING_LAYOUT 1u
#define LOG_RING_BYTES 262144u        /* of a worker: 25 ms of 10 MB/s */
#define LOG_RING_BYTES_LARGE 1048576u /* of guard and master */
#define LOG_RECORD_MOST 32768u        /* bytes of one record; a longer one is dropped */
#define LOG_RING_NAME 24

enum log_stream { /* what a record is; readers skip (and count as lost) what they do not know */
                  LOG_STREAM_LINE = 1, /* a line of the log with its line feed */
};

enum log_ring_size { LOG_RING_NORMAL, LOG_RING_LARGE };

struct log_rings; /* the mapping */
struct log_ring;  /* one of them, in the process that writes to it */

/* ---- the memory ---- */
int log_rings_create(int *fd, struct error *why); /* an empty memfd */
/* Maps it (fd stays the caller's); refuses another layout. */
int log_rings_map(int fd, struct log_rings **out, struct error *why);
void log_rings_unmap(struct log_rings *rings);
/* Sets right what a worker that went wrong may have written where it keeps the others from starting: the header, and
 * rings whose owner is no living process of ours. Guard only. */
void log_rings_mend(struct log_rings *rings, bool (*lives)(const void *context, pid_t pid),
                    const void *context);
bool log_rings_empty(struct log_rings *rings); /* no record waits and no loss is untold */
/* A process has been reaped: its ring is free for a successor. Its records stay. NULL is fine. */
void log_rings_release(struct log_rings *rings, pid_t pid);
/* Lets a reader that sleeps look again. */
void log_rings_wake(struct log_rings *rings);

/* ---- writing ---- */
/* The ring of this process: the one that it has already (before an exec), else the free one of that name, else a new
 * one. -ENOSPC when all are taken. */
int log_ring_take(struct log_rings *rings, const char *name, enum log_ring_size size, struct log_ring **out,
                  struct error *why);
void log_ring_free(
    struct log_ring *ring); /* the process's side only: the ring stays its own until released */
/* Any thread; never blocks. False: it did not fit and is counted. */
bool log_ring_put(struct log_ring *ring, enum log_stream stream, struct slice bytes);
/* log_set_sink() with a ring of log_ring_take(), which has to outlive the process's last line. */
void log_ring_sink(struct log_ring *ring);

/* ---- reading: one thread of one process ---- */
struct log_reader;

struct log_record {
    enum log_stream stream;
    unsigned ring;
    uint64_t end;          /* position behind it */
    uint64_t time_ns;      /* when it was put there: monotonic clock */
    struct slice bytes[2]; /* in shared memory: the second part when it goes around the end */
};

struct log_loss {
    unsigned ring;
    uint64_t count;           /* records lost that nobody was told of */
    char name[LOG_RING_NAME]; /* of the process, NUL-terminated; not to be trusted otherwise */
};

struct log_reader *log_reader_new(struct log_rings *rings);
void log_reader_free(struct log_reader *reader);
/* Back to the oldest records that are not given back, and notices what has come meanwhile. */
void log_reader_refresh(struct log_reader *reader);
/* Of the records noticed and not returned yet the oldest over all rings; false: none. */
bool log_reader_next(struct log_reader *reader, struct log_record *out);
/* Gives the space of that record (and those before it in its ring) back to its producer. */
void log_reader_release(struct log_reader *reader, const struct log_record *record);
void log_reader_lose(struct log_reader *reader, const struct log_record *record); /* counts it as lost */
bool log_reader_next_loss(struct log_reader *reader, unsigned from,
                          struct log_loss *out); /* of rings >= from */
void log_reader_told(struct log_reader *reader, const struct log_loss *loss);
/* Sleeping without missing anything: arm; look whether there is something else to do; sleep. arm is false when a record
 * has come meanwhile. timeout_ns < 0: for ever; wakes for no reason at times. */
bool log_reader_arm(struct log_reader *reader);
void log_reader_sleep(struct log_reader *reader, int64_t timeout_ns);

#endif
