/*
 * body_store.c - see body_store.h.
 */
#include "worker/body_store.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "worker/spool.h"
#include "worker/worker.h"

#define MEMORY_LEAST (BUFFER_SMALL - sizeof(struct buffer))
#define WRITES_MOST 2 /* of a body at the same time, before it waits */

struct body_file {
    struct body_store *store;
    uint64_t begins; /* in the body */
    uint32_t *slots; /* of the pieces; each is SPOOL_DATA bytes long */
    uint64_t count, room;
    struct spool_io *writing, **writing_tail; /* the last pieces, oldest first: not in the file yet */
    unsigned writes;
    struct buffer *filling; /* behind the last piece; NULL: nothing */
};

/* ---- to the file ---- */

static bool fail(struct body_store *store, enum reason reason)
{
    store->failed = reason;
    return false;
}

static void on_written(struct spool_io *io)
{
    struct body_file *file = io->context;
    struct body_store *store = file->store;
    bool was_busy = body_store_is_busy(store);

    file->writing = io->next; /* they are worked in their order */
    if (file->writing == NULL) {
        file->writing_tail = &file->writing;
    }
    file->writes--;
    if (io->error) {
        spool_complain(io->spool, io->error);
        store->failed = REASON_spool_full;
    }
    if (store->changed &&
        (io->error || (was_busy && !body_store_is_busy(store)) || body_store_is_written(store))) {
        store->changed(store);
    }
}

/* The piece is full: it gets its slot. */
static bool write_piece(struct worker *worker, struct body_file *file)
{
    struct spool_io *io;

    if (file->count == file->room) {
        file->room = file->room ? 2 * file->room : 16;
        file->slots = xrealloc(file->slots, file->room * sizeof(*file->slots));
    }
    if (!spool_take(worker, &file->slots[file->count])) {
        spool_complain(worker->spool, 0);
        return fail(file->store, REASON_spool_full);
    }
    io = spool_write(worker, file->slots[file->count++], file->filling, on_written, file);
    *file->writing_tail = io;
    file->writing_tail = &io->next;
    file->writes++;
    file->filling = NULL;
    return true;
}

static bool add_to_file(struct worker *worker, struct body_store *store, struct slice data)
{
    struct body_file *file = store->file;

    while (data.len) {
        if (file->filling == NULL && (file->filling = buffer_take(worker, SPOOL_DATA)) == NULL) {
            return fail(store, REASON_limit);
        }

        struct buffer *filling = file->filling;
        size_t part = SPOOL_DATA - filling->to < data.len ? SPOOL_DATA - filling->to : data.len;

        memcpy(filling->data + filling->to, data.ptr, part);
        filling->to += (uint32_t)part;
        store->len += part;
        data = slice_from(data, part);
        if (filling->to == SPOOL_DATA && !write_piece(worker, file)) {
            return false;
        }
    }
    return true;
}

static void open_file(struct body_store *store)
{
    struct body_file *file = xcalloc(1, sizeof(*file));

    file->store = store;
    file->begins = store->len;
    file->writing_tail = &file->writing;
    store->file = file;
}

static void close_file(struct worker *worker, struct body_file *file)
{
    if (file == NULL) {
        return;
    }
    for (struct spool_io *io = file->writing; io; io = io->next) {
        spool_forget(io);
    }
    for (uint64_t i = 0; i < file->count; i++) {
        spool_give(worker, file->slots[i]);
    }
    buffer_give(worker, file->filling);
    free(file->slots);
    free(file);
}

/* ---- in memory ---- */

static struct buffer *grow(struct worker *worker, struct body_store *store, size_t more)
{
    struct buffer *fresh =
        buffer_take(worker, store->first || more > BUFFER_SMALL / 2 ? BUFFER_LARGE - sizeof(*fresh) : more);

    if (fresh == NULL) {
        return NULL;
    }
    fresh->next = NULL;
    if (store->last) {
        store->last->next = fresh;
    } else {
        store->first = fresh;
    }
    store->last = fresh;
    return fresh;
}

static bool add_to_memory(struct worker *worker, struct body_store *store, struct slice data)
{
    while (data.len) {
        struct buffer *last = store->last;

        if ((last == NULL || last->to == last->size) && (last = grow(worker, store, data.len)) == NULL) {
            return fail(store, REASON_limit);
        }

        size_t part = last->size - last->to < data.len ? last->size - last->to : data.len;

        memcpy(last->data + last->to, data.ptr, part);
        last->to += (uint32_t)part;
        store->len += part;
        data = slice_from(data, part);
    }
    return true;
}

