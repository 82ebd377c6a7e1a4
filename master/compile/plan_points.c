/*
 * plan_points.c - entry points as the plan needs them: their numbers, and what each refuses in a path.
 */
#include <stdlib.h>

#include "master/compile/compiler.h"

uint32_t entry_point_number(const struct map *entry_points, struct slice name)
{
    size_t low = 0, high = entry_points->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = slice_cmp(entry_points->keys[middle], name);

        if (order == 0) {
            return (uint32_t)middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NUMBER_NONE;
}

static int number_order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

size_t plan_entry_points(struct compiler *compiler, struct http_router *router, uint32_t **out)
{
    const struct slice *names = router->entry_points.items;
    uint32_t *numbers = pool_alloc(compiler->pool, (router->entry_points.count + 1) * sizeof(*numbers));
    size_t count = 0, unique = 0;

    for (size_t i = 0; i < router->entry_points.count; i++) {
        uint32_t number = entry_point_number(&compiler->config->entry_points, names[i]);

        if (number == NUMBER_NONE) {
            compile_note(compiler, &router->element, false, "entry point %.*s does not exist",
                         SLICE_ARG(names[i]));
        } else {
            numbers[count++] = number;
        }
    }
    if (count > 1) {
        qsort(numbers, count, sizeof(*numbers), number_order);
    }
    for (size_t i = 0; i < count; i++) {
        if (unique == 0 || numbers[unique - 1] != numbers[i]) {
            numbers[unique++] = numbers[i];
        }
    }
    *out = numbers;
    return unique;
}

void plan_denied(struct compiler *compiler)
{
    const struct map *map = &compiler->config->entry_points;
    const struct entry_point *entry_points = map->values;

    compiler->denied = pool_zalloc(compiler->pool, (map->count + 1) * sizeof(*compiler->denied));
    for (size_t i = 0; i < map->count; i++) {
        const struct encoded_characters *allow = &entry_points[i].http.encoded_characters;
        const bool order[] = {allow->allow_encoded_slash,
                              allow->allow_encoded_back_slash,
                              allow->allow_encoded_null_character,
                              allow->allow_encoded_semicolon,
                              allow->allow_encoded_percent,
                              allow->allow_encoded_question_mark,
                              allow->allow_encoded_hash};

        for (size_t bit = 0; bit < ARRAY_LEN(order); bit++) {
            compiler->denied[i] |= order[bit] ? 0 : 1u << bit;
        }
    }
}
