/*
 * pool.h - memory that dies together: one pool per request, per document, per model.
 *
 * A bump allocator over a list of chunks. Nothing is freed singly. Two ways to ask:
 * pool_alloc() for small sizes that we choose (dies when the machine is out of memory) and
 * pool_try_alloc() for sizes a peer chooses (NULL past the pool's limit). Not thread-safe.
 */
#ifndef WEIR_COMMON_BASE_POOL_H
#define WEIR_COMMON_BASE_POOL_H

#include <stdarg.h>

#include "common/base/slice.h"

struct pool;

/* first: bytes of the first chunk, kept over pool_reset(). limit: the sum of all bytes that
 * pool_try_alloc() may bring the pool to; 0 means no limit. Never NULL. */
struct pool *pool_new(size_t first, size_t limit);

/* Frees everything; NULL is fine. */
void pool_free(struct pool *pool);

/* Forgets everything, keeps the first chunk for the next use. */
void pool_reset(struct pool *pool);

/* `size` bytes aligned to 16, not cleared. Dies when memory is out; ignores the limit. */
void *pool_alloc(struct pool *pool, size_t size);

/* As pool_alloc, cleared. */
void *pool_zalloc(struct pool *pool, size_t size);

/* NULL past the limit or when memory is out. Not aligned beyond 1 when size is odd: for bytes. */
void *pool_try_alloc(struct pool *pool, size_t size);

/* Copies; the copy is followed by a NUL byte that is not counted. Dies when out of memory. */
struct slice pool_copy(struct pool *pool, struct slice s);

/* a followed by b in one piece; false past the limit (then *out is untouched). */
bool pool_join(struct pool *pool, struct slice a, struct slice b, struct slice *out);

/* printf into the pool, followed by a NUL byte that is not counted. Dies when out of memory; for our own texts, not for
 * peers' sizes. */
struct slice pool_printf(struct pool *pool, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, of at most so many bytes: messages that say what others wrote, however long. */
struct slice pool_vprintf(struct pool *pool, size_t most, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* Bytes asked of the system by this pool now. */
size_t pool_bytes(const struct pool *pool);

/* Grows an array that lives in the pool: returns items or a moved copy with room for count + 1,
 * doubling *capacity. Dies when out of memory. */
void *pool_grow(struct pool *pool, void *items, size_t count, size_t *capacity, size_t item_size);

#endif
