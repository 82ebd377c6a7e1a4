/*
 * log_reader.c - takes the records out of all rings of the log, oldest first; see log_ring.h.
 *
 * Positions are kept here and given back record by record, so what could not be written out is read again. A ring that
 * makes no sense (a worker went wrong) is emptied, which counts as one record lost; all lengths are read once.
 */
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "shm/log_ring.h"
#include "shm/log_ring_inner.h"

#define NONE UINT64_MAX
#define SLEEP_MOST                                                                                           \
    1000000000 /* ns: that it sleeps is said in memory where a worker that went wrong may say else */

struct place {
    uint64_t at, head; /* what is noticed: from here to there */
    uint64_t time_ns;  /* of the record at `at`; NONE: there is none */
    uint32_t len;
    uint8_t stream;
};

struct log_reader {
    struct log_rings *rings;
    unsigned used;
    uint32_t wake; /* as it was when armed */
    struct place places[RINGS];
};

struct log_reader *log_reader_new(struct log_rings *rings)
{
    struct log_reader *reader = xcalloc(1, sizeof(*reader));

    reader->rings = rings;
    return reader;
}

void log_reader_free(struct log_reader *reader)
{
    free(reader);
}

static void empty(struct log_reader *reader, unsigned ring)
{
    struct ring_head *shared = &reader->rings->head->rings[ring];
    struct place *place = &reader->places[ring];

    place->at = place->head = atomic_load(&shared->head);
    place->time_ns = NONE;
    if (place->head % RECORD_ALIGN != 0) { /* no producer of ours: it would never write there again */
        place->at = place->head -= place->head % RECORD_ALIGN;
        atomic_store(&shared->head, place->head);
    }
    atomic_store(&shared->tail, place->head);
    atomic_fetch_add(&shared->lost, 1);
}

/* Looks at the record at the place. */
static void look(struct log_reader *reader, unsigned ring)
{
    struct place *place = &reader->places[ring];
    struct record_head record;
    uint64_t left = place->head - place->at;

    place->time_ns = NONE;
    if (left == 0) {
        return;
    }
    if (left > ring_size(ring) || left < sizeof(record) || place->at % RECORD_ALIGN != 0) {
        empty(reader, ring);
        return;
    }
    memcpy(&record, ring_bytes(reader->rings, ring) + (place->at & (ring_size(ring) - 1)), sizeof(record));
    if (record.len > LOG_RECORD_MOST || record_space(record.len) > left) {
        empty(reader, ring);
        return;
    }
    place->len = record.len;
    place->stream = record.stream;
    place->time_ns = record.time_ns < NONE ? record.time_ns : NONE - 1;
}

void log_reader_refresh(struct log_reader *reader)
{
    unsigned used = atomic_load(&reader->rings->head->used);

    reader->used = used < RINGS ? used : RINGS;
    for (unsigned i = 0; i < reader->used; i++) {
        struct ring_head *shared = &reader->rings->head->rings[i];

        reader->places[i].head = atomic_load_explicit(&shared->head, memory_order_acquire);
        reader->places[i].at = atomic_load_explicit(&shared->tail, memory_order_relaxed);
        look(reader, i);
    }
}

bool log_reader_next(struct log_reader *reader, struct log_record *out)
{
    unsigned oldest = UINT_MAX;
    uint64_t when = NONE;

    for (unsigned i = 0; i < reader->used; i++) {
        if (reader->places[i].time_ns < when) {
            when = reader->places[i].time_ns;
            oldest = i;
        }
    }
    if (oldest == UINT_MAX) {
        return false;
    }
    struct place *place = &reader->places[oldest];
    const char *bytes = ring_bytes(reader->rings, oldest);
    size_t size = ring_size(oldest), offset = (size_t)(place->at + sizeof(struct record_head)) & (size - 1);
    size_t first = place->len < size - offset ? place->len : size - offset;

    place->at += record_space(place->len);
    *out = (struct log_record){
        .stream = place->stream,
        .ring = oldest,
        .end = place->at,
        .time_ns = place->time_ns,
        .bytes = {slice_of(bytes + offset, first), slice_of(bytes, place->len - first)},
    };
    look(reader, oldest);
    return true;
}

void log_reader_release(struct log_reader *reader, const struct log_record *record)
{
    atomic_store_explicit(&reader->rings->head->rings[record->ring].tail, record->end, memory_order_release);
}

void log_reader_lose(struct log_reader *reader, const struct log_record *record)
{
    atomic_fetch_add(&reader->rings->head->rings[record->ring].lost, 1);
}

/* ---- what was lost ---- */
bool log_reader_next_loss(struct log_reader *reader, unsigned from, struct log_loss *out)
{
    for (unsigned i = from; i < reader->used; i++) {
        struct ring_head *shared = &reader->rings->head->rings[i];
        uint64_t lost = atomic_load(&shared->lost), told = atomic_load(&shared->told);

        if (lost == told) {
            continue;
        }
        *out = (struct log_loss){.ring = i, .count = lost - told};
        memcpy(out->name, shared->name, sizeof(out->name));
        out->name[LOG_RING_NAME - 1] = '\0';
        return true;
    }
    return false;
}

void log_reader_told(struct log_reader *reader, const struct log_loss *loss)
{
    atomic_fetch_add(&reader->rings->head->rings[loss->ring].told, loss->count);
}

/* ---- sleeping ---- */
bool log_reader_arm(struct log_reader *reader)
{
    struct log_head *head = reader->rings->head;

    reader->wake = atomic_load(&head->wake);
    atomic_store(&head->waiting, 1);
    for (unsigned i = 0; i < atomic_load(&head->used) && i < RINGS; i++) {
        if (atomic_load(&head->rings[i].head) != atomic_load(&head->rings[i].tail)) {
            atomic_store(&head->waiting, 0);
            return false;
        }
    }
    return true;
}

void log_reader_sleep(struct log_reader *reader, int64_t timeout_ns)
{
    struct log_head *head = reader->rings->head;
    int64_t most = timeout_ns < 0 || timeout_ns > SLEEP_MOST ? SLEEP_MOST : timeout_ns;
    struct timespec timeout = {.tv_sec = most / 1000000000, .tv_nsec = most % 1000000000};

    (void)syscall(SYS_futex, &head->wake, FUTEX_WAIT, reader->wake, &timeout, NULL, 0);
    atomic_store(&head->waiting, 0);
}
