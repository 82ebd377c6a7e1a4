/*
 * nearest.c - "did you mean": the field whose name is the fewest keystrokes away.
 */
#include "common/schema/schema.h"

#define NAME_MAX_LEN 63

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, changes and swaps of neighbours that turn a into b; letter case costs nothing. */
static size_t distance(struct slice a, struct slice b)
{
    size_t before[NAME_MAX_LEN + 1], above[NAME_MAX_LEN + 1], row[NAME_MAX_LEN + 1];

    for (size_t j = 0; j <= b.len; j++) {
        before[j] = above[j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            unsigned char x = ascii_lower((unsigned char)a.ptr[i - 1]),
                          y = ascii_lower((unsigned char)b.ptr[j - 1]);

            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == ascii_lower((unsigned char)b.ptr[j - 2]) &&
                y == ascii_lower((unsigned char)a.ptr[i - 2])) {
                row[j] = least(row[j], before[j - 2] + 1);
            }
        }
        memcpy(before, above, sizeof(before));
        memcpy(above, row, sizeof(above));
    }
    return above[b.len];
}

/* Whether field is fewer keystrokes away than *best, and not too many; then *best is that number. */
static bool nearer(struct slice name, const char *text, size_t *best)
{
    struct slice field = slice_cstr(text);
    size_t longer = field.len > name.len ? field.len : name.len;

    if (name.len == 0 || name.len > NAME_MAX_LEN || field.len > NAME_MAX_LEN) {
        return false;
    }
    size_t away = distance(name, field);

    if (away * 3 > (longer < 3 ? 3 : longer) || away >= longer || away >= *best) {
        return false;
    }
    *best = away;
    return true;
}

const char *schema_nearest(const struct schema *schema, struct slice name)
{
    const char *best = NULL;
    size_t distance_of_best = SIZE_MAX;

    for (size_t i = 0; i < schema->count; i++) {
        best = nearer(name, schema->fields[i].name, &distance_of_best) ? schema->fields[i].name : best;
    }
    return best;
}

const char *schema_nearest_of(const char *const *names, struct slice name)
{
    const char *best = NULL;
    size_t distance_of_best = SIZE_MAX;

    for (; *names; names++) {
        best = nearer(name, *names, &distance_of_best) ? *names : best;
    }
    return best;
}
