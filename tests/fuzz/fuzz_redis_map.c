/*
 * fuzz_redis_map.c - what nodes of a Redis Cluster say: an answer has one length however it comes, and a map that is made of
 * one is whole: its ranges in order, each of a node that it has.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/net/redis_cluster.h"

static unsigned number(const uint8_t bytes[2])
{
    return (unsigned)bytes[0] << 8 | bytes[1];
}

static void look(struct slice map)
{
    struct slice nodes, ranges;
    unsigned count = 0, next = 0;

    if (!redis_map_parts(map, &nodes, &ranges) || ranges.len == 0) {
        abort();
    }
    while (nodes.ptr) {
        struct slice node = slice_split(&nodes, '\n');

        count++;
        if (!redis_node_is(node, node, node) || slice_find(node, '/') >= 0 || slice_find(node, '@') >= 0) {
            abort();
        }
    }
    for (size_t i = 0; i < ranges.len; i += sizeof(struct redis_range)) {
        const struct redis_range *range = (const void *)(ranges.ptr + i);

        if (number(range->first) < next || number(range->last) < number(range->first) ||
            number(range->last) >= REDIS_SLOTS || number(range->node) >= count ||
            redis_range_find(ranges, number(range->last)) != (int)number(range->node)) {
            abort();
        }
        next = number(range->last) + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of((const char *)data, size), node;
    struct redis_scan whole = {.at = 0}, parts = {.at = 0};
    ssize_t n = redis_answer_scan(&whole, bytes), piecemeal = 0;
    struct error why;
    struct text map;

    if (n > (ssize_t)size) {
        abort();
    }
    for (size_t len = 0; piecemeal == 0 && len <= size; len++) {
        char *exact = malloc(len ? len : 1); /* its end is watched */

        memcpy(exact, data, len);
        piecemeal = redis_answer_scan(&parts, slice_of(exact, len));
        free(exact);
    }
    if (piecemeal != n) {
        abort();
    }
    text_init(&map);
    if (redis_map_read(bytes, SLICE("127.0.0.1"), &map, &why) == 0) {
        look(text_slice(&map));
    }
    text_free(&map);
    (void)redis_redirect_read(bytes, &node);
    (void)redis_slot_of(bytes);
    return 0;
}