/* A disk is what there is more of; but a short body is not worth the large buffer that goes there. */
static uint64_t memory_most(const struct worker *worker, const struct body_store *store)
{
    return store->memory_most < MEMORY_LEAST || worker->budget.level >= BUDGET_TIGHT ? MEMORY_LEAST
                                                                                     : store->memory_most;
}

/* How much of what comes belongs into memory. */
static size_t for_memory(const struct worker *worker, const struct body_store *store, size_t len)
{
    uint64_t most = memory_most(worker, store), left = store->len < most ? most - store->len : 0;

    if (store->file) {
        return 0;
    }
    return left >= len || store->memory_most == 0 || !spool_there(worker) ? len : (size_t)left;
}

bool body_store_add(struct worker *worker, struct body_store *store, struct slice data)
{
    size_t part = for_memory(worker, store, data.len);

    if (store->failed != REASON_none || (part && !add_to_memory(worker, store, slice_of(data.ptr, part)))) {
        return false;
    }
    if (part == data.len) {
        return true;
    }
    if (store->file == NULL) {
        open_file(store);
    }
    return add_to_file(worker, store, slice_from(data, part));
}

bool body_store_is_busy(const struct body_store *store)
{
    return store->file && store->file->writes > WRITES_MOST;
}

bool body_store_is_written(const struct body_store *store)
{
    return store->file == NULL || store->file->writing == NULL;
}

void body_store_clear(struct worker *worker, struct body_store *store)
{
    while (store->first) {
        struct buffer *next = store->first->next;

        buffer_give(worker, store->first);
        store->first = next;
    }
    close_file(worker, store->file);
    store->last = NULL;
    store->file = NULL;
    store->len = 0;
    store->failed = REASON_none;
}

/* ---- readers ---- */

static void on_read(struct spool_io *io)
{
    struct body_place *place = io->context;

    place->io = NULL;
    place->piece = io->buffer;
    if (io->error) {
        spool_complain(io->spool, io->error);
        place->failed = REASON_spool_full;
    }
    place->ready(place);
}

/* What was read last is of no more use. */
static void forget_piece(struct worker *worker, struct body_place *place)
{
    buffer_give(worker, place->piece);
    place->piece = NULL;
}

/* The buffer that holds the piece, or NULL: it is being read, or the reader has failed. */
static const struct buffer *piece_of(struct worker *worker, const struct body_file *file,
                                     struct body_place *place, uint64_t number)
{
    uint64_t written = file->count - file->writes;

    if (number == file->count) {
        return file->filling;
    }
    if (number >= written) {
        const struct spool_io *io = file->writing;

        for (; number > written; number--) {
            io = io->next;
        }
        return io->buffer;
    }
    if (place->piece && place->piece_number == number) {
        return place->piece;
    }
    forget_piece(worker, place);
    place->piece_number = number;
    place->io = spool_read(worker, file->slots[number], on_read, place);
    if (place->io == NULL) {
        place->failed = REASON_limit;
    }
    return NULL;
}

static struct slice next_of_file(struct worker *worker, const struct body_store *store,
                                 struct body_place *place)
{
    const struct body_file *file = store->file;
    uint64_t in_file = place->offset - file->begins;
    size_t from = (size_t)(in_file % SPOOL_DATA);
    const struct buffer *buffer;

    if (store->failed == REASON_spool_full) {
        place->failed = REASON_spool_full;
    }
    if (place->io || place->failed != REASON_none ||
        (buffer = piece_of(worker, file, place, in_file / SPOOL_DATA)) == NULL) {
        return SLICE("");
    }

    struct slice piece = slice_of(buffer->data + from, buffer->to - from);

    place->offset += piece.len;
    return piece;
}

struct slice body_store_next(struct worker *worker, const struct body_store *store, struct body_place *place)
{
    if (place->offset == store->len) {
        return SLICE("");
    }
    if (store->file && place->offset >= store->file->begins) {
        return next_of_file(worker, store, place);
    }
    if (place->at == NULL) {
        place->at = store->first;
        place->at_offset = 0;
    }
    while (place->at_offset == place->at->to) {
        place->at = place->at->next;
        place->at_offset = 0;
    }

    struct slice piece = slice_of(place->at->data + place->at_offset, place->at->to - place->at_offset);

    place->at_offset = place->at->to;
    place->offset += piece.len;
    return piece;
}

void body_place_reset(struct worker *worker, struct body_place *place)
{
    spool_forget(place->io);
    forget_piece(worker, place);
    *place = (struct body_place){.ready = place->ready};
}
