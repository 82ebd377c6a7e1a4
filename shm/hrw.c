/*
 * hrw.c - see hrw.h: the FNV-1a hash of client and candidate in one, as a part of 1, stretched by its logarithm so that
 * each wins as often as its weight says.
 */
#include "shm/hrw.h"

#include <math.h>

static uint64_t fnv1a(uint64_t hash, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ (unsigned char)text.ptr[i]) * 0x100000001b3ULL;
    }
    return hash;
}

uint64_t hrw_client(struct slice client)
{
    return fnv1a(0xcbf29ce484222325ULL, client);
}

double hrw_score(uint64_t client, struct slice candidate, uint32_t weight)
{
    double part = (double)fnv1a(client, candidate) / 0x1p64;

    return part < 1.0 ? 1.0 / -log(part) * weight : INFINITY;
}
