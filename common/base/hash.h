/*
 * hash.h - 64-bit hashes. hash_bytes is for tables whose keys we or peers choose (give it a seed);
 * hash_step extends a hash byte by byte, so that every prefix of a path is hashed in one walk.
 * None of them is cryptographic.
 */
#ifndef WEIR_COMMON_BASE_HASH_H
#define WEIR_COMMON_BASE_HASH_H

#include "common/base/slice.h"

uint64_t hash_bytes(uint64_t seed, const void *data, size_t len);

static inline uint64_t hash_slice(uint64_t seed, struct slice s)
{
    return hash_bytes(seed, s.ptr, s.len);
}

static inline uint64_t hash_step(uint64_t state, unsigned char c)
{
    return (state ^ c) * 0x100000001b3ULL;
}

/* Spreads the bits of a stepped state; use before taking table positions from it. */
static inline uint64_t hash_finish(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93ULL;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93ULL;
    return x ^ (x >> 32);
}

#endif
