/*
 * recycle.c - free lists and scratch areas of a worker: see recycle.h.
 */
#include "worker/recycle.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/pool.h"
#include "worker/worker.h"

#define KEEP_SMALL 128
#define KEEP_LARGE 16
#define KEEP_RECORDS 256
#define STAGE_FIRST ((size_t)4096)
#define STAGE_KEEP ((size_t)64 * 1024)

void recycler_start(struct worker *worker)
{
    struct recycler *recycler = xcalloc(1, sizeof(*recycler));

    recycler->scratch = xmalloc(SCRATCH_SIZE);
    recycler->match = pool_new(4096, 256 * 1024);
    stage_reserve(&recycler->response, STAGE_FIRST);
    stage_reserve(&recycler->request, STAGE_FIRST);
    worker->recycler = recycler;
}

static void free_buffers(struct buffer *buffer)
{
    while (buffer) {
        struct buffer *next = buffer->next;
        free(buffer);
        buffer = next;
    }
}

void recycler_stop(struct worker *worker)
{
    struct recycler *recycler = worker->recycler;

    if (recycler == NULL) {
        return;
    }
    free_buffers(recycler->small);
    free_buffers(recycler->large);
    pool_free(recycler->match);
    free(recycler->response.ptr);
    free(recycler->request.ptr);
    free(recycler->scratch);
    free(recycler);
    worker->recycler = NULL;
}

static struct buffer *buffer_make(size_t whole)
{
    struct buffer *buffer = whole > BUFFER_LARGE ? malloc(whole) : xmalloc(whole);

    if (buffer) {
        buffer->size = (uint32_t)(whole - sizeof(*buffer));
    }
    return buffer;
}

struct buffer *buffer_take(struct worker *worker, size_t room)
{
    struct recycler *recycler = worker->recycler;
    struct buffer *buffer = NULL;

    if (room > UINT32_MAX / 2) {
        return NULL;
    }
    if (room <= BUFFER_SMALL - sizeof(*buffer)) {
        buffer = recycler->small;
        if (buffer) {
            recycler->small = buffer->next;
            recycler->small_count--;
        } else {
            buffer = buffer_make(BUFFER_SMALL);
        }
    } else if (room <= BUFFER_LARGE - sizeof(*buffer)) {
        buffer = recycler->large;
        if (buffer) {
            recycler->large = buffer->next;
            recycler->large_count--;
        } else {
            buffer = buffer_make(BUFFER_LARGE);
        }
    } else {
        buffer = buffer_make(room + sizeof(*buffer));
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

    if (buffer == NULL) {
        return;
    }
    slab_gauge(worker->slab, GAUGE_BUFFERS, -1);
    if (buffer->size == BUFFER_SMALL - sizeof(*buffer) && recycler->small_count < KEEP_SMALL) {
        buffer->next = recycler->small;
        recycler->small = buffer;
        recycler->small_count++;
    } else if (buffer->size == BUFFER_LARGE - sizeof(*buffer) && recycler->large_count < KEEP_LARGE) {
        buffer->next = recycler->large;
        recycler->large = buffer;
        recycler->large_count++;
    } else {
        free(buffer);
    }
}

void *record_take(struct worker *worker, enum record_kind kind)
{
    struct recycler *recycler = worker->recycler;
    struct record *record = recycler->records[kind];

    if (record) {
        recycler->records[kind] = record->next;
        recycler->record_counts[kind]--;
    }
    return record;
}

bool record_give(struct worker *worker, enum record_kind kind, void *memory)
{
    struct recycler *recycler = worker->recycler;
    struct record *record = memory;

    if (recycler->record_counts[kind] >= KEEP_RECORDS) {
        return false;
    }
    record->next = recycler->records[kind];
    recycler->records[kind] = record;
    recycler->record_counts[kind]++;
    return true;
}

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
