/*
 * unread.c - finds name and namespace in an object of which nothing can be trusted but its nesting; contract in unread.h.
 *
 * Its metadata may be no better than the rest: they hold the fields that others manage, as deep as the object.
 */
#include "master/kube/unread.h"

#include <stdio.h>

#include "master/kube/split.h"

#define PART_MAX (8u << 20)

enum level {
    OUTSIDE,
    IN_OBJECT,
    IN_METADATA
}; /* OUTSIDE: the members of an event or of an object are given now */

struct finder {
    struct slice namespace, name; /* in buffers */
    char namespace_buffer[256], name_buffer[256];
    enum level where;
};

static void find(struct finder *finder, struct slice text);

static struct slice take(char *buf, size_t size, struct slice quoted)
{
    struct slice text = slice_trim(quoted);

    if (text.len < 2 || text.ptr[0] != '"') {
        return SLICE("");
    }
    (void)snprintf(buf, size, "%.*s", (int)(text.len - 2),
                   text.ptr + 1); /* the server lets no other letters in */
    return slice_cstr(buf);
}

static void inside(struct finder *finder, enum level where, struct slice text)
{
    enum level before = finder->where;

    finder->where = where;
    find(finder, text);
    finder->where = before;
}

static void on_item(void *context, struct slice text)
{
    (void)context;
    (void)text;
}

static void on_member(void *context, struct slice key, struct slice text)
{
    struct finder *finder = context;

    if (finder->where == IN_METADATA && slice_eq(key, SLICE("name"))) {
        finder->name = take(finder->name_buffer, sizeof(finder->name_buffer), text);
    } else if (finder->where == IN_METADATA && slice_eq(key, SLICE("namespace"))) {
        finder->namespace = take(finder->namespace_buffer, sizeof(finder->namespace_buffer), text);
    } else if (finder->where != IN_METADATA && slice_eq(key, SLICE("metadata"))) {
        inside(finder, IN_METADATA, text);
    } else if (finder->where == OUTSIDE && slice_eq(key, SLICE("object"))) {
        inside(finder, IN_OBJECT, text);
    }
}

static void on_oversize(void *context, size_t length)
{
    (void)context;
    (void)length;
}

static void find(struct finder *finder, struct slice text)
{
    static const struct split_handlers handlers = {on_item, on_member, on_oversize};
    struct split split;
    struct error why;

    split_init(&split, SPLIT_LIST, PART_MAX, &handlers, finder);
    (void)split_feed(&split, text, &why); /* what came before it is no good is found */
    split_free(&split);
}

void kube_unread_name(struct slice text, char *buf, size_t size)
{
    struct finder finder = {.namespace = SLICE(""), .name = SLICE("")};

    find(&finder, text);
    (void)snprintf(buf, size, "%s%.*s%s%.*s", finder.name.len ? " " : "", SLICE_ARG(finder.namespace),
                   finder.namespace.len ? "/" : "", SLICE_ARG(finder.name));
}
