/*
 * body_store.c - see body_store.h.
 */
#include "worker/body_store.h"

#include <string.h>

#include "worker/recycle.h"

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

bool body_store_add(struct worker *worker, struct body_store *store, struct slice data)
{
    while (data.len) {
        struct buffer *last = store->last;

        if ((last == NULL || last->to == last->size) && (last = grow(worker, store, data.len)) == NULL) {
            return false;
        }

        size_t part = last->size - last->to < data.len ? last->size - last->to : data.len;

        memcpy(last->data + last->to, data.ptr, part);
        last->to += (uint32_t)part;
        store->len += part;
        data = slice_from(data, part);
    }
    return true;
}

void body_store_clear(struct worker *worker, struct body_store *store)
{
    while (store->first) {
        struct buffer *next = store->first->next;

        buffer_give(worker, store->first);
        store->first = next;
    }
    *store = (struct body_store){.len = 0};
}

struct slice body_store_next(const struct body_store *store, struct body_place *place)
{
    if (!place->begun) {
        place->at = store->first;
        place->begun = place->at != NULL;
    }
    while (place->at && place->offset == place->at->to && place->at->next) {
        place->at = place->at->next;
        place->offset = 0;
    }
    if (place->at == NULL || place->offset == place->at->to) {
        return SLICE("");
    }

    struct slice piece = slice_of(place->at->data + place->offset, place->at->to - place->offset);

    place->offset = place->at->to;
    return piece;
}
