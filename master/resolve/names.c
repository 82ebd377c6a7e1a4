/*
 * names.c - finding objects by name at the same cost for ten and for a million, and the words of circles.
 */
#include "common/base/hash.h"
#include "common/base/text.h"
#include "master/resolve/resolver.h"

void name_table_make(struct pool *pool, struct name_table *table, void *elements, size_t count)
{
    size_t size = 16;

    while (size < count * 2) {
        size *= 2;
    }
    table->elements = elements;
    table->size = size;
    table->slots = pool_zalloc(pool, size * sizeof(*table->slots));
    for (size_t i = 0; i < count; i++) {
        size_t at = hash_slice(0, table->elements[i]->name) & (size - 1);

        while (table->slots[at]) {
            at = (at + 1) & (size - 1);
        }
        table->slots[at] = (uint32_t)i + 1;
    }
}

static uint32_t find_exact(const struct name_table *table, struct slice name)
{
    for (size_t at = hash_slice(0, name) & (table->size - 1); table->slots[at];
         at = (at + 1) & (table->size - 1)) {
        if (slice_eq(table->elements[table->slots[at] - 1]->name, name)) {
            return table->slots[at] - 1;
        }
    }
    return NOWHERE;
}

struct slice qualified(struct pool *pool, struct slice name, struct slice provider)
{
    char *text;

    if (slice_find(name, '@') >= 0) {
        return name;
    }
    text = pool_alloc(pool, name.len + provider.len + 1);
    if (name.len) {
        memcpy(text, name.ptr, name.len);
    }
    text[name.len] = '@';
    if (provider.len) {
        memcpy(text + name.len + 1, provider.ptr, provider.len);
    }
    return slice_of(text, name.len + provider.len + 1);
}

uint32_t name_table_find(struct pool *pool, const struct name_table *table, struct slice name,
                         struct slice provider)
{
    char full[512];

    if (slice_find(name, '@') >= 0) {
        return find_exact(table, name);
    }
    if (name.len + provider.len + 1 > sizeof(full)) {
        return find_exact(table, qualified(pool, name, provider));
    }
    if (name.len) {
        memcpy(full, name.ptr, name.len);
    }
    full[name.len] = '@';
    if (provider.len) {
        memcpy(full + name.len + 1, provider.ptr, provider.len);
    }
    return find_exact(table, slice_of(full, name.len + provider.len + 1));
}

static void add_way(struct text *text, const char *kind, const struct frame *frame)
{
    if (frame == NULL) {
        return;
    }
    add_way(text, kind, frame->above);
    text_printf(text, "%s:%.*s->", kind, SLICE_ARG(frame->name));
}

struct slice recursion(struct pool *pool, const char *kind, struct slice name, const struct frame *above)
{
    bool found = above && above->depth >= DEPTH_MAX;
    struct text text;

    for (const struct frame *frame = above; frame && !found; frame = frame->above) {
        found = slice_eq(frame->name, name);
    }
    if (!found) {
        return (struct slice){NULL, 0};
    }
    text_init(&text);
    text_printf(&text, "could not instantiate %s %.*s: recursion detected in ", kind, SLICE_ARG(name));
    add_way(&text, kind, above);
    text_printf(&text, "%s:%.*s", kind, SLICE_ARG(name));
    struct slice copy = pool_copy(pool, text_slice(&text));

    text_free(&text);
    return copy;
}

struct slice errors_joined(struct pool *pool, const struct element *element)
{
    const struct slice *errors = element->errors.items;
    struct text text;

    text_init(&text);
    for (size_t i = 0; i < element->errors.count; i++) {
        text_printf(&text, "%s%.*s", i ? ", " : "", SLICE_ARG(errors[i]));
    }
    struct slice copy = text.len ? pool_copy(pool, text_slice(&text)) : SLICE("it is disabled");

    text_free(&text);
    return copy;
}

struct slice blamed(struct pool *pool, const struct element *user, const struct element *other,
                    struct slice text)
{
    struct slice object = other->origin.object;

    return object.len == 0 || slice_eq(object, user->origin.object)
               ? text
               : pool_printf(pool, "%.*s: %.*s", SLICE_ARG(object), SLICE_ARG(text));
}

void list_add_slice(struct pool *pool, struct list *list, size_t *capacity, struct slice item)
{
    list->items = pool_grow(pool, list->items, list->count, capacity, sizeof(item));
    ((struct slice *)list->items)[list->count++] = item;
}
