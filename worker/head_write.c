/*
 * head_write.c - see head_write.h.
 */
#include "worker/head_write.h"

static inline void put_field(struct stage *stage, struct slice name, struct slice value)
{
    size_t need = name.len + value.len + 4;
    char *to;

    if (stage->capacity - stage->len < need) {
        stage_reserve(stage, need);
    }
    to = stage->ptr + stage->len;
    stage->len += need;
    memcpy(to, name.ptr, name.len);
    to += name.len;
    memcpy(to, ": ", 2);
    to += 2;
    if (value.len) {
        memcpy(to, value.ptr, value.len);
    }
    memcpy(to + value.len, "\r\n", 2);
}

void head_put_field(struct stage *stage, struct slice name, struct slice value)
{
    put_field(stage, name, value);
}

/* Made from configuration or from decoded parts of the request: must not end the line. */
static bool harmless(const struct header *item)
{
    return header_value_valid(item->value) && (item->id != HEADER_OTHER || header_name_valid(item->name));
}

uint64_t head_put_fields(struct stage *stage, const struct headers *headers, uint64_t skip, bool check)
{
    struct slice run = {NULL, 0};
    uint64_t written = 0;

    for (size_t i = 0; i < headers->count; i++) {
        const struct header *item = &headers->items[i];

        if ((item->flags & (HEADER_REMOVED | HEADER_HOP_BY_HOP)) ||
            (skip & HEADER_BIT(item->id) & ~UINT64_C(1))) {
            continue;
        }
        written |= HEADER_BIT(item->id);
        if (item->flags & HEADER_RAW_LINE) {
            if (run.len && run.ptr + run.len == item->name.ptr) {
                run.len += item->line_len;
            } else {
                stage_put(stage, run);
                run = slice_of(item->name.ptr, item->line_len);
            }
            continue;
        }
        stage_put(stage, run);
        run.len = 0;
        if (!check || (item->flags & HEADER_SAFE) || harmless(item)) {
            put_field(stage, item->name, item->value);
        }
    }
    stage_put(stage, run);
    return written;
}
