/*
 * h2_bytes.c - see h2_bytes.h.
 */
#include "worker/h2_bytes.h"

#include <string.h>

#define PIECE_LEAST 1024 /* a new buffer has room for so much at least */

bool h2_bytes_add(struct worker *worker, struct h2_bytes *bytes, struct slice data)
{
    while (data.len) {
        struct buffer *last = bytes->last;

        if (last == NULL || last->to == last->size) {
            size_t room = data.len < PIECE_LEAST ? PIECE_LEAST : data.len;
            struct buffer *fresh =
                buffer_take(worker, room < BUFFER_LARGE / 2 ? room : BUFFER_LARGE - sizeof(*fresh));

            if (fresh == NULL) {
                return false;
            }
            *(last ? &last->next : &bytes->first) = fresh;
            bytes->last = last = fresh;
        }

        size_t part = last->size - last->to < data.len ? last->size - last->to : data.len;

        memcpy(last->data + last->to, data.ptr, part);
        last->to += (uint32_t)part;
        bytes->len += part;
        data = slice_from(data, part);
    }
    return true;
}

struct buffer *h2_bytes_pop(struct h2_bytes *bytes)
{
    struct buffer *first = bytes->first;

    bytes->first = first->next;
    bytes->last = bytes->first ? bytes->last : NULL;
    bytes->len -= buffer_len(first);
    return first;
}

void h2_bytes_drop(struct worker *worker, struct h2_bytes *bytes)
{
    while (bytes->first) {
        buffer_give(worker, h2_bytes_pop(bytes));
    }
}

size_t h2_bytes_take(struct worker *worker, struct h2_bytes *bytes, uint8_t *to, size_t len)
{
    size_t done = 0;

    while (bytes->first && done < len) {
        struct buffer *first = bytes->first;
        size_t part = buffer_len(first) < len - done ? buffer_len(first) : len - done;

        memcpy(to + done, first->data + first->from, part);
        first->from += (uint32_t)part;
        bytes->len -= part;
        done += part;
        if (buffer_len(first) == 0) {
            buffer_give(worker, h2_bytes_pop(bytes));
        }
    }
    return done;
}
