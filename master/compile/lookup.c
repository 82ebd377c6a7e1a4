/*
 * lookup.c - the objects of a model by their names, and what the compiler finds wrong with one.
 */
#include <stdarg.h>
#include <stdio.h>

#include "common/base/hash.h"
#include "master/compile/compiler.h"

void name_index_make(struct pool *pool, struct name_index *index, void *elements, size_t count)
{
    size_t size = 16, mask;

    while (size < count * 2) {
        size *= 2;
    }
    mask = size - 1;
    index->size = size;
    index->elements = elements; /* arrays of pointers to structs that begin with their element */
    index->slots = pool_zalloc(pool, size * sizeof(*index->slots));
    for (size_t i = 0; i < count; i++) {
        size_t at = hash_slice(0, index->elements[i]->name) & mask;

        while (index->slots[at]) {
            at = (at + 1) & mask;
        }
        index->slots[at] = (uint32_t)i + 1;
    }
}

static uint32_t name_find_exact(const struct name_index *index, struct slice name)
{
    size_t mask = index->size - 1;

    for (size_t at = hash_slice(0, name) & mask; index->slots[at]; at = (at + 1) & mask) {
        if (slice_eq(index->elements[index->slots[at] - 1]->name, name)) {
            return index->slots[at] - 1;
        }
    }
    return NUMBER_NONE;
}

uint32_t name_find(const struct compiler *compiler, const struct name_index *index, struct slice name,
                   struct slice provider)
{
    uint32_t found = name_find_exact(index, name);

    if (found == NUMBER_NONE && slice_find(name, '@') < 0) {
        char *full = pool_alloc(compiler->pool, name.len + 1 + provider.len); /* no printf: of every router */

        if (name.len) {
            memcpy(full, name.ptr, name.len);
        }
        full[name.len] = '@';
        if (provider.len) {
            memcpy(full + name.len + 1, provider.ptr, provider.len);
        }
        found = name_find_exact(index, slice_of(full, name.len + 1 + provider.len));
    }
    return found;
}

void compile_note(struct compiler *compiler, struct element *element, bool critical, const char *format, ...)
{
    char text[1024];
    va_list args;
    const struct slice *errors = element->errors.items;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (size_t i = 0; i < element->errors.count; i++) {
        if (slice_eq(errors[i], slice_cstr(text))) {
            return;
        }
    }
    compiler->doubts = compiler->doubts || critical;
    compiler->noted = true;
    element_error(compiler->model, element, critical, "%s", text);
}
