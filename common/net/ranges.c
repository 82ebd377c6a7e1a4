/*
 * ranges.c - see ranges.h.
 */
#include "common/net/ranges.h"

#include <stdlib.h>
#include <string.h>

struct range {                   /* bytes only */
    uint8_t first[17], last[17]; /* the family, then the address */
};

static struct range range_of(const struct cidr *cidr)
{
    size_t size = cidr->family == 4 ? 4 : 16;
    struct range range = {.first = {cidr->family}, .last = {cidr->family}};

    memcpy(range.first + 1, cidr->bytes, size);
    memcpy(range.last + 1, cidr->bytes, size);
    for (size_t bit = cidr->bits; bit < size * 8; bit++) {
        range.last[1 + bit / 8] |= (uint8_t)(0x80u >> bit % 8);
    }
    return range;
}

static int by_first(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(((struct range *)0)->first));
}

/* Does the second one, which begins no earlier, begin within the first or right behind it? */
static bool touches(const struct range *range, const struct range *next)
{
    uint8_t behind[sizeof(range->last)];

    if (memcmp(next->first, range->last, sizeof(behind)) <= 0) {
        return true;
    }
    memcpy(behind, range->last, sizeof(behind));
    for (size_t i = range->last[0] == 4 ? 5 : sizeof(behind); --i > 0;) {
        if (++behind[i] != 0) {
            break; /* no carry into the byte before */
        }
    }
    return memcmp(next->first, behind, sizeof(behind)) == 0;
}

struct slice ranges_make(struct pool *pool, const struct cidr *cidrs, size_t count)
{
    struct range *ranges = pool_alloc(pool, (count + 1) * sizeof(*ranges));
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        ranges[i] = range_of(&cidrs[i]);
    }
    if (count > 1) {
        qsort(ranges, count, sizeof(*ranges), by_first);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !touches(&ranges[kept - 1], &ranges[i])) {
            ranges[kept++] = ranges[i];
        } else if (memcmp(ranges[kept - 1].last, ranges[i].last, sizeof(ranges->last)) < 0) {
            memcpy(ranges[kept - 1].last, ranges[i].last, sizeof(ranges->last));
        }
    }
    return slice_of((const char *)ranges, kept * sizeof(*ranges));
}

bool ranges_hold(struct slice set, const struct address *address)
{
    const struct range *ranges = (const struct range *)(const void *)set.ptr;
    size_t low = 0, high = set.len / sizeof(*ranges);
    uint8_t key[17] = {address->family};

    if (address->family != 4 && address->family != 6) {
        return false;
    }
    memcpy(key + 1, address->bytes, address->family == 4 ? 4 : 16);
    while (low < high) { /* the last one that begins at or before it is ranges[low - 1] */
        size_t middle = low + (high - low) / 2;

        if (memcmp(ranges[middle].first, key, sizeof(key)) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 && memcmp(key, ranges[low - 1].last, sizeof(key)) <= 0;
}
