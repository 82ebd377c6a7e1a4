/*
 * hash.c - a fast 64-bit hash of bytes: eight at a time, multiplied and folded (wyhash's construction).
 */
#include "common/base/hash.h"

static uint64_t fold(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load(const unsigned char *p, size_t len)
{
    uint64_t value = 0;

    memcpy(&value, p, len);
    return value;
}

uint64_t hash_bytes(uint64_t seed, const void *data, size_t len)
{
    static const uint64_t k0 = 0xa0761d6478bd642fULL, k1 = 0xe7037ed1a0b428dbULL, k2 = 0x8ebc6af09c88c6e3ULL;
    const unsigned char *p = data;
    size_t left = len;

    seed ^= k0;
    while (left >= 16) {
        seed = fold(load(p, 8) ^ k1, load(p + 8, 8) ^ seed);
        p += 16;
        left -= 16;
    }
    uint64_t a = 0, b = 0;

    if (left >= 8) {
        a = load(p, 8);
        b = left > 8 ? load(p + 8, left - 8) : 0;
    } else if (left > 0) {
        a = load(p, left);
    }
    return hash_finish(fold(a ^ k2 ^ len, b ^ seed) ^ seed);
}
