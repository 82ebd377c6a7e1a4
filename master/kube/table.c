/*
 * table.c - one sorted array under a lock; contract in table.h.
 */
#include "master/kube/table.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "master/kube/object.h"

#define CHANGES_MOST 1024u

struct entry {
    struct kube_batch *batch;
    uint32_t owner, round;
    struct kube_note *note; /* NULL: of a kind without status */
};

struct kube_table {
    pthread_mutex_t mutex;
    struct entry *entries;
    size_t count, capacity;
    struct kube_change *changes; /* since the last look, CHANGES_MOST at most */
    size_t change_count;
    bool noted; /* `changes` are all that changed since then */
};

static void entry_free(struct entry *entry)
{
    batch_unref(entry->batch);
    free(entry->note);
}

struct kube_table *kube_table_new(void)
{
    struct kube_table *table = xcalloc(1, sizeof(*table));

    (void)pthread_mutex_init(&table->mutex, NULL);
    return table;
}

void kube_table_free(struct kube_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        entry_free(&table->entries[i]);
    }
    kube_changes_free(table->changes, table->change_count);
    (void)pthread_mutex_destroy(&table->mutex);
    free(table->entries);
    free(table);
}

/* Where the object is or belongs; *found says which. */
static size_t position(const struct kube_table *table, const struct kube_object *object, bool *found)
{
    size_t low = 0, high = table->count;

    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = store_order(&table->entries[middle].batch->objects[0], object);

        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* ---- what changed ---- */
void kube_changes_free(struct kube_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        batch_unref(changes[i].before);
        batch_unref(changes[i].now);
    }
    free(changes);
}

static void forget_changes(struct kube_table *table, bool noted)
{
    kube_changes_free(table->changes, table->change_count);
    table->changes = NULL;
    table->change_count = 0;
    table->noted = noted;
}

bool kube_change_is_servers(const struct kube_change *change)
{
    struct slice kind = (change->now ? change->now : change->before)->objects[0].kind;

    return slice_eq(kind, SLICE("EndpointSlice")) || slice_eq(kind, SLICE("Endpoints"));
}

/* References of its own. */
static void note(struct kube_table *table, struct kube_batch *before, struct kube_batch *now)
{
    if (!table->noted) {
        return;
    }
    if (table->change_count == CHANGES_MOST) {
        forget_changes(table, false);
        return;
    }
    if (table->changes == NULL) {
        table->changes = xcalloc(CHANGES_MOST, sizeof(*table->changes));
    }
    table->changes[table->change_count++] =
        (struct kube_change){before ? batch_ref(before) : NULL, now ? batch_ref(now) : NULL};
}

static void insert(struct kube_table *table, size_t at, struct entry entry)
{
    if (table->count == table->capacity) {
        table->capacity = table->capacity ? table->capacity * 2 : 64;
        table->entries = xrealloc(table->entries, table->capacity * sizeof(*table->entries));
    }
    memmove(&table->entries[at + 1], &table->entries[at], (table->count - at) * sizeof(*table->entries));
    table->entries[at] = entry;
    table->count++;
}

static struct slice uid_of(const struct kube_object *object)
{
    return doc_text(doc_path(object->doc, "metadata", "uid", NULL), SLICE(""));
}

/* What was written stands as long as it is the same object, whatever became of it. */
static struct kube_note *note_of(const struct entry *before, const struct kube_batch *batch)
{
    struct kube_note *note;

    if (batch->carried == NULL) {
        return NULL;
    }
    note = xcalloc(1, sizeof(*note));
    if (before && before->note && slice_eq(uid_of(before->batch->objects), uid_of(batch->objects))) {
        *note = *before->note;
    }
    note->carried = *batch->carried;
    return note;
}

bool kube_table_put(struct kube_table *table, struct kube_batch *batch, uint32_t owner, uint32_t round)
{
    struct entry entry = {batch, owner, round, NULL}, old = {.batch = NULL};
    bool found, changed = true;

    pthread_mutex_lock(&table->mutex);

    size_t at = position(table, &batch->objects[0], &found);

    if (found) {
        old = table->entries[at];
    }
    entry.note = note_of(found ? &old : NULL, batch);
    if (!found) {
        note(table, NULL, batch);
        insert(table, at, entry);
    } else if (kube_object_same(old.batch, batch)) {
        entry.batch = old.batch;
        old.batch = batch;
        table->entries[at] = entry;
        changed = false;
    } else {
        note(table, old.batch, batch);
        table->entries[at] = entry;
    }
    pthread_mutex_unlock(&table->mutex);
    entry_free(&old);
    return changed;
}

