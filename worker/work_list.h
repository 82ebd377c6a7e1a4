/*
 * work_list.h - what is to be done later, in the order in which it was noted, each thing once.
 *
 * A list inside of records: nothing is allocated, and whoever ends is taken out from wherever it stands.
 */
#ifndef WEIR_WORKER_WORK_LIST_H
#define WEIR_WORKER_WORK_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct work { /* zeroed: not in a list */
    struct work *next, **place;
};

struct work_list {
    struct work *first, **tail;
};

static inline void work_list_init(struct work_list *list)
{
    list->first = NULL;
    list->tail = &list->first;
}

static inline void work_add(struct work_list *list, struct work *work)
{
    if (work->place == NULL) {
        work->next = NULL;
        work->place = list->tail;
        *list->tail = work;
        list->tail = &work->next;
    }
}

/* Harmless when it is in no list. */
static inline void work_remove(struct work_list *list, struct work *work)
{
    if (work->place) {
        *work->place = work->next;
        if (work->next) {
            work->next->place = work->place;
        } else {
            list->tail = work->place;
        }
        work->place = NULL;
    }
}

#endif
