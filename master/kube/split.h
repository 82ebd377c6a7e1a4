/*
 * split.h - finds the objects in a stream of JSON while it arrives, so that no list is ever held whole.
 *
 * Two shapes: the answer to a list (one object whose member "items" is an array: each element is given by itself, the
 * other members too) and the answer to a watch (one object after another). Bytes may come in any cuts. Only boundaries are
 * found here (strings, escapes, nesting); whether a part is JSON is for doc_read_json() to say, which gets it whole.
 */
#ifndef WEIR_MASTER_KUBE_SPLIT_H
#define WEIR_MASTER_KUBE_SPLIT_H

#include "common/base/error.h"
#include "common/base/text.h"

enum split_shape { SPLIT_LIST, SPLIT_SEQUENCE };

#define SPLIT_KEY_MAX 64 /* of the members beside "items": longer ones are given cut */

struct split_handlers { /* the text holds until the handler returns */
    void (*on_item)(void *context, struct slice text);
    void (*on_member)(void *context, struct slice key, struct slice text); /* SPLIT_LIST only */
    void (*on_oversize)(void *context, size_t length); /* an item or member over the limit was passed over */
};

struct split {
    enum split_shape shape;
    const struct split_handlers *handlers;
    void *context;
    size_t limit;
    uint8_t state;
    /* the value being collected */
    struct text value;
    size_t length; /* of all of it, also when it is over the limit and not kept */
    uint32_t depth;
    bool in_string, escaped, scalar, is_item;
    /* key of the member */
    char key[SPLIT_KEY_MAX];
    size_t key_length;
};

void split_init(struct split *split, enum split_shape shape, size_t limit,
                const struct split_handlers *handlers, void *context);
void split_free(struct split *split);
/* -EPROTO when it cannot be such a stream: nothing is to be fed any more. A handler must not feed or free. */
int split_feed(struct split *split, struct slice bytes, struct error *why);
/* True when the stream could end here: a whole list, or no object begun. */
bool split_at_end(const struct split *split);

#endif
