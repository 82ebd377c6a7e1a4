/*
 * doc_internal.h - what the readers of document trees share among themselves; nobody else includes it.
 */
#ifndef WEIR_COMMON_DOC_DOC_INTERNAL_H
#define WEIR_COMMON_DOC_DOC_INTERNAL_H

#include "common/doc/doc.h"

#define DOC_MAX_DEPTH 64
#define DOC_MAX_BYTES ((size_t)64 * 1024 * 1024)

/* Text to number, for tables that a document's author fills: seeded, so that keys cannot be chosen to collide. */
struct doc_index {
    struct doc_index_slot *slots;
    size_t capacity, used; /* capacity is a power of two */
};

void doc_index_free(struct doc_index *index);
/* False when the key is there already (its value stays). The key's bytes must live as long as the index. */
bool doc_index_add(struct doc_index *index, struct slice key, uint32_t value);
/* Adds or overwrites. */
void doc_index_set(struct doc_index *index, struct slice key, uint32_t value);
bool doc_index_find(const struct doc_index *index, struct slice key, uint32_t *value);

/* Writes "NAME:LINE:COLUMN: text"; returns -EINVAL. Parts that are unknown (empty, 0) are left out. */
int doc_fail(struct error *why, struct slice name, size_t line, size_t column, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* -EFBIG with its text when a document of this size is not read at all. */
int doc_check_size(struct error *why, struct slice name, struct slice text);

struct doc *doc_make(struct pool *pool, enum doc_kind kind, struct slice file, size_t line, size_t column);
/* Adds at the end without looking for an entry of the same key. The key's bytes are not copied. */
void doc_map_append(struct pool *pool, struct doc *map, struct slice key, size_t line, struct doc *value);
/* The first entry whose key stands before it too, or NULL. */
const struct doc_entry *doc_map_duplicate(const struct doc *map);

/* Position of the first byte that is not part of valid UTF-8, or -1. */
ptrdiff_t doc_invalid_utf8(struct slice text);
/* Writes 1 to 4 bytes; 0 when it is no character (surrogate, above U+10FFFF). */
size_t doc_put_utf8(uint32_t codepoint, char out[4]);

/* Go's strconv.ParseInt(text, 0, 64) without underscores: decimal, 0x, 0o, 0b, and a leading 0 as octal. */
bool doc_parse_int(struct slice text, int64_t *out);
/* strtod on exactly this text, in the C locale's syntax; false when something is left over or it is out of range. */
bool doc_parse_float(struct slice text, double *out);

#endif
