/*
 * split.c - boundaries of JSON values in a stream; contract in split.h.
 */
#include "master/kube/split.h"

#include <errno.h>

enum state {
    BEFORE, /* the list's opening brace, or the next object of a sequence */
    KEY_OR_END,
    KEY_WANTED,
    KEY,
    KEY_ESCAPE,
    COLON,
    MEMBER,
    MEMBER_END,
    ITEM_OR_END,
    ITEM,
    ITEM_END,
    VALUE, /* collecting */
    AFTER, /* the list's closing brace was seen */
};

void split_init(struct split *split, enum split_shape shape, size_t limit,
                const struct split_handlers *handlers, void *context)
{
    *split = (struct split){
        .shape = shape, .limit = limit, .handlers = handlers, .context = context, .state = BEFORE};
    text_init(&split->value);
}

void split_free(struct split *split)
{
    text_free(&split->value);
}

bool split_at_end(const struct split *split)
{
    return split->state == (split->shape == SPLIT_LIST ? AFTER : BEFORE);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static void keep(struct split *split, struct slice bytes)
{
    split->length += bytes.len;
    if (split->length <= split->limit) {
        text_add(&split->value, bytes);
    } else {
        text_free(&split->value); /* what was kept of it is of no use */
        text_init(&split->value);
    }
}

static void value_begin(struct split *split, char first, bool is_item)
{
    text_clear(&split->value);
    split->length = 0;
    split->depth = 0;
    split->in_string = split->escaped = false;
    split->scalar = first != '{' && first != '[' && first != '"';
    split->is_item = is_item;
    split->state = VALUE;
}

static void value_done(struct split *split)
{
    split->state = split->shape == SPLIT_SEQUENCE ? BEFORE : split->is_item ? ITEM_END : MEMBER_END;
    if (split->length > split->limit) {
        split->handlers->on_oversize(split->context, split->length);
    } else if (split->is_item) {
        split->handlers->on_item(split->context, text_slice(&split->value));
    } else {
        split->handlers->on_member(split->context, slice_of(split->key, split->key_length),
                                   text_slice(&split->value));
    }
}

/* One byte inside a value that is no scalar; true when it is the last. */
static bool value_ends(struct split *split, char c)
{
    if (split->in_string) {
        if (split->escaped) {
            split->escaped = false;
        } else if (c == '\\') {
            split->escaped = true;
        } else if (c == '"') {
            split->in_string = false;
            return split->depth == 0;
        }
        return false;
    }
    if (c == '"') {
        split->in_string = true;
    } else if (c == '{' || c == '[') {
        split->depth++;
    } else if ((c == '}' || c == ']') && --split->depth == 0) {
        return true;
    }
    return false;
}

/* Takes as much of the bytes as belongs to the value; returns how much that is. */
static size_t take_value(struct split *split, struct slice bytes)
{
    size_t at = 0;

    if (split->scalar) {
        while (at < bytes.len && !is_blank(bytes.ptr[at]) && strchr(",}]", bytes.ptr[at]) == NULL) {
            at++;
        }
        keep(split, slice_head(bytes, at));
        if (at < bytes.len) {
            value_done(split);
        }
        return at;
    }
    while (at < bytes.len) {
        if (value_ends(split, bytes.ptr[at++])) {
            keep(split, slice_head(bytes, at));
            value_done(split);
            return at;
        }
    }
    keep(split, bytes);
    return at;
}

static int unexpected(char c, const char *wanted, struct error *why)
{
    return error_set(why, -EPROTO, "malformed answer: byte 0x%02x where %s is expected",
                     (unsigned)(unsigned char)c, wanted);
}

static void take_key(struct split *split, char c)
{
    if (split->state == KEY && c == '"') {
        split->state = COLON;
        return;
    }
    if (split->key_length < sizeof(split->key)) {
        split->key[split->key_length++] = c;
    }
    split->state = split->state == KEY && c == '\\' ? KEY_ESCAPE : KEY;
}

/* One byte between values. *again: it is the first byte of a value, to be taken once more. */
static int step(struct split *split, char c, bool *again, struct error *why)
{
    switch ((enum state)split->state) {
    case BEFORE:
        if (c != '{') {
            return unexpected(c, "an object", why);
        }
        if (split->shape == SPLIT_LIST) {
            split->state = KEY_OR_END;
        } else {
            value_begin(split, c, true);
            *again = true;
        }
        return 0;
    case KEY_OR_END:
    case KEY_WANTED:
        if (c == '"') {
            split->key_length = 0;
            split->state = KEY;
        } else if (c == '}' && split->state == KEY_OR_END) {
            split->state = AFTER;
        } else {
            return unexpected(c, "a key", why);
        }
        return 0;
    case COLON:
        split->state = MEMBER;
        return c == ':' ? 0 : unexpected(c, "a colon", why);
    case MEMBER:
        if (c == '[' && slice_eq(slice_of(split->key, split->key_length), SLICE("items"))) {
            split->state = ITEM_OR_END;
            return 0;
        }
        break;
    case ITEM_OR_END:
        if (c == ']') {
            split->state = MEMBER_END;
            return 0;
        }
        break;
    case ITEM:
        break;
    case MEMBER_END:
        split->state = c == '}' ? AFTER : KEY_WANTED;
        return c == '}' || c == ',' ? 0 : unexpected(c, "a comma", why);
    case ITEM_END:
        split->state = c == ']' ? MEMBER_END : ITEM;
        return c == ']' || c == ',' ? 0 : unexpected(c, "a comma", why);
    case AFTER:
    case KEY:
    case KEY_ESCAPE:
    case VALUE:
        return unexpected(c, "the end", why);
    }
    if (strchr(",:]}", c) != NULL) { /* also NUL */
        return unexpected(c, "a value", why);
    }
    value_begin(split, c, split->state != MEMBER);
    *again = true;
    return 0;
}

int split_feed(struct split *split, struct slice bytes, struct error *why)
{
    while (bytes.len > 0) {
        char c = bytes.ptr[0];
        bool again = false;
        int rc;

        if (split->state == VALUE) {
            bytes = slice_from(bytes, take_value(split, bytes));
            continue;
        }
        if (split->state == KEY || split->state == KEY_ESCAPE) {
            take_key(split, c);
        } else if (!is_blank(c) && (rc = step(split, c, &again, why)) < 0) {
            return rc;
        }
        bytes = slice_from(bytes, again ? 0 : 1);
    }
    return 0;
}