bool kube_table_remove(struct kube_table *table, const struct kube_object *object)
{
    struct entry old = {.batch = NULL};
    bool found;

    pthread_mutex_lock(&table->mutex);

    size_t at = position(table, object, &found);

    if (found) {
        old = table->entries[at];
        note(table, old.batch, NULL);
        table->count--;
        memmove(&table->entries[at], &table->entries[at + 1], (table->count - at) * sizeof(*table->entries));
    }
    pthread_mutex_unlock(&table->mutex);
    entry_free(&old);
    return found;
}

bool kube_table_sweep(struct kube_table *table, uint32_t owner, uint32_t round)
{
    size_t kept = 0, before;

    pthread_mutex_lock(&table->mutex);
    before = table->count;
    for (size_t i = 0; i < before; i++) {
        if (table->entries[i].owner == owner && table->entries[i].round != round) {
            note(table, table->entries[i].batch, NULL);
            entry_free(&table->entries[i]);
        } else {
            table->entries[kept++] = table->entries[i];
        }
    }
    table->count = kept;
    pthread_mutex_unlock(&table->mutex);
    return kept != before;
}

/* References of its own, so that no two tables are locked at once. */
static struct entry *entries_of(struct kube_table *table, uint32_t owner, size_t *count)
{
    struct entry *out;

    pthread_mutex_lock(&table->mutex);
    out = xcalloc(table->count + 1, sizeof(*out));
    *count = 0;
    for (size_t i = 0; i < table->count; i++) {
        if (table->entries[i].owner == owner) {
            out[*count] = table->entries[i];
            (void)batch_ref(out[(*count)++].batch);
        }
    }
    pthread_mutex_unlock(&table->mutex);
    return out;
}

bool kube_table_copy(struct kube_table *from, uint32_t owner, struct kube_table *to, uint32_t to_owner)
{
    size_t count;
    struct entry *entries = entries_of(from, owner, &count);
    bool changed = false;

    for (size_t i = 0; i < count; i++) {
        changed |= kube_table_put(to, entries[i].batch, to_owner, entries[i].round);
    }
    free(entries);
    return changed;
}

bool kube_table_note(struct kube_table *table, const struct kube_object *object, struct kube_note *out)
{
    bool found;

    pthread_mutex_lock(&table->mutex);

    size_t at = position(table, object, &found);

    found = found && table->entries[at].note && table->entries[at].batch->objects == object;
    if (found) {
        *out = *table->entries[at].note;
    }
    pthread_mutex_unlock(&table->mutex);
    return found;
}

void kube_table_written(struct kube_table *table, const struct kube_object *object, uint64_t term,
                        const struct kube_words *words)
{
    bool found;

    pthread_mutex_lock(&table->mutex);

    size_t at = position(table, object, &found);

    if (found && table->entries[at].note &&
        slice_eq(uid_of(table->entries[at].batch->objects), uid_of(object))) {
        table->entries[at].note->term = term;
        table->entries[at].note->words = *words;
    }
    pthread_mutex_unlock(&table->mutex);
}

/* Under the lock. */
static struct kube_store *store_now(struct kube_table *table)
{
    struct kube_batch **batches = xcalloc(table->count + 1, sizeof(struct kube_batch *));
    struct kube_store *store;

    for (size_t i = 0; i < table->count; i++) {
        batches[i] = table->entries[i].batch;
    }
    store = store_from_sorted(batches, table->count);
    free(batches);
    return store;
}

struct kube_store *kube_table_store(struct kube_table *table)
{
    struct kube_store *store;

    pthread_mutex_lock(&table->mutex);
    store = store_now(table);
    pthread_mutex_unlock(&table->mutex);
    return store;
}

struct kube_store *kube_table_look(struct kube_table *table)
{
    struct kube_store *store;

    pthread_mutex_lock(&table->mutex);
    store = store_now(table);
    forget_changes(table, true);
    pthread_mutex_unlock(&table->mutex);
    return store;
}

static bool only_servers(const struct kube_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!kube_change_is_servers(&changes[i])) {
            return false;
        }
    }
    return true;
}

bool kube_table_changes(struct kube_table *table, struct kube_change **out, size_t *count,
                        struct kube_store **now)
{
    bool noted;

    pthread_mutex_lock(&table->mutex);
    noted = table->noted;
    *now = noted && !only_servers(table->changes, table->change_count) ? store_now(table) : NULL;
    *out = table->changes;
    *count = table->change_count;
    table->changes = NULL;
    table->change_count = 0;
    pthread_mutex_unlock(&table->mutex);
    return noted;
}

void kube_table_doubt(struct kube_table *table)
{
    pthread_mutex_lock(&table->mutex);
    forget_changes(table, false);
    pthread_mutex_unlock(&table->mutex);
}
