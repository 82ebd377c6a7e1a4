/*
 * join.c - two maps as one: whoever takes names in any letter case may find one section of a text in two places.
 */
#include "common/doc/doc_internal.h"

static bool add(struct pool *pool, struct doc *both, struct doc_index *index, const struct doc_entry *entry)
{
    uint32_t at;

    if (doc_index_add(index, entry->key, (uint32_t)both->map.count)) {
        doc_map_append(pool, both, entry->key, entry->line, entry->value);
        return true;
    }
    if (!doc_index_find(index, entry->key, &at) || entry->value->kind != DOC_MAP ||
        both->map.entries[at].value->kind != DOC_MAP) {
        return false;
    }
    const struct doc_entry *twice;
    struct doc *joined = doc_join(pool, both->map.entries[at].value, entry->value, &twice);

    both->map.entries[at].value = joined;
    return joined != NULL;
}

struct doc *doc_join(struct pool *pool, const struct doc *a, const struct doc *b,
                     const struct doc_entry **twice)
{
    const struct doc *const parts[] = {a, b};
    struct doc *both = doc_make(pool, DOC_MAP, a->file, a->line, a->column);
    struct doc_index index = {0};

    for (size_t part = 0; both && part < ARRAY_LEN(parts); part++) {
        for (size_t i = 0; both && i < parts[part]->map.count; i++) {
            if (!add(pool, both, &index, &parts[part]->map.entries[i])) {
                *twice = &parts[part]->map.entries[i];
                both = NULL;
            }
        }
    }
    doc_index_free(&index);
    return both;
}
