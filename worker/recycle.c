/*
 * recycle.c - free lists and scratch areas of a worker: see recycle.h.
 */
#include "worker/recycle.h"

#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/pool.h"
#include "worker/worker.h"

#define KEEP_MOST 4096 /* of one kind */
#define RELIEVED_KEEP 4
#define LOOK_NS (INT64_C(5) * 1000000000)
#define STAGE_FIRST ((size_t)4096)
#define STAGE_KEEP ((size_t)64 * 1024)

/* ---- shelves ---- */

static void *shelf_take(struct shelf *shelf)
{
    struct record *record = shelf->first;

    if (record) {
        shelf->first = record->next;
        if (--shelf->count < shelf->unused) {
            shelf->unused = shelf->count;
        }
    }
    return record;
}

static bool shelf_give(struct recycler *recycler, struct shelf *shelf, void *memory)
{
    struct record *record = memory;

    if (shelf->count >= KEEP_MOST) {
        return false;
    }
    record->next = shelf->first;
    shelf->first = record;
    shelf->count++;
    if (recycler->look.deadline_ns == TIMER_NEVER) {
        timer_set(recycler->worker->timers, &recycler->look, recycler->worker->now_ns + LOOK_NS);
    }
    return true;
}

static void record_drop(struct shelf *shelf, void (*free_record)(void *record))
{
    struct record *record = shelf->first;

    shelf->first = record->next;
    shelf->count--;
    free_record(record);
}

static void shelf_empty(struct shelf *shelf, void (*free_record)(void *record))
{
    while (shelf->first) {
        record_drop(shelf, free_record);
    }
}

/* Its pages go back to the system at once, wherever in the heap they lie. */
static void buffer_free(void *memory)
{
    struct buffer *buffer = memory;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)buffer->data + page - 1) & ~(page - 1);
    uintptr_t to = ((uintptr_t)buffer->data + buffer->size) & ~(page - 1);

    if (from < to) {
        (void)madvise((void *)from, to - from, MADV_DONTNEED); /* NOLINT(performance-no-int-to-ptr) */
    }
    free(buffer);
}

/* Half of what nobody needed since the last look; in a hurry all but RELIEVED_KEEP. */
static void decide_drop(struct recycler *recycler, struct shelf *shelf)
{
    if (recycler->relieving) {
        shelf->drop = shelf->count > RELIEVED_KEEP ? shelf->count - RELIEVED_KEEP : 0;
    } else {
        shelf->drop = shelf->count ? (shelf->unused + 1) / 2 : 0;
    }
}

/* False when the time of this piece is over. */
static bool thin(struct shelf *shelf, void (*free_record)(void *record), int64_t piece)
{
    for (; shelf->drop > 0 && shelf->first; shelf->drop--) {
        if (piece_is_over(piece)) {
            return false;
        }
        record_drop(shelf, free_record);
    }
    shelf->drop = 0;
    shelf->unused = shelf->count;
    return true;
}

static bool thin_all(struct recycler *recycler, int64_t piece)
{
    bool done = thin(&recycler->small, buffer_free, piece) && thin(&recycler->large, buffer_free, piece);

    for (int kind = 0; kind < RECORD_KINDS && done; kind++) {
        done = thin(&recycler->records[kind], recycler->free_record[kind], piece);
    }
    return done;
}

static void decide_all(struct recycler *recycler)
{
    decide_drop(recycler, &recycler->small);
    decide_drop(recycler, &recycler->large);
    for (int kind = 0; kind < RECORD_KINDS; kind++) {
        decide_drop(recycler, &recycler->records[kind]);
    }
}

static unsigned kept(const struct recycler *recycler)
{
    unsigned count = recycler->small.count + recycler->large.count;

    for (int kind = 0; kind < RECORD_KINDS; kind++) {
        count += recycler->records[kind].count;
    }
    return count;
}

static void trim_work(struct helper_job *job)
{
    (void)job;
    (void)malloc_trim(0);
}

static void after_trim(struct helper_job *job, bool worked)
{
    (void)worked;
    ((struct recycler *)((char *)job - offsetof(struct recycler, trim)))->trimming = false;
}

/* Holes between what is in use go back too. That takes milliseconds after thousands of connections: on the helper thread.
 * The loop asks little of malloc, and only then would have to wait. */
static void trim(struct recycler *recycler)
{
    if (!recycler->trimming) {
        recycler->trimming = helper_run(recycler->worker->helper, &recycler->trim);
    }
}

static void look(struct timer *timer)
{
    struct recycler *recycler = (struct recycler *)((char *)timer - offsetof(struct recycler, look));
    struct timers *timers = recycler->worker->timers;
    int64_t piece = piece_begin();

    if (!recycler->thinning) {
        recycler->thinning = true;
        decide_all(recycler);
    }
    if (!thin_all(recycler, piece)) {
        timer_again(timers, timer);
        return;
    }
    recycler->thinning = recycler->relieving = false;
    trim(recycler);
    if (kept(recycler)) {
        timer_set(timers, timer, recycler->worker->now_ns + LOOK_NS);
    }
}

void recycler_relieve(struct worker *worker)
{
    struct recycler *recycler = worker->recycler;

    recycler->relieving = true;
    recycler->thinning = false;
    timer_again(worker->timers, &recycler->look);
}

