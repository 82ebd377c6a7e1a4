/*
 * pool.c - a bump allocator over a list of chunks; see pool.h.
 *
 * The struct and its first chunk are one allocation, so a pool that stays small costs one malloc.
 * Later chunks double up to 256 KiB; what is larger than that gets a chunk of its own size.
 *
 * With AddressSanitizer nothing may be touched but what was handed out, and each block has a gap behind it: else whoever writes
 * behind the end of one only hits the next.
 */
#include "common/base/pool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define GAP ((size_t)16)
#define CLOSE(ptr, size) ASAN_POISON_MEMORY_REGION(ptr, size)
#define OPEN(ptr, size) ASAN_UNPOISON_MEMORY_REGION(ptr, size)
#else
#define GAP ((size_t)0)
#define CLOSE(ptr, size) ((void)0)
#define OPEN(ptr, size) ((void)0)
#endif

#define ALIGNMENT ((size_t)16)
#define CHUNK_MAX ((size_t)256 * 1024)

struct chunk {
    struct chunk *older;
    size_t size; /* of data */
    _Alignas(16) char data[];
};

struct pool {
    char *next, *end; /* free part of the newest chunk */
    struct chunk *newest;
    size_t bytes, limit, grow;
    size_t first_size;
    _Alignas(16) char first[];
};

struct pool *pool_new(size_t first, size_t limit)
{
    first = (first + ALIGNMENT - 1) & ~(ALIGNMENT - 1);

    struct pool *pool = xmalloc(sizeof(*pool) + first);

    pool->limit = limit;
    pool->first_size = first;
    pool->newest = NULL;
    pool_reset(pool);
    return pool;
}

void pool_reset(struct pool *pool)
{
    while (pool->newest) {
        struct chunk *older = pool->newest->older;

        OPEN(pool->newest->data, pool->newest->size);
        free(pool->newest);
        pool->newest = older;
    }
    pool->next = pool->first;
    pool->end = pool->first + pool->first_size;
    CLOSE(pool->first, pool->first_size);
    pool->bytes = sizeof(*pool) + pool->first_size;
    pool->grow = pool->first_size > 1024 ? pool->first_size : 1024;
}

void pool_free(struct pool *pool)
{
    if (pool) {
        pool_reset(pool);
        OPEN(pool->first, pool->first_size);
        free(pool);
    }
}

size_t pool_bytes(const struct pool *pool)
{
    return pool->bytes;
}

static bool add_chunk(struct pool *pool, size_t need)
{
    size_t size = need > pool->grow ? need : pool->grow;
    struct chunk *chunk = size <= SIZE_MAX - sizeof(*chunk) ? malloc(sizeof(*chunk) + size) : NULL;

    if (chunk == NULL) {
        return false;
    }
    chunk->older = pool->newest;
    chunk->size = size;
    pool->newest = chunk;
    pool->next = chunk->data;
    pool->end = chunk->data + size;
    CLOSE(chunk->data, size);
    pool->bytes += sizeof(*chunk) + size;
    if (pool->grow < CHUNK_MAX) {
        pool->grow *= 2;
    }
    return true;
}

static void *take(struct pool *pool, size_t size, size_t alignment)
{
    uintptr_t next = ((uintptr_t)pool->next + alignment - 1) & ~(uintptr_t)(alignment - 1);

    if (next > (uintptr_t)pool->end || size > (uintptr_t)pool->end - next) {
        if (size > SIZE_MAX - ALIGNMENT || !add_chunk(pool, size + ALIGNMENT)) {
            return NULL;
        }
        next = ((uintptr_t)pool->next + alignment - 1) & ~(uintptr_t)(alignment - 1);
    }
    pool->next = (char *)next + size;
    OPEN((void *)next, size);
    if (GAP && (size_t)(pool->end - pool->next) > GAP) {
        pool->next += GAP;
    }
    return (void *)next;
}

void *pool_alloc(struct pool *pool, size_t size)
{
    void *block = take(pool, size, ALIGNMENT);

    return block ? block : xmalloc(SIZE_MAX); /* dies with its line */
}

void *pool_zalloc(struct pool *pool, size_t size)
{
    return memset(pool_alloc(pool, size), 0, size);
}

void *pool_try_alloc(struct pool *pool, size_t size)
{
    if (pool->limit > 0 && (size_t)(pool->end - pool->next) < size &&
        (size > pool->limit || pool->bytes > pool->limit - size)) {
        return NULL;
    }
    return take(pool, size, size % ALIGNMENT == 0 ? ALIGNMENT : (size % 8 == 0 ? 8 : 1));
}

struct slice pool_copy(struct pool *pool, struct slice s)
{
    char *copy = take(pool, s.len + 1, 1);

    if (copy == NULL) {
        copy = pool_alloc(pool, s.len + 1);
    }
    if (s.len > 0) {
        memcpy(copy, s.ptr, s.len);
    }
    copy[s.len] = '\0';
    return slice_of(copy, s.len);
}

bool pool_join(struct pool *pool, struct slice a, struct slice b, struct slice *out)
{
    size_t len;

    if (__builtin_add_overflow(a.len, b.len, &len)) {
        return false;
    }
    char *joined = pool_try_alloc(pool, len);

    if (joined == NULL) {
        return false;
    }
    if (a.len > 0) {
        memcpy(joined, a.ptr, a.len);
    }
    if (b.len > 0) {
        memcpy(joined + a.len, b.ptr, b.len);
    }
    *out = slice_of(joined, len);
    return true;
}

struct slice pool_vprintf(struct pool *pool, size_t most, const char *format, va_list args)
{
    va_list again;

    va_copy(again, args);
    int needed = vsnprintf(NULL, 0, format, again);
    va_end(again);

    size_t len = needed < 0 ? 0 : (size_t)needed < most ? (size_t)needed : most;
    char *text = pool_alloc(pool, len + 1);

    text[0] = '\0';
    vsnprintf(text, len + 1, format, args);
    return slice_of(text, len);
}

struct slice pool_printf(struct pool *pool, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct slice text = pool_vprintf(pool, SIZE_MAX - 1, format, args);
    va_end(args);
    return text;
}

void *pool_grow(struct pool *pool, void *items, size_t count, size_t *capacity, size_t item_size)
{
    if (count < *capacity) {
        return items;
    }
    size_t wanted = *capacity ? *capacity * 2 : 8;

    if (wanted > SIZE_MAX / item_size) {
        return xmalloc(SIZE_MAX);
    }
    void *moved = pool_alloc(pool, wanted * item_size);

    if (count > 0) {
        memcpy(moved, items, count * item_size);
    }
    *capacity = wanted;
    return moved;
}
