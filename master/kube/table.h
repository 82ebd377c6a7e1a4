/*
 * table.h - what is known of a cluster now: objects in the order of a store, each with the reflector that brought it.
 *
 * Written by the thread that watches, made into stores by others: every function takes the table's lock.
 */
#ifndef WEIR_MASTER_KUBE_TABLE_H
#define WEIR_MASTER_KUBE_TABLE_H

#include "master/kube/carried.h"
#include "master/source/store.h"

struct kube_table;

struct kube_table *kube_table_new(void);
void kube_table_free(struct kube_table *table);
/* Takes over the reference to a batch of one object. `round` marks it as seen (kube_table_sweep). False when the same was
 * there already: then nothing changes but the mark. */
bool kube_table_put(struct kube_table *table, struct kube_batch *batch, uint32_t owner, uint32_t round);
/* True when it was there. */
bool kube_table_remove(struct kube_table *table, const struct kube_object *object);
/* Removes the owner's objects that carry another mark; true when there was one. */
bool kube_table_sweep(struct kube_table *table, uint32_t owner, uint32_t round);
/* Gives `to` the objects that an owner has in `from`, with their marks; they are those of owner to_owner there. True when
 * something changed. */
bool kube_table_copy(struct kube_table *from, uint32_t owner, struct kube_table *to, uint32_t to_owner);
struct kube_note { /* beside an object whose status weir writes */
    struct kube_carried carried;
    uint64_t term;           /* of what we wrote; 0: nothing yet */
    struct kube_words words; /* that */
};

/* False: the object is not there, or not this one any more, or of a kind without status. */
bool kube_table_note(struct kube_table *table, const struct kube_object *object, struct kube_note *out);
/* What was written to an object of that name and uid, if it is still there. */
void kube_table_written(struct kube_table *table, const struct kube_object *object, uint64_t term,
                        const struct kube_words *words);

/* All of it as it is now: one reference for the caller. */
struct kube_store *kube_table_store(struct kube_table *table);

/* ---- what changed since somebody looked ---- */
struct kube_change {                 /* of one object; one reference each */
    struct kube_batch *before, *now; /* NULL: it was not there, is not there any more */
};

/* The same as kube_table_store(), and from here on changes are noted for one reader. */
struct kube_store *kube_table_look(struct kube_table *table);
/* What changed since the last kube_table_look() or kube_table_changes(), in order; *out is the caller's
 * (kube_changes_free). *now: where that is more than EndpointSlices and Endpoints, all of it as it is after these changes, one
 * reference for the caller; else NULL. False: too much has changed: only a new look tells what is there. */
bool kube_table_changes(struct kube_table *table, struct kube_change **out, size_t *count,
                        struct kube_store **now);
/* Whether it is of one of the two kinds that say where a Service's servers are. */
bool kube_change_is_servers(const struct kube_change *change);
/* For a reader who has to look anew though nothing changed: the next kube_table_changes() is false. */
void kube_table_doubt(struct kube_table *table);
void kube_changes_free(struct kube_change *changes, size_t count);

#endif