void recycler_start(struct worker *worker)
{
    struct recycler *recycler = xcalloc(1, sizeof(*recycler));

    recycler->worker = worker;
    recycler->look = (struct timer){.deadline_ns = TIMER_NEVER, .fire = look};
    recycler->trim = (struct helper_job){.work = trim_work, .done = after_trim};
    recycler->scratch = xmalloc(SCRATCH_SIZE);
    recycler->match = pool_new(4096, 4 * 1024 * 1024);
    stage_reserve(&recycler->response, STAGE_FIRST);
    stage_reserve(&recycler->request, STAGE_FIRST);
    stage_reserve(&recycler->frames, STAGE_FIRST);
    worker->recycler = recycler;
}

void recycler_stop(struct worker *worker)
{
    struct recycler *recycler = worker->recycler;

    if (recycler == NULL) {
        return;
    }
    timer_remove(worker->timers, &recycler->look);
    shelf_empty(&recycler->small, free);
    shelf_empty(&recycler->large, free);
    for (int kind = 0; kind < RECORD_KINDS; kind++) {
        shelf_empty(&recycler->records[kind], recycler->free_record[kind]);
    }
    pool_free(recycler->match);
    free(recycler->response.ptr);
    free(recycler->request.ptr);
    free(recycler->frames.ptr);
    free(recycler->scratch);
    free(recycler);
    worker->recycler = NULL;
}

/* ---- buffers ---- */

static struct buffer *buffer_make(struct worker *worker, size_t whole)
{
    if (budget_took(&worker->budget, whole)) {
        budget_look(worker);
    }
    if (worker->budget.level >= BUDGET_OVER) {
        return NULL;
    }

    struct buffer *buffer = whole > BUFFER_LARGE ? malloc(whole) : xmalloc(whole);

    if (buffer) {
        buffer->size = (uint32_t)(whole - sizeof(*buffer));
    }
    return buffer;
}

struct buffer *buffer_take(struct worker *worker, size_t room)
{
    struct recycler *recycler = worker->recycler;
    struct buffer *buffer;

    if (room > UINT32_MAX / 2) {
        return NULL;
    }
    if (room <= BUFFER_SMALL - sizeof(*buffer)) {
        buffer = shelf_take(&recycler->small);
        buffer = buffer ? buffer : buffer_make(worker, BUFFER_SMALL);
    } else if (room <= BUFFER_LARGE - sizeof(*buffer)) {
        buffer = shelf_take(&recycler->large);
        buffer = buffer ? buffer : buffer_make(worker, BUFFER_LARGE);
    } else {
        buffer = buffer_make(worker, room + sizeof(*buffer));
    }
    if (buffer) {
        buffer->next = NULL;
        buffer->from = buffer->to = 0;
        slab_gauge(worker->slab, GAUGE_BUFFERS, 1);
    }
    return buffer;
}

void buffer_give(struct worker *worker, struct buffer *buffer)
{
    struct recycler *recycler = worker->recycler;
    struct shelf *shelf;

    if (buffer == NULL) {
        return;
    }
    slab_gauge(worker->slab, GAUGE_BUFFERS, -1);
    shelf = buffer->size == BUFFER_SMALL - sizeof(*buffer)   ? &recycler->small
            : buffer->size == BUFFER_LARGE - sizeof(*buffer) ? &recycler->large
                                                             : NULL;
    if (shelf == NULL || !shelf_give(recycler, shelf, buffer)) {
        buffer_free(buffer);
    }
}

size_t scratch_size(const struct worker *worker)
{
    return worker->budget.level >= BUDGET_TIGHT ? BUFFER_SMALL - sizeof(struct buffer) : SCRATCH_SIZE;
}

/* ---- records ---- */

void record_kind_set(struct worker *worker, enum record_kind kind, void (*free_record)(void *record))
{
    worker->recycler->free_record[kind] = free_record;
}

void *record_take(struct worker *worker, enum record_kind kind)
{
    return shelf_take(&worker->recycler->records[kind]);
}

void record_give(struct worker *worker, enum record_kind kind, void *record)
{
    struct recycler *recycler = worker->recycler;

    if (!shelf_give(recycler, &recycler->records[kind], record)) {
        recycler->free_record[kind](record);
    }
}

/* ---- stages ---- */

void stage_reserve(struct stage *stage, size_t more)
{
    size_t capacity = stage->capacity ? stage->capacity : STAGE_FIRST;

    while (capacity - stage->len < more) {
        capacity *= 2;
    }
    if (capacity != stage->capacity) {
        stage->ptr = xrealloc(stage->ptr, capacity);
        stage->capacity = capacity;
    }
}

void stage_reset(struct stage *stage)
{
    stage->len = 0;
    if (stage->capacity > STAGE_KEEP) {
        stage->ptr = xrealloc(stage->ptr, STAGE_KEEP);
        stage->capacity = STAGE_KEEP;
    }
}

void stage_number(struct stage *stage, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    stage_put(stage, slice_of(digits + at, sizeof(digits) - at));
}

void stage_hex(struct stage *stage, uint64_t number)
{
    char digits[16];
    size_t at = sizeof(digits);

    do {
        digits[--at] = "0123456789abcdef"[number & 15];
        number >>= 4;
    } while (number);
    stage_put(stage, slice_of(digits + at, sizeof(digits) - at));
}
